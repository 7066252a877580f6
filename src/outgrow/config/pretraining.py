"""Reads the recipe of a ladder model: the step that pretrains it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from outgrow.config.document import WrongError, load
from outgrow.config.records import ReadOptions, absolute_path, plain, record, value
from outgrow.types import UserError

if TYPE_CHECKING:
    from outgrow.pretrain import Pretrain


def pretraining(path: str | Path) -> Pretrain:
    """Reads the pretraining recipe of a ladder model from a TOML file.

    Keys: `mined`, the folder of mined games; `masters`, a file of master games; `puzzles`, files whose positions are
    removed from the corpus, as are those of the tables in the folder of the mined games; `mix` and `held_out`, the
    numbers of training and validation lines. Paths are relative to the recipe. All other keys are fields of `Pretrain`.

    Raises UserError with the file and line.
    """
    from outgrow.chess.corpus import Mix
    from outgrow.pretrain import Pretrain, corpus_step

    document = load(Path(path))
    table, options = dict(document.table), ReadOptions(document.folder)
    try:
        for key in ("mined", "masters", "mix", "held_out"):
            if key not in table:
                raise WrongError((), f"it has no {key!r}")
        mined, masters = (
            Path(absolute_path(plain(str, table.pop(key), (key,)), (key,), options)) for key in ("mined", "masters")
        )
        puzzle_files = enumerate(plain(list[str], table.pop("puzzles", []), ("puzzles",)))
        puzzles = [Path(absolute_path(file, ("puzzles", i), options)) for i, file in puzzle_files]
        mix, held_out = (value(Mix, table.pop(key), (key,), options) for key in ("mix", "held_out"))
        train = corpus_step(mined, masters, puzzles, mix, "train")
        validation = corpus_step(mined, masters, puzzles, held_out, "validation")
        return record(Pretrain, table, (), options, corpus=train, held_out=validation)
    except WrongError as wrong:
        raise document.error(wrong) from None
    except UserError as error:
        raise document.error(WrongError((), str(error))) from None
