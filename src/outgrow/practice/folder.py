"""The folder of a fitted model: the model, its card, the report, and a prediction of every row."""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from outgrow.graph import Settings
from outgrow.methods.base import FeatureMethod
from outgrow.practice.checkpoint import FACTS, Facts, write_model
from outgrow.practice.fit import Fitted
from outgrow.practice.report import rendered, report
from outgrow.store import flush
from outgrow.types import UserError


def refuse_foreign(folder: Path) -> None:
    """Raise UserError for a folder that holds something else than a model of ours, which is not overwritten, and for
    one that cannot be written."""
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir()) and not (folder / FACTS).is_file()):
        raise UserError(f"{folder} exists and holds no model of ours, and is not overwritten: name another folder")
    if folder.is_dir() and any(folder.iterdir()):
        foreign = sorted(set(_files(folder)) - set(Facts.load(folder).files))
        if foreign:
            raise UserError(
                f"{folder} holds {foreign[0]}, which outgrow did not write there, and is not overwritten: "
                "move it, or name another folder"
            )
    try:
        draft = _draft(folder)
        draft.mkdir(parents=True)
        draft.rmdir()
    except OSError as error:
        raise _unwritable(folder, error) from None


def _draft(folder: Path) -> Path:
    return (whole := folder.absolute()).with_name(f".{whole.name}.{uuid.uuid4().hex[:8]}")


def _unwritable(folder: Path, error: OSError) -> UserError:
    return UserError(f"{folder} cannot be written ({error.strerror or error}): name another folder")


def earlier_command(folder: Path) -> str:
    """The command that made the model which a folder holds; "" if there is none."""
    try:
        return str(json.loads((folder / "report.json").read_text(encoding="utf-8"))["command"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())


def write_folder(fitted: Fitted, folder: Path, settings: Settings, command: str = "") -> None:
    """Write a fitted model with all that belongs to it. The folder is whole or not there.

    Args:
        fitted: What `fit` returned.
        folder: Where; an earlier model there is replaced.
        settings: The device that opens the model.
        command: How to do it again, for the card.

    Raises:
        UserError: The folder holds something else, or cannot be written.
    """
    with replaced(folder) as draft:
        text = fitted.data.roles.text
        facts = write_model(draft, fitted.graph.fit, fitted.data.classes, fitted.store, settings, text=text)
        write_predictions(fitted, draft / "predictions.parquet")
        finetuned = not isinstance(fitted.graph.fit.method, FeatureMethod)
        texts = {
            "report.json": json.dumps(report(fitted) | {"command": command}, indent=1, ensure_ascii=False),
            "README.md": rendered(fitted, "card.md.j2", kind=facts.kind, finetuned=finetuned, command=command),
            "report.html": rendered(fitted, "page.html.j2", command=command),
        }
        for name, content in texts.items():
            (draft / name).write_text(content, encoding="utf-8")


@contextmanager
def replaced(folder: Path) -> Iterator[Path]:
    """A draft that takes the place of `folder` at the end of the block. Raises UserError where it cannot be written."""
    refuse_foreign(folder)
    folder = Path(os.path.realpath(folder))  # a link stays one
    draft = _draft(folder)
    try:
        draft.mkdir(parents=True)
        yield draft
        facts = Facts.load(draft)
        replace(facts, files=tuple(_files(draft))).save(draft)
        _open_to_all(draft)
        flush(draft)
        if folder.is_dir():
            shutil.rmtree(folder)
        draft.rename(folder)
    except OSError as error:
        raise _unwritable(folder, error) from None
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _open_to_all(folder: Path) -> None:
    """Give the files the permissions of new files: libraries keep those of their temporary files."""
    mask = os.umask(0)
    os.umask(mask)
    for name in _files(folder):
        (folder / name).chmod(0o666 & ~mask)


def write_predictions(fitted: Fitted, path: Path) -> None:
    """A row for each row of the data: id, label, confidence, weak_label (null without one), differs (null likewise)."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    names, found = np.array(fitted.data.classes, dtype=object), fitted.predictions
    weak = dict(zip(fitted.weak.ids, fitted.weak.hard().tolist(), strict=True))
    answers = found.hard()
    given = [weak.get(id) for id in found.ids]
    table = {
        "id": pa.array(found.ids, pa.string()),
        "label": pa.array(names[answers], pa.string()),
        "confidence": pa.array(found.confidence(), pa.float32()),
        "weak_label": pa.array([None if each is None else names[each] for each in given], pa.string()),
        "differs": pa.array(
            [None if each is None else each != own for each, own in zip(given, answers.tolist(), strict=True)],
            pa.bool_(),
        ),
    }
    pq.write_table(pa.table(table), path)
