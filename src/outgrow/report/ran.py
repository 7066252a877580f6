"""The steps of an experiment that ran, with their machines and versions, from the provenance of the artifacts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from outgrow.graph import Step
from outgrow.store import Manifest

SPACE = "\u00a0"  # a no-break space


@dataclass(frozen=True, kw_only=True)
class Ran:
    """A finished step: its title, duration, start (UTC) and class of machine."""

    title: str
    key: str
    seconds: float
    when: str
    machine: str


def what_ran(steps: Sequence[Step[Any]], manifests: Sequence[Manifest]) -> dict[str, Any]:
    """The steps that ran, machines and versions, from the provenance of the artifacts."""
    titles = {step.key: step.title for step in steps}
    provenances = {manifest.key: manifest.provenance for manifest in manifests}
    order = sorted(provenances, key=lambda key: (provenances[key].get("started", 0.0), key))
    ran = [_ran(titles[key], key, provenances[key]) for key in order]
    by_title: dict[str, list[float]] = {}
    for step in ran:
        by_title.setdefault(step.title, []).append(step.seconds)
    pairs = [pair for p in provenances.values() for pair in p.get("versions", {}).items()]
    return {
        "ran": ran,
        "by_title": sorted(((t, len(s), sum(s)) for t, s in by_title.items()), key=lambda row: -row[2]),
        "total": sum(step.seconds for step in ran),
        "first": _when(min((p["started"] for p in provenances.values() if "started" in p), default=None)),
        "last": _when(max((p["finished"] for p in provenances.values() if "finished" in p), default=None)),
        "machines": list(dict.fromkeys(step.machine for step in ran)),
        "versions": {name: sorted({v for n, v in pairs if n == name}) for name in dict.fromkeys(n for n, _ in pairs)},
    }


def _ran(title: str, key: str, provenance: dict[str, Any]) -> Ran:
    seconds, when = float(provenance.get("seconds", 0.0)), _when(provenance.get("started"))
    return Ran(title=title, key=key, seconds=seconds, when=when, machine=_machine(provenance))


def _machine(provenance: dict[str, Any]) -> str:
    """The class of machine, not its name: `x86_64, AMD EPYC, 2 cores, Linux; cpu, 1 thread`."""
    host = provenance.get("machine", {})
    parts = [host.get("arch"), host.get("cpu"), host.get("cores") and f"{host['cores']} cores", host.get("system")]
    threads = provenance.get("threads")
    used = [provenance.get("device"), threads and f"{threads} thread{'s' if threads != 1 else ''}"]
    return "; ".join(", ".join(str(part) for part in each if part) for each in (parts, used) if any(each))


def _when(seconds: float | None) -> str:
    """In UTC, to the second."""
    return "" if seconds is None else f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}"


def duration(seconds: float) -> str:
    """`0.03 s`, `12 s`, `3 min 20 s`, `1 h 02 min`."""
    if seconds < 10:
        return f"{seconds:.2g}{SPACE}s" if seconds >= 0.01 else f"0.01{SPACE}s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 1:
        return f"{rest}{SPACE}s"
    hours, minutes_left = divmod(minutes, 60)
    if hours < 1:
        return f"{minutes}{SPACE}min {rest:02d}{SPACE}s"
    return f"{hours}{SPACE}h {minutes_left:02d}{SPACE}min"
