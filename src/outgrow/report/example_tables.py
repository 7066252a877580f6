"""Examples by who has them right, as text: for the terminal, Markdown, CSV, JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from typing import Any

from outgrow.numbers import ABSENT, percent
from outgrow.report.examples import Answer, Group
from outgrow.report.tables import marked_down, one_line

FEW = 10  # examples of a comparison in a text for people
CHARACTERS = 300  # of a prompt there


def flat(groups: Sequence[Group]) -> list[dict[str, Any]]:
    """A flat dict for each example: `task`, `weak`, `strong`, `method`, `id`, `prompt`, `right`, for each role its
    answer and `ROLE_p`, its probability, and the `seeds` for which it holds; the answers are of the first of them."""
    roles = list(dict.fromkeys(role for group in groups for seen in group.examples for role in seen.answers))
    return [
        {
            "task": group.task,
            "weak": group.weak,
            "strong": group.strong,
            "method": group.method,
            "id": seen.example.id,
            "prompt": seen.example.prompt,
            "right": list(seen.right),
            **{key: value for role in roles for key, value in _pair(role, seen.answers.get(role))},
            "seeds": list(seen.seeds),
        }
        for group in groups
        for seen in group.examples
    ]


def _pair(role: str, answer: Answer | None) -> list[tuple[str, Any]]:
    name = role.replace("-", "_")
    return [(name, answer and answer.choice), (f"{name}_p", answer and answer.probability)]


def text(groups: Sequence[Group], format: str) -> str:
    """The examples as `json` or `csv`, all of them, or as `table` or `md`, the first few of each comparison."""
    records = flat(groups)
    if format == "json":
        return json.dumps(records, indent=1, allow_nan=False) + "\n"
    if format == "csv":
        out = io.StringIO()
        writer = csv.DictWriter(out, fieldnames=list(records[0]) if records else ["task"], lineterminator="\n")
        writer.writeheader()
        writer.writerows(
            {name: "; ".join(map(str, value)) if isinstance(value, list) else value for name, value in record.items()}
            for record in records
        )
        return out.getvalue()
    return "\n".join(_lines(groups, format == "md")).rstrip() + "\n"


def counted(group: Group) -> str:
    """How many examples there are, in words."""
    if group.share is None:
        return "not computed yet"
    return f"{percent(group.share)} % of {group.n_test} test examples, {len(group.examples)} in at least one seed"


def _lines(groups: Sequence[Group], marked: bool) -> Iterator[str]:
    write = marked_down if marked else one_line
    for group in groups:
        name = write(f"{group.task}: {group.weak} → {group.strong}, {group.method}")
        yield f"### {name}\n" if marked else name
        yield f"{counted(group)[:1].upper()}{counted(group)[1:]}.\n" if marked else f"  {counted(group)}"
        for seen in group.examples[:FEW]:
            answers = [(role, write(short(each.choice)), each.probability) for role, each in seen.answers.items()]
            listed = "; ".join(f"{role} {choice} ({percent(probability)} %)" for role, choice, probability in answers)
            right = write(short(" or ".join(seen.right))) or ABSENT
            yield f"- {write(short(seen.example.prompt))}{'  ' if marked else ''}"
            yield f"  right {right}; {listed}; {len(seen.seeds)} of {seen.of} seeds"
        if len(group.examples) > FEW:
            yield f"{chr(10) if marked else '  '}{len(group.examples) - FEW} more: --format csv"
        yield ""


def short(text: str) -> str:
    """The beginning of a long text."""
    return text if len(text) <= CHARACTERS else f"{text[: CHARACTERS - 1]}…"
