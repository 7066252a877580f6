"""Numbers, keys and defaults that must not move unnoticed: artifacts of old runs would no longer be what they say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import canary
import pytest

MOVED = (
    "numbers or defaults moved: bump `version` of the record that changed, "
    "then re-pin with `python tests/canary/canary.py`"
)


@pytest.fixture(scope="module")
def pinned() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(canary.PINNED.read_text())
    return found


def test_weak_labels_student_and_scores_are_as_they_were(pinned: dict[str, Any], tmp_path: Path) -> None:
    """From a tiny supervisor to scores, with a head and with tokens: what a default experiment computes."""
    found = canary.measured(tmp_path)
    for readout, results in pinned["numbers"].items():
        for name, expected in results.items():
            result = found[readout][name]
            # Processors differ: where L-BFGS stops, and in what a student that learns from itself passes on.
            tolerance = {"head frozen_probe": 1e-3, "head confident": 1e-4, "tokens confident": 1e-4}.get(
                f"{readout} {name}", 1e-5
            )
            near = pytest.approx(expected["probabilities"], abs=tolerance)
            assert result["probabilities"] == near, f"{readout}, {name}: {MOVED}"
            assert result["accuracy"] == expected["accuracy"], f"{readout}, {name}: {MOVED}"


def test_the_numbers_say_something(pinned: dict[str, Any]) -> None:
    for results in pinned["numbers"].values():
        assert len({tuple(result["probabilities"]) for result in results.values()}) == 5
        assert all(max(p) - min(p) > 0.05 for p in (result["probabilities"] for result in results.values()))


def test_keys_of_records_with_default_fields_are_as_they_were(pinned: dict[str, Any]) -> None:
    assert canary.keys() == pinned["keys"], f"a key moved without need, or: {MOVED}"


def test_no_default_changed_under_its_old_version(pinned: dict[str, Any]) -> None:
    bare = canary.unversioned(pinned["defaults"], canary.defaults())
    assert not bare, f"{', '.join(bare)}: {MOVED}"


def test_every_record_is_pinned(pinned: dict[str, Any]) -> None:
    found = canary.defaults()
    assert found.keys() == pinned["defaults"].keys(), "pin it: `python tests/canary/canary.py`"
    assert found == pinned["defaults"], MOVED


def test_a_changed_default_is_seen_and_a_new_version_or_field_is_not_held_against_it() -> None:
    before = {"a.B": {"version": 1, "fields": {"rate": "0.5"}}}
    assert canary.unversioned(before, {"a.B": {"version": 1, "fields": {"rate": "0.25"}}}) == ["a.B.rate"]
    assert canary.unversioned(before, {"a.B": {"version": 1, "fields": {}}}) == ["a.B.rate"]
    assert not canary.unversioned(before, {"a.B": {"version": 2, "fields": {"rate": "0.25"}}})
    assert not canary.unversioned(before, {"a.B": {"version": 1, "fields": {"rate": "0.5", "more": "1"}}})
