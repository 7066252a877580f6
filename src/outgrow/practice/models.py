"""Models by name."""

from __future__ import annotations

from typing import Any

from outgrow.models.base import Model
from outgrow.plugins import find, model_of


def named(text: str) -> Model:
    """The model that a text names: `minilm/l6`, a folder, or a name on the hub. Raises UserError."""
    family, size = model_of(text)
    kind: Any = find("model", family)
    made: Model = kind(size=size)
    return made
