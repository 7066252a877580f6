"""Which method is taken: by what the labels allow, or by name."""

from __future__ import annotations

from dataclasses import replace

import cheap
import numpy as np
import pytest

from outgrow.labelling.dawid_skene import DawidSkene
from outgrow.labelling.harden import Harden
from outgrow.labelling.keep_confident import KeepConfident
from outgrow.labelling.mean import Mean
from outgrow.losses.confidence import Confidence
from outgrow.practice.choice import chosen
from outgrow.practice.data import PracticeData
from outgrow.types import UserError


def several(n: int = 250, sources: int = 3, overlap: bool = True) -> PracticeData:
    texts, truth = cheap.rows(n)
    votes = [
        [cheap.noisy(truth, seed=s)[i] if overlap or i % sources == s else None for s in range(sources)]
        for i in range(n)
    ]
    return PracticeData.from_values(votes, texts)


def test_audited_rows_are_learned_from_where_they_are_enough() -> None:
    found = chosen("auto", cheap.data(60, audited=30))
    assert (found.name, found.audited) == ("audited", True)
    assert found.why.startswith("30 audited rows")
    few = chosen("auto", cheap.data(60, audited=29))
    assert not few.audited
    assert "29 audited rows are too few" in few.why


def graded(n: int) -> PracticeData:
    """Labels that say how sure they are."""
    texts, _ = cheap.rows(n)
    sure = np.random.default_rng(0).uniform(0, 1, n)
    return PracticeData.from_values(np.stack([sure, 1 - sure], 1), texts, classes=cheap.CLASSES)


def test_without_audits_the_surest_half_is_learned_from_where_labels_say_how_sure_they_are() -> None:
    many, few = chosen("auto", graded(200)), chosen("auto", graded(199))
    assert (many.name, many.technique.rules) == ("keep-confident", (KeepConfident(per_class=True), Harden()))
    assert (few.name, few.technique.rules) == ("naive", ())
    assert "no row is audited, and 199 labelled rows are too few" in few.why
    hard = chosen("auto", cheap.data(200))
    assert hard.name == "naive"
    assert hard.why.endswith("the labels do not say how sure they are")


def test_replies_are_taken_as_they_are() -> None:
    found = chosen("auto", replace(graded(250), replies=tuple((f"w{i}", "w1") for i in range(250))))
    assert found.name == "naive"


def test_three_sources_that_overlap_are_joined_by_their_confusions_and_others_by_the_mean() -> None:
    assert chosen("auto", several()).joins == DawidSkene()
    assert chosen("auto", several()).technique.rules == (DawidSkene(),)  # most agree: the surest half would be random
    assert chosen("auto", several(overlap=False)).joins == Mean()
    assert chosen("naive", several(sources=2)).technique.rules == (Mean(),)


def test_rules_and_losses_go_by_their_names() -> None:
    assert chosen("keep-confident", cheap.data()).technique.rules == (KeepConfident(),)
    assert chosen("keep_confident", several()).technique.rules == (DawidSkene(), KeepConfident())
    assert chosen("mean", several()).technique.rules == (Mean(),)
    assert chosen("confidence", cheap.data()).technique.loss == Confidence()
    assert chosen("outgrow.labelling.keep_confident:KeepConfident", cheap.data()).technique.rules == (KeepConfident(),)


def test_what_is_not_there_is_refused() -> None:
    with pytest.raises(UserError, match=r"no method called 'confidense'. Did you mean 'confidence'\? Known: auto, "):
        chosen("confidense", cheap.data())
    with pytest.raises(UserError, match="audited needs rows with ground truth"):
        chosen("audited", cheap.data())
    with pytest.raises(UserError, match="method dawid-skene joins the labels of several sources, and the data has one"):
        chosen("dawid-skene", cheap.data())
