"""Pretraining of a ladder model: a causal language model of chess lines (a position, then moves).

A TOML recipe describes the corpus and the model. Both are steps, so they are cached, checkpointed and resumed like any
other step.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from outgrow.chess import board as chess
from outgrow.chess.collect import collected
from outgrow.chess.corpus import Corpus, Mix, build
from outgrow.content import digest_of
from outgrow.graph import Context, Resources, Settings, Step, not_hashed
from outgrow.methods.base import Predictor
from outgrow.ranges import above, check_ranges, whole
from outgrow.tasks.base import Shares, split_of
from outgrow.tasks.chess_puzzles import ChessPuzzles
from outgrow.training.loop import TrainingConfig
from outgrow.types import UserError

if TYPE_CHECKING:
    import torch

    from outgrow.training.loop import TrainingResult

POSITION = 35  # the largest number of tokens of a position: 32 pieces, the side to move, castling, en passant


@dataclass(frozen=True, kw_only=True)
class BuildCorpus(Step[Corpus]):
    """The lines of one split of the corpus.

    split: "train" excludes the games of the tasks' validation and test splits; "validation" uses only the games of the
    validation split. Lines are decontaminated against the tables in the folder of the mined games, and against
    `puzzles`.
    """

    kind: ClassVar[str] = "corpus"
    version: ClassVar[int] = 2  # 2: decontaminated against all tables beside the games
    result: ClassVar[type[Any]] = Corpus

    mined: str = not_hashed()
    mined_digest: str
    masters: str = not_hashed()
    masters_digest: str
    puzzles: tuple[ChessPuzzles, ...] = ()
    split: str = "train"
    mix: Mix
    seed: int = 0

    def run(self, ctx: Context) -> Corpus:
        puzzle_positions = frozenset(row.example.id for task in self.puzzles for row in task.load().rows)
        forbidden = puzzle_positions | collected(Path(self.mined))
        return build(Path(self.mined), Path(self.masters), self.mix, self.open_to, forbidden, self.seed)

    def open_to(self, game: str) -> bool:
        """Whether a game may be in the corpus."""
        split = split_of(game, Shares())
        return split == "validation" if self.split == "validation" else split not in ("validation", "test")


@dataclass(frozen=True, kw_only=True)
class Pretrain(TrainingConfig, Step[Predictor]):
    """A GPT-2 that is trained to predict the moves of every line.

    width, layers, heads: hidden size, number of layers and attention heads. positions: context length in tokens.
    learning_rate: of AdamW, for embeddings, norms and biases. matrix_learning_rate: of Muon, for the other matrices.
    The other fields are hyperparameters of the training loop, with other defaults.

    Raises UserError for values out of range, and for a context that is too short for the lines of the corpus.
    """

    kind: ClassVar[str] = "pretrain"
    version: ClassVar[int] = 3  # 2: through the one training loop; 3: Muon in the precision of training
    result: ClassVar[type[Any]] = Predictor

    corpus: BuildCorpus
    held_out: BuildCorpus
    width: int
    layers: int
    heads: int
    positions: int = 192
    seed: int = 0
    learning_rate: float = 3e-3
    matrix_learning_rate: float = 0.02
    epochs: float = 1.0
    schedule: Literal["linear", "cosine", "constant"] = "cosine"
    warmup: float = 0.02
    keep: Literal["best", "last"] = "last"
    checks: int = 100

    def __post_init__(self) -> None:
        super().__post_init__()
        sizes = ("width", "layers", "heads", "positions")
        check_ranges(self, **dict.fromkeys(sizes, whole(1, 100_000)), matrix_learning_rate=above(0))
        if self.width % self.heads:
            raise UserError(f"width is {self.width}, heads {self.heads}: give a width that the heads divide")
        mixes = (self.corpus.mix, self.held_out.mix)
        longest = POSITION + max(max(mix.engine_moves, mix.game_moves) for mix in mixes)
        if self.positions < longest:
            raise UserError(f"positions is {self.positions}: lines of the corpus have up to {longest} tokens")

    def resources(self, settings: Settings) -> Resources:
        return Resources(memory_gb=2, gpus=1 if settings.device.startswith("cuda") else 0)

    @property
    def title(self) -> str:
        return f"pretrain {self.layers} × {self.width}"

    def run(self, ctx: Context) -> Predictor:
        from outgrow.training.language_model import LanguageModelObjective
        from outgrow.training.loop import train
        from outgrow.training.network import prepare

        prepare(ctx.settings)
        corpus, held_out = ctx.load(self.corpus), ctx.load(self.held_out)
        network = self._network().to(ctx.settings.device)
        objective = LanguageModelObjective(network, corpus, held_out, ctx.settings.microbatch)
        trained = train(network, objective, self, self.seed, ctx)
        return self._save(network, trained, corpus.counts, ctx.scratch / "fitted")

    def _network(self) -> Any:
        import torch
        from transformers import GPT2Config, GPT2LMHeadModel

        config: Any = GPT2Config(
            vocab_size=len(chess.vocabulary()),
            n_positions=self.positions,
            n_embd=self.width,
            n_layer=self.layers,
            n_head=self.heads,
            activation_function="gelu_pytorch_tanh",
            resid_pdrop=0.0,
            embd_pdrop=0.0,
            attn_pdrop=0.0,
            bos_token_id=None,
            eos_token_id=None,
            pad_token_id=0,
            tie_word_embeddings=True,
        )
        config._attn_implementation = "eager"  # 10 % faster than SDPA on a CPU at these lengths
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            network: Any = GPT2LMHeadModel(config)
            network.get_input_embeddings().weight.data.copy_(initial_embeddings(self.width))
        return network

    def optimisers(self, module: torch.nn.Module) -> tuple[torch.optim.Optimizer, ...]:
        """Muon for the matrices of the layers, AdamW for all other parameters."""
        import torch

        from outgrow.training.muon import Muon

        inner = {name: w for name, w in module.named_parameters() if w.ndim == 2 and ".h." in name}
        outer = [w for name, w in module.named_parameters() if name not in inner]
        return (
            Muon(
                inner.values(),
                lr=self.matrix_learning_rate,
                dtype=torch.bfloat16 if self.precision == "bf16" else torch.float32,
            ),
            torch.optim.AdamW(outer, lr=self.learning_rate, betas=(0.9, 0.95), weight_decay=0.0, fused=True),
        )

    def _save(self, network: Any, trained: TrainingResult, counts: dict[str, int], folder: Path) -> Predictor:
        import torch

        from outgrow.models.base import quiet

        folder.mkdir(parents=True, exist_ok=True)
        with quiet():
            network.to(torch.bfloat16).save_pretrained(folder)
            tokenizer().save_pretrained(folder)
        (folder / "curve.json").write_text(json.dumps({"curve": trained.curve, "corpus": counts}, indent=1))
        return Predictor(folder).noted(trained.notes)


def initial_embeddings(width: int) -> torch.Tensor:
    """Initial token embeddings [tokens, width], composed of shared random vectors.

    A piece on a square is the sum of a vector for the piece and one for the square; a move is the sum of its two
    squares, under two random rotations, and its promotion. So a small model need not learn 768 piece-squares and 1,968
    moves one by one, which took most of its first minutes of training.
    """
    import torch

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(*shape)

    files, ranks = ({c: draw(width) for c in names} for names in (chess.FILES, chess.RANKS))
    squares = {f + r: files[f] + ranks[r] + draw(width) for f in files for r in ranks}
    pieces = {piece: 1.5 * draw(width) for piece in chess.PIECES}
    leave, arrive = (torch.linalg.qr(draw(width, width))[0] for _ in range(2))
    promotions = {piece: draw(width) for piece in "bnqr"}
    rows = []
    for token in chess.vocabulary():
        if token[0] in pieces and token[1:] in squares:
            rows.append(pieces[token[0]] + squares[token[1:]])
        elif token[:2] in squares and token[2:4] in squares:
            move = leave @ squares[token[:2]] + arrive @ squares[token[2:4]]
            rows.append(move + promotions[token[4]] if token[4:] else move)
        else:
            rows.append(2 * draw(width))
    table = torch.stack(rows)
    return table * (0.1 / table.std())


def tokenizer() -> Any:
    """The tokenizer of the ladder: one id for each word, split at whitespace."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import WhitespaceSplit
    from transformers import PreTrainedTokenizerFast

    vocabulary = {token: i for i, token in enumerate(chess.vocabulary())}
    words = Tokenizer(WordLevel(vocabulary, unk_token="<unk>"))
    words.pre_tokenizer = WhitespaceSplit()
    fast: Any = PreTrainedTokenizerFast
    return fast(tokenizer_object=words, pad_token="<pad>", unk_token="<unk>")


def corpus_step(mined: Path, masters: Path, puzzles: Sequence[Path], mix: Mix, split: str) -> BuildCorpus:
    """The step that builds a corpus from these files, which are identified by their content."""
    return BuildCorpus(
        mined=str(mined),
        mined_digest=digest_of(mined),
        masters=str(masters),
        masters_digest=digest_of(masters),
        puzzles=tuple(ChessPuzzles(source=str(path)).pinned() for path in puzzles),
        split=split,
        mix=mix,
    )
