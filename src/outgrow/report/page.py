"""The report of an experiment: one self-contained HTML page with results, protocol, and what is missing."""

from __future__ import annotations

import base64
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any

from outgrow.experiment.definition import Experiment
from outgrow.experiment.grid import targets
from outgrow.graph import Failure, Settings, Step, walk
from outgrow.models.base import Model
from outgrow.report import answers, figures, findings, tables, verdicts
from outgrow.report.measures import MEASURES
from outgrow.report.observed import share
from outgrow.report.panels import draw
from outgrow.report.protocol import explained, fits_used, tasks_used
from outgrow.report.record import Record, name_of
from outgrow.report.results import Results, read
from outgrow.report.scaling import scaling
from outgrow.report.stopping import monitored, stopping
from outgrow.report.stored import Problem
from outgrow.report.tables import columns, interval_of, notes_of, scope, value_of
from outgrow.store import Manifest, Store
from outgrow.supervisors.base import Supervisor
from outgrow.types import UserError

SPACE = "\u00a0"  # a no-break space

TERMS = {  # of the glossary, beside the measures
    "interval": "95 % confidence, over seeds and groups of test examples together; for the PGR after Fieller",
    "withheld": "no PGR is stated where the gap from floor to ceiling is not clearly above zero, where the interval of "
    "the PGR is wider than 100 points, or for fewer than 20 groups of test examples",
    "surely": "by the 95 % interval of the PGR; of a method against the first, by a p-value that is corrected for the "
    "number of rows (Holm)",
    "naive": "plain finetuning on the weak labels, the baseline that every other method has to improve on",
}
SCORES = (
    "Each mark is the test score of one model, with its 95 % interval. The student lies between its supervisor (floor) "
    "and the same model trained on ground truth (ceiling)."
)


@dataclass(frozen=True, kw_only=True)
class Ran:
    """A finished step: its title, duration, start (UTC) and class of machine."""

    title: str
    key: str
    seconds: float
    when: str
    machine: str


def write(experiment: Experiment, store: Store, path: Path, failures: Sequence[Failure] = (), toml: str = "") -> None:
    """Write the page of a pinned experiment to `path`, in place of an earlier page. `failures`: those of the run that
    has just ended, if any. `toml`: the experiment as TOML, to be downloaded from the page, if it is known.

    Raises UserError if the file cannot be written, which leaves an earlier page as it was, or if it is not a page.
    """
    page = html(experiment, store, failures, toml).encode(errors="replace")  # a name may have half a surrogate pair
    try:
        if not is_page(path):
            raise UserError(f"the report {path} exists and is not an HTML page: choose another file")
        path.parent.mkdir(parents=True, exist_ok=True)
        _replace(path.resolve(), page)
    except OSError as error:
        raise UserError(f"the report {path} cannot be written ({error.strerror}): choose another file") from None


def is_page(path: Path) -> bool:
    """Whether a report may be written to `path`: nothing is there, or an HTML page, an empty file or a device."""
    if not path.is_file():
        return True
    with path.open("rb") as file:
        begin = file.read(100).lstrip().lower()
    return begin.startswith(b"<!doctype html") or not path.stat().st_size


