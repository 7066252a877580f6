"""Put the demo's results and a picture of its report into the documentation: `make docs`."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--disable-background-networking")


def results() -> None:
    """The table between the marks of the README, by the command that stands in the first of them."""
    readme = ROOT / "README.md"
    text = readme.read_text()
    found = re.search(r"<!-- results: (outgrow .*?) -->\n(.*?)<!-- end -->", text, re.DOTALL)
    assert found, "the README has lost its marks"
    command = [sys.executable, "-m", *found[1].split()]
    printed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    header, rule, *rows = printed.splitlines()
    table = "\n".join([header, rule, *(row for row in rows if "| all |" in row)])
    start, end = found.span(2)
    readme.write_text(f"{text[:start]}\n{table}\n\n{text[end:]}")


def picture() -> None:
    """The first screen of the report, where there is a browser."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        sys.exit("no chromium here: the picture stays as it is")
    with tempfile.TemporaryDirectory() as profile:
        shot = f"--screenshot={ROOT / 'docs/report.png'}"
        page = (ROOT / "report.html").as_uri()
        command = [browser, *FLAGS, f"--user-data-dir={profile}", "--window-size=1100,1500", shot, page]
        subprocess.run(command, check=True, capture_output=True)


if __name__ == "__main__":
    results()
    picture()
