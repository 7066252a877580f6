"""Saliency: how linear is the concept in each layer, before and after finetuning?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from outgrow.analyses.base import Analysis, Comparison, comparison_names, scored, scores_table
from outgrow.experiment.cell import Cell
from outgrow.experiment.scoring import Score
from outgrow.experiment.steps import Fit
from outgrow.experiment.students import ceiling
from outgrow.finding import Axis, Colour, Column, Figure, Finding, Mark, Panel, Series, Table, Value, in_words, some_of
from outgrow.graph import Settings, Step
from outgrow.measures.accuracy import accuracy
from outgrow.measures.crossed import mean_interval
from outgrow.measures.effects import Effect, effects
from outgrow.methods.head import Head
from outgrow.models.base import Model
from outgrow.models.header import read_config
from outgrow.training.language_model import Generative
from outgrow.training.loop import TrainingConfig
from outgrow.types import Doubles, Scores, UserError

STATES = {
    "before": "before finetuning",
    "weak": "finetuned on weak labels",
    "truth": "finetuned on ground truth",
    "text": "read the texts without labels",
}
COLOURS: dict[str, Colour] = {"before": "muted", "weak": "student", "truth": "ceiling", "text": "second"}
FIVE = {
    "student": "finetune on weak labels",
    "probe": "probe on weak labels",
    "ceiling": "finetune on ground truth",
    "before": "probe on ground truth",
    "weak": "finetune on weak labels, then probe on ground truth",
}
LAST = -1
MOST_LAYERS = 7  # of a model that are probed, evenly apart, where `layers` does not say which
PANELS = 3


@dataclass(frozen=True, kw_only=True)
class Saliency(Analysis):
    """The accuracy of linear probes that learn ground truth from each layer of the student (Burns et al. 2023, sections
    5.3 and D.2): before finetuning, after finetuning on weak labels, on ground truth, and on the texts alone.

    layers: 0 for the embeddings, -1 for the last as a head sees it; (): all, or seven of them evenly apart. times: also
    the last layer of students that were finetuned for these shares of their recipe's updates. text: how causal models
    read the texts of transfer; other models have no such state.
    """

    question: ClassVar[str] = "How linear is the concept in each layer, before and after finetuning?"

    layers: tuple[int, ...] = ()
    times: tuple[float, ...] = (0.25, 0.5)
    text: Generative = field(default_factory=lambda: Generative(learning_rate=1e-3, epochs=1.0))

    def __post_init__(self) -> None:
        if not all(0 < time < 1 for time in self.times):
            raise UserError(f"times is {list(self.times)}: give shares of the training, between 0 and 1")

    def check(self, cells: Sequence[Cell]) -> None:
        """Raises UserError where no student is finetuned, or no task has a head."""
        if not any(map(_is_probed, cells)):
            raise UserError(
                "analysis saliency probes the layers of finetuned students, on a task whose examples share their "
                'choices: set task = "chess-advantage" with a model that finetunes, and a method without oracle'
            )

    def steps(self, cell: Cell) -> Mapping[str, Step[Any]]:
        if not _is_probed(cell):
            return {}
        setup, own = cell.setup, cell.student_fit
        top = ceiling(setup, cell.strong, cell.method)
        labels = own.labels, own.validation_labels
        on_weak = setup.fit(cell.strong, setup.part(0), setup.validation, labels=labels, method=Head())
        found: dict[str, Step[Any]] = {"student": cell.student, "ceiling": cell.ceiling, "probe": scored(on_weak, cell)}
        layers = self.layers or _layers(cell.strong)
        for layer in dict.fromkeys((*layers, LAST)):
            found[f"before/1/{layer}"] = _probe(cell, layer)
            found[f"weak/1/{layer}"] = _probe(cell, layer, source=own)
            found[f"truth/1/{layer}"] = _probe(cell, layer, source=top)
            if cell.strong.causal:
                found[f"text/1/{layer}"] = _probe(cell, layer, adapt=self.text)
        for time, (state, fit) in product(self.times, (("weak", own), ("truth", top))):
            found[f"{state}/{time:g}/{LAST}"] = _probe(cell, LAST, source=_shorter(fit, time))
        return found

    def finding(self, comparisons: Sequence[Comparison]) -> Finding:
        measured = [
            _Measured(name, each) for name, each in zip(comparison_names(comparisons), comparisons, strict=True)
        ]
        return Finding(sentence=_sentence(measured), table=_table(measured), figure=_figure(measured))


def _is_probed(cell: Cell) -> bool:
    finetuned = cell.student_fit.features is None and isinstance(cell.student_fit.method, TrainingConfig)
    return finetuned and cell.task.readout != "tokens" and not (cell.method.oracle or cell.method.adapt)


def _layers(model: Model) -> tuple[int, ...]:
    """The layers of a model below its last, at most `MOST_LAYERS` of them. Raises UserError where its config cannot be
    read, such as for a checkpoint that is not downloaded yet."""
    config = read_config(model.tokenizer_folder(Settings(offline=True)))
    count = int(config.get("num_hidden_layers") or config.get("n_layer") or 1)
    return tuple(dict.fromkeys(np.linspace(0, count - 1, min(count, MOST_LAYERS)).round().astype(int).tolist()))


def _shorter(fit: Fit, share: float) -> Fit:
    """The same fit with a part of the updates, a whole schedule of its own."""
    method: Any = fit.method
    updates = None if method.updates is None else max(1, round(share * method.updates))
    return replace(fit, method=replace(method, epochs=share * method.epochs, updates=updates))


def _probe(cell: Cell, layer: int, source: Fit | None = None, adapt: Generative | None = None) -> Score:
    """A linear probe that learned the ground truth of transfer from a layer."""
    setup = cell.setup
    fit = setup.fit(cell.strong, setup.part(0), setup.validation, method=Head(layer=layer), source=source, adapt=adapt)
    return scored(fit, cell)


class _Measured:
    """The accuracies of one comparison, [S, N] each: of probes by state, share of training and layer, and of others."""

    def __init__(self, name: str, each: Comparison) -> None:
        first: Scores = each.found["student"][0]
        self.name = name
        _, self.groups = np.unique(first.groups, return_inverse=True)
        self.probes: dict[tuple[str, float, int], Doubles] = {}
        self.others: dict[str, Doubles] = {}
        for key, scores in each.found.items():
            table = scores_table(scores, first.ids)
            state, _, rest = key.partition("/")
            if rest:
                time, _, layer = rest.partition("/")
                self.probes[state, float(time), int(layer)] = table
            else:
                self.others[state] = table
        self.layers = [layer for state, time, layer in self.probes if (state, time) == ("before", 1.0)]
        self.states = [state for state in STATES if (state, 1.0, LAST) in self.probes]
        self.times = sorted({time for _, time, _ in self.probes})

    def gained(self, state: str, time: float = 1.0, layer: int = LAST) -> Doubles:
        """What finetuning adds to the probe of a layer."""
        return self.probes[state, time, layer] - self.probes["before", 1.0, layer]

    def five(self, way: str) -> Doubles:
        """The accuracy of one of the five ways to learn the concept."""
        return self.others[way] if way in self.others else self.probes[way, 1.0, LAST]


def _sentence(measured: Sequence[_Measured]) -> str:
    """What finetuning does to the probe of the last layer; all tests together are corrected for their number."""
    tested = [(state, each) for state in STATES for each in measured if state != "before" and state in each.states]
    found = effects([each.gained(state) for state, each in tested], [each.groups for _, each in tested])
    by_state: dict[str, list[Effect]] = {}
    for (state, _), effect in zip(tested, found, strict=True):
        by_state.setdefault(state, []).append(effect)
    more, less, doubt = "more linear", "less linear", "that it is more or less linear"
    clauses = [f"{STATES[s]}, {in_words(own, more=more, less=less, doubt=doubt)}" for s, own in by_state.items()]
    return f"The concept in the last layer, by probes on ground truth: {'; '.join(clauses)}."


def _layer(layer: int) -> str:
    return "last" if layer == LAST else "embeddings" if layer == 0 else f"{layer}"


def _table(measured: Sequence[_Measured]) -> Table:
    columns = (
        Column(head="comparison"),
        Column(head="model"),
        Column(head="layer"),
        Column(head="accuracy", unit="%"),
        Column(head="against before", unit="points"),
    )
    rows: list[tuple[Value, ...]] = []
    for each in measured:
        for (state, time, layer), table in each.probes.items():
            trained = STATES[state] if time == 1 else f"{STATES[state]}, {100 * time:g} % of it"
            gained = None if state == "before" else mean_interval(each.gained(state, time, layer), each.groups)
            rows.append((each.name, f"probe, {trained}", _layer(layer), accuracy(table, each.groups), gained))
        for way, name in FIVE.items():
            if way in each.others:
                rows.append((each.name, name, "", accuracy(each.five(way), each.groups), None))
    return Table(columns=columns, rows=tuple(rows))


def _figure(measured: Sequence[_Measured]) -> Figure:
    panels: list[Panel] = []
    for each in measured[:PANELS]:
        panels.append(_over(each, each.layers, "layer", [_layer(layer) for layer in each.layers], over_layers=True))
        if len(each.times) > 1:
            times = [0.0, *each.times]
            panels.append(
                _over(each, times, "share of the training", [f"{100 * time:g} %" for time in times], over_layers=False)
            )
    return Figure(
        title="How linear the concept is",
        panels=tuple(panels),
        caption="Test accuracy of linear probes that learned ground truth from the features of a layer: before and "
        "after finetuning, and of the last layer after a part of the training. Bars are 95 % intervals."
        + some_of(PANELS, len(measured)),
    )


def _over(each: _Measured, places: Sequence[float], label: str, names: Sequence[str], *, over_layers: bool) -> Panel:
    """A panel of probes over layers, or of the last layer over training time."""

    def marks(state: str) -> tuple[Mark, ...]:
        keys = [
            (state, 1.0, int(place)) if over_layers else (state, place, LAST) if place else ("before", 1.0, LAST)
            for place in places
        ]
        tables: list[tuple[int, npt.NDArray[Any]]] = [
            (i, each.probes[key]) for i, key in enumerate(keys) if key in each.probes
        ]
        return tuple(Mark.at(float(i), accuracy(table, each.groups)) for i, table in tables)

    states = each.states if over_layers else [state for state in ("weak", "truth") if state in each.states]
    return Panel(
        title=each.name if over_layers else f"{each.name}, last layer",
        x=Axis(label=label, ticks=tuple((float(i), name) for i, name in enumerate(names))),
        y=Axis(label="accuracy of a probe", percent=True),
        series=tuple(Series(name=STATES[state], colour=COLOURS[state], marks=marks(state)) for state in states),
    )
