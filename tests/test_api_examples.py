"""The functions that people call: all arguments, results and errors are documented, and the examples run as they stand.

They are those of `outgrow`, and what the pages of `docs/` import.
"""

from __future__ import annotations

import doctest
import inspect
import re
from pathlib import Path
from typing import Any

import cheap
import numpy as np
import pytest
from test_cli import QUIZ

import outgrow
from outgrow import api
from outgrow.measures import pgr, ppi
from outgrow.practice import data, fit, labels, predict
from outgrow.practice.checkpoint import write_model

OF_THE_API = [function for name in outgrow.__all__ if inspect.isfunction(function := getattr(outgrow, name))]
CALLED = [
    *OF_THE_API,
    data.read_data,
    data.PracticeData.from_values,
    labels.label_report,
    fit.fit,
    predict.predict_file,
    pgr.pgr,
    pgr.recovered,
    ppi.powered_mean,
]
RESULTS = [api.Results.report, api.Results.site, api.Results.examples, api.Results.frame, api.Results.findings.func]
OTHERS = [api.Results, *RESULTS, outgrow.WeakToStrongClassifier]
PAGES = [*(Path(__file__).parents[1] / "docs").rglob("*.md"), Path(__file__).parents[1] / "README.md"]
IMPORT = re.compile(r"^from (outgrow\.practice\.\w+) import (.*)$", re.MULTILINE)


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the examples of fits refer to: a checkpoint, texts with weak labels, and a folder with a fitted model."""
    folder = tmp_path_factory.mktemp("fitted")
    model, (texts, truth) = cheap.model(folder), cheap.rows()
    found = fit.fit(cheap.data(), model, store=str(folder / "store"))
    (folder / "model").mkdir()
    write_model(folder / "model", found.graph.fit, cheap.CLASSES, found.store, outgrow.Settings(), text="body")
    return {
        "model": model,
        "folder": model.size,
        "texts": texts,
        "weak": cheap.noisy(truth),
        "written": folder / "model",
    }


def files(folder: Path, written: Path) -> None:
    """The files that examples name, in the working directory."""
    (folder / "experiment.toml").write_text(QUIZ)
    rows = [f"w{i} w{i + 1} w{i + 2},{'good' if i % 2 else 'bad'}" for i in range(20)]
    (folder / "reviews.csv").write_text("\n".join(["body,llm", *rows]))
    (folder / "model").symlink_to(written)


@pytest.mark.parametrize("documented", [*CALLED, *OTHERS], ids=lambda each: each.__qualname__)
def test_the_example_runs(
    documented: Any, fitted: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    files(tmp_path, fitted["written"])
    names = {name: getattr(module, name) for module in (data, labels, fit, predict, pgr, ppi) for name in vars(module)}
    names |= {"outgrow": outgrow, "np": np, "WeakToStrongClassifier": outgrow.WeakToStrongClassifier, **fitted}
    names["data"] = data.PracticeData.from_values(fitted["weak"], fitted["texts"])
    (example,) = doctest.DocTestFinder(recurse=False).find(documented, globs=names)
    assert 1 <= len(example.examples) <= 3
    assert doctest.DocTestRunner(verbose=False).run(example).failed == 0


@pytest.mark.parametrize("documented", CALLED, ids=lambda each: each.__qualname__)
def test_arguments_results_and_errors_are_documented(documented: Any) -> None:
    signature, text = inspect.signature(documented), documented.__doc__ or ""
    section = text.partition("Args:")[2].partition("Returns:")[0]
    named = set(re.findall(r"^\s+([\w, ]+): ", section, re.MULTILINE))
    listed = {name for line in named for name in line.split(", ")}
    assert set(signature.parameters) - listed == set()
    assert "Returns:" in text
    assert "Example:" in text
    source = inspect.getsource(documented)
    assert "Raises:" in text or not re.search(r"raise |resolved\(|read\(", source)


def test_the_pages_import_nothing_else() -> None:
    known = {each.__qualname__.partition(".")[0] for each in CALLED}
    found = {name for page in PAGES for _, names in IMPORT.findall(page.read_text()) for name in names.split(", ")}
    assert found
    assert found - known == set()
