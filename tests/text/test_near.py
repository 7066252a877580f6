"""What says nearly the same."""

from __future__ import annotations

import random
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outgrow.text import near
from outgrow.text.near import Near, words

SENTENCE = "a gripping film that never loses its way"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a gripping film", True),  # its one triple is in the sentence
        ("A gripping film that -- never loses its way !", True),  # case and punctuation do not count
        ("way its loses never that film gripping a", True),  # the same words
        ("the critics call it a gripping film that never loses its way , and so do i", True),  # it holds the sentence
        ("a gripping film with a poor end", False),  # 1 of its 5 triples, 6 in the sentence: 1 / 5 < 1/2
        ("a gripping film begins", True),  # 1 of its 2 triples: just half
        ("gripping film", False),  # two words are near their equals only
        ("gripping", False),
        ("", False),
    ],
)
def test_half_the_trigrams_of_the_shorter_text(text: str, expected: bool) -> None:
    assert (text in Near([SENTENCE], 0.5)) is expected


def test_short_texts_are_near_their_equals() -> None:
    index = Near(["Gripping film.", "!?"], 0.5)
    assert "film , gripping" in index
    assert "film" not in index
    assert " !? " in index
    assert "!" not in index


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("这部电影非常好看，我很喜欢", "这部电影非常好看，我很喜欢，推荐大家去看", True),
        ("这部电影非常好看，我很喜欢", "昨天的天气不太好，所以没有出门", False),
        ("หนังเรื่องนี้สนุกมาก", "หนังเรื่องนี้สนุกมากจริงๆ", True),
        ("この映画はとても面白い", "この映画はとても面白い。おすすめ", True),
        ("यह दिन", "यह दान", False),  # two words, whose vowel signs are combining marks
        ("यह दिन बहुत अच्छा है", "यह दिन बहुत अच्छा", True),
    ],
)
def test_scripts_without_blanks_and_with_combining_marks(one: str, other: str, expected: bool) -> None:
    assert (other in Near([one], 0.5)) is expected


@given(st.text(alphabet=st.sampled_from("ab'É ß_-😀é1ж’"), max_size=20))
def test_elsewhere_a_word_is_a_run_of_letters_and_digits(text: str) -> None:
    folded = text.casefold()
    assert words(text) == (re.findall(r"\w+(?:'\w+)?", folded) or [" ".join(folded.split())])


def test_the_words_of_the_template_are_no_likeness() -> None:
    template = "{option}\n\nDoes this go against common sense?"
    prompts = [template.format(option=each) for each in ("He put a turkey into the fridge.", "Cows fly.")]
    assert prompts[1] in Near(prompts[:1], 0.5)
    assert prompts[1] not in Near(prompts[:1], 0.5, template)
    assert template.format(option="He put a turkey into the sink.") in Near(prompts[:1], 0.5, template)
    # Nor are the words beside it: "juice does this" is in both.
    drinks, bought = (template.format(option=each) for each in ("He drinks apple juice.", "She bought apple juice."))
    assert bought not in Near([drinks], 0.5, template)


@given(st.text(max_size=60), st.floats(0.01, 1))
def test_a_text_is_near_itself(text: str, threshold: float) -> None:
    assert text in Near(["something else here", text], threshold)


@given(st.lists(st.sampled_from("abcd"), max_size=8), st.lists(st.sampled_from("abcd"), max_size=8))
def test_nearness_is_mutual_and_falls_with_the_threshold(one: list[str], other: list[str]) -> None:
    a, b = " ".join(one), " ".join(other)
    found = [a in Near([b], threshold) for threshold in (0.2, 0.5, 1.0)]
    assert found == [b in Near([a], threshold) for threshold in (0.2, 0.5, 1.0)]
    assert found == sorted(found, reverse=True)


def test_the_index_says_what_pairwise_comparison_says() -> None:
    draw = random.Random(0)
    texts = [" ".join(draw.choices("abcdefgh", k=draw.randint(1, 9))) for _ in range(120)]
    tests, others = texts[:40], texts[40:]
    index = Near(tests, 0.5)
    found = index.find(others)
    assert list(found) == [any(_near(other, test) for test in tests) for other in others]
    assert [other in index for other in others] == list(found)


def test_texts_that_are_added_later_are_found_too() -> None:
    draw = random.Random(1)
    texts = [" ".join(draw.choices("abcdefgh", k=draw.randint(1, 9))) for _ in range(90)]
    grown = Near(texts[:20], 0.5)
    grown.find(texts[60:])
    grown.add(texts[20:60])
    assert list(grown.find(texts[60:])) == list(Near(texts[:60], 0.5).find(texts[60:]))


def test_a_query_in_many_chunks_finds_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    draw = random.Random(2)
    texts = [" ".join(draw.choices("abcdefgh", k=draw.randint(1, 9))) for _ in range(200)]
    whole = Near(texts[:100], 0.5).find(texts[100:])
    monkeypatch.setattr(near, "_PRODUCTS", 7)
    assert list(Near(texts[:100], 0.5).find(texts[100:])) == list(whole)
    assert not Near([], 0.5).find(texts).any()


def _near(one: str, other: str) -> bool:
    a, b = words(one), words(other)
    grams = [{tuple(text[i : i + 3]) for i in range(len(text) - 2)} for text in (a, b)]
    shorter = min(len(gram) for gram in grams)
    return sorted(a) == sorted(b) or (shorter > 0 and len(grams[0] & grams[1]) >= shorter / 2)


def test_sixty_thousand_phrases_are_quick() -> None:
    draw = random.Random(0)
    vocabulary = [f"w{int(draw.paretovariate(0.6))}" for _ in range(20_000)]  # a few words make up most of the text
    texts = [" ".join(draw.choices(vocabulary, k=draw.randint(1, 18))) for _ in range(67_000)]
    started = time.process_time()
    found = Near(texts[:10_000], 0.5).find(texts)
    assert found[:10_000].all()
    assert time.process_time() - started < 20  # about 2 s on a machine that does nothing else


def test_pairs_in_one_index() -> None:
    texts = ["one two three four five", "other words are here", "Two three four five", "five four three two one", "hm"]
    assert Near([*texts, "HM!"], 0.5).pairs().tolist() == [[0, 2], [0, 3], [4, 5]]
    assert Near([], 0.5).pairs().shape == (0, 2)
