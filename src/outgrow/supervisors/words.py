"""Words: bags of words and n-grams with logistic regression, learned from ground truth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from outgrow.cache import cached
from outgrow.experiment.data import Gold, LabelsStep, Prepare
from outgrow.experiment.setup import CellSetup
from outgrow.graph import Context, Settings, Step, identity
from outgrow.ranges import above, check_ranges, whole
from outgrow.supervisors.base import Supervisor, name_with_settings
from outgrow.tasks.base import ground_truth
from outgrow.training.language_model import Generative
from outgrow.training.word_classifier import WordClassifier, classes_seen, fit_words, refuse_few_groups, vocabulary
from outgrow.types import Labels, UserError


@dataclass(frozen=True, kw_only=True)
class Words(Supervisor):
    """Multinomial logistic regression on the TF-IDF of words and word n-grams, fitted to the ground truth of
    weak_train.

    Its vocabulary is that of weak_train. Of a pair of texts it reads the difference of their vectors. Tasks whose
    examples have choices of their own, such as legal moves, are refused.

    ngrams: the fewest and the most words of a term. min_df: in how many texts a term must be. penalties: of half the
    squared weights beside the summed cross-entropy; cross-validation in `folds` parts, whole groups each, chooses one.
    """

    kind: ClassVar[str] = "supervisor/words"
    fitted: ClassVar[bool] = True

    ngrams: tuple[int, int] = (1, 2)
    min_df: int = 1
    penalties: tuple[float, ...] = (1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001)
    folds: int = 5

    def __post_init__(self) -> None:
        check_ranges(self, min_df=whole(1), folds=whole(2, 100))
        least, most = self.ngrams
        if not 1 <= least <= most <= 10:
            raise UserError(f"ngrams is [{least}, {most}]: give the fewest and the most words of a term, from 1 to 10")
        if not self.penalties or not all(map(above(0).holds, self.penalties)):
            raise UserError(f"penalties is {list(self.penalties)}: give one or more numbers above 0")

    @property
    def name(self) -> str:
        return name_with_settings("words", self)

    def check(self, setup: CellSetup, settings: Settings) -> None:
        examples = setup.splits["weak_train"]
        cached("words", [identity(examples), identity(self)], lambda: self._terms(examples))

    def labels(self, setup: CellSetup, examples: Prepare, adapt: Generative | None = None) -> tuple[LabelsStep, ...]:
        train = setup.splits["weak_train"]
        fitted = FitWords(words=self, examples=train, labels=Gold(examples=train), seed=setup.seed)
        return (PredictWords(fitted=fitted, examples=examples),)

    def _terms(self, prepare: Prepare) -> int:
        """The size of the vocabulary. Raises UserError where there is nothing to learn from."""
        task, examples = prepare.task, prepare.read()
        try:
            classes_seen(ground_truth(task, examples))
            refuse_few_groups(examples.groups, self.folds)
            return len(vocabulary(examples, task.readout, self.ngrams, self.min_df).vocabulary)
        except UserError as error:
            raise UserError(f"task {task.name}: {error}") from None


@dataclass(frozen=True, kw_only=True)
class FitWords(Step[WordClassifier]):
    """A classifier of bags of words, with the vocabulary of its own examples."""

    kind: ClassVar[str] = "fit_words"
    result: ClassVar[type[Any]] = WordClassifier

    words: Words
    examples: Prepare
    labels: Gold
    seed: int = 0

    @property
    def title(self) -> str:
        return f"fit words on {self.examples.task.name} {self.examples.split}"

    def run(self, ctx: Context) -> WordClassifier:
        examples = ctx.load(self.examples)
        return fit_words(
            examples,
            ctx.load(self.labels).aligned(examples),
            self.examples.task.readout,
            ngrams=self.words.ngrams,
            least=self.words.min_df,
            penalties=self.words.penalties,
            folds=self.words.folds,
            seed=self.seed,
        )


@dataclass(frozen=True, kw_only=True)
class PredictWords(LabelsStep):
    """The answers of a classifier of bags of words."""

    kind: ClassVar[str] = "predict_words"

    fitted: FitWords

    @property
    def title(self) -> str:
        return f"predict words on {self.examples.task.name} {self.examples.split}"

    def run(self, ctx: Context) -> Labels:
        examples = ctx.load(self.examples)
        return Labels.from_rows(examples.ids, ctx.load(self.fitted).predict(examples, self.examples.task.readout))
