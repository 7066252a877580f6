"""The report of an experiment as a small site: an index that answers first, a page an analysis, a page a comparison."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from outgrow.experiment.cell import Cell
from outgrow.experiment.definition import Experiment
from outgrow.graph import Failure
from outgrow.numbers import percent
from outgrow.report import answers
from outgrow.report.contents import Contents
from outgrow.report.example_tables import counted
from outgrow.report.examples import LOST, OUTGROWN, Reader, ShownExample, parse_selection
from outgrow.report.folder import former, replace
from outgrow.report.page import encoded
from outgrow.report.record import Record, name_of
from outgrow.report.rendering import rendered
from outgrow.report.results import rows
from outgrow.store import Store

INDEX, PROTOCOL, DATA = "index.html", "protocol.html", "data"
CARDS = 12  # examples of a kind on the page of a comparison
DRAWN = 24  # comparisons in the figures of the index; more are not read
LIMITS = {"CLIP": 600, "MOST": 20_000, "SEEN": 6}  # characters of a text shown at once and at all; examples at once
KINDS = {  # of examples, by their heads
    "The student is right where its supervisor is wrong": OUTGROWN,
    "The student is wrong where its supervisor is right": LOST,
}


def write(experiment: Experiment, store: Store, path: Path, failures: Sequence[Failure] = (), toml: str = "") -> None:
    """Write the site of a pinned experiment into the folder `path`, in place of an earlier site. The arguments are
    those of `page.write`.

    Raises UserError for a folder that holds anything but a former site, or that cannot be written to.
    """
    former(path)  # refused before anything is drawn
    replace(path, files(experiment, store, failures, toml))


def files(experiment: Experiment, store: Store, failures: Sequence[Failure] = (), toml: str = "") -> dict[str, bytes]:
    """The files of the site by their paths in its folder; equal results give equal bytes."""
    return _Site(experiment, store, failures, toml).made()


def file_name(*names: str) -> str:
    """A name for a file, of small letters, digits, dots and hyphens. One name that is such already stays as it is; a
    hash makes up for what others lose, also for the case of letters, which some file systems ignore."""
    if len(names) == 1 and len(names[0]) <= 90 and re.fullmatch(r"[a-z0-9]+(?:[.-][a-z0-9]+)*", names[0]):
        return names[0]
    plain = unicodedata.normalize("NFKD", "-".join(names)).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:60].strip("-")
    digest = hashlib.sha256("\0".join(names).encode(errors="surrogatepass")).hexdigest()[:8]
    return f"{slug}-{digest}" if slug else digest


class _Site:
    """The pages of an experiment and the files beside them."""

    def __init__(self, experiment: Experiment, store: Store, failures: Sequence[Failure], toml: str) -> None:
        self.made_files: dict[str, bytes] = {}
        self.contents = Contents(experiment, store, failures, toml, self._data)
        self.reader = Reader(store)
        self.pages = [
            (INDEX, "Overview"),
            *((_page_of(each.name), each.name) for each in experiment.analyses),
            (PROTOCOL, "Protocol"),
        ]

    def made(self) -> dict[str, bytes]:
        """All files."""
        analyses = self.contents.analyses()
        self._index(analyses)
        for each in analyses:
            tasks = ", ".join(task.name for task in self.contents.experiment.tasks)
            self._page(_page_of(each["name"]), "analysis.html.j2", each=each, eyebrow=f"{each['name']} · {tasks}")
        self._page(PROTOCOL, "protocol.html.j2", **self.contents.protocol())
        self._comparisons()
        return self.made_files

    def _data(self, name: str, text: str) -> str:
        """A file with data, and where the pages find it."""
        stem, _, ending = name.rpartition(".")
        path = f"{DATA}/{file_name(stem)}.{ending}"
        self.made_files[path] = text.encode(errors="replace")
        return path

    def _page(self, path: str, template: str, **values: Any) -> None:
        page = rendered(template, **self.contents.words(), **values, pages=self.pages, here=path, **LIMITS)
        self.made_files[path] = encoded(page)

    def _index(self, analyses: Sequence[Mapping[str, Any]]) -> None:
        every = self.contents.aggregates
        drawn = every if len(every) <= DRAWN else answers.ranked(every)[:DRAWN]
        few = (
            f"The figure of scores has the {DRAWN} comparisons with the most certain recovery; for more than {DRAWN} "
            "there are no others. Each comparison has its own page."
            if len(every) > DRAWN
            else ""
        )
        self._page(
            INDEX,
            "index.html.j2",
            **self.contents.numbers(every, href=_cell_page),
            scores=self.contents.scores(drawn),
            figures=[] if few else self.contents.figures(every),
            few=few,
            analyses=analyses,
            page_of=_page_of,
            downloads=self.contents.downloads(),
            toml=self.contents.toml,
        )

    def _comparisons(self) -> None:
        """A page for each row of the grid, with links to those before and after it."""
        every = self.contents.aggregates
        seeds: dict[tuple[str, ...], list[Record]] = {}
        for each in self.contents.results.records:
            seeds.setdefault(_names(each), []).append(each)
        titles = [(_cell_page(record), name_of(record, every)) for record in every]
        for i, (row, _) in enumerate(rows(self.contents.results.grid)):
            around = {"before": titles[i - 1] if i else None, "after": (*titles[i + 1 : i + 2], None)[0]}
            self._comparison(row, titles[i], seeds[_names(every[i])], around)

    def _comparison(
        self, row: Sequence[Cell], title: tuple[str, str], records: Sequence[Record], around: Mapping[str, Any]
    ) -> None:
        """The page of one row of the grid: its numbers and those of each seed, and examples."""
        (path, name), record = title, records[0]
        file = path.removesuffix(".html")
        self._page(
            path,
            "cell.html.j2",
            **self.contents.numbers(records),
            **around,
            record=record,
            name=name,
            scores=self.contents.scores([record], file) if "student" in record.estimates else None,
            examples=[(head, self._examples(row, text)) for head, text in KINDS.items()],
        )

    def _examples(self, row: Sequence[Cell], text: str) -> dict[str, Any]:
        group = self.reader.group(row, parse_selection(text))
        return {
            "counted": counted(group),
            "cards": [_card(row[0], shown) for shown in group.examples[:CARDS]],
            "command": self.contents.command(f'--examples "{text}"', f'examples("{text}")'),
        }


def _card(cell: Cell, shown: ShownExample) -> dict[str, Any]:
    """What a page shows of an example."""
    from markupsafe import Markup

    marked = {"right": shown.right[0]} if shown.right else {}
    marked |= {role: shown.answers[role].choice for role in ("supervisor", "student") if role in shown.answers}
    known = {role: (each.choice in shown.right if shown.right else None) for role, each in shown.answers.items()}
    answers = [
        (role, each.choice, f"{percent(each.probability)} %", known[role]) for role, each in shown.answers.items()
    ]
    return {
        "prompt": shown.example.prompt,
        "id": shown.example.id,
        "drawing": Markup(cell.task.drawing(shown.example, dict(reversed(marked.items())))),
        "answers": [*([("right", " or ".join(shown.right), "", None)] if shown.right else []), *answers],
        "seeds": _of_seeds(shown),
    }


def _of_seeds(shown: ShownExample) -> str:
    """In how many seeds it is so, and of which the answers are."""
    if shown.of == 1:
        return f"seed {shown.seeds[0]}"
    return f"so in {len(shown.seeds)} of {shown.of} seeds; answers of seed {shown.seeds[0]}"


def _names(record: Record) -> tuple[str, str, str, str]:
    return record.task, record.weak, record.strong, record.method


def _cell_page(record: Record) -> str:
    return f"cell-{file_name(*_names(record))}.html"


def _page_of(analysis: str) -> str:
    return f"analysis-{file_name(analysis)}.html"
