"""Every block of the README runs, with small models in place of the hub's; the pages name files that exist."""

from __future__ import annotations

import csv
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from contracts.samples import tiny_checkpoint
from text_files import REPOSITORY, reviews

from outgrow.config import experiment_from

README = (REPOSITORY / "README.md").read_text()
PAGES = [*(REPOSITORY / f"{name}.md" for name in ("README", "CONTRIBUTING")), *(REPOSITORY / "docs").rglob("*.md")]


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.DOTALL | re.MULTILINE)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with the README's TOML and the file it names."""
    rows = reviews(400)
    with (tmp_path / "reviews.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    (toml,) = blocks("toml")
    tiny_checkpoint(tmp_path / "weak")
    tiny_checkpoint(tmp_path / "strong")
    for name, here in (("prajjwal1/bert-tiny", "./weak"), ("microsoft/deberta-v3-base", "./strong")):
        assert name in toml
        toml = toml.replace(name, here)
    (tmp_path / "reviews.toml").write_text(toml.replace("seeds = [0, 1, 2, 3, 4]", "seeds = [0, 1]"))
    return tmp_path


def test_the_commands_run_one_after_the_other(project: Path) -> None:
    lines = [line.split("#")[0].strip() for line in blocks("bash")[1].splitlines()]
    assert [line.split()[1] for line in lines] == ["plan", "run", "results", "check"]
    for line in lines:
        command = line.replace("sizes.test=500", "sizes.test=50").split()[1:]
        done = subprocess.run(
            [sys.executable, "-m", "outgrow", *command], cwd=project, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
    assert (project / "reviews-report.html").exists()


def test_the_supervisors_are_a_model_an_ensemble_a_file_and_a_plug_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (line,) = re.findall(r"^    (weak = .*)$", README, re.MULTILINE)
    page = (REPOSITORY / "docs/extending.md").read_text()
    found = re.search(r"<!-- test: my_supervisors.py -->\n```python\n(.*?)```", page, re.DOTALL)
    assert found
    (tmp_path / "my_supervisors.py").write_text(found[1])
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "my_supervisors", raising=False)
    table = tomllib.loads(blocks("toml")[0]) | tomllib.loads(line)
    names = [supervisor.name for supervisor in experiment_from(table).supervisors]
    tiny, mini = "hf/prajjwal1/bert-tiny", "hf/prajjwal1/bert-mini"
    assert names == [tiny, f"{tiny} + {mini}", "file/llm", "keywords"]


def test_the_two_commands_are_targets_of_the_makefile() -> None:
    targets = re.findall(r"^(\w+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE)
    for line in blocks("bash")[0].splitlines():
        assert line.split()[1] in targets


def test_every_folder_and_link_of_the_readme_is_there() -> None:
    for link in re.findall(r"\]\((?!https?://)([^)#]+)\)", README):
        assert (REPOSITORY / link).exists(), link
    for row in re.findall(r"^\| (`[^|]*`) \|", README, re.MULTILINE):
        for name in re.findall(r"`([^`]+)`", row):
            assert (REPOSITORY / name).exists() or (REPOSITORY / "src/outgrow" / name).exists(), name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(REPOSITORY).as_posix())
def test_every_test_and_link_that_a_page_names_is_there(page: Path) -> None:
    text = page.read_text()
    for name in re.findall(r"`(?:tests/)?([\w/]*test_\w+\.py)`", text):
        assert (REPOSITORY / "tests" / name).exists(), name
    for link in re.findall(r"\]\((?!https?://)([^)#]+)", text):
        assert (page.parent / link).exists(), link


@pytest.mark.slow
@pytest.mark.timeout(900)  # two seeds of the main job, unshrunk
def test_the_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = blocks("python")
    assert len(code.splitlines()) <= 10
    (tmp_path / "examples").symlink_to(REPOSITORY / "examples")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(os.environ, "OMP_NUM_THREADS", "1")
    script = tmp_path / "script.py"
    script.write_text(code)
    done = subprocess.run([sys.executable, script.name], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "chess-puzzles ladder/queen" in done.stdout
    assert " steps computed, 0 failed" in done.stdout
    assert (tmp_path / "chess.html").exists()
