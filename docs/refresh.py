"""Put results into the documentation: `python -m docs.refresh PAGE ...`, or `make figures` with a report's picture."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from docs import claims

ROOT = Path(__file__).parents[1]
MARKS = re.compile(r"<!-- results: ((?:outgrow|bench\.\w+) .*?) -->\n(.*?)<!-- end -->", re.DOTALL)
FIGURES = re.compile(r"<!-- figure: (outgrow .*?) -->\n!\[.*?\]\((.*?)\)")
CLAIMS = re.compile(r"<!-- claims -->\n(.*?)<!-- end -->", re.DOTALL)
NOT_STORED = "score yet"  # why a PGR is withheld where an experiment has not run
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--disable-background-networking")


def results(page: Path) -> None:
    """The tables and figures of a page, each by the command that stands in its mark, and the claims that are read from
    them. A table stays as it is where results are not stored."""
    text = page.read_text()
    page.write_text(MARKS.sub(_made, text))
    table = claims.of_folder(ROOT / "docs/results")
    page.write_text(CLAIMS.sub(lambda mark: f"<!-- claims -->\n\n{table}\n\n<!-- end -->", page.read_text()))
    for command, name in FIGURES.findall(text):
        (page.parent / name).write_text(_printed(command))


def _made(mark: re.Match[str]) -> str:
    printed = _printed(mark[1])
    if NOT_STORED in printed:
        print(f"not stored, its table stays: {mark[1]}")
        return mark[0]
    shown = printed.strip()
    if mark[1].startswith("outgrow") and " --analysis " not in mark[1]:
        shown = over_all_seeds(printed)
    return f"<!-- results: {mark[1]} -->\n\n{shown}\n\n<!-- end -->"


def _printed(command: str) -> str:
    run = [sys.executable, "-m", *command.split()]
    return subprocess.run(run, cwd=ROOT, check=True, capture_output=True, text=True).stdout


def over_all_seeds(printed: str) -> str:
    """Of a table the rows over all seeds, with what stands below it of them."""
    table, _, below = printed.partition("\n\n")
    header, rule, *rows = table.splitlines()
    kept = [row for row in rows if "| all |" in row or "| seed |" not in header]
    marks = set(re.findall(r"\[\d+\]", "\n".join(kept)))
    notes = [note for note in below.splitlines() if note.split()[:1] and note.split()[0] in marks]
    notes = [*(note for note in below.splitlines() if note.startswith("vs first: ")), *notes]
    return "\n".join([header, rule, *kept, *([""] if notes else []), *notes])


def picture() -> None:
    """The first screen of the report, where there is a browser."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        sys.exit("no chromium here: the picture stays as it is")
    with tempfile.TemporaryDirectory() as profile:
        shot = f"--screenshot={ROOT / 'docs/report.png'}"
        page = (ROOT / "report.html").as_uri()
        command = [browser, *FLAGS, f"--user-data-dir={profile}", "--window-size=1100,900", shot, page]
        subprocess.run(command, check=True, capture_output=True)


if __name__ == "__main__":
    pages = [Path(name) for name in sys.argv[1:]] or [ROOT / "README.md"]
    for each in pages:
        results(each)
    if not sys.argv[1:]:
        picture()
