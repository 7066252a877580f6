"""Finetuning within memory and time: full or low-rank, and how many updates."""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from importlib.util import find_spec
from typing import Any

from outgrow import graph
from outgrow.cache import cached
from outgrow.executors._machine import machine
from outgrow.executors.inline import Inline
from outgrow.experiment.data import Prepare
from outgrow.experiment.estimates import to_learn
from outgrow.experiment.recipes import bundled
from outgrow.experiment.steps import Fit
from outgrow.graph import Settings, identity, lacking
from outgrow.methods.contrastive import Contrastive
from outgrow.methods.finetune import Finetune
from outgrow.methods.lora import LoRA
from outgrow.models.base import Model
from outgrow.practice.choice import NAIVE
from outgrow.practice.data import PracticeData
from outgrow.practice.fit import checked, is_causal
from outgrow.practice.graph import Wanted, graph_of
from outgrow.practice.task import task_of
from outgrow.store import Store
from outgrow.training.precision import resolved
from outgrow.types import UserError

Tuned = Contrastive | Finetune | LoRA
SAFE = 0.85  # of the time, that is planned for
TRIED = (2, 8)  # updates of two trials: their difference tells the time of one
READING = 1 / 3  # of the time to learn from a text, to answer it


def finetuning(data: PracticeData, model: Model, settings: Settings) -> Tuned:
    """How a model is finetuned: encoders contrastively, others by their recipe, and by low-rank updates where memory is
    too small for it."""
    recipe, task = bundled("text", model.short_name), task_of(data)
    whole: Contrastive | Finetune = recipe if data.replies or is_causal(model, settings) else Contrastive()
    examples, precision = Prepare(task=task, split="transfer", cut=True), resolved("auto", settings.device)
    needed = to_learn(model, examples, task.readout, whole.at(precision), settings)
    if not lacking(needed, machine(settings)) or find_spec("peft") is None:
        return whole
    return LoRA(epochs=recipe.epochs)


def check_minutes(minutes: Any) -> None:
    """Raises UserError for what is no time."""
    if not isinstance(minutes, int | float) or not 0 < minutes < math.inf:
        raise UserError(f"minutes is {minutes!r}: give a number above 0, such as 10")


def within(
    minutes: float, data: PracticeData, model: Model, fit_method: Tuned, *, seed: int, settings: Settings
) -> Tuned:
    """The same with so many updates as this machine makes in the time, with a reserve, and no more than without a
    limit. The speed is measured once for a model on a machine, so that a fit that is run again is the same.

    Raises UserError where the time is no number or too short for a single update.
    """
    check_minutes(minutes)
    wanted = checked(data, model, method=NAIVE, fit_method=fit_method, seed=seed, settings=settings)
    key = [identity(wanted.model), identity(fit_method), settings.device, settings.threads]
    update, start = cached("speed", key, lambda: _measured(wanted, fit_method, settings))
    answering = len(data) * READING * update / fit_method.batch
    updates = int((SAFE * 60 * minutes - start - answering) / update)
    if updates < 1:
        needed = (start + answering + update) / SAFE
        raise UserError(
            f"--minutes {minutes:g} is too short: opening the model, one update and reading the rows take "
            f"{needed:.1f} s: give {math.ceil(needed / 0.6) / 100:g} at least"
        )
    return replace(fit_method, updates=min(updates, fit_method.total(len(data.annotations))))


def _measured(wanted: Wanted, fit_method: Tuned, settings: Settings) -> list[float]:
    """Seconds of an update, and of everything before the first one."""
    times = [_timed(replace(wanted, method=replace(fit_method, updates=updates)), settings) for updates in TRIED]
    update = max((times[1] - times[0]) / (TRIED[1] - TRIED[0]), 1e-4)
    return [update, max(times[0] - TRIED[0] * update, 0.0)]


def _timed(wanted: Wanted, settings: Settings) -> float:
    """Seconds of a fit, with its inputs stored."""
    fit: Fit = graph_of(wanted).fit
    with tempfile.TemporaryDirectory() as folder:
        store = Store(folder)
        _run(fit.inputs(), store, settings)
        started = time.monotonic()
        _run([fit], store, settings)
        return time.monotonic() - started


def _run(steps: Sequence[Any], store: Store, settings: Settings) -> None:
    if failures := graph.run(steps, store, Inline(), settings).failures:
        raise UserError(failures[0].error_text.strip())
