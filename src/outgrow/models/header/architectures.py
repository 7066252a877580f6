"""Which architectures the installed transformers knows, without importing it where that can be avoided."""

from __future__ import annotations

from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from outgrow.cache import cached


def is_known(model_type: str) -> bool:
    """Whether transformers has an architecture of this name.

    Most have a folder of their own in the package. For the others transformers is imported, which takes seconds, and
    the answer is cached for its version.
    """
    if model_type.replace("-", "_") in _folders():
        return True
    known: bool = cached("architecture", [model_type, version("transformers")], lambda: _in_mapping(model_type))
    return known


@cache
def _folders() -> frozenset[str]:
    spec = find_spec("transformers")
    packages = (spec.submodule_search_locations if spec else None) or ()
    return frozenset(path.name for each in packages for path in Path(each, "models").iterdir() if path.is_dir())


def _in_mapping(model_type: str) -> bool:
    from transformers import CONFIG_MAPPING

    return model_type in CONFIG_MAPPING
