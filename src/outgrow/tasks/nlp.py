"""The binary NLP tasks of Burns et al. 2023 (appendix A.1), and sets with more classes: all of `outgrow.text.sets`."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from string import Formatter
from typing import Any, ClassVar, Self

from outgrow import hub
from outgrow.graph import not_hashed
from outgrow.ranges import SHARE, check_ranges, whole
from outgrow.tasks import text
from outgrow.tasks._parsed import parsed
from outgrow.tasks.base import Source, Task
from outgrow.text import tables
from outgrow.text.near import Similarity
from outgrow.text.normal import caseless
from outgrow.text.opening import digest_of_files, refuse_changed
from outgrow.text.sets import TABLE, Entry
from outgrow.types import UserError

CLASSES = ("no", "yes")


@dataclass(frozen=True, kw_only=True)
class Nlp(Task):
    """NLP: published data sets, as balanced yes/no questions (boolq, sciq) or with their classes (ag-news, banking77).

    set: the name of the data set, a key of `outgrow.text.sets.TABLE`. path: a file with its rows and the published
    columns. Without it they come from `$OUTGROW_DATA/text/<set>.*` if there is such a file, else from the Hugging Face
    hub. revision: another commit on the hub than the one in the table; then local files are not used. max_chars,
    near_share: as in `text`.

    A multiple-choice question becomes one row with the right answer and one with a wrong answer, as in the paper. The
    larger class is then subsampled to the size of the smaller one, by a hash of the ids. Sets that keep their classes
    keep all rows, and are what `text` makes of the same file.
    """

    kind: ClassVar[str] = "task/nlp"

    # 3: near-duplicates ignore the template's words; 4: wrong answers are drawn fairly; 5: texts have one normal form,
    # and every split is decontaminated
    version: ClassVar[int] = 5

    set: str
    path: str = not_hashed(default="")
    revision: str = ""
    digest: str = ""
    max_chars: int = 2000
    near_share: float = 0.5

    def __post_init__(self) -> None:
        if self.set not in TABLE:
            raise UserError(f"no set called {self.set!r}: choose one of {', '.join(TABLE)}")
        check_ranges(self, near_share=SHARE, max_chars=whole(1))

    @property
    def short_name(self) -> str:
        """Its name in tables: `nlp/boolq`."""
        return f"nlp/{self.set}"

    @property
    def location(self) -> Path | None:
        return Path(self.path) if self.path else None

    def pinned(self) -> Self:
        if self._mirror() and not self.revision:
            return replace(self, digest=digest_of_files(self.files()))
        entry = self._entry()
        at = replace(self, revision=hub.commit_of(entry.hub, self.revision or entry.revision, "dataset"))
        return replace(at, digest=digest_of_files(at.files()))

    def files(self) -> list[Path]:
        """The files on this machine, downloaded from the hub if necessary."""
        if not self.revision and (mirror := self._mirror()):
            return [mirror]
        entry = self._entry()
        return hub.files(entry.hub, self.revision, [entry.files.format(split=split) for split in entry.splits])

    def load(self) -> Source:
        return _load(self if self.digest else self.pinned())

    @property
    def similarity(self) -> Similarity | None:
        return Similarity(share=self.near_share, template=TABLE[self.set].prompt) if self.near_share else None

    def as_text_task(self, file: Path) -> text.Text:
        """The text task that reads a table of the questions, or of the texts with a class."""
        entry = TABLE[self.set]
        return text.Text(
            path=str(file),
            prompt="{prompt}",
            label="label",
            classes=entry.classes if entry.keeps_classes else CLASSES,
            group="" if entry.keeps_classes else "group",
            max_chars=self.max_chars,
        )

    def _entry(self) -> Entry:
        entry = TABLE[self.set]
        if not entry.hub:
            name = self.set.replace("-", "_")
            raise UserError(f"{self.set} is on no hub: set OUTGROW_DATA to a folder with text/{name}.jsonl")
        return entry

    def _mirror(self) -> Path | None:
        if self.path:
            return text.on_this_machine(self.path)
        if not (folder := os.environ.get("OUTGROW_DATA")):
            return None
        matches = sorted((Path(folder).expanduser().absolute() / "text").glob(f"{self.set.replace('-', '_')}.*"))
        return matches[0] if matches else None


@lru_cache(maxsize=4)
def _load(task: Nlp) -> Source:
    """The rows of a pinned task. Raises UserError if its files have changed since."""
    files = task.files()
    refuse_changed(files, task.digest)
    return parsed(task, files, lambda: _read(task, files))


def _read(task: Nlp, files: Sequence[Path]) -> Source:
    """The usable rows of published files."""
    questions = [question for file in files for question in _questions(TABLE[task.set], file)]
    source = text.source(task.as_text_task(files[0]), enumerate(questions, start=1))
    return source if TABLE[task.set].keeps_classes else _balanced(source)


def _questions(entry: Entry, file: Path) -> Iterator[dict[str, str]]:
    """The questions or texts of a file, each with a prompt, a label (empty if unknown) and a group."""
    for number, published in tables.read(file).rows:
        try:
            row = entry.tidy(published)
            options = [option for path in entry.options for option in _listed(_field(row, path))]
            for fields, label in _per_option(entry, row, options) if options else [(row, _answer(entry, row))]:
                prompt = _filled(entry.prompt, fields)
                group = _filled(entry.group, fields) if entry.group else prompt
                yield {"prompt": prompt, "label": label, "group": _hash(caseless(group))}
        except KeyError as missing:
            columns = tables.listed(published)
            raise UserError(f"{file} has no column {missing.args[0]!r}: it has {columns}") from None
        except TypeError as error:
            raise UserError(f"{file}, row {number}: a cell {error}: give the set as it is published") from None


def _answer(entry: Entry, row: dict[str, Any]) -> str:
    """The class of a row, or yes or no; empty if unknown."""
    name = tables.name(_field(row, entry.label))
    if entry.named:
        return name
    value = caseless(name)
    if entry.classes:
        numbered = {str(number): each for number, each in enumerate(entry.classes, start=entry.first)}
        return (numbered | {caseless(each): each for each in entry.classes}).get(value, "")
    return "yes" if value in entry.yes else "no" if value in entry.no else ""


def _per_option(entry: Entry, row: dict[str, Any], options: list[str]) -> Iterator[tuple[dict[str, Any], str]]:
    """A multiple-choice row as two: the right option and one wrong option, drawn by a hash, as in the paper.

    Nothing for a row without a valid label.
    """
    label = tables.name(_field(row, entry.label)) if entry.label else str(entry.first)
    names = entry.names and [tables.name(name) for name in _as_list(_field(row, entry.names))]
    names = [caseless(name) for name in names or map(str, range(entry.first, entry.first + len(options)))]
    if caseless(label) not in names[: len(options)]:
        return
    right = names.index(caseless(label))
    fields = [{**row, "option": option, "other": options[(i + 1) % len(options)]} for i, option in enumerate(options)]

    def draw(i: int) -> str:
        """A hash of the whole question. With a hash of the option, frequent options would be drawn always or never."""
        return _hash(_filled(entry.prompt, fields[i]))

    normal = [caseless(option) for option in options]
    wrong = sorted((i for i in range(len(options)) if normal[i] != normal[right]), key=draw)
    yield fields[right], "yes"
    yield from ((fields[i], "no") for i in wrong[:1])


def _balanced(source: Source) -> Source:
    """As many rows of each class, drawn by a hash of their ids."""
    by_class = [[row for row in source.rows if row.answer[i] == 1] for i in range(len(CLASSES))]
    n = min(map(len, by_class))
    kept = {row.example.id for rows in by_class for row in sorted(rows, key=lambda row: _hash(row.example.id))[:n]}
    dropped = Counter(dict(source.dropped))
    if len(kept) < len(source.rows):
        dropped["to balance the classes"] = len(source.rows) - len(kept)
    return Source([row for row in source.rows if row.example.id in kept], dropped)


def _filled(template: str, row: dict[str, Any]) -> str:
    parts = Formatter().parse(template)
    return "".join(literal + ("\n".join(_listed(_field(row, name))) if name else "") for literal, name, _, _ in parts)


def _field(row: dict[str, Any], path: str) -> Any:
    """The value of a column, or of a nested field: `choices.text`."""
    value: Any = row
    for name in path.split("."):
        if not isinstance(value, dict):
            raise TypeError(f"has no field {name!r}")
        value = value[name]
    return value


def _listed(value: Any) -> list[str]:
    return [tables.cell(item) for item in _as_list(value)]


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _hash(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
