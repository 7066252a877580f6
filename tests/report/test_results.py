"""The numbers of a report against numbers worked by hand, and what it says where there are none."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from invented import BETTER, Know, Riddles, WellRead, computed, experiment

from outgrow.executors.inline import Inline
from outgrow.experiment.definition import Experiment
from outgrow.experiment.grid import cells
from outgrow.experiment.pretrained import Adapt
from outgrow.experiment.technique import Technique
from outgrow.graph import run
from outgrow.methods.base import Predictor
from outgrow.report.record import Record
from outgrow.report.results import read, records
from outgrow.store import Store
from outgrow.training.language_model import Generative

KEYS = [
    *("task", "weak", "strong", "method", "seed", "slice", "metric", "status"),
    *("floor", "floor_low", "floor_high", "label_accuracy", "label_accuracy_low", "label_accuracy_high"),
    *("direct", "direct_low", "direct_high"),
    *("student", "student_low", "student_high", "ceiling", "ceiling_low", "ceiling_high"),
    *("zero_shot", "zero_shot_low", "zero_shot_high", "frozen_probe", "frozen_probe_low", "frozen_probe_high"),
    *("majority", "majority_low", "majority_high", "chance", "chance_low", "chance_high"),
    *("coverage", "coverage_low", "coverage_high"),
    *("pgr", "pgr_low", "pgr_high", "withheld"),
    *("pgr_matched", "pgr_matched_low", "pgr_matched_high", "withheld_matched"),
    *("gap", "gap_low", "gap_high"),
    *("agreement", "agreement_low", "agreement_high"),
    *("agreement_right", "agreement_right_low", "agreement_right_high"),
    *("agreement_wrong", "agreement_wrong_low", "agreement_wrong_high"),
    *("versus_first", "versus_first_low", "versus_first_high", "versus_first_p"),
    *("baseline", "p_holm", "verdict"),
    *("n_seeds", "n_test", "n_groups", "n_dropped", "caveats", "notes"),
]


def close(value: float) -> object:
    return pytest.approx(value, abs=1e-6)


def test_the_records_of_a_grid(planned: Experiment, finished: Store) -> None:
    found = records(planned, finished)
    assert [(row["method"], row["seed"]) for row in found] == [
        (method, seed) for method in ("naive", "better") for seed in (None, 0, 1, 2)
    ]
    for row in found:
        assert list(row) == KEYS
        assert (row["task"], row["weak"], row["strong"], row["status"]) == (
            "riddles-cats",
            "mind/small",
            "mind/big",
            "done",
        )
        assert (row["n_test"], row["n_groups"], row["n_dropped"]) == (40, 40, 5)
        assert row["n_seeds"] == (3 if row["seed"] is None else 1)
    json.dumps(found, allow_nan=False)


def test_an_aggregate_by_hand(planned: Experiment, finished: Store) -> None:
    """Right of 40: floor 16, ceiling 32, zero-shot 12, students 22, 24, 26. PGR (24 − 16) / (32 − 16) = 0.5.

    The floor is the same for all seeds, so its interval is that of 40 examples: the variance of its mean is
    0.4 · 0.6 / 39, its root 0.0784465, times t(39) = 2.0226909: 0.4 ± 0.1586729.
    Student and supervisor agree where both are right (16) or both wrong (18, 16, 14): (34 + 32 + 30) / 120 = 0.8 of
    all, always where the supervisor is right, (18 + 16 + 14) / 72 = 2/3 of where it is wrong.
    """
    row = next(row for row in records(planned, finished) if row["method"] == "naive" and row["seed"] is None)
    assert [row[name] for name in ("floor", "student", "ceiling", "zero_shot")] == [
        close(0.4),
        close(0.6),
        close(0.8),
        close(0.3),
    ]
    assert (row["floor_low"], row["floor_high"]) == (close(0.2413271), close(0.5586729))
    assert (row["pgr"], row["gap"], row["withheld"]) == (close(0.5), close(0.4), None)
    assert row["pgr_low"] < 0.5 < row["pgr_high"]
    assert row["gap_low"] < 0.4 < row["gap_high"]
    assert (row["agreement"], row["agreement_right"], row["agreement_wrong"]) == (close(0.8), close(1), close(2 / 3))
    for name in ("agreement", "agreement_right", "agreement_wrong"):
        assert 0 <= row[f"{name}_low"] <= row[name] <= row[f"{name}_high"] <= 1
    assert row["versus_first"] is row["versus_first_low"] is row["versus_first_high"] is None


def test_one_seed_by_hand(planned: Experiment, finished: Store) -> None:
    """Seed 0: the naive student is right on 22, the better on 26 of 40. PGR 6/16 and 10/16.

    They differ on 4 of 40: 0.1 ± 2.0226909 · √(0.1 · 0.9 / 39) = 0.1 ± 0.0971668.
    """
    naive, better = (row for row in records(planned, finished) if row["seed"] == 0)
    assert (naive["student"], naive["pgr"]) == (close(0.55), close(0.375))
    assert (better["student"], better["pgr"]) == (close(0.65), close(0.625))
    assert (better["versus_first"], better["versus_first_low"], better["versus_first_high"]) == (
        close(0.1),
        close(0.1 - 0.0971668),
        close(0.1 + 0.0971668),
    )


def test_a_finished_experiment_has_no_problems(planned: Experiment, finished: Store) -> None:
    assert read(planned, finished).problems == ()


def test_an_empty_store_gives_records_without_numbers(planned: Experiment, tmp_path: Path) -> None:
    found = read(planned, Store(str(tmp_path)))
    assert len(found.records) == 8
    for record in found.records:
        assert record == Record(
            task="riddles-cats",
            weak="mind/small",
            strong="mind/big",
            method=record.method,
            seed=record.seed,
            status="missing",
            withheld={"pgr": "no floor score yet"},
            baseline="naive",
        )
    # 3 floors; 3 students, 3 ceilings and 3 direct for each of two methods; 3 labels that both learn from, 1 zero-shot
    assert len(found.problems) == 3 + 6 + 6 + 6 + 3 + 1
    assert {problem.status for problem in found.problems} == {"missing"}


def test_an_unfinished_run_shows_what_there_is(planned: Experiment, tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    with Inline() as executor:
        run([cell.floor for cell in cells(planned)], store, executor)
    for record in read(planned, store).records:
        assert (record.value("floor"), record.value("student"), record.value("pgr"), record.n_test) == (
            close(0.4),
            None,
            None,
            40,
        )
        assert (record.status, record.withheld.get("pgr"), record.n_seeds) == ("missing", "no student score yet", 0)


@pytest.mark.parametrize("excuse", ["", "the mind has no checkpoint: give it one"])
def test_a_failed_branch_is_named_and_the_rest_counts(excuse: str, tmp_path: Path) -> None:
    """Without seed 1 the students are right on 22 and 26 of 40: 0.6. Two seeds are too few for a PGR."""
    planned = experiment(student=Know(skill=32, breaks_at_seed=1, excuse=excuse))
    store = Store(str(tmp_path))
    failures = computed(planned, store).failures
    found = read(planned, store, failures)
    whole, *seeds = found.records
    assert [record.status for record in found.records] == ["failed", "done", "failed", "done"]
    assert (whole.value("student"), whole.value("pgr"), whole.n_seeds) == (close(0.6), None, 2)
    assert (whole.withheld.get("pgr") or "").startswith("not determined, the interval ")
    assert (seeds[1].value("student"), seeds[1].value("pgr"), seeds[1].withheld.get("pgr")) == (
        None,
        None,
        "the student has failed",
    )
    assert seeds[1].value("floor") == close(0.4)
    (problem,) = found.problems
    assert problem.step is failures[0].step
    assert problem.why.endswith(excuse or "the mind <boggles>")
    assert [record.status for record in read(planned, store).records] == ["missing", "done", "missing", "done"]


def test_a_damaged_score_is_a_failure_and_not_a_number(tmp_path: Path) -> None:
    planned = experiment(seeds=(0, 1))
    store = Store(str(tmp_path))
    computed(planned, store)
    (score,) = (tmp_path / cells(planned)[0].student.key).glob("*/scores.parquet")
    data = bytearray(score.read_bytes())
    data[len(data) // 2] ^= 1
    score.write_bytes(data)
    found = read(planned, store)
    assert [record.status for record in found.records] == ["failed", "failed", "done"]
    assert found.records[1].value("student") is None
    assert "checksum" in found.problems[0].why


@pytest.mark.parametrize(
    ("groups", "supervisor", "reason"),
    [(10, 16, "too few test groups (10)"), (1, 16, "too few test groups (1)"), (40, 32, "reaches zero")],
)
def test_a_pgr_that_cannot_be_stated_is_withheld(groups: int, supervisor: int, reason: str, tmp_path: Path) -> None:
    planned = experiment(tasks=(Riddles(groups=groups),), supervisor=Know(skill=supervisor), seeds=(0, 1))
    store = Store(str(tmp_path))
    computed(planned, store)
    for row in records(planned, store):
        assert (row["pgr"], row["pgr_low"], row["pgr_high"]) == (None, None, None)
        assert reason in row["withheld"]
        assert row["status"] == "done"
        assert row["floor"] == close(supervisor / 40)
        assert (row["floor_low"] is None) == (groups == 1)
    json.dumps(records(planned, store), allow_nan=False)


def test_reading_imports_no_heavy_library() -> None:
    code = (
        "import sys, outgrow.report.page, outgrow.report.results, outgrow.report.tables, outgrow.report.figures;"
        "print([name for name in ('torch', 'transformers', 'sklearn', 'matplotlib', 'jinja2', 'rich') "
        "if name in sys.modules])"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert output.stdout.strip() == "[]"


@pytest.mark.slow
def test_a_cached_grid_is_read_within_a_second(tmp_path: Path) -> None:
    tasks = (Riddles(tests=1000, groups=700), Riddles(topic="dogs", tests=1000, groups=1000))
    planned = experiment(tasks=tasks, methods=(Technique(), BETTER), seeds=(0, 1, 2, 3, 4))
    store = Store(str(tmp_path))
    computed(planned, store)
    records(experiment(seeds=(0,)), Store(str(tmp_path / "empty")))  # imports
    started = time.process_time()
    found = records(planned, store)
    assert time.process_time() - started < 3.0  # a second on a quiet machine
    assert len(found) == 24


# ---- techniques that adapt, and oracles


def test_an_adapted_student_is_also_set_between_an_adapted_supervisor_and_ceiling(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Right of 40: floor 16, adapted 20; ceiling 32, adapted 36; students 26, 28, 30.

    PGR (28 − 16) / (32 − 16) = 0.75; matched (28 − 20) / (36 − 20) = 0.5.
    """
    monkeypatch.setattr(Adapt, "run", lambda self, ctx: Predictor(ctx.scratch))
    methods = (Technique(), Technique(label="generative", adapt=Generative()))
    planned = experiment(methods=methods, student=WellRead(skill=32), supervisor=WellRead(skill=16))
    store = Store(str(tmp_path))
    assert not computed(planned, store).failures
    naive, generative = read(planned, store).aggregates
    assert naive.value("pgr") == close(0.5)
    assert "pgr_matched" not in naive.estimates
    assert (generative.value("floor"), generative.value("ceiling"), generative.value("pgr")) == (
        close(0.4),
        close(0.8),
        close(0.75),
    )
    assert generative.value("pgr_matched") == close(0.5)
    matched = generative.estimates["pgr_matched"]
    assert matched.low is not None
    assert matched.high is not None
    assert matched.low < 0.5 < matched.high
    assert (naive.withheld.get("pgr_matched"), generative.withheld.get("pgr_matched")) == (None, None)


