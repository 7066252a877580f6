"""Every verb of the command line on an experiment that needs no ML library: what it prints, how it ends."""

from __future__ import annotations

import base64
import csv
import gzip
import io
import json
import re
import tomllib
from collections.abc import Iterator
from importlib.resources import files
from itertools import pairwise
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from outgrow.chess import board as chess
from outgrow.cli import app, main
from outgrow.store import Store
from outgrow.tasks.chess_puzzles import ChessPuzzles

QUIZ = """\
task = "fakes:FakeTask"
weak = "fakes:FakeModel/small"
strong = "fakes:FakeModel/large"
seeds = [0, 1]

[[methods]]
label = "naive"

[[methods]]
label = "other"
loss = { name = "fakes:FakeLoss", weight = 0.25 }

[recipes."fakes/small"]
name = "fakes:FakeMethod"

[recipes."fakes/large"]
name = "fakes:FakeMethod"
"""
BROKEN = QUIZ.replace('label = "other"', 'label = "other"\nfit = { name = "fakes:BrokenMethod", how = "HOW" }')


@pytest.fixture
def quiz(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file, in the working directory; the store is ./runs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OUTGROW_STORE", raising=False)
    (tmp_path / "quiz.toml").write_text(QUIZ)
    return tmp_path / "quiz.toml"


def outgrow(*args: str, answer: str | None = None) -> Result:
    return CliRunner().invoke(app, list(args), input=answer, catch_exceptions=False)


def ended(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str]:
    """The exit code and what is said on stderr."""
    return main(list(args)), capsys.readouterr().err


def test_run_ends_with_the_table_the_report_and_the_time(quiz: Path) -> None:
    done = outgrow("run", "quiz.toml", "--on", "inline")
    assert done.exit_code == 0
    table, _, end = done.stdout.partition("report: ")
    assert "fakes/small" in table
    assert "naive" in table
    assert "other" in table
    path, summary = end.splitlines()
    assert path == "quiz-report.html"
    assert (quiz.parent / path).read_text().lstrip().lower().startswith("<!doctype html")
    assert " steps computed, 0 cached, in " in summary


def test_plain_progress_counts_the_steps(quiz: Path) -> None:
    """Steps of under a second have no line but the last one."""
    done = outgrow("run", "quiz.toml", "--on", "inline")
    lines = done.stderr.splitlines()
    todo = int(lines[0].partition(" ")[0])
    assert lines[0] == f"{todo} steps to do, 0 cached"
    counts = [int(line.partition("/")[0].removeprefix("[")) for line in lines[1:]]
    assert all(line.startswith(f"[{count}/{todo}] ") for count, line in zip(counts, lines[1:], strict=True))
    assert counts == sorted(set(counts))
    assert counts[-1] == todo


def test_a_second_run_computes_nothing_and_leaves_the_report(quiz: Path) -> None:
    outgrow("run", "quiz.toml", "--on", "inline")
    page = quiz.parent / "quiz-report.html"
    before = page.stat().st_mtime_ns
    again = outgrow("run", "quiz.toml", "--on", "inline")
    assert "report: quiz-report.html (up to date)\n0 steps computed, " in again.stdout
    assert page.stat().st_mtime_ns == before


def test_a_report_of_other_numbers_is_written_again(quiz: Path) -> None:
    outgrow("run", "quiz.toml", "--on", "inline")
    fewer = outgrow("run", "quiz.toml", "--on", "inline", "--seeds", "1")
    assert "report: quiz-report.html\n0 steps computed" in fewer.stdout


def test_the_report_has_the_experiment_with_the_options_it_was_run_with(quiz: Path) -> None:
    outgrow("run", "quiz.toml", "--on", "inline", "--seeds", "1")
    embedded = re.search(r'download="experiment.toml" href="data:[^,]*,([^"]*)"', Path("quiz-report.html").read_text())
    assert embedded
    assert tomllib.loads(base64.b64decode(embedded[1]).decode()) == tomllib.loads(QUIZ) | {"seeds": [0]}
    outgrow("report", "quiz.toml", "--out", "there.html")
    assert base64.b64encode(QUIZ.encode()).decode() in Path("there.html").read_text()


def test_the_answers_stand_above_the_table(quiz: Path) -> None:
    output = outgrow("run", "quiz.toml", "--on", "inline").stdout
    assert output.startswith(("The student with naive recovers ", "How much of the gap the student with naive"))
    assert output.index("the student") < output.index("PGR")


def test_the_pool_gives_the_same_numbers(quiz: Path) -> None:
    outgrow("run", "quiz.toml", "--on", "inline", "--store", "one")
    done = outgrow("run", "quiz.toml", "--on", "pool", "--workers", "2", "--store", "two", "--report", "two.html")
    assert done.exit_code == 0
    one, two = (outgrow("results", "quiz.toml", "--store", at, "--format", "json").stdout for at in ("one", "two"))
    assert one == two


def test_the_store_of_the_environment(quiz: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUTGROW_STORE", "elsewhere")
    outgrow("run", "quiz.toml", "--on", "inline")
    assert (quiz.parent / "elsewhere" / "manifests").is_dir()
    assert not (quiz.parent / "runs").exists()


def test_plan_says_what_is_to_do_and_why(quiz: Path) -> None:
    fresh = outgrow("plan", "quiz.toml").stdout.splitlines()
    assert fresh[0].endswith(" steps to do, 0 cached")
    assert all(line.endswith("nothing like it yet") for line in fresh[1:])
    outgrow("run", "quiz.toml", "--on", "inline")
    assert outgrow("plan", "quiz.toml").stdout.startswith("0 steps to do")
    changed = outgrow("plan", "quiz.toml", "--set", "methods.1.loss.weight=0.75", "--seeds", "1").stdout
    assert "loss.weight 0.25 -> 0.75" in changed
    assert changed.splitlines()[0].startswith("3 steps to do")  # fit, predict and score the student


def test_plan_as_json(quiz: Path) -> None:
    planned = json.loads(outgrow("plan", "quiz.toml", "--json").stdout)
    assert planned["cached"] == []
    assert {"key", "title", "why"} == planned["todo"][0].keys()
    assert len(planned["todo"]) == int(outgrow("plan", "quiz.toml").stdout.split()[0])


def test_plan_computes_nothing(quiz: Path) -> None:
    outgrow("plan", "quiz.toml")
    assert not (quiz.parent / "runs").exists()


def test_results_in_every_format(quiz: Path) -> None:
    outgrow("run", "quiz.toml", "--on", "inline")
    records = json.loads(outgrow("results", "quiz.toml", "--format", "json").stdout)
    assert {(r["method"], r["seed"]) for r in records} == {(m, s) for m in ("naive", "other") for s in (0, 1, None)}
    assert all(0 <= r[role] <= 1 for r in records for role in ("floor", "student", "ceiling", "zero_shot"))
    rows = list(csv.DictReader(io.StringIO(outgrow("results", "quiz.toml", "--format", "csv").stdout)))
    assert [float(row["student"]) for row in rows] == [r["student"] for r in records]
    assert "| naive |" in outgrow("results", "quiz.toml", "--format", "md").stdout
    assert "naive" in outgrow("results", "quiz.toml").stdout


def test_results_of_what_has_not_run_are_missing_not_an_error(quiz: Path) -> None:
    records = json.loads(outgrow("results", "quiz.toml", "--format", "json").stdout)
    assert {record["status"] for record in records} == {"missing"}


def test_results_by_a_facet_in_every_format(quiz: Path) -> None:
    outgrow("run", "quiz.toml", "--on", "inline")
    records = json.loads(outgrow("results", "quiz.toml", "--by", "parity", "--format", "json").stdout)
    assert [(r["method"], r["slice"], r["seed"]) for r in records] == [
        (method, half, None) for method in ("naive", "other") for half in ("even", "odd")
    ]
    whole = json.loads(outgrow("results", "quiz.toml", "--format", "json").stdout)[0]
    assert (whole["slice"], sum(r["n_test"] for r in records[:2])) == (None, whole["n_test"])
    rows = list(
        csv.DictReader(io.StringIO(outgrow("results", "quiz.toml", "--by", "parity", "--format", "csv").stdout))
    )
    assert [row["slice"] for row in rows] == [r["slice"] for r in records]
    half = f"even ({records[0]['n_test']})"
    assert f"| naive | {half} |" in outgrow("results", "quiz.toml", "--by", "parity", "--format", "md").stdout
    assert half in outgrow("results", "quiz.toml", "--by", "parity").stdout


def test_report_goes_where_it_is_sent(quiz: Path) -> None:
    outgrow("run", "quiz.toml", "--on", "inline")
    assert outgrow("report", "quiz.toml", "--out", "there.html").stdout == "report: there.html\n"
    assert (quiz.parent / "there.html").exists()


@pytest.mark.parametrize("on", ["inline", "pool"])
def test_a_step_that_the_user_can_mend_is_one_line_and_exit_2(quiz: Path, on: str) -> None:
    quiz.write_text(BROKEN.replace("HOW", "user"))
    done = outgrow("run", "quiz.toml", "--on", on, "--seeds", "1")
    assert done.exit_code == 2
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 3  # the student, its ceiling and its direct
    assert all(
        error.startswith(
            ("error: fit fakes/large on fakes transfer (fit-", "error: fit fakes/large on fakes weak_train (fit-")
        )
        for error in errors
    )
    assert all(error.endswith(": the fake method does not like this: try another") for error in errors)
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].endswith("steps that need these were not run")
    assert "naive" in done.stdout  # the other branch has its numbers


def test_a_fault_of_the_program_keeps_its_traceback_and_exits_1(quiz: Path) -> None:
    quiz.write_text(BROKEN.replace("HOW", "bug"))
    done = outgrow("run", "quiz.toml", "--on", "inline")
    assert done.exit_code == 1
    failed = [line for line in done.stderr.splitlines() if line.startswith("failed: ")]
    assert len(failed) == len(set(failed)) == 6  # the student, its ceiling and its direct of each seed
    assert all("fit fakes/large" in line and "ZeroDivisionError: a fault of the program" in line for line in failed)
    assert done.stderr.count("Traceback") == 1


def test_list_shows_each_name_with_what_it_is() -> None:
    lines = outgrow("list", "executors").stdout.splitlines()
    assert any(line.startswith("inline") and "in this process" in line for line in lines)
    assert [line.split()[0] for line in lines] == sorted(line.split()[0] for line in lines)
    for kind in ("tasks", "models", "supervisors", "losses", "labelling", "methods"):
        assert outgrow("list", kind).stdout.strip()


def test_list_shows_the_sizes_of_the_models_that_ship() -> None:
    lines = outgrow("list", "models").stdout.splitlines()
    after = {line.split()[0]: below.strip() for line, below in pairwise(lines)}
    assert after["ladder"].startswith("pawn 0.12M, knight 0.29M, bishop 0.62M")
    assert after["minilm"] == "l3 17.2M, l6 22.7M"
    assert after["mpnet"] == "base 0.11B"


def fake_shard(folder: Path, recipe: object, shard: int, engine: str | None) -> Path:
    """Stands for an hour of an engine's work."""
    folder.mkdir(exist_ok=True)
    path = folder / f"games-{shard}"
    path.write_text(f"{recipe} {engine}")
    return path


def test_mine_makes_every_shard(quiz: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("outgrow.chess.mining.mine_shard", fake_shard)
    args = ("--out", "games", "--shards", "3", "--seed", "7", "--workers", "2", "--engine", "fish")
    done = outgrow("mine", *args)
    assert done.exit_code == 0
    assert sorted(line.partition(" ")[0] for line in done.stderr.splitlines()) == ["[1/3]", "[2/3]", "[3/3]"]
    found = sorted((quiz.parent / "games").iterdir())
    assert [path.name for path in found] == ["games-0", "games-1", "games-2"]
    assert all("seed=7" in path.read_text() and path.read_text().endswith(" fish") for path in found)


def test_collect_makes_tables_of_mined_games_or_says_that_there_are_none(
    quiz: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, stderr = ended(capsys, "collect", "games", "--out", "tables")
    assert (code, stderr) == (2, "error: games holds no mined games: make some with outgrow mine --out games\n")
    (quiz.parent / "games").mkdir()
    ply = {"line": ["e7e5"], "score": 300, "second": 0, "second_move": "c7c5", "effort": 4}
    game = {"game": "0-1", "opening": 1, "moves": ["e2e4", "e7e5"], "plies": [ply | {"confirmed": ply}]}
    with gzip.open(quiz.parent / "games/games-0-00000.jsonl.gz", "wt") as file:
        file.write(json.dumps(game))
    done = outgrow("collect", "games", "--out", "tables")
    assert done.stdout.splitlines()[0] == "1 puzzles"
    assert (quiz.parent / "tables/puzzles.parquet").exists()


def fake_values(prompts: Iterator[tuple[str, str]], engine: str | None, nodes: int) -> Iterator[dict[str, object]]:
    """Stands for a minute of an engine's work: every move of a position is worth as many centipawns as nodes."""
    assert engine == "fish"
    for id, prompt in prompts:
        yield {"id": id, "values": [nodes] * len(chess.legal_moves(chess.read_position(prompt)))}


def test_move_values_are_written_for_the_test_puzzles(
    quiz: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("outgrow.chess.values.valued", fake_values)
    puzzles = str(files("outgrow") / "chess/data/puzzles.parquet")
    how = ("--examples", "3", "--nodes", "7", "--engine", "fish")
    done = outgrow("move-values", puzzles, "--out", "values.parquet", *how)
    assert done.exit_code == 0, done.stderr
    task = ChessPuzzles(source=puzzles, values=str(quiz.parent / "values.parquet"))
    examples = task.examples("test", 4, 0)
    assert list(task.regret(examples)) == list(examples.ids[:3])
    assert outgrow("move-values", puzzles, "--out", "values.parquet", *how).exit_code == 0  # over its own file
    code, stderr = ended(capsys, "move-values", puzzles, "--out", "values.csv")
    assert (code, stderr) == (2, "error: --out values.csv is written as Parquet: name a file that ends in .parquet\n")
    (quiz.parent / "notes.parquet").write_text("mine")
    code, stderr = ended(capsys, "move-values", puzzles, "--out", "notes.parquet", *how)
    assert code == 2
    assert "exists and is not a table of values" in stderr


def test_check_finds_a_flipped_byte(quiz: Path) -> None:
    outgrow("run", "quiz.toml", "--on", "inline")
    assert outgrow("check").stdout.endswith(" artifacts intact, 0 damaged\n")
    victim = next(iter((quiz.parent / "runs").glob("score-*/*/scores.parquet")))
    data = bytearray(victim.read_bytes())
    data[len(data) // 2] ^= 1
    victim.write_bytes(data)
    found = outgrow("check")
    assert found.exit_code == 1
    assert f"damaged: {victim.parents[1].name}: " in found.stderr
    assert found.stdout.endswith("1 damaged\n")


def test_prune_keeps_what_the_files_name(quiz: Path) -> None:
    outgrow("run", "quiz.toml", "--on", "inline")
    before = Store("runs").listing()
    fewer = quiz.parent / "fewer.toml"
    fewer.write_text(QUIZ.replace("[0, 1]", "[0]"))
    kept = {step["key"] for step in json.loads(outgrow("plan", "fewer.toml", "--json").stdout)["cached"]}
    refused = outgrow("check", "--prune", "fewer.toml", answer="n\n")
    assert " artifacts of " in refused.stdout
    assert Store("runs").listing() == before
    done = outgrow("check", "--prune", "fewer.toml", "--yes")
    assert done.stdout.endswith(" bytes freed\n")
    assert kept < Store("runs").listing() < before
    assert outgrow("plan", "fewer.toml").stdout.startswith("0 steps to do")
    assert not outgrow("plan", "quiz.toml").stdout.startswith("0 steps to do")


MISTAKES = {
    ("run", "quizz.toml"): "error: no file called 'quizz.toml'. Did you mean 'quiz.toml'?",
    ("run", "empty.toml"): "error: empty.toml is empty: it needs at least task, weak and strong",
    ("plan", "typo.toml"): "error: typo.toml, line 7: methods[0]: no field called 'lable'. Did you mean 'label'?",
    ("plan", "quiz.toml", "--set", "sizes.tset=5"): "error: --set sizes.tset=5: sizes: no field called 'tset'. Did you",
    ("plan", "quiz.toml", "--seeds", "few"): "error: --seeds few: say how many seeds (--seeds 5)",
    ("run", "quiz.toml", "--on", "pol"): "error: no executor called 'pol'. Did you mean 'pool'? Known: inline, pool",
    ("results", "quiz.toml", "--format", "xml"): "error: no format called 'xml': choose one of table, json, csv, md",
    (
        "results",
        "quiz.toml",
        "--by",
        "partiy",
    ): "error: no facet called 'partiy'. Did you mean 'parity'? Known: fakes: number, parity\n",
    (
        "plan",
        "quiz.toml",
        "--set",
        "strong=['fakes:FakeModel/large', 'fakes:FakeModel/tiny']",
    ): "error: no fake model of size 'tiny': choose",
    ("list", "tsks"): "error: nothing called 'tsks' to list. Did you mean 'tasks'?",
    ("check", "--prune"): "error: --prune keeps what the given files name, and none is given",
    ("check", "quiz.toml"): "error: files say what --prune keeps, or --repair computes: add one",
}


@pytest.mark.parametrize("args", MISTAKES)
def test_a_mistake_is_one_line_on_stderr_and_exit_2(args, quiz: Path, capsys) -> None:
    (quiz.parent / "empty.toml").write_text("")
    (quiz.parent / "typo.toml").write_text(QUIZ.replace("label", "lable"))
    code, text = ended(capsys, *args)
    assert code == 2
    assert text.startswith(MISTAKES[args])
    assert text.count("\n") == 1


def test_an_unknown_option_is_exit_2(capsys) -> None:
    code, text = ended(capsys, "run", "--sed", "1")
    assert code == 2
    assert "No such option: --sed" in text


def test_an_unexpected_error_is_not_hidden(quiz: Path, monkeypatch) -> None:
    monkeypatch.setattr("outgrow.config.read", lambda *args, **named: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        main(["plan", "quiz.toml"])
