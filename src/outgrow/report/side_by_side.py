"""Two experiments side by side as one self-contained HTML page."""

from __future__ import annotations

from pathlib import Path

from outgrow.finding import Finding
from outgrow.report import findings
from outgrow.report.contents import drawn_of, embedded
from outgrow.report.page import write_page
from outgrow.report.rendering import plain, rendered

NAME = "compare"


def write(path: Path, names: tuple[str, str], finding: Finding) -> None:
    """Write the page in place of an earlier one. Raises UserError if it cannot be written, or is no page."""
    write_page(path, html(names, finding))


def html(names: tuple[str, str], finding: Finding) -> str:
    """The page as HTML; equal findings give equal bytes."""
    command = f"outgrow compare {names[0]}.toml {names[1]}.toml"
    shown = {
        "name": NAME,
        "finding": finding,
        "figure": drawn_of(NAME, finding, command, embedded),
        "csv_url": embedded(f"{NAME}.csv", findings.as_csv(finding.table)),
        "command": command,
    }
    return rendered("compare.html.j2", names=names, each=shown, shown=findings.shown, head=findings.head, plain=plain)
