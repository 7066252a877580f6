"""What every tracker keeps to, against its real local backend. A new file in `outgrow.trackers` is picked up by itself
and needs a way of reading what it wrote in READ."""

from __future__ import annotations

import importlib.util
import json
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from outgrow.plugins import find, names
from outgrow.trackers.base import Tracked
from outgrow.types import UserError

Read = Callable[[Path], dict[str, Mapping[str, float]]]
NAMES = names("tracker")
ROWS = (
    Tracked(id="a1", name="quiz words → l6 naive 0", params={"task": "quiz", "seed": "0"}, metrics={"pgr": 0.25},
            curve=({"loss": 0.5}, {"loss": 0.25})),
    Tracked(id="b2", name="quiz words → l6 naive all", params={"task": "quiz", "seed": "all"}, metrics={"pgr": 0.5}),
)  # fmt: skip


def _tensorboard(folder: Path) -> dict[str, Mapping[str, float]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = {}
    for path in sorted((folder / "tensorboard").iterdir()):
        events = EventAccumulator(str(path)).Reload()
        last = {tag: events.Scalars(tag)[-1].value for tag in events.Tags()["scalars"]}
        found[path.name.rpartition("-")[2]] = last
        assert "_hparams_/session_start_info" in events.summary_metadata
    return found


def _mlflow(folder: Path) -> dict[str, Mapping[str, float]]:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{folder}/mlflow.db")
    there = client.get_experiment_by_name("outgrow").experiment_id
    runs = client.search_runs([there])
    assert all(run.info.status == "FINISHED" and run.data.params["task"] == "quiz" for run in runs)
    return {run.data.tags["outgrow.id"]: run.data.metrics for run in runs}


def _wandb(folder: Path) -> dict[str, Mapping[str, float]]:
    paths = folder.glob("wandb/offline-run-*/run-*.wandb")
    return {path.stem.removeprefix("run-"): _wandb_values(path) for path in paths}


def _wandb_values(path: Path) -> dict[str, float]:
    """Its last values, once it says that the run has ended: another process writes the file."""
    from wandb.proto.wandb_internal_pb2 import Record
    from wandb.sdk.internal.datastore import DataStore

    values, ended, until = dict[str, float](), False, time.monotonic() + 60
    while not ended and time.monotonic() < until:
        store = DataStore()
        store.open_for_scan(str(path))
        while (data := store.scan_data()) is not None:
            record = Record()
            record.ParseFromString(data)
            ended = ended or record.WhichOneof("record_type") == "exit"
            for item in (*record.summary.update, *record.history.item):
                values[item.key or "/".join(item.nested_key)] = json.loads(item.value_json)
    assert ended
    return values


READ: dict[str, Read] = {"tensorboard": _tensorboard, "mlflow": _mlflow, "wandb": _wandb}


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WANDB_ERROR_REPORTING", "false")


def made(name: str) -> Any:
    tracker = find("tracker", name)()
    for module in tracker.packages:
        pytest.importorskip(module, reason="pip install 'outgrow[trackers]'")
    return tracker


@pytest.mark.parametrize("name", NAMES)
def test_its_backend_has_every_row_once(name: str, tmp_path: Path) -> None:
    tracker = made(name)
    assert tracker.name == name
    tracker.check()
    assert tracker.write(ROWS[:1]) == 1
    assert tracker.write(ROWS) == 1  # the first is there
    found = READ[name](tmp_path)
    assert found.keys() == {"a1", "b2"}
    assert found["a1"]["pgr"] == pytest.approx(0.25)
    assert found["b2"]["pgr"] == pytest.approx(0.5)
    assert found["a1"]["fit/loss"] == pytest.approx(0.25)  # the last check
    assert "fit/loss" not in found["b2"]


@pytest.mark.parametrize("name", NAMES)
def test_a_row_that_was_cut_off_is_written_again(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tracker, module = made(name), sys.modules[f"outgrow.trackers.{name}"]

    def cut(*args: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(module, "_write", cut)
        with pytest.raises(KeyboardInterrupt):
            tracker.write(ROWS[:1])
    assert tracker.write(ROWS[:1]) == 1
    assert READ[name](tmp_path)["a1"]["pgr"] == pytest.approx(0.25)


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_package_is_said_before_anything_runs(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    tracker = find("tracker", name)()
    real = importlib.util.find_spec
    monkeypatch.setattr("outgrow.trackers.base.find_spec", lambda module: None if module == name else real(module))
    with pytest.raises(UserError, match=f"the tracker {name} needs {name}: pip install"):
        tracker.check()


@pytest.mark.parametrize("name", NAMES)
def test_it_says_what_it_is(name: str) -> None:
    assert (find("tracker", name).__doc__ or "").strip()
