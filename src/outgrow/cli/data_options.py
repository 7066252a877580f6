"""The options that say what the columns of a table with labels are, shared by the commands that read one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from outgrow.practice.data import PracticeData

Data = Annotated[
    str, typer.Argument(metavar="DATA", help="A CSV, TSV, JSONL, Parquet or Arrow file, or hub:owner/name.")
]
Text = Annotated[str | None, typer.Option(help="The column of the text, or a template: '{title}: {body}'.")]
Weak = Annotated[str | None, typer.Option(help="The columns of the labels: llm, or ann,bob.")]
Gold = Annotated[str | None, typer.Option(help="The column of the ground truth, empty where it is unknown.")]
Id = Annotated[str | None, typer.Option(help="The column of the rows' ids.")]
Annotator = Annotated[str | None, typer.Option(help="The column of the annotator, in a table with a row for each.")]
Replies = Annotated[str | None, typer.Option(help="Two columns of replies, of which the label names the better one.")]
Classes = Annotated[str, typer.Option(help="The classes, in the order of their numbers: bad,good.")]
Form = Annotated[str, typer.Option(help="auto, classes, probabilities or scores (logits, log-probabilities).")]
Abstain = Annotated[str, typer.Option(help="A cell that stands for no label, as an empty one does.")]
Normalize = Annotated[bool, typer.Option("--normalize", help="Divide probabilities by their sum.")]


def data_from(
    data: str,
    *,
    text: str | None,
    weak: str | None,
    gold: str | None,
    id: str | None,
    annotator: str | None,
    replies: str | None,
    classes: str,
    form: str,
    abstain: str,
    normalize: bool,
) -> PracticeData:
    """The data that the options name. Raises UserError."""
    from outgrow.practice.data import read_data

    return read_data(
        data, text=text, weak=weak, gold=gold, id=id, annotator=annotator, replies=replies,
        classes=[name.strip() for name in classes.split(",") if name.strip()], form=form,  # type: ignore[arg-type]
        abstain=abstain, normalize=normalize,
    )  # fmt: skip
