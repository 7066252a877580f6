"""What every labelling rule keeps to. A new file in `outgrow.labelling` is picked up by itself."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from outgrow.graph import identity
from outgrow.labelling.base import Evidence, Rule
from outgrow.plugins import find, names
from outgrow.types import Labels, Shape, UserError

KINDS: list[type[Rule]] = [find("rule", name) for name in names("rule")]


def weak_labels(rule: type[Rule], n: int = 60, choices: int = 3) -> list[Labels]:
    """What one supervisor says, or three of them."""
    ids = [f"e{i}" for i in range(n)]
    random = np.random.default_rng(0)
    return [
        Labels.from_rows(ids, list(random.dirichlet([0.5] * choices, n))) for _ in range(3 if rule.aggregates else 1)
    ]


def seen(rule: type[Rule], n: int = 60, backwards: bool = False) -> Evidence:
    """What it needs: features, and what is no features is predictions."""
    random = np.random.default_rng(1)
    features = random.standard_normal((n, 4))
    answers = Labels.from_rows([f"e{i}" for i in range(n)], random.dirichlet([0.5] * 3, n))
    return Evidence(
        features={need: features[::-1] if backwards else features for need in rule.needs if "features" in need},
        predictions={need: turned(answers) if backwards else answers for need in rule.needs if "features" not in need},
    )


def turned(labels: Labels) -> Labels:
    return Labels.from_rows(labels.ids[::-1], labels.rows()[::-1])


def by_id(labels: Labels) -> dict[str, list[float]]:
    return {id: row.tolist() for id, row in zip(labels.ids, labels.rows(), strict=True)}


def test_there_are_rules() -> None:
    assert KINDS


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_it_gives_probabilities_for_examples_that_it_was_given(kind: type[Rule]) -> None:
    given = weak_labels(kind)
    found = kind().apply(given, seen(kind))
    assert set(found.ids) <= set(given[0].ids)
    assert len(set(found.ids)) == len(found) > 0
    assert kind.selects or found.ids == given[0].ids
    assert all(len(row) == 3 for row in found.rows())
    assert np.allclose([row.sum() for row in found.rows()], 1, atol=1e-5)
    assert found.probs.min() >= 0


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_it_is_pure(kind: type[Rule]) -> None:
    given = weak_labels(kind)
    before = [labels.probs.copy() for labels in given]
    first, again = (by_id(kind().apply(given, seen(kind))) for _ in range(2))
    assert first == again
    assert all(np.array_equal(labels.probs, old) for labels, old in zip(given, before, strict=True))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_the_order_of_the_examples_means_nothing(kind: type[Rule]) -> None:
    given = weak_labels(kind)
    forth = by_id(kind().apply(given, seen(kind)))
    back = by_id(kind().apply([turned(labels) for labels in given], seen(kind, backwards=True)))
    assert forth.keys() == back.keys()
    for id, row in forth.items():
        assert back[id] == pytest.approx(row, abs=1e-5)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.aggregates], ids=lambda kind: kind.__name__)
def test_supervisors_are_joined_by_id(kind: type[Rule]) -> None:
    first, *others = weak_labels(kind)
    straight = by_id(kind().apply([first, *others]))
    mixed = by_id(kind().apply([first, *map(turned, others)]))
    for id, row in straight.items():
        assert mixed[id] == pytest.approx(row, abs=1e-6)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.aggregates], ids=lambda kind: kind.__name__)
def test_one_supervisor_s_labels_stay_as_they_are(kind: type[Rule]) -> None:
    one = weak_labels(kind)[0]
    assert by_id(kind().apply([one])) == by_id(one)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.aggregates], ids=lambda kind: kind.__name__)
def test_who_abstains_does_not_vote_and_examples_without_labels_are_dropped(kind: type[Rule]) -> None:
    """Each supervisor labels two thirds of the examples."""
    parts = []
    for k, labels in enumerate(weak_labels(kind)):
        rows = [i for i in range(len(labels)) if i % 3 != k]
        parts.append(Labels.from_rows([labels.ids[i] for i in rows], [labels.row(i) for i in rows]))
    found = kind().apply(parts)
    assert set(found.ids) == {f"e{i}" for i in range(60)}
    assert np.allclose([row.sum() for row in found.rows()], 1, atol=1e-5)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.selects], ids=lambda kind: kind.__name__)
def test_what_a_selection_keeps_it_leaves_as_it_was_or_hardens(kind: type[Rule]) -> None:
    given = weak_labels(kind)[0]
    kept = by_id(kind().apply([given], seen(kind)))
    assert len(kept) < len(given)
    assert any(all(before[id] == row for id, row in kept.items()) for before in map(by_id, (given, given.hardened())))


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.rescales], ids=lambda kind: kind.__name__)
def test_what_only_rescales_looks_at_each_label_alone(kind: type[Rule]) -> None:
    """So that a selection may go before it."""
    given = weak_labels(kind)[0]
    every = by_id(kind().apply([given]))
    alone = Labels.from_rows(given.ids[:1], given.rows()[:1])
    assert by_id(kind().apply([alone]))[given.ids[0]] == pytest.approx(every[given.ids[0]])
    assert kind().transforms


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_it_has_an_identity_and_a_docstring(kind: type[Rule]) -> None:
    assert identity(kind())
    assert kind.__doc__


def test_no_rule_imports_torch() -> None:
    modules = ", ".join(f"outgrow.labelling.{name.replace('-', '_')}" for name in names("rule"))
    code = f"import sys, {modules}; print(sorted({{'torch', 'transformers', 'sklearn', 'scipy'}} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_legal_moves_are_refused_just_where_choices_must_be_shared(kind: type[Rule]) -> None:
    kind().check(Shape(readout="head", choices=("a", "b"), most=2))
    moves = Shape(readout="tokens", choices=None, most=200)
    if not kind.shared_choices:
        kind().check(moves)
        return
    with pytest.raises(UserError, match=rf"^{kind.__name__} needs examples that share their choices"):
        kind().check(moves)
