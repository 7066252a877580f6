"""What every analysis keeps to. A new file in outgrow/analyses is tested by itself, once it has a sample."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from samples import ANALYSES

from outgrow.analyses.base import Analysis
from outgrow.executors.inline import Inline
from outgrow.experiment.definition import Experiment
from outgrow.experiment.grid import cells, targets
from outgrow.finding import Finding
from outgrow.graph import Outcome, run, walk
from outgrow.plugins import find, names
from outgrow.report.findings import FINDING_FORMATS, read, text
from outgrow.report.page import html
from outgrow.report.panels import draw
from outgrow.store import Store

Planned = tuple[Analysis, Experiment, Experiment, Store, Outcome]


def computed(experiment: Experiment, store: Store) -> Outcome:
    with Inline() as executor:
        outcome = run(targets(cells(experiment)), store, executor)
    assert not outcome.failures, outcome.failures[0].error_text
    return outcome


@pytest.fixture(scope="module", params=names("analysis"))
def planned(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Planned:
    """The analysis, an experiment without and with it, their store, and what the second run did after the first."""
    if request.param not in ANALYSES:
        pytest.fail(f"the analysis {request.param!r} has no sample: add one to ANALYSES in samples.py")
    analysis, plain = ANALYSES[request.param]()
    store = Store(str(tmp_path_factory.mktemp("analysis")))
    computed(plain, store)
    with_it = replace(plain, analyses=(analysis,))
    return analysis, plain, with_it, store, computed(with_it, store)


def finding_of(planned: Planned) -> Finding:
    analysis, _, experiment, store, _ = planned
    return read(experiment, store)[analysis.name]


def test_no_sample_is_left_over() -> None:
    assert set(ANALYSES) == set(names("analysis"))


@pytest.mark.parametrize("name", names("analysis"))
def test_an_analysis_is_one_documented_frozen_record_that_asks_a_question(name: str) -> None:
    kind = find("analysis", name)
    assert kind.__doc__
    assert kind.__dataclass_params__.frozen  # type: ignore[attr-defined]
    assert kind.question.endswith("?")  # type: ignore[attr-defined]
    assert kind().name == name


def test_no_analysis_imports_torch_or_draws() -> None:
    modules = ", ".join(f"outgrow.analyses.{name.replace('-', '_')}" for name in names("analysis"))
    heavy = {"torch", "transformers", "matplotlib", "sklearn"}
    code = f"import sys, {modules}; print(sorted({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_asking_it_later_computes_nothing_again(planned: Planned) -> None:
    """It is in no key: the steps of the experiment are those of the experiment without it."""
    _, plain, with_it, _, outcome = planned
    before = {step.key for step in walk(targets(cells(plain)))}
    assert before <= {step.key for step in walk(targets(cells(with_it)))}
    assert {step.key for step in outcome.computed} & before == set()


def test_a_finding_is_a_sentence_with_a_table_and_a_figure(planned: Planned) -> None:
    finding = finding_of(planned)
    assert finding.sentence.endswith(".")
    assert "\n" not in finding.sentence
    assert finding.table.rows
    assert finding.figure is not None
    assert finding.figure.panels
    assert finding.figure.caption.endswith(".")
    assert all(note[-1] != "." for note in finding.notes)


def test_equal_artifacts_give_an_equal_finding(planned: Planned) -> None:
    assert repr(finding_of(planned)) == repr(finding_of(planned))
    assert dataclasses.is_dataclass(planned[0])


def test_what_is_not_computed_is_reported(planned: Planned, tmp_path: Path) -> None:
    analysis, _, experiment, _, _ = planned
    assert "Nothing is computed yet" in read(experiment, Store(str(tmp_path)))[analysis.name].sentence


def test_it_is_written_in_every_format(planned: Planned) -> None:
    finding = finding_of(planned)
    written = {format: text(planned[0].name, finding, format) for format in FINDING_FORMATS}
    assert json.loads(written["json"])["sentence"] == finding.sentence
    assert len(list(csv.DictReader(io.StringIO(written["csv"])))) == len(finding.table.rows)
    assert written["md"].count("\n| ") == len(finding.table.rows) + 1
    ElementTree.fromstring(written["svg"])
    assert " ".join(written["table"].split()).startswith(" ".join(finding.sentence.split())[:60])


def test_its_figure_is_drawn_with_every_series(planned: Planned) -> None:
    figure = finding_of(planned).figure
    assert figure is not None
    drawn = draw(figure, "analysis-x")
    ElementTree.fromstring(drawn)
    for panel in figure.panels:
        assert panel.title in drawn
        assert all(series.name in drawn for series in panel.series)


def test_the_report_has_its_section(planned: Planned) -> None:
    analysis, _, experiment, store, _ = planned
    page = html(experiment, store)
    assert f'data-analysis="{analysis.name}"' in page
    assert f'download="{analysis.name}.csv"' in page
    assert page.count('href="#analyses"') == 1
