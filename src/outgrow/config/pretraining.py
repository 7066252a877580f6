"""From a recipe of the ladder to the step that trains a model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from outgrow.config.document import WrongError, load
from outgrow.config.records import ReadOptions, absolute_path, plain, record, value
from outgrow.types import UserError

if TYPE_CHECKING:
    from outgrow.pretrain import Pretrain


def pretraining(path: str | Path) -> Pretrain:
    """The training of a ladder model that a recipe asks for.

    `mined` and `masters` are a folder and a file, `puzzles` a list of files whose positions no line may touch (nor does
    one touch a row of the tables that lie beside the mined games), all relative to the recipe; the tables `mix` and
    `held_out` count the lines to train and to validate on; everything else is a field of `Pretrain`.
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
        named = enumerate(plain(list[str], table.pop("puzzles", []), ("puzzles",)))
        puzzles = [Path(absolute_path(each, ("puzzles", i), options)) for i, each in named]
        mix, held_out = (value(Mix, table.pop(key), (key,), options) for key in ("mix", "held_out"))
        train = corpus_step(mined, masters, puzzles, mix, "train")
        validation = corpus_step(mined, masters, puzzles, held_out, "validation")
        return record(Pretrain, table, (), options, corpus=train, held_out=validation)
    except WrongError as wrong:
        raise document.error(wrong) from None
    except UserError as error:
        raise document.error(WrongError((), str(error))) from None
