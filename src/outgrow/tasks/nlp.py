"""The binary NLP tasks of Burns et al. 2023 (appendix A.1), and a few like them: every set of one table."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from string import Formatter
from typing import Any, ClassVar, Self

from outgrow import hub
from outgrow.graph import not_hashed
from outgrow.ranges import SHARE, check_ranges, whole
from outgrow.tasks import text
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
    """NLP: a published set as questions of yes or no, balanced: boolq, sciq, openbookqa and others.

    set: its name in the table. Its rows, with the published columns, are those of the file `path`; else of
    `$OUTGROW_DATA/text/<set>.*` where that is; else of the hub, at the commit that the table names, or another with the
    same files, `revision` (which is then asked even where a file is). Multiple choice becomes one right and one wrong
    answer a question, as in the paper; then the larger class is cut to the smaller one's size, by a hash. max_chars,
    near_share: as in `text`.
    """

    kind: ClassVar[str] = "task/nlp"

    # 3: the template's words no longer count as likeness; 4: wrong answers drawn fairly; 5: texts have one normal form,
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
    def short(self) -> str:
        """`nlp/boolq`."""
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
        """Where the rows lie on this machine; from the hub they are fetched."""
        if not self.revision and (mirror := self._mirror()):
            return [mirror]
        entry = self._entry()
        return hub.files(entry.hub, self.revision, [entry.files.format(split=split) for split in entry.splits])

    def load(self) -> Source:
        return _load(self if self.digest else self.pinned())

    @property
    def similarity(self) -> Similarity | None:
        return Similarity(share=self.near_share, template=TABLE[self.set].prompt) if self.near_share else None

    def plain(self, file: Path) -> text.Text:
        """The task that reads the questions, once they are written out."""
        return text.Text(
            path=str(file),
            prompt="{prompt}",
            label="label",
            classes=CLASSES,
            group="group",
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
        found = sorted((Path(folder).expanduser().absolute() / "text").glob(f"{self.set.replace('-', '_')}.*"))
        return found[0] if found else None


@lru_cache(maxsize=4)
def _load(task: Nlp) -> Source:
    """The questions of a pinned task; files that have changed since are a UserError."""
    files = task.files()
    refuse_changed(files, task.digest)
    asked = [question for file in files for question in _questions(TABLE[task.set], file)]
    table = tables.Table(columns=("prompt", "label", "group"), rows=tuple(enumerate(asked, start=1)))
    return _balanced(text.source(task.plain(files[0]), table))


def _questions(entry: Entry, file: Path) -> Iterator[dict[str, str]]:
    """A prompt, a label (nothing where it is not known) and a group for every question of yes or no."""
    for number, published in tables.read(file).rows:
        try:
            row = entry.tidy(published)
            options = [option for path in entry.options for option in _listed(_field(row, path))]
            for asked, label in _judged(entry, row, options) if options else [(row, _yes_or_no(entry, row))]:
                prompt = _filled(entry.prompt, asked)
                group = _filled(entry.group, asked) if entry.group else prompt
                yield {"prompt": prompt, "label": label, "group": _short(caseless(group))}
        except KeyError as missing:
            has = tables.listed(published)
            raise UserError(f"{file} has no column {missing.args[0]!r}: it has {has}") from None
        except TypeError as error:
            raise UserError(f"{file}, row {number}: a cell {error}: give the set as it is published") from None


def _yes_or_no(entry: Entry, row: dict[str, Any]) -> str:
    value = caseless(tables.name(_field(row, entry.label)))
    return "yes" if value in entry.yes else "no" if value in entry.no else ""


def _judged(entry: Entry, row: dict[str, Any], options: list[str]) -> Iterator[tuple[dict[str, Any], str]]:
    """The right answer, and one of the wrong ones, drawn by a hash: as many right as wrong ones, as in the paper."""
    label = tables.name(_field(row, entry.label)) if entry.label else str(entry.first)
    names = entry.names and [tables.name(name) for name in _as_list(_field(row, entry.names))]
    names = [caseless(name) for name in names or map(str, range(entry.first, entry.first + len(options)))]
    if caseless(label) not in names[: len(options)]:
        return
    right = names.index(caseless(label))
    asked = [{**row, "option": option, "other": options[(i + 1) % len(options)]} for i, option in enumerate(options)]

    def draw(i: int) -> str:
        """Of the whole question: drawn by the option alone, one that recurs would be wrong too often or never."""
        return _short(_filled(entry.prompt, asked[i]))

    same = [caseless(option) for option in options]
    wrong = sorted((i for i in range(len(options)) if same[i] != same[right]), key=draw)
    yield asked[right], "yes"
    yield from ((asked[i], "no") for i in wrong[:1])


def _balanced(found: Source) -> Source:
    """As many questions of either answer, drawn by a hash of their ids."""
    sides = [[row for row in found.rows if row.answer[i] == 1] for i in range(len(CLASSES))]
    n = min(map(len, sides))
    kept = {row.example.id for side in sides for row in sorted(side, key=lambda row: _short(row.example.id))[:n]}
    dropped = Counter(dict(found.dropped))
    if len(kept) < len(found.rows):
        dropped["to balance the classes"] = len(found.rows) - len(kept)
    return Source([row for row in found.rows if row.example.id in kept], dropped)


def _filled(template: str, row: dict[str, Any]) -> str:
    parts = Formatter().parse(template)
    return "".join(literal + ("\n".join(_listed(_field(row, name))) if name else "") for literal, name, _, _ in parts)


def _field(row: dict[str, Any], path: str) -> Any:
    """A column, or a field inside one: `choices.text`."""
    value: Any = row
    for name in path.split("."):
        if not isinstance(value, dict):
            raise TypeError(f"has no field {name!r}")
        value = value[name]
    return value


def _listed(value: Any) -> list[str]:
    return [tables.cell(each) for each in _as_list(value)]


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _short(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
