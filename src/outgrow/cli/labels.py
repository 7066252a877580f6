"""`outgrow labels`: how good the labels of a table are, and which rows to audit."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from outgrow.cli.data_options import (
    Abstain,
    Annotator,
    Classes,
    Data,
    Form,
    Gold,
    Id,
    Normalize,
    Replies,
    Text,
    Weak,
    data_from,
)
from outgrow.cli.options import Device, Offline, app
from outgrow.cli.running import writable_file

if TYPE_CHECKING:
    from outgrow.graph import Settings
    from outgrow.practice.data import PracticeData


@app.command()
def labels(
    data: Data,
    text: Text = None,
    weak: Weak = None,
    gold: Gold = None,
    id: Id = None,
    annotator: Annotator = None,
    replies: Replies = None,
    classes: Classes = "",
    form: Form = "auto",
    abstain: Abstain = "-1",
    normalize: Normalize = False,
    model: Annotated[str, typer.Option(help="Frozen features of this model, instead of bags of words.")] = "",
    to_audit: Annotated[
        tuple[int, str],
        typer.Option(metavar="N FILE", help="Write N rows to audit, as CSV with an empty column 'audited'."),
    ] = (0, ""),
    audited: Annotated[Path | None, typer.Option(metavar="FILE", help="The file of --to-audit, with answers.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    report: Annotated[Path | None, typer.Option(metavar="FILE", help="Write an HTML page.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the random draw of rows.")] = 0,
    device: Device = "cpu",
    offline: Offline = False,
) -> None:
    """Show how good labels are: coverage, conflicts, each annotator's accuracy, duplicates, probable errors."""
    from outgrow.graph import Settings
    from outgrow.practice import audits as auditing
    from outgrow.practice.labels import label_report
    from outgrow.practice.show import text as shown
    from outgrow.practice.truth import probable_truth

    _refuse_wrong(to_audit, audited, report)
    table = data_from(
        data, text=text, weak=weak, gold=gold, id=id, annotator=annotator, replies=replies, classes=classes, form=form,
        abstain=abstain, normalize=normalize,
    )  # fmt: skip
    earlier, known = auditing.NONE, auditing.of_data(table)
    if audited:
        table, earlier = auditing.read_audits(audited, table)
        known = earlier
    if to_audit[1]:
        auditing.free_rows(table, earlier, to_audit[0])
    settings = Settings(device=device, offline=offline)
    truth = probable_truth(table, _features(table, model, settings) if model else None)
    found = label_report(table, truth, known)
    if to_audit[1]:
        chosen = auditing.chosen_rows(table, truth, earlier, to_audit[0], seed)
        auditing.write_audits(Path(to_audit[1]), table, truth, chosen)
    if report:
        from outgrow.practice.page import write

        write(report, found)
    typer.echo(_json(found.to_dict()) if as_json else shown(found))
    for path, what in ((to_audit[1], f"{to_audit[0]} rows to audit"), (report, "page")):
        if path:
            typer.echo(f"{what}: {path}", err=as_json)


def _refuse_wrong(to_audit: tuple[int, str], audited: Path | None, report: Path | None) -> None:
    """Raises UserError for files that cannot be written, or that would be lost."""
    import os

    from outgrow.report.page import is_page
    from outgrow.types import UserError

    if to_audit[0] and not to_audit[1]:
        raise UserError(f"--to-audit {to_audit[0]} names no file: name one, such as audit.csv")
    if (
        to_audit[1]
        and Path(to_audit[1]).exists()
        and not (audited and os.path.realpath(audited) == os.path.realpath(to_audit[1]))
    ):
        text = f"--to-audit {to_audit[1]} exists, and somebody's answers may be in it: name another file"
        raise UserError(f"{text}, or add --audited {to_audit[1]}")
    if to_audit[1]:
        writable_file(Path(to_audit[1]), "--to-audit", None, lambda path: True, "a table of audits")
    if report:
        writable_file(report, "--report", None, is_page, "an HTML page")


def _features(table: PracticeData, name: str, settings: Settings) -> Any:
    """Frozen features of the labelled rows. Raises UserError for an unknown model."""
    from outgrow.config.records import ReadOptions, model
    from outgrow.practice.frozen import frozen_features

    named = model(name, ("model",), ReadOptions(folder=Path.cwd())).pinned()
    return frozen_features(named, table.examples(table.labelled), settings)


def _json(found: dict[str, Any]) -> str:
    import json

    return json.dumps(found, indent=1, ensure_ascii=False, allow_nan=False)
