"""Fit a model to cheap labels, and compare it with what is simpler."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from outgrow import graph
from outgrow.executors._machine import machine
from outgrow.executors.base import Executor
from outgrow.executors.inline import Inline
from outgrow.experiment.checkpoints import check_checkpoints
from outgrow.experiment.data import LabelsStep
from outgrow.graph import Outcome, Report, Settings, ignore_events, load
from outgrow.methods.base import Method
from outgrow.methods.head import Head
from outgrow.models.base import Model
from outgrow.models.header import read_config
from outgrow.practice.audits import Audits, of_data
from outgrow.practice.choice import Choice, chosen
from outgrow.practice.comparison import MODEL, LabellerScore, compare_labellers, ties
from outgrow.practice.data import PracticeData
from outgrow.practice.estimate import GainEstimate, estimate
from outgrow.practice.graph import Graph, Wanted, graph_of
from outgrow.practice.task import Practice, task_of
from outgrow.store import Store
from outgrow.supervisors.zero_shot import LANGUAGE_MODELS
from outgrow.training.lengths import LengthLimit, not_one_token, too_long
from outgrow.training.network import check_device
from outgrow.training.precision import resolved
from outgrow.types import Floats, Labels, Shape, UserError, classes_of

DEFAULT_SETTINGS = Settings()


@dataclass(frozen=True, kw_only=True, eq=False)
class Fitted:
    """A model that has learned from cheap labels.

    Attributes:
        wanted: The data, the model, and how it was fitted.
        graph: The steps in the store.
        store: The store.
        predictions: Of every row, over the classes.
        weak: The labels themselves, joined where several sources gave some; rows without a label have none.
        scored: Of audited rows, predictions by models that have not learned from them.
        comparison: The model and what it is compared with on these rows; () without audited rows.
        predicted_gain: Without audited rows, the gain over the labels as a prediction from other tasks; else None.
        notes: What is to be known, one line each.
        outcome: Which steps were computed.
    """

    wanted: Wanted
    graph: Graph
    store: Store
    predictions: Labels
    weak: Labels
    scored: Labels
    comparison: tuple[LabellerScore, ...]
    notes: tuple[str, ...]
    outcome: Outcome
    predicted_gain: GainEstimate | None = None

    @property
    def choice(self) -> Choice:
        return self.wanted.choice

    @property
    def data(self) -> PracticeData:
        return self.wanted.data


def fit(
    data: PracticeData,
    model: Model,
    *,
    method: str = "auto",
    fit_method: Method | None = None,
    audits: Audits | None = None,
    others: Mapping[str, Labels] | None = None,
    seed: int = 0,
    store: Store | str = "runs",
    on: Executor | None = None,
    settings: Settings = DEFAULT_SETTINGS,
    watch: Report = ignore_events,
) -> Fitted:
    """Fit a model to cheap labels. What is stored already is not computed again, so an interrupted fit goes on.

    Args:
        data: Texts with the labels of one or several sources, and ground truth of some rows, if there is any.
        model: The model, such as `MiniLM(size="l6")`.
        method: How the labels are used: `auto`, `naive`, `audited`, a labelling rule or a loss.
        fit_method: A head on frozen features, `contrastive`, `finetune` or `lora`; by default a linear head.
        audits: How the rows with ground truth were chosen; by default they are taken for a random sample.
        others: Other predictions of audited rows, by name, to compare with the model's.
        seed: Of everything that is drawn.
        store: The folder or URL of finished steps.
        on: The executor; by default this process.
        settings: The device and other options of this machine.
        watch: Called with each event.

    Returns:
        The model: its predictions for every row, its comparison with what is simpler, and notes.

    Raises:
        UserError: The data has too few labels or one class only, the method or model does not exist or does not fit
            the data, the checkpoint cannot be loaded, or the model is too large for this machine's memory. All of it is
            checked before anything is computed.

    Example:
        >>> data = PracticeData.from_values(weak, texts)
        >>> fit(data, model).predictions.hard().shape
        (60,)
    """
    wanted = checked(data, model, method=method, fit_method=fit_method or Head(), seed=seed, settings=settings)
    steps, opened = graph_of(wanted), store if isinstance(store, Store) else Store(str(store))
    check_checkpoints(graph.walk(steps.targets), settings)
    executor = on or Inline()
    with executor.claimed(settings) as claimed:
        outcome = graph.run(steps.targets, opened, executor, claimed, watch)
    if outcome.failures:
        first = outcome.failures[0]
        text = first.error_text.strip()
        if first.user_error:
            raise UserError(text)
        raise RuntimeError(f"{first.step.title} failed:\n{text}")
    return _read(wanted, steps, opened, outcome, audits or of_data(data), others or {})


def checked(
    data: PracticeData, model: Model, *, method: str, fit_method: Method, seed: int, settings: Settings
) -> Wanted:
    """What is wanted, after every check that needs no computation. Raises UserError."""
    check_device(settings)
    choice, task, pinned = chosen(method, data), task_of(data), model.pinned()
    shape = Shape(readout=task.readout, choices=None if data.replies else data.classes, most=len(data.classes))
    choice.technique.check(shape)
    fit_method.check(shape)
    wanted = Wanted(
        task=task,
        data=data,
        model=pinned,
        choice=choice,
        method=fit_method,
        precision=resolved("auto", settings.device),
        seed=seed,
        zero_shot=_words(data, pinned, settings),
    )
    graph.check_resources(graph.walk(graph_of(wanted).targets), machine(settings), settings)
    return wanted


def _words(data: PracticeData, model: Model, settings: Settings) -> tuple[str, ...]:
    """The tokens that stand for the classes where the model can be asked: the classes themselves, or with a space
    before; () for encoders, and where a class is several tokens."""
    if data.replies or not len(data.audited) or not is_causal(model, settings):
        return ()
    limit = LengthLimit.reader(model, settings)
    for words in (data.classes, tuple(f" {name}" for name in data.classes)):
        if limit and not not_one_token(limit, words):
            return words
    return ()


def is_causal(model: Model, settings: Settings) -> bool:
    """Whether a model is a language model, as far as its config says."""
    if model.causal is not None:
        return model.causal
    named = read_config(model.tokenizer_folder(settings)).get("architectures") or []
    return any(str(kind).endswith(LANGUAGE_MODELS) for kind in named)


def _read(
    wanted: Wanted, steps: Graph, store: Store, outcome: Outcome, audits: Audits, others: Mapping[str, Labels]
) -> Fitted:
    weak, scored = load(steps.weak, store), _of_their_folds(steps.scored, store)
    rows: tuple[LabellerScore, ...] = ()
    if len(scored):
        answers = {MODEL: scored, "the weak labels": weak, **others}
        if len(alone := _of_their_folds(steps.alone, store)):
            answers["the same model on the audited rows alone"] = alone
        if steps.zero_shot:
            answers["the same model, zero-shot"] = load(steps.zero_shot, store)
        rows = compare_labellers(wanted.data, audits, answers)
    return Fitted(
        wanted=wanted,
        graph=steps,
        store=store,
        predictions=load(steps.predictions, store),
        weak=weak,
        scored=scored,
        comparison=rows,
        notes=(
            *wanted.data.odd,
            *wanted.data.notes,
            *_why_other(rows),
            *ties(weak, "weak labels"),
            *_cut(wanted),
            *load(steps.fit, store).notes(),
        ),
        outcome=outcome,
        predicted_gain=_predicted_gain(weak, load(steps.out_of_fold, store)) if steps.out_of_fold else None,
    )


def _predicted_gain(weak: Labels, guess: Labels) -> GainEstimate:
    return estimate(classes_of(weak.of(guess.ids)), classes_of(guess))


def _why_other(rows: Sequence[LabellerScore]) -> Sequence[str]:
    """Why `outgrow labels` states another accuracy of the same labels."""
    if not rows:
        return ()
    text = "`outgrow labels` states the accuracy of the labels of exactly these rows, and uses guesses for those that"
    return (f"{text} nobody audited; here it is that of any such rows, without guesses, so the two differ a little",)


def _of_their_folds(steps: Mapping[Practice, LabelsStep], store: Store) -> Labels:
    """The predictions of the audited rows, each by the model that has not learned from it."""
    ids: list[str] = []
    rows: list[Floats] = []
    for task, step in steps.items():
        found = load(step, store).of(tuple(sorted(task.held_out())))
        ids += found.ids
        rows += found.rows()
    return Labels.from_rows(ids, rows)


def _cut(wanted: Wanted) -> Sequence[str]:
    """How many texts are longer than the model reads."""
    limit = LengthLimit.of(wanted.model, DEFAULT_SETTINGS)
    if limit is None or not (found := too_long(wanted.task, limit)).ids:
        return ()
    return (f"{len(found.ids):,} of {found.rows:,} texts are longer than {limit.longest} tokens: the rest is not read",)
