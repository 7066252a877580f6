"""What a report says of an experiment, read once from its store: the values that the templates of its pages share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import Any

from outgrow.experiment.definition import Experiment
from outgrow.experiment.grid import targets
from outgrow.finding import Finding
from outgrow.graph import Failure, Settings, Step, walk
from outgrow.models.base import Model
from outgrow.report import answers, figures, findings, panels, stopping, tables, verdicts
from outgrow.report.measures import MEASURES
from outgrow.report.protocol import explained, fits_used, tasks_used
from outgrow.report.ran import what_ran
from outgrow.report.record import Record, name_of
from outgrow.report.rendering import data_url, plain
from outgrow.report.results import Results, read
from outgrow.report.row import ROLES
from outgrow.report.scaling import scaling
from outgrow.report.stored import Problem
from outgrow.report.tables import columns, interval_of, notes_of, scope, value_of
from outgrow.store import Manifest, Store
from outgrow.supervisors.base import Supervisor
from outgrow.types import UserError

TERMS = {  # of the glossary, beside the measures
    "interval": "95 % confidence, over seeds and groups of test examples together; for the PGR after Fieller",
    "withheld": "no PGR is stated where the gap from floor to ceiling is not clearly above zero, where the interval of "
    "the PGR is wider than 100 points, or for fewer than 20 groups of test examples",
    "surely": "by the 95 % interval of the PGR; of a method against the first, by a p-value that is corrected for the "
    "number of rows (Holm)",
    "naive": "plain finetuning on the weak labels, the baseline that every other method has to improve on",
}
SCORES = (
    "Each mark is the test score of one model, with its 95 % interval: the student, its supervisor (floor) and the "
    "same model trained on ground truth (ceiling)."
)
RECOVERY = (
    "Share of the gap from floor to ceiling that the student recovered, with 95 % intervals. A student to the right of "
    "the ceiling’s line is better than its ceiling."
)
SCALING = (
    "Test accuracy against the model, with 95 % intervals, a line for each supervisor. Squares and dotted lines are "
    "the supervisors themselves, the floors."
)
STOPPING = (
    "The student on validation examples while it is trained on weak labels. Dashed lines mark where it would stop by "
    "its lowest loss on weak labels, or on ground truth, which it should not see (the mean over seeds; marks are the "
    "stops of each seed). Percentages are the accuracy there."
)

Link = Callable[[str, str], str]  # from the name of a file and what it holds to where a page finds it
Href = Callable[[Record], str]  # to the page of a comparison; "" where it has none


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """A figure on a page, with where its data are, as CSV, and the command that prints these."""

    name: str
    svg: Any
    caption: str
    csv_url: str
    command: str


def embedded(name: str, text: str) -> str:
    """A file as a URL that holds it: the `Link` of a page that is one file."""
    kinds = {"toml": "application/toml", "json": "application/json", "csv": "text/csv"}
    return data_url(kinds[name.rpartition(".")[2]], text)


def nowhere(record: Record) -> str:
    """The `Href` of a page that is alone."""
    return ""


class Contents:
    """A pinned experiment with what its store holds. `link`: where a page finds a file with data. `failures`: those of
    the run that has just ended, if any. `toml`: the experiment as TOML; "" if it was made of Python records."""

    def __init__(
        self, experiment: Experiment, store: Store, failures: Sequence[Failure], toml: str, link: Link = embedded
    ) -> None:
        self.experiment, self.store, self.failures, self.toml, self.link = experiment, store, failures, toml, link
        self.results: Results = read(experiment, store, failures)

    @property
    def aggregates(self) -> tuple[Record, ...]:
        return self.results.aggregates

    @cached_property
    def found(self) -> dict[str, Finding]:
        """What the analyses found."""
        return findings.read(self.experiment, self.store, self.failures)

    def words(self) -> dict[str, Any]:
        """What the macros of `sections.html.j2` need to write numbers, on every page."""
        return {
            "value_of": value_of,
            "below": below,
            "plain": plain,
            "measures": MEASURES,
            "notes_of": notes_of,
            "shown": findings.shown,
            "head": findings.head,
            "seed_list": ", ".join(map(str, self.experiment.seeds)),
            "several": len(self.experiment.methods) > 1,
            "n_seeds": len(self.experiment.seeds),
            "failed": [problem for problem in self.results.problems if problem.status == "failed"],
            "missing": _missing(self.results.problems),
        }

    def numbers(self, records: Sequence[Record], href: Href = nowhere) -> dict[str, Any]:
        """The answer, its caveats and the tables of these records, which are those of whole rows of the grid."""
        aggregates = [record for record in records if record.seed is None]
        sentences = answers.sentences(aggregates)
        first = [] if sentences else [(name_of(record, aggregates), record) for record in answers.ranked(aggregates)]
        return {
            "sentences": list(zip(sentences, aggregates, strict=False)),
            "ranked": [(shown, record, answers.certain(record)) for shown, record in first],
            "limits": answers.limits(aggregates),
            "scope": scope(aggregates),
            "marks_mean": verdicts.meaning_of_marks(aggregates),
            "aggregates": aggregates,
            "tasks": _by_task(aggregates),
            "seeds": _by_task([record for record in records if record.seed is not None]),
            "columns": columns(records, "page"),
            "notes": _footnotes(records),
            "href": href,
        }

    def scores(self, records: Sequence[Record], file: str = "scores") -> Drawn | None:
        """The figure of scores of these records; None if nothing is scored. file: the name of its data."""
        data = figures.data(records, [*figures.PLACES, *figures.LEVELS])
        return self._drawn("scores", figures.scores(records), SCORES, data, file=file)

    def figures(self, records: Sequence[Record]) -> list[Drawn]:
        """The other figures of these records that can be drawn."""
        curves = stopping.monitored(self.results, self.store)
        of_trio = figures.data(records, ROLES)
        drawn = (
            self._drawn("recovery", figures.recovery(records), RECOVERY, figures.data(records, ["pgr"])),
            self._drawn("scaling", scaling(records, _weights(self.experiment)), SCALING, of_trio),
            self._drawn("stopping", stopping.stopping(curves), STOPPING, stopping.data(curves), "report"),
        )
        return [each for each in drawn if each]

    def analyses(self) -> list[dict[str, Any]]:
        """Each analysis with its question, its finding, its figure, and its table as a CSV."""
        return [self._analysis(analysis.name, analysis.question) for analysis in self.experiment.analyses]

    def _analysis(self, name: str, question: str) -> dict[str, Any]:
        finding, command = self.found[name], self.command(f"--analysis {name}", f'findings["{name}"]')
        table = findings.as_csv(finding.table)
        return {
            "name": name,
            "question": question,
            "finding": finding,
            "figure": drawn_of(name, finding, command, self.link),
            "csv_url": self.link(f"{name}.csv", table) if finding.table.rows else "",
            "command": command,
        }

    def protocol(self) -> dict[str, Any]:
        """The glossary, the protocol, and the steps that ran."""
        steps = walk(targets(self.results.grid))
        manifests = [m for m in self.store.manifests([step.key for step in steps]).values() if isinstance(m, Manifest)]
        return {
            "glossary": {m.head: m.definition for m in MEASURES.values() if m.definition} | TERMS,
            "used": tasks_used(self.results.grid, self.store),
            "fits": fits_used(self.results.grid),
            "explained": explained(self.results.grid),
            "waiting": len(steps) - len(manifests),
            **what_ran(steps, manifests),
        }

    def downloads(self) -> list[tuple[str, str]]:
        """The files to download, by name, each with where it is."""
        files = {
            "experiment.toml": self.toml,
            "results.json": tables.text(self.results.records, "json"),
            "results.csv": tables.text(self.results.records, "csv"),
        }
        return [(name, self.link(name, text)) for name, text in files.items() if text]

    def command(self, options: str, attribute: str) -> str:
        """What prints the data of a figure or table: a command on the TOML, or Python for an experiment of records."""
        return f"outgrow results experiment.toml {options}" if self.toml else f"outgrow.results(experiment).{attribute}"

    def _drawn(self, name: str, svg: str, caption: str, csv: str, command: str = "", file: str = "") -> Drawn | None:
        if command == "report":  # no table has these numbers
            command = "outgrow report experiment.toml" if self.toml else "outgrow.results(experiment).report()"
        command = command or self.command("--format csv", "records")
        return _drawn(name, svg, caption, csv, command, self.link, file) if svg else None


def drawn_of(name: str, finding: Finding, command: str, link: Link) -> Drawn | None:
    """The figure of a finding; None if it has none. name: of the analysis that found it."""
    if finding.figure is None:
        return None
    svg, data = panels.draw(finding.figure, f"analysis-{name}"), panels.data(finding.figure)
    return _drawn(f"{name}-figure", svg, finding.figure.caption, data, command, link)


def _drawn(name: str, svg: str, caption: str, csv: str, command: str, link: Link, file: str = "") -> Drawn:
    from markupsafe import Markup

    url = link(f"{file or name}.csv", csv)
    return Drawn(name=name, svg=Markup(svg), caption=caption, csv_url=url, command=command)


def below(record: Record, name: str) -> str:
    """What stands below a number in a table of the page: its interval, or another measure."""
    other, word = MEASURES[name].below or ("", "")
    if not other:
        return interval_of(record, name)
    return f"{value_of(record, other)} {word}" if other in record.estimates else ""


def _footnotes(records: Sequence[Record]) -> dict[str, int]:
    """What stands above the table, and then the notes of fits, which stand below it, with their numbers."""
    above = (limit.text for limit in answers.limits([record for record in records if record.seed is None]))
    below = (note for record in records for note in record.notes)
    return {note: i for i, note in enumerate(dict.fromkeys([*above, *below]), 1)}


def _by_task(records: Sequence[Record]) -> list[tuple[str, list[Record]]]:
    return [(task, list(group)) for task, group in groupby(records, key=lambda record: record.task)]


def _weights(experiment: Experiment) -> Mapping[str, int]:
    """The number of weights of each model whose files are on this machine, by name."""
    here = Settings(offline=True)
    sides: tuple[Supervisor | Model, ...] = (*experiment.supervisors, *experiment.strong)
    counts = {}
    for side in sides:
        with suppress(UserError):
            counts[side.name] = side.parameters(here)
    return {name: count for name, count in counts.items() if count}


def _missing(problems: Sequence[Problem]) -> list[tuple[str, int]]:
    """The scores that are not computed yet, by title, with their count."""
    return list(Counter(_scored(p.step) for p in problems if p.status == "missing").items())


def _scored(step: Step[Any]) -> str:
    predictions = getattr(step, "predictions", step)
    return f"{step.title}: {predictions.title}" if predictions is not step else step.title
