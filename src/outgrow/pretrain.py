"""Pretraining a rung of the ladder: a causal language model of lines of chess (a position, then moves).

A recipe in TOML names the corpus and the model; the corpus and the model are steps, so both are cached, checkpointed
and resumed like any other.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from outgrow.chess import board as chess
from outgrow.chess.corpus import Corpus, Mix, build
from outgrow.chess.mining import read_games
from outgrow.content import digest_of
from outgrow.graph import Context, Resources, Step, located
from outgrow.methods.base import Predictor
from outgrow.tasks.base import Shares, split_of
from outgrow.types import Ints

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, kw_only=True)
class BuildCorpus(Step[Corpus]):
    """The lines of one split: `train` leaves out the games of the tasks' validation and test splits, `validation` is
    made of the games of the validation split alone."""

    result: ClassVar[type[Any]] = Corpus

    mined: str = located()
    mined_digest: str
    masters: str = located()
    masters_digest: str
    puzzles: str = located()
    puzzles_digest: str
    split: str = "train"
    mix: Mix
    seed: int = 0

    def run(self, ctx: Context) -> Corpus:
        import pyarrow.parquet as pq

        forbidden = frozenset(pq.read_table(self.puzzles, columns=["fen"])["fen"].to_pylist())
        return build(Path(self.mined), Path(self.masters), self.mix, self._closed(), forbidden, self.seed)

    def _closed(self) -> list[str]:
        names = [game["game"] for game in read_games(Path(self.mined))]
        splits = {name: split_of(name, Shares()) for name in names}
        if self.split == "validation":
            return [name for name in names if splits[name] != "validation"]
        return [name for name in names if splits[name] in ("validation", "test")]


@dataclass(frozen=True, kw_only=True)
class Pretrain(Step[Predictor]):
    """A GPT-2 of the given width, depth and heads, trained to predict the moves of every line."""

    result: ClassVar[type[Any]] = Predictor

    corpus: BuildCorpus
    held_out: BuildCorpus
    width: int
    layers: int
    heads: int
    positions: int = 192
    passes: float = 1.0
    batch: int = 32
    learning_rate: float = 3e-3  # of AdamW, for embeddings, norms and biases
    matrix_learning_rate: float = 0.02  # of Muon, for the matrices between them
    warmup: float = 0.02
    clip: float = 1.0
    seed: int = 0

    @property
    def resources(self) -> Resources:
        return Resources(cores=1, memory_gb=2)

    @property
    def title(self) -> str:
        return f"pretrain {self.layers} × {self.width}"

    def run(self, ctx: Context) -> Predictor:
        import torch

        torch.set_num_threads(ctx.settings.threads)
        corpus, held_out = ctx.load(self.corpus), ctx.load(self.held_out)
        network = self._network().to(ctx.settings.device)
        optimisers = self._optimisers(network)
        steps = math.ceil(self.passes * len(corpus) / self.batch)
        curve: list[dict[str, float]] = []
        done = 0
        if last := ctx.last_checkpoint():
            state = torch.load(last / "state.pt", map_location=ctx.settings.device, weights_only=True)
            network.load_state_dict(state["network"])
            for optimiser, stored in zip(optimisers, state["optimisers"], strict=True):
                optimiser.load_state_dict(stored)
            done, curve = state["done"], state["curve"]
        running, counted = 0.0, 0
        for number, rows in enumerate(self._batches(len(corpus), steps)):
            if number < done:
                continue
            loss = move_loss(network, corpus, rows)
            network.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(network.parameters(), self.clip)
            rates = (self.matrix_learning_rate, self.learning_rate)
            for optimiser, rate in zip(optimisers, rates, strict=True):
                optimiser.param_groups[0]["lr"] = rate * schedule(number / steps, self.warmup)
                optimiser.step()
            running, counted, done = running + loss.item(), counted + 1, number + 1
            if done % max(1, steps // 100) == 0 or done == steps:
                curve.append({"lines": done * self.batch, "loss": running / counted, **evaluate(network, held_out)})
                running, counted = 0.0, 0
                ctx.progress(done / steps, f"loss {curve[-1]['loss']:.3f}, held out {curve[-1]['held_out_loss']:.3f}")
            if ctx.checkpoint_due():
                state = {
                    "network": network.state_dict(),
                    "optimisers": [optimiser.state_dict() for optimiser in optimisers],
                    "done": done,
                    "curve": curve,
                }
                ctx.save_checkpoint(lambda folder, state=state: torch.save(state, folder / "state.pt"))  # type: ignore[misc]
        return self._save(network, curve, {**corpus.counts}, ctx.scratch / "checkpoint")

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
        config._attn_implementation = "eager"  # a tenth faster than SDPA on a CPU at these lengths
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            network: Any = GPT2LMHeadModel(config)
            network.get_input_embeddings().weight.data.copy_(initial_embeddings(self.width))
        return network

    def _optimisers(self, network: Any) -> tuple[torch.optim.Optimizer, torch.optim.Optimizer]:
        import torch

        from outgrow.training.muon import Muon

        inner = {name: w for name, w in network.named_parameters() if w.ndim == 2 and ".h." in name}
        outer = [w for name, w in network.named_parameters() if name not in inner]
        return (
            Muon(inner.values(), lr=self.matrix_learning_rate),
            torch.optim.AdamW(outer, lr=self.learning_rate, betas=(0.9, 0.95), weight_decay=0.0, fused=True),
        )

    def _batches(self, lines: int, steps: int) -> Iterator[Ints]:
        """Rows of each step: every pass in its own order. Lines differ little in length, so they are not sorted."""
        number = 0
        for each in range(math.ceil(self.passes)):
            order = np.random.default_rng((self.seed, each)).permutation(lines)
            for start in range(0, lines - self.batch + 1, self.batch):
                if number == steps:
                    return
                yield order[start : start + self.batch]
                number += 1

    def _save(self, network: Any, curve: list[dict[str, float]], counts: dict[str, int], folder: Path) -> Predictor:
        import torch

        folder.mkdir(parents=True, exist_ok=True)
        network.to(torch.bfloat16).save_pretrained(folder)
        tokenizer().save_pretrained(folder)
        (folder / "curve.json").write_text(json.dumps({"curve": curve, "corpus": counts}, indent=1))
        return Predictor(folder)


def initial_embeddings(width: int) -> torch.Tensor:
    """Every token begins as a random sum of what it is made of, [tokens, width]: a piece-square is its piece and its
    square, a move its two squares (each turned its own way) and its promotion. A small model then need not learn
    768 squares and 1,968 moves one by one, which is most of what its first minutes went into."""
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


def schedule(progress: float, warmup: float) -> float:
    """Linear warm-up, then a half cosine down to zero; `progress` in [0, 1)."""
    if progress < warmup:
        return (progress + 1e-4) / warmup
    return 0.5 * (1 + math.cos(math.pi * (progress - warmup) / (1 - warmup)))


def move_loss(network: Any, corpus: Corpus, rows: Ints) -> torch.Tensor:
    """Mean cross-entropy of the moves of these lines, in nats. Right padding needs no mask in a causal model."""
    hidden, weight, targets = _predicted(network, corpus, rows)
    import torch

    return torch.nn.functional.cross_entropy(hidden @ weight.T, targets)


def evaluate(network: Any, corpus: Corpus, lines: int = 1024) -> dict[str, float]:
    """Loss and accuracy of the next move on held-out games: over all moves, and on the first after the position."""
    import torch

    with torch.inference_mode():
        rows = np.arange(min(lines, len(corpus)))
        hidden, weight, targets = _predicted(network, corpus, rows)
        logits = hidden @ weight.T
        right = (logits.argmax(-1) == targets).float()
        lengths = (corpus.offsets[1:] - corpus.starts)[rows]
        first = np.concatenate([[0], np.cumsum(lengths)[:-1]])
        return {
            "held_out_loss": torch.nn.functional.cross_entropy(logits, targets).item(),
            "held_out_accuracy": right.mean().item(),
            "held_out_first_move": right[torch.from_numpy(first)].mean().item(),
        }


def _predicted(network: Any, corpus: Corpus, rows: Ints) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Hidden states that predict a move [moves, width], the output embedding, and the moves [moves]."""
    import torch

    begins, ends, starts = corpus.offsets[rows], corpus.offsets[rows + 1], corpus.starts[rows]
    lengths = ends - begins
    columns = np.arange(lengths.max())
    inside = columns < lengths[:, None]
    tokens = np.where(inside, corpus.tokens[np.minimum(begins[:, None] + columns, ends[:, None] - 1)], 0)
    predicts = inside & (columns >= (starts - begins)[:, None])
    ids = torch.from_numpy(tokens.astype(np.int64)).to(network.device)
    where = torch.from_numpy(predicts[:, 1:]).to(network.device)
    hidden = network.base_model(ids[:, :-1]).last_hidden_state[where]
    return hidden, network.get_output_embeddings().weight, ids[:, 1:][where]


def tokenizer() -> Any:
    """The tokenizer of the ladder: words split at blanks, one id each."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import WhitespaceSplit
    from transformers import PreTrainedTokenizerFast

    vocabulary = {token: i for i, token in enumerate(chess.vocabulary())}
    words = Tokenizer(WordLevel(vocabulary, unk_token="<unk>"))
    words.pre_tokenizer = WhitespaceSplit()
    fast: Any = PreTrainedTokenizerFast
    return fast(tokenizer_object=words, pad_token="<pad>", unk_token="<unk>")


def corpus_step(mined: Path, masters: Path, puzzles: Path, mix: Mix, split: str) -> BuildCorpus:
    """The corpus of these files, identified by their content."""
    return BuildCorpus(
        mined=str(mined),
        mined_digest=digest_of(mined),
        masters=str(masters),
        masters_digest=digest_of(masters),
        puzzles=str(puzzles),
        puzzles_digest=digest_of(puzzles),
        split=split,
        mix=mix,
    )
