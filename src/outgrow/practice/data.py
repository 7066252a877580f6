"""The data of a person with cheap labels: texts, the labels of each source, and ground truth where there is some."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from outgrow.annotations import Annotations
from outgrow.practice import reading, values
from outgrow.practice.roles import Roles, assigned
from outgrow.practice.sources import table_of
from outgrow.text.label_cells import Form
from outgrow.text.normal import caseless
from outgrow.types import Example, Examples, Ints, Labels, UserError


@dataclass(frozen=True, kw_only=True, eq=False)
class PracticeData:
    """Items, the labels that each annotator gives them, and ground truth for all, some or none of them.

    name: of the data, for messages. ids: of n items, without duplicates. texts: n, or () where the data has none.
    classes: k names. annotations: of the items that some annotator labels, in the order of `ids`, over the k classes.
    gold: int64 [n], the index of the class, -1 where it is unknown; None where no column has it. replies: of a
    comparison of two replies, both of each item; then the classes stand for the first and the second. roles: the
    columns that were read. odd: what may be wrong with the classes, one line each. notes: what was guessed or dropped,
    one line each.
    """

    name: str
    ids: tuple[str, ...]
    texts: tuple[str, ...]
    classes: tuple[str, ...]
    annotations: Annotations
    gold: Ints | None = None
    replies: tuple[tuple[str, str], ...] = ()
    roles: Roles = field(default_factory=Roles)
    odd: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def labelled(self) -> Ints:
        """The index in `ids` of each item of `annotations`, int64, ascending."""
        place = {id: i for i, id in enumerate(self.ids)}
        return np.array([place[id] for id in self.annotations.ids], dtype=np.int64)

    @cached_property
    def audited(self) -> Ints:
        """The indices of the items whose ground truth is known, int64, ascending."""
        return np.flatnonzero(np.zeros(0) if self.gold is None else self.gold >= 0)

    @cached_property
    def groups(self) -> tuple[str, ...]:
        """The group of each item: the id of the first one whose text, and replies, are equal without case, so that
        copies are never learned from and held out. Without texts each item is a group of its own."""
        if not self.texts:
            return self.ids
        first: dict[tuple[str, ...], str] = {}
        replies = self.replies or ((),) * len(self)
        contents = (tuple(map(caseless, (text, *own))) for text, own in zip(self.texts, replies, strict=True))
        return tuple(first.setdefault(content, id) for content, id in zip(contents, self.ids, strict=True))

    def examples(self, indices: Ints | None = None) -> Examples:
        """The items at these indices, by default all of them, as examples. The choices are the classes, or the replies.

        Raises UserError where the data has no texts.
        """
        if not self.texts:
            raise UserError(f"{self.name} has no text: name its column (--text body)")
        chosen = range(len(self)) if indices is None else indices.tolist()
        rows = tuple(
            Example(
                id=self.ids[i],
                group=self.groups[i],
                prompt=self.texts[i],
                choices=self.replies[i] if self.replies else self.classes,
            )
            for i in chosen
        )
        return Examples(rows=rows)

    def gold_labels(self) -> Labels:
        """The ground truth of the audited items, one-hot."""
        assert self.gold is not None
        ids = tuple(self.ids[i] for i in self.audited)
        return Labels.from_rows(ids, np.eye(len(self.classes))[self.gold[self.audited]])

    @classmethod
    def from_values(
        cls,
        weak: Any,
        texts: Sequence[str] = (),
        *,
        classes: Sequence[Any] = (),
        gold: Sequence[Any] | None = None,
        ids: Sequence[Any] = (),
        annotators: Sequence[str] = (),
        form: Form = "auto",
    ) -> PracticeData:
        """Data from Python values: lists, numpy arrays, or columns of pandas, polars and Hugging Face data sets.

        Args:
            weak: Labels of n items: a vector of classes, [n]; classes by annotator, [n, a], with None, NaN or -1 for
                an abstention; probabilities, [n, k], a row of NaN being an abstention; or, by annotator, [n, a, k].
            texts: The text of each item.
            classes: The k classes, in the order of the probabilities, or of the numbers 0, 1, ... of the labels. By
                default the sorted values of `weak` and `gold`.
            gold: The class of each item; None, NaN or -1 where it is unknown.
            ids: A unique id of each item; by default its number from 0.
            annotators: Their names.
            form: "classes", "probabilities" or "scores", where the values do not say.

        Returns:
            The data. Items without a label by anyone are kept; they have no annotation.

        Raises:
            UserError: Lengths that differ, classes that are unknown, probabilities that are none, duplicate ids, values
                that can be read in two ways, or no label at all.

        Example:
            >>> data = PracticeData.from_values([["good", None], ["bad", "good"]], ["fine", "so so"])
            >>> data.classes, data.annotations.given.tolist()
            (('bad', 'good'), [[True, True], [False, True]])
        """
        found = values.read(weak, texts, classes, gold, ids, annotators, form)
        return cls(name="the data", **found)


def read_data(
    path: str | Path,
    *,
    text: str | None = None,
    weak: str | Sequence[str] | None = None,
    gold: str | None = None,
    id: str | None = None,
    annotator: str | None = None,
    replies: str | Sequence[str] | None = None,
    classes: Sequence[str] = (),
    form: Form = "auto",
    abstain: str = "-1",
    normalize: bool = False,
) -> PracticeData:
    """Read a table with labels of any shape. Roles of columns that are not given are guessed, and noted.

    Args:
        path: A CSV, TSV, JSONL, JSON, Parquet or Arrow (`.arrow`, `.feather`) file, or `hub:owner/name@split`, a data
            set of the hub, which needs the package `datasets`.
        text: The column of the text, or a template over several, `{title}: {body}`.
        weak: The columns of the labels, as a list or with commas: a class; a list or an object with a number for each
            class; or columns called as the classes (with `classes`, in their order), with a number each. Several
            columns of labels are several annotators.
        gold: The column of the ground truth; empty where it is unknown.
        id: The column of the items' ids; by default they are their row numbers.
        annotator: The column of the annotator, in a table with a row for each annotator and item.
        replies: The columns of two replies, of which the label names the better one, by its column.
        classes: The classes, in the order of the numbers that stand for them; by default the values that occur.
        form: "classes", "probabilities" or "scores" (logits or log-probabilities).
        abstain: A cell that stands for no label, as an empty one does.
        normalize: Divide probabilities by their sum; by default a sum that is not 1 is an error.

    Returns:
        The data; `roles` and `notes` say what was guessed.

    Raises:
        UserError: The file cannot be read, a column is missing or looks like nothing, a label is none of the classes,
            probabilities are none, two rows contradict each other, or nothing is labelled.

    Example:
        >>> read_data("reviews.csv").roles.lines()
        ('text: body (guessed; --text names another)', 'weak: llm (guessed; --weak names another)')
    """
    source, table = table_of(str(path))
    given = Roles(
        text=text or "", id=id or "", weak=_listed(weak, table.columns), gold=gold or "", annotator=annotator or "",
        replies=_listed(replies, table.columns), form=form,
    )  # fmt: skip
    roles = assigned(source, table, given)
    found = reading.read(source, table, roles, classes=tuple(classes), abstain=abstain, normalize=normalize)
    return PracticeData(name=str(source), roles=roles, **found)


def _listed(names: str | Sequence[str] | None, columns: Sequence[str]) -> tuple[str, ...]:
    """The columns of a list, or of a text with commas unless that is itself the name of one."""
    if not isinstance(names, str):
        return tuple(names or ())
    return (names,) if names in columns else tuple(part.strip() for part in names.split(",") if part.strip())
