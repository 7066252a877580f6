"""Ranges of fields: what is in, what is out, and that every record refuses what it cannot use."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outgrow.config import experiment_from
from outgrow.experiment.technique import Technique
from outgrow.labelling.dawid_skene import DawidSkene
from outgrow.labelling.keep_confident import KeepConfident
from outgrow.labelling.keep_random import KeepRandom
from outgrow.labelling.knn import KNN
from outgrow.labelling.sharpen import Sharpen
from outgrow.losses.confidence import Confidence
from outgrow.losses.log_confidence import LogConfidence
from outgrow.methods.finetune import Finetune
from outgrow.methods.head import Head
from outgrow.methods.lora import LoRA
from outgrow.ranges import LARGEST, LARGEST_WHOLE, above, at_least, one_of, whole
from outgrow.tasks.base import Shares
from outgrow.tasks.chess_puzzles import ChessPuzzles
from outgrow.tasks.nlp import Nlp
from outgrow.tasks.reward import Reward
from outgrow.tasks.text import Text
from outgrow.training.features import FeatureSpec
from outgrow.training.language_model import Generative
from outgrow.training.loop import TrainingConfig
from outgrow.types import UserError

NAN, INF = math.nan, math.inf
HYPER: dict[str, tuple[Any, ...]] = {
    "epochs": (0, -1.0, NAN, INF, 1e7, True, "2"),
    "updates": (0, -5, 1.5, 2**31),
    "batch": (0, -1, 8.0, 2**31, 10**5000),
    "learning_rate": (0.0, -1e-5, NAN, INF, 1e39, None),
    "schedule": ("", "linaer", None),
    "warmup": (-0.1, 1.1, NAN),
    "weight_decay": (-0.1, NAN, INF),
    "clip": (0.0, -1.0, NAN, INF),
    "precision": ("fp16", ""),
    "keep": ("first",),
    "checks": (0, -1, 0.5),
}
SHARE = (-0.1, 1.1, NAN, INF)
REFUSED: dict[Any, dict[str, tuple[Any, ...]]] = {
    TrainingConfig(): HYPER,
    Finetune(): HYPER,
    Generative(): HYPER,
    LoRA(): {**HYPER, "rank": (0, 1.5), "alpha": (0, -1)},
    Head(): {"pooling": ("max",), "layer": (1001, -1001, 0.5)},
    FeatureSpec(): {"pooling": ("max",), "layer": (1001, 0.5)},
    Confidence(): {"weight": SHARE, "warmup": SHARE, "prior": ((0.5, 0.6), (NAN, 1.0), (1.5, -0.5), (INF, 0.0))},
    LogConfidence(): {"weight": SHARE, "warmup": SHARE},
    KeepConfident(): {"share": (0.0, *SHARE)},
    KeepRandom(): {"share": (0.0, *SHARE), "seed": (-1, 0.5)},
    DawidSkene(): {"iterations": (0, 1.5), "smoothing": (-0.1, NAN, INF)},
    KNN(): {"neighbours": (0, -1, 1.5)},
    Sharpen(): {"temperature": (0.0, -1.0, NAN, INF)},
    Technique(): {"chain_data": ("old",), "oracle": ("yes", None)},
    Shares(): {"test": (0.2, -0.1, 1.5, NAN)},
    Text(path="", prompt="{a}", label="b"): {"max_chars": (0, -1, 1.5), "near_share": SHARE},
    Nlp(set="boolq"): {"max_chars": (0,), "near_share": SHARE},
    Reward(path=""): {"max_chars": (0,), "near_share": SHARE},
    ChessPuzzles(prompt="moves"): {"plies": (0, 1.5), "prompt": ("fen",)},
}


@pytest.mark.parametrize("record", REFUSED, ids=lambda record: type(record).__name__)
def test_a_value_outside_its_range_is_refused_in_one_line_that_names_it(record: Any) -> None:
    for name, values in REFUSED[record].items():
        for value in values:
            with pytest.raises(UserError, match=f"^({name} is|shares are) ") as caught:
                replace(record, **{name: value})
            assert "\n" not in str(caught.value)
            assert len(str(caught.value)) < 200


ALLOWED: dict[str, tuple[Any, ...]] = {
    "epochs": (1e-6, 1, 1e6),
    "updates": (None, 1, LARGEST_WHOLE),
    "batch": (1,),
    "learning_rate": (1e-30, 1, 1e38),
    "warmup": (0, 0.0, 1.0),
    "weight_decay": (0, 0.5),
    "clip": (1e-9, 1e9),
    "checks": (1, 1000),
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name in ALLOWED for value in ALLOWED[name]])
def test_the_ends_of_a_range_belong_to_it(name: str, value: Any) -> None:
    assert getattr(replace(LoRA(), **{name: value}), name) == value
    KeepConfident(share=1.0)
    Shares(weak_train=1.0, transfer=0.0, transfer_validation=0.0, validation=0.0, test=0.0)


@given(st.floats(allow_nan=True, allow_infinity=True) | st.integers(), st.floats(-1e6, 1e6), st.floats(0, 1e6))
def test_a_range_holds_what_lies_in_it(value: float, least: float, span: float) -> None:
    inside = least <= value <= least + span
    assert at_least(least, least + span).holds(value) == inside
    assert above(least, least + span).holds(value) == (inside and value != least)
    assert whole(-3, 7).holds(value) == (isinstance(value, int) and -3 <= value <= 7)


def test_advice_says_what_to_give() -> None:
    assert at_least(0).advice(-1) == "give a number of at least 0"
    assert above(0).advice(-1) == "give a number above 0"
    assert above(0).advice(1e39) == "give a number above 0, at most 3.4e+38"
    assert above(0, 1).advice(-1) == "give a number above 0, at most 1"
    assert at_least(0, 1).advice(2) == "give a number between 0 and 1"
    assert whole(1).advice(0) == "give a whole number of at least 1"
    assert whole(1).advice(2**31) == "give a whole number of at least 1, at most 2147483647"
    assert one_of("a", "b", "c").advice("d") == 'choose "a", "b" or "c"'
    assert LARGEST < 2.0**128


@pytest.mark.parametrize(("name", "value"), [(n, v) for n in ("batch", "checks", "epochs", "updates") for v in (0, -1)])
def test_a_recipe_of_an_experiment_is_refused_at_its_place(name: str, value: int) -> None:
    table = {"task": "chess-puzzles", "weak": "ladder/pawn", "strong": "ladder/knight"}
    with pytest.raises(UserError, match=rf"recipes\.\"?ladder/knight\"?.*{name} is {value}"):
        experiment_from({**table, "recipes": {"ladder/knight": {name: value}}})


def test_updates_are_merged_into_a_recipe_and_decide() -> None:
    table = {"task": "chess-puzzles", "weak": "ladder/pawn", "strong": "ladder/knight"}
    found = experiment_from({**table, "recipes": {"ladder/knight": {"updates": 7}}})
    recipe = found.recipes["chess-puzzles", "ladder/knight"]
    assert isinstance(recipe, Finetune)
    assert (recipe.updates, recipe.epochs, recipe.total(1000)) == (7, 3.0, 7)
