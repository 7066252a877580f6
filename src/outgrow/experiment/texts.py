"""How many texts an experiment still has to read for frozen features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from outgrow.experiment.steps import Features
from outgrow.graph import Step
from outgrow.models.base import Model
from outgrow.store import Store, as_digests, digest_of_text
from outgrow.training.features import texts_of


def new_texts(todo: Sequence[Step[Any]], store: Store) -> list[str]:
    """A phrase for each model with features to compute: `minilm/l6: 1,200 of 9,000 texts are new, about 14 s`.

    The time is what the model's stored texts took, a text; it is left out where none is stored. Features of models that
    the experiment fits or adapts first are not counted.
    """
    texts: dict[str, set[bytes]] = {}
    names: dict[str, str] = {}
    for step in todo:
        if isinstance(step, Features) and isinstance(step.source, Model):
            names[step.rows[0]] = step.source.name
            examples = step.examples.read()
            own = (text for row in texts_of(examples, step.examples.task.readout) for text in row)
            texts.setdefault(step.rows[0], set()).update(map(digest_of_text, own))
    return [_phrase(names[name], digests, name, store) for name, digests in texts.items()]


def _phrase(model: str, digests: set[bytes], name: str, store: Store) -> str:
    rows = store.rows(name)
    segments = rows.segments()
    new = int((~rows.has(as_digests(sorted(digests)))).sum())
    stored, seconds = sum(len(each.digests) for each in segments), sum(each.seconds for each in segments)
    about = f", about {new * seconds / stored:,.0f} s" if stored and new else ""
    return f"{model}: {new:,} of {len(digests):,} texts are new{about}"