def _replace(path: Path, data: bytes) -> None:
    """Write a file, or a device; an earlier file is left as it was until the new one is complete."""
    if path.exists() and not path.is_file():
        path.write_bytes(data)
        return
    draft = path.with_name(f".outgrow-{os.getpid()}")
    try:
        draft.write_bytes(data)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def html(experiment: Experiment, store: Store, failures: Sequence[Failure] = (), toml: str = "") -> str:
    """The page as HTML; equal results give equal bytes."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    results = read(experiment, store, failures)
    grid, steps = results.grid, walk(targets(results.grid))
    manifests = [m for m in store.manifests([step.key for step in steps]).values() if isinstance(m, Manifest)]
    environment = Environment(
        loader=PackageLoader("outgrow", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"duration": duration, "share": share}
    return environment.get_template("page.html.j2").render(
        **_answered(results.aggregates),
        tasks=_by_task(results.aggregates),
        seeds=_by_task([record for record in results.records if record.seed is not None]),
        value_of=value_of,
        below=below,
        measures=MEASURES,
        columns=columns(results.records, "page"),
        notes=_footnotes(results),
        notes_of=notes_of,
        figures=_figures(results, _weights(experiment), store),
        analyses=_analyses(experiment, store, failures),
        shown=findings.shown,
        head=findings.head,
        glossary={m.head: m.definition for m in MEASURES.values() if m.definition} | TERMS,
        used=tasks_used(grid, store),
        fits=fits_used(grid),
        explained=explained(grid),
        seed_list=", ".join(map(str, experiment.seeds)),
        several=len(experiment.methods) > 1,
        n_seeds=len(experiment.seeds),
        failed=[problem for problem in results.problems if problem.status == "failed"],
        missing=_missing(results.problems),
        waiting=len(steps) - len(manifests),
        downloads=_downloads(results, toml),
        **_run(steps, manifests),
    )


def _answered(aggregates: Sequence[Record]) -> dict[str, Any]:
    """What stands above the numbers: sentences, or a table of what is certain; caveats; the figure of scores."""
    from markupsafe import Markup

    sentences = answers.sentences(aggregates)
    first = [] if sentences else [(name_of(record, aggregates), record) for record in answers.ranked(aggregates)]
    return {
        "sentences": sentences,
        "ranked": [(shown, record, answers.certain(record)) for shown, record in first],
        "limits": answers.limits(aggregates),
        "scope": scope(aggregates),
        "marks_mean": verdicts.meaning_of_marks(aggregates),
        "scores": Markup(figures.scores(aggregates)),
        "scores_caption": SCORES,
    }


def _downloads(results: Results, toml: str) -> list[tuple[str, str]]:
    """The files to download, by name, each as a data URL."""
    files = {
        "experiment.toml": ("application/toml", toml),
        "results.json": ("application/json", tables.text(results.records, "json")),
        "results.csv": ("text/csv", tables.text(results.records, "csv")),
    }
    return [(name, _data_url(kind, text)) for name, (kind, text) in files.items() if text]


def _data_url(kind: str, text: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(text.encode(errors='replace')).decode()}"


def _analyses(experiment: Experiment, store: Store, failures: Sequence[Failure]) -> list[dict[str, Any]]:
    """Each analysis with its question, its finding, the figure as SVG, and the table as a CSV to download."""
    from markupsafe import Markup

    found = findings.read(experiment, store, failures)
    return [
        {
            "name": analysis.name,
            "question": analysis.question,
            "finding": (finding := found[analysis.name]),
            "figure": Markup(draw(finding.figure, f"analysis-{analysis.name}")) if finding.figure else "",
            "csv": _data_url("text/csv", findings.as_csv(finding.table)),
        }
        for analysis in experiment.analyses
    ]


def below(record: Record, name: str) -> str:
    """What stands below a number in a table of the page: its interval, or another measure."""
    other, word = MEASURES[name].below or ("", "")
    if not other:
        return interval_of(record, name)
    return f"{value_of(record, other)} {word}" if other in record.estimates else ""


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


def _footnotes(results: Results) -> dict[str, int]:
    """What stands above the table, and then the notes of fits, which stand below it, with their numbers."""
    above = (limit.text for limit in answers.limits(results.aggregates))
    below = (note for record in results.records for note in record.notes)
    return {note: i for i, note in enumerate(dict.fromkeys([*above, *below]), 1)}


def _by_task(records: Sequence[Record]) -> list[tuple[str, list[Record]]]:
    return [(task, list(group)) for task, group in groupby(records, key=lambda record: record.task)]


def _weights(experiment: Experiment) -> dict[str, int]:
    """The number of weights of each model whose files are on this machine, by name."""
    here = Settings(offline=True)
    sides: tuple[Supervisor | Model, ...] = (*experiment.supervisors, *experiment.strong)
    counts = {}
    for side in sides:
        with suppress(UserError):
            counts[side.name] = side.parameters(here)
    return {name: count for name, count in counts.items() if count}


def _figures(results: Results, weights: Mapping[str, int], store: Store) -> list[tuple[Any, str]]:
    """The figures that can be drawn, each with its caption."""
    from markupsafe import Markup

    aggregates = results.aggregates
    drawn = [
        (figures.recovery(aggregates), "Share of the gap from floor to ceiling that the student recovered, with 95 % "
         "intervals. A student to the right of the ceiling’s line is better than its ceiling."),
        (scaling(aggregates, weights), "Test accuracy against the model, with 95 % intervals, a line for each "
         "supervisor. Squares and dotted lines are the supervisors themselves, the floors."),
        (stopping(monitored(results, store)), "The student on validation examples while it is trained on weak labels. "
         "Dashed lines mark where it would stop by its lowest loss on weak labels, or on ground truth, which it should "
         "not see (the mean over seeds; marks are the stops of each seed). Percentages are the accuracy there."),
    ]  # fmt: skip
    return [(Markup(svg), caption) for svg, caption in drawn if svg]


def _missing(problems: Sequence[Problem]) -> list[tuple[str, int]]:
    """The scores that are not computed yet, by title, with their count."""
    return list(Counter(_scored(p.step) for p in problems if p.status == "missing").items())


def _scored(step: Step[Any]) -> str:
    predictions = getattr(step, "predictions", step)
    return f"{step.title}: {predictions.title}" if predictions is not step else step.title


def _run(steps: Sequence[Step[Any]], manifests: Sequence[Manifest]) -> dict[str, Any]:
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
