"""A checkpoint's tokenizer: loading, padding token, and agreement with the config when both are stored."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from outgrow.graph import Settings
from outgrow.training.checkpoint import readable
from outgrow.types import UserError

PAD = "<|pad|>"  # the name of a padding token that is added
_MARKER = re.compile(r"[<\[{].*[>\]}]|.*pad.*", re.IGNORECASE | re.DOTALL)  # not a word that may end a text


def load_tokenizer(folder: Path, settings: Settings) -> Any:
    """The tokenizer in `folder`. Raises UserError where it cannot be read, or gives no token ids."""
    from transformers import AutoTokenizer

    with readable(f"the tokenizer in {folder}"):
        tokenizer: Any = AutoTokenizer.from_pretrained(folder, trust_remote_code=settings.trust_remote_code)
        ids = [*tokenizer("a")["input_ids"], *tokenizer.all_special_ids, *tokenizer.get_vocab().values()]
    if not all(type(id) is int and id >= 0 for id in ids):
        raise UserError(f"the tokenizer in {folder} gives no token ids: save it again")
    return tokenizer


def single_token(tokenizer: Any, text: str) -> int | None:
    """The id of the one known token that a text is; None where it is none or several."""
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    return ids[0] if len(ids) == 1 and ids[0] != tokenizer.unk_token_id else None


def fit_tokenizer(tokenizer: Any, module: Any, folder: Path, *, pooled: bool) -> None:
    """Give tokenizer and config one padding token. Raises UserError where a token has no embedding.

    `pooled`: the model is a causal classifier. Transformers looks for the last token of a text by comparing ids with
    the padding token's, so that must be a token which no text ends with. Where it is not, or there is none, a new token
    is added, with a row of zeros in the embedding.
    """
    rows = require_embeddings(tokenizer, module, folder)
    own = getattr(module.config, "pad_token_id", None)
    if tokenizer.pad_token is None and isinstance(own, int) and own in tokenizer.all_special_ids:
        tokenizer.pad_token = tokenizer.convert_ids_to_tokens(own)
    if tokenizer.pad_token is None and not pooled:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
    if tokenizer.pad_token is None or (pooled and _may_end_a_text(tokenizer)):
        _add_pad(tokenizer, module, rows)
    if not _counts_from_pad(module):
        module.config.pad_token_id = tokenizer.pad_token_id
    elif module.config.pad_token_id in tokenizer.all_special_ids:
        tokenizer.pad_token = tokenizer.convert_ids_to_tokens(module.config.pad_token_id)


def require_embeddings(tokenizer: Any, module: Any, folder: Path) -> int | None:
    """How many ids the input embedding has; None where a model hashes them. Raises UserError for a token beyond it."""
    rows = _rows(module)
    if rows is not None and (last := max(tokenizer.get_vocab().values(), default=0)) >= rows:
        raise UserError(
            f"{folder}: the tokenizer has the token {tokenizer.convert_ids_to_tokens(last)!r} with id {last}, "
            f"the model's embedding {rows} rows: save the tokenizer that belongs to the model"
        )
    return rows


def make_ordinary(tokenizer: Any, module: Any, longest: int | None, *, classifier: bool) -> None:
    """Set in config and tokenizer what plain transformers needs to give the same predictions."""
    config = module.config
    eos, configured = tokenizer.eos_token_id, getattr(config, "eos_token_id", None)
    if eos is not None and eos != configured and not (isinstance(configured, list) and eos in configured):
        config.eos_token_id = eos
    generation = getattr(module, "generation_config", None)
    if generation is not None:
        generation.pad_token_id, generation.eos_token_id = tokenizer.pad_token_id, config.eos_token_id
    if longest is not None:
        tokenizer.model_max_length = longest
    if classifier:
        tokenizer.padding_side = "right"  # absolute positions count from the left
        # Texts are read without segments, which GPT-2 for one would add to its embeddings.
        tokenizer.model_input_names = [name for name in tokenizer.model_input_names if name != "token_type_ids"]


def _rows(module: Any) -> int | None:
    """How many ids the input embedding has; None where a model hashes them."""
    try:
        return int(module.get_input_embeddings().weight.shape[0])
    except (NotImplementedError, AttributeError):
        return None


def _may_end_a_text(tokenizer: Any) -> bool:
    others = {tokenizer.eos_token_id, tokenizer.unk_token_id, tokenizer.bos_token_id}
    others |= {getattr(tokenizer, f"{name}_token_id", None) for name in ("sep", "cls", "mask")}
    last = tokenizer("a")["input_ids"][-1:]
    return tokenizer.pad_token_id in {*others, *last} or not _MARKER.fullmatch(tokenizer.pad_token)


def _add_pad(tokenizer: Any, module: Any, rows: int | None) -> None:
    import torch

    tokenizer.add_special_tokens({"pad_token": PAD})
    added = tokenizer.pad_token_id
    if rows is None or added < rows:
        return
    with torch.random.fork_rng(devices=[]):
        module.resize_token_embeddings(added + 1, mean_resizing=False)
    with torch.no_grad():
        module.get_input_embeddings().weight[added] = 0


def _counts_from_pad(module: Any) -> bool:
    """Whether positions count from the padding token's id, as RoBERTa's do: changing it would change every output."""
    tables = (part for name, part in module.named_modules() if name.endswith("position_embeddings"))
    return any(getattr(table, "padding_idx", None) is not None for table in tables)
