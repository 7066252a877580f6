"""Lookups of transformers in tensors, whose answers are known here: each would wait for a GPU, in every pass."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def no_lookups() -> Iterator[None]:
    """For passes of texts that are not packed, with a mask only where some are padded, and right without it elsewhere.
    Meanwhile transformers does not look for packed texts, for masks of ones, or for padding without a mask."""
    from transformers import PreTrainedModel, masking_utils

    looks = masking_utils._ignore_bidirectional_mask_sdpa

    def ignored(padding_mask: Any, *args: Any, **options: Any) -> bool:
        return padding_mask is None and looks(None, *args, **options)

    answers: list[tuple[Any, str, Any]] = [
        (masking_utils, "find_packed_sequence_indices", lambda position_ids: None),
        (masking_utils, "_ignore_bidirectional_mask_sdpa", ignored),
        (PreTrainedModel, "warn_if_padding_and_no_attention_mask", lambda self, ids, mask: None),
    ]
    before = [(owner, name, getattr(owner, name)) for owner, name, _ in answers]
    for owner, name, answer in answers:
        setattr(owner, name, answer)
    try:
        yield
    finally:
        for owner, name, original in before:
            setattr(owner, name, original)
