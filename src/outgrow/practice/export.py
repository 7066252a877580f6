"""Take a fitted student out of an experiment."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from outgrow.experiment.cell import Cell
from outgrow.experiment.definition import Experiment
from outgrow.experiment.grid import cells
from outgrow.graph import Settings
from outgrow.practice.checkpoint import write_model
from outgrow.practice.folder import replaced
from outgrow.store import Store
from outgrow.types import UserError


def name_of(cell: Cell) -> str:
    """The name of a cell: `sst2/words/minilm-l6/naive/0`, which has no spaces."""
    parts = (cell.task.name, cell.weak.name, cell.strong.name, cell.method.label, str(cell.seed))
    return "/".join(part.replace("/", "-").replace(" ", "-") for part in parts)


def export(experiment: Experiment, cell: str, folder: Path, store: Store, settings: Settings) -> Cell:
    """Write the student of a cell into a folder, as `outgrow fit` does.

    Args:
        experiment: A pinned experiment.
        cell: The name of the cell, or what only one of the names has, parts with `/` between them: `naive/0`.
        folder: Where; an earlier model there is replaced.
        store: Where the student is stored.
        settings: The device that opens the model.

    Returns:
        The cell whose student was written.

    Raises:
        UserError: No cell, or several, have this name; the student is not stored; or it has no place in a checkpoint.
    """
    found = _the(cells(experiment), cell)
    fit = found.student_fit
    if not store.has(fit.key):
        raise UserError(f"the student of {name_of(found)} is not stored: run the experiment first")
    choices = _choices(found)
    with replaced(folder) as draft:
        write_model(draft, fit, choices, store, settings)
    return found


def _the(grid: Sequence[Cell], name: str) -> Cell:
    names = [name_of(cell) for cell in grid]
    wanted = name.replace(" ", "-")
    matching = [i for i, each in enumerate(names) if each == wanted]
    matching = matching or [i for i, each in enumerate(names) if f"/{wanted}/" in f"/{each}/"]
    if len(matching) == 1:
        return grid[matching[0]]
    listed = [names[i] for i in matching] or names
    shown = ", ".join(listed[:10]) + (f" and {len(listed) - 10} more" if len(listed) > 10 else "")
    raise UserError(f"{'several cells are' if matching else 'no cell is'} called {name!r}: choose one of {shown}")


def _choices(cell: Cell) -> tuple[str, ...]:
    """The classes of a task whose examples share them; of pairs and next tokens, none."""
    if cell.task.readout != "head":
        return ()
    return cell.test.read().rows[0].choices
