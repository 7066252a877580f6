"""The normal form: texts that look alike are one text, and nothing else is."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outgrow.text.near import Near
from outgrow.text.normal import caseless, normal_form, readable, well_formed


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("d\u00e9j\u00e0 vu", "de\u0301ja\u0300 vu"),  # NFC, NFD
        ("\u1e69", "s\u0307\u0323"),  # marks in another order
        ("zero\u200bwidth", "zerowidth"),
        ("e\u200b\u0301", "\u00e9"),  # a zero-width blank between a letter and its accent
        ("soft\u00adhyphen", "softhyphen"),
        ("\ufeffmark", "mark"),
        ("a\u00a0b\u2003c\u3000d", "a b c d"),
        ("a\r\nb\rc\u2028d\x85e", "a b c d e"),
        ("  two  \t blanks ", "two blanks"),
        ("\u2764\ufe0f", "\u2764"),
        ("\u845b\U000e0100", "\u845b"),
    ],
)
def test_what_looks_alike_is_one_text(one: str, other: str) -> None:
    assert normal_form(one) == normal_form(other)
    assert caseless(one) == caseless(other)
    assert one in Near([other], 0.5)


@pytest.mark.parametrize(("one", "other"), [("x\u00b2", "x2"), ("\uff11", "1"), ("resume", "résumé"), ("a b", "ab")])
def test_what_looks_different_is_another_text(one: str, other: str) -> None:
    assert caseless(one) != caseless(other)


@pytest.mark.parametrize(
    ("one", "other"), [("Straße", "STRASSE"), ("ΣΊΣΥΦΟΣ", "σίσυφος"), ("\u01f0", "\u004a\u030c"), ("İ", "i\u0307")]
)
def test_case_counts_in_one_form_and_not_in_the_other(one: str, other: str) -> None:
    assert normal_form(one) != normal_form(other)
    assert caseless(one) == caseless(other)


@given(st.text())
def test_a_normal_form_is_its_own(text: str) -> None:
    for form in (normal_form, caseless):
        assert form(form(text)) == form(text)
        assert form(unicodedata.normalize("NFD", text)) == form(unicodedata.normalize("NFC", text)) == form(text)


@given(st.text())
def test_texts_alike_with_case_are_alike_without(text: str) -> None:
    assert caseless(normal_form(text)) == caseless(text)


@given(st.text(st.characters(codec=None)))
def test_well_formed_text_can_be_written(text: str) -> None:
    made = well_formed(text)
    made.encode()
    assert len(made) == len(text)
    assert all(b in (a, "\ufffd") for a, b in zip(text, made, strict=True))


def test_what_models_read_has_one_kind_of_line_end() -> None:
    assert readable("a\r\nb\rc\nd  e\u200b") == "a\nb\nc\nd  e\u200b"