def test_a_matched_pgr_is_withheld_by_the_rule_of_the_plain_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The plain gap is 32 − 16 of 40; an adapted supervisor that knows 36 leaves none to the adapted ceiling."""
    monkeypatch.setattr(Adapt, "run", lambda self, ctx: Predictor(ctx.scratch))
    methods = (Technique(label="generative", adapt=Generative()),)
    planned = experiment(
        methods=methods, student=WellRead(skill=32), supervisor=WellRead(skill=16, more=20), seeds=(0, 1, 2)
    )
    store = Store(str(tmp_path))
    assert not computed(planned, store).failures
    found = read(planned, store).aggregates[0]
    assert (found.withheld.get("pgr"), found.estimates.get("pgr_matched")) == (None, None)
    assert found.value("pgr") is not None
    assert "reaches zero" in (found.withheld.get("pgr_matched") or "")


def test_an_adapted_ceiling_that_is_not_there_is_missed(tmp_path: Path) -> None:
    planned = experiment(methods=(Technique(label="generative", adapt=Generative()),), seeds=(0,))
    (found, _) = read(planned, Store(str(tmp_path))).records
    assert (found.status, found.value("pgr_matched")) == ("missing", None)


def test_what_cheats_says_so(tmp_path: Path) -> None:
    planned = experiment(methods=(Technique(), Technique(label="truth", oracle="labels")), seeds=(0,))
    found = read(planned, Store(str(tmp_path))).records
    assert [record.method for record in found] == ["naive", "naive", "truth (oracle)", "truth (oracle)"]


def test_the_baseline_is_the_first_method_that_is_no_oracle(tmp_path: Path) -> None:
    """Students that are given the truth know 32 of 40; the naive ones, listed second, 24."""
    oracle = Technique(label="truth", oracle="labels")
    planned = experiment(methods=(oracle, Technique(), BETTER))
    store = Store(str(tmp_path))
    computed(planned, store)
    truth, naive, better = read(planned, store).aggregates
    assert {record.baseline for record in (truth, naive, better)} == {"naive"}
    assert (truth.value("versus_first"), naive.value("versus_first")) == (close(0.2), None)
    assert (better.value("versus_first"), naive.verdict) == (close(0.1), None)
    alone = replace(planned, methods=(oracle,))
    computed(alone, store)
    assert {(record.baseline, record.value("versus_first")) for record in read(alone, store).records} == {(None, None)}
