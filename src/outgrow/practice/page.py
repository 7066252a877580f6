"""The report on labels as one self-contained HTML page, in the look of an experiment's report."""

from __future__ import annotations

import base64
import json
from pathlib import Path

from outgrow.practice.labels import LabelReport
from outgrow.practice.show import BY, CONFUSED, confusion_rows, percent, sentences, suspects_head
from outgrow.report.page import is_page
from outgrow.types import UserError


def html(report: LabelReport) -> str:
    """The page; equal reports give equal bytes."""
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=ChoiceLoader([PackageLoader("outgrow", "practice"), PackageLoader("outgrow", "report")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    data = json.dumps(report.to_dict(), indent=1, ensure_ascii=False, allow_nan=False).encode(errors="replace")
    shown = [each for each in report.annotators if each.confusion and len(report.classes) <= CONFUSED]
    return environment.get_template("labels.html.j2").render(
        report=report,
        sentences=sentences(report),
        suspects_head=suspects_head(report),
        confusions=[(each, confusion_rows(report, each)) for each in shown],
        percent=percent,
        by=BY,
        json_url=f"data:application/json;base64,{base64.b64encode(data).decode()}",
    )


def write(path: Path, report: LabelReport) -> None:
    """Write the page, in place of an earlier one. Raises UserError if the file cannot be written, or is not a page."""
    if not is_page(path):
        raise UserError(f"the report {path} exists and is not an HTML page: choose another file")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(html(report).encode(errors="replace"))
    except OSError as error:
        raise UserError(f"the report {path} cannot be written ({error.strerror}): choose another file") from None
