"""Pairs of texts: what TRL writes, in whatever form; which of a pair comes first says nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from text_files import shared, write_jsonl

from outgrow.tasks import reward
from outgrow.tasks.base import DECONTAMINATION_ORDER
from outgrow.tasks.reward import Reward
from outgrow.text.near import Near
from outgrow.types import UserError


def read(path: Path, rows: list[dict[str, Any]], **fields: Any) -> Reward:
    return Reward(path=str(write_jsonl(path, rows)), **fields).pinned()


def made_up(n: int) -> list[dict[str, Any]]:
    return [{"prompt": f"ask{i // 2} this{i // 2}?", "chosen": f" fine{i}", "rejected": f" bad{i}"} for i in range(n)]


def only(task: Reward) -> tuple[str, str, str]:
    """Prompt, preferred and other text of the one pair."""
    (row,) = task.load().rows
    best = row.answer.index(1.0)
    return row.example.prompt, row.example.choices[best], row.example.choices[1 - best]


USER, GOOD, BAD = (
    {"role": role, "content": text} for role, text in (("user", "Hi"), ("assistant", "Yes"), ("assistant", "No"))
)
FORMS = {
    "plain": ({"prompt": "Sky is", "chosen": " blue.", "rejected": " red."}, ("Sky is", " blue.", " red.")),
    "plain, no prompt": (
        {"chosen": "\n\nHuman: Hi\n\nAssistant: Yes", "rejected": "\n\nHuman: Hi\n\nAssistant: No"},
        ("\n\nHuman: Hi\n\n", "Assistant: Yes", "Assistant: No"),
    ),
    "plain, nothing in common": ({"chosen": "I slept well.", "rejected": "I fell."}, ("", "I slept well.", "I fell.")),
    "conversational": (
        {"prompt": [USER], "chosen": [GOOD], "rejected": [BAD]},
        ("User: Hi\n\n", "Assistant: Yes\n\n", "Assistant: No\n\n"),
    ),
    "conversational, no prompt": (
        {"chosen": [USER, GOOD], "rejected": [USER, BAD]},
        ("User: Hi\n\n", "Assistant: Yes\n\n", "Assistant: No\n\n"),
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_trl_s_forms(form: str, tmp_path: Path) -> None:
    row, expected = FORMS[form]
    assert only(read(tmp_path / "pairs.jsonl", [row])) == expected


def test_which_comes_first_carries_no_information(tmp_path: Path) -> None:
    rows = made_up(2000)
    task = read(tmp_path / "pairs.jsonl", rows)
    first = [row.answer[0] for row in task.load().rows]
    assert abs(sum(first) / 2000 - 0.5) < 0.04  # 3.6 standard errors
    # It does not depend on the preference at all: turned around, the same examples have the other answer.
    turned = [{**row, "chosen": row["rejected"], "rejected": row["chosen"]} for row in rows]
    again = read(tmp_path / "turned.jsonl", turned).load()
    assert [row.example for row in again.rows] == [row.example for row in task.load().rows]
    assert [row.answer[::-1] for row in again.rows] == [row.answer for row in task.load().rows]


def test_pairs_of_one_prompt_are_one_group(tmp_path: Path) -> None:
    found = [row.example.group for row in read(tmp_path / "pairs.jsonl", made_up(4)).load().rows]
    assert found[0] == found[1] != found[2] == found[3]


def _text_by_hash(place: int) -> str:
    """Of three texts the one whose hash, from which groups come, is the first, second or third."""
    return sorted(("one text", "another text", "a third text"), key=reward._hash)[place]


@pytest.mark.parametrize("first", [True, False])
def test_pairs_without_prompts_are_a_group_by_the_text_that_their_hash_picks(first: bool, tmp_path: Path) -> None:
    """Of the pairs (A, B) and (B, C), B shared: one group where B has the smallest hash of the three, whichever text is
    the better one. Where A has it, the group of the first pair is A's, and the pairs are apart: a chain ends there."""

    def groups(*pairs: tuple[str, str]) -> list[str]:
        rows = [dict(zip(("chosen", "rejected")[:: 1 if first else -1], pair, strict=True)) for pair in pairs]
        return [row.example.group for row in read(tmp_path / "pairs.jsonl", rows).load().rows]

    small, middle, large = map(_text_by_hash, range(3))
    assert groups((middle, small), (small, large)) == [reward._hash(small)] * 2
    assert groups((small, middle), (middle, large)) == [reward._hash(small), reward._hash(middle)]
    assert groups((small, large), (large, middle)) == [reward._hash(small), reward._hash(middle)]


def test_a_dialogue_has_its_prompt_whatever_its_line_ends(tmp_path: Path) -> None:
    row, expected = FORMS["plain, no prompt"]
    windows = {name: text.replace("\n", "\r\n") for name, text in row.items()}
    old = {name: text.replace("\n", "\r") for name, text in row.items()}
    for each in (windows, old):
        assert only(read(tmp_path / "pairs.jsonl", [each])) == expected


@pytest.mark.parametrize(
    ("better", "worse"), [("Yes.\r\nIndeed", "no"), ("yes.  Indeed", "No\u200b"), ("YES. INDEED ", " no")]
)
def test_a_pair_in_another_form_is_the_same_pair(better: str, worse: str, tmp_path: Path) -> None:
    first = {"prompt": "q", "chosen": "Yes. Indeed", "rejected": "No"}
    again = {"prompt": " Q", "chosen": better, "rejected": worse}
    turned = {"prompt": "Q", "chosen": worse, "rejected": better}
    other = {"prompt": "else", "chosen": "a", "rejected": "b"}
    source = read(tmp_path / "pairs.jsonl", [first, again, other]).load()
    assert (len(source.rows), dict(source.dropped)) == (2, {"same pair again": 1})
    source = read(tmp_path / "pairs.jsonl", [first, turned, other]).load()
    assert dict(source.dropped) == {"same pair again": 1, "same pair, different preferences": 1}
    alike = {"prompt": "q", "chosen": "Yes. Indeed", "rejected": better}
    source = read(tmp_path / "pairs.jsonl", [alike, other]).load()
    assert dict(source.dropped) == {"both texts are the same": 1}


def _say(content: Any, **more: Any) -> list[dict[str, Any]]:
    return [{"role": "assistant", "content": content} | more]


def _parts(*texts: str) -> list[dict[str, Any]]:
    return [{"type": "text", "text": text, "image": None} for text in texts]


def test_parts_of_text_are_joined_and_empty_messages_left_out(tmp_path: Path) -> None:
    row = {
        "prompt": [USER, {"role": "system", "content": None}],
        "chosen": _say(_parts("Y", "es"), tool_calls=None),
        "rejected": [*_say(""), BAD],
    }
    assert only(read(tmp_path / "pairs.jsonl", [row])) == FORMS["conversational"][1]


@pytest.mark.parametrize(
    ("message", "why"),
    [
        (_say(None), "a text is missing"),
        (_say(" "), "a text is missing"),
        ([], "a text is missing"),
        (None, "a text is missing"),
        (_say(None, tool_calls=[{"name": "search"}]), "a message that is not text"),
        (_say("Let me look", function_call={"name": "search"}), "a message that is not text"),
        (_say([{"type": "image", "text": None}]), "a message that is not text"),
        ([*_say([{"type": "image_url", "image_url": "x"}]), GOOD], "a message that is not text"),
    ],
)
def test_what_is_no_text_is_left_out_and_counted(message: Any, why: str, tmp_path: Path) -> None:
    rows = [{"prompt": "p", "chosen": [GOOD], "rejected": message}, *made_up(1)]
    source = read(tmp_path / "pairs.jsonl", rows).load()
    assert (len(source.rows), dict(source.dropped)) == (1, {why: 1})


@pytest.mark.parametrize(
    "message",
    [_say("x", role=1), _say("x", role=""), _say(3), _say([3]), _say([{"text": "x"}]), ["x"], [None], {}, 1.5],
)
def test_what_is_no_message_is_refused_with_its_row(message: Any, tmp_path: Path) -> None:
    rows = [*made_up(1), {"prompt": "p", "chosen": message, "rejected": message}]
    with pytest.raises(UserError, match="row 2: a cell is neither a text nor a list of role and content"):
        read(tmp_path / "pairs.jsonl", rows).load()


@pytest.mark.parametrize(("chosen", "rejected"), [([GOOD], "No"), ("Yes", [BAD])])
def test_a_conversation_against_a_plain_text_is_refused(chosen: Any, rejected: Any, tmp_path: Path) -> None:
    rows = [*made_up(1), {"prompt": "p", "chosen": chosen, "rejected": rejected}]
    with pytest.raises(UserError, match="row 2: chosen and rejected have different forms"):
        read(tmp_path / "pairs.jsonl", rows).load()


def test_what_cannot_be_used_is_counted(tmp_path: Path) -> None:
    rows = [
        *made_up(2),
        made_up(1)[0],
        {"prompt": "p", "chosen": "a", "rejected": "b"},
        {"prompt": "p", "chosen": "b", "rejected": "a"},
        {"prompt": "q", "chosen": "same", "rejected": "same"},
        {"prompt": "r", "chosen": "", "rejected": "x"},
        {"prompt": "s", "chosen": "long " * 500, "rejected": "x"},
    ]
    source = read(tmp_path / "pairs.jsonl", rows).load()
    assert len(source.rows) == 2
    assert dict(source.dropped) == {
        "same pair again": 2,
        "same pair, different preferences": 1,
        "both texts are the same": 1,
        "a text is missing": 1,
        "longer than 2000 characters": 1,
    }


def test_a_pattern_reads_all_its_files(tmp_path: Path) -> None:
    rows = made_up(6)
    for i in range(3):
        write_jsonl(tmp_path / f"hh_{i}.jsonl", rows[2 * i : 2 * i + 2])
    task = Reward(path=str(tmp_path / "hh_*.jsonl")).pinned()
    assert task.name == "reward/hh"
    assert len(task.load().rows) == 6
    later = Reward(path=str(tmp_path / "hh_*.jsonl"), max_chars=1999).pinned()
    write_jsonl(tmp_path / "hh_1.jsonl", rows[:1])
    with pytest.raises(UserError, match="has changed"):
        later.load()


def test_a_pair_with_a_text_near_one_of_an_earlier_split_leaves(tmp_path: Path) -> None:
    rows = made_up(400)
    twins = [{**row, "prompt": f"{row['prompt']} or the same in other words", "rejected": " else"} for row in rows]
    task = read(tmp_path / "pairs.jsonl", rows + twins)
    earlier: list[str] = []
    for split in DECONTAMINATION_ORDER:
        kept = task.examples(split, None, 0)
        texts = [task.texts(row) for row in kept.rows]
        index = Near(earlier, 0.5)
        assert not index.find(text for own in texts for text in own).any()
        assert any("near-duplicate" in reason for reason, _ in kept.dropped) == (split != "test")
        earlier += [text for own in texts for text in own]
    assert read(tmp_path / "other.jsonl", made_up(9), near_share=0.0).similarity is None


def test_passages_hold_both_texts_and_no_preference(tmp_path: Path) -> None:
    examples = read(tmp_path / "pairs.jsonl", made_up(400)).examples("transfer", 5, 0)
    task = Reward(path="")
    assert [p.given + p.text for p in task.passages(examples)] == [
        text for row in examples.rows for text in task.texts(row)
    ]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"chosen": "a", "worse": "b"}], "no column 'rejected': it has chosen, worse"),
        ([{"chosen": "a", "rejected": 3}], "row 1: a cell is neither a text nor a list"),
        ([{"chosen": "a", "rejected": "a"}], "no pair can be used"),
    ],
)
def test_mistakes_are_reported_in_one_line(rows: list[dict[str, Any]], message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message) as error:
        read(tmp_path / "pairs.jsonl", rows).load()
    assert "\n" not in str(error.value)
    with pytest.raises(UserError, match="no file matches"):
        Reward(path=str(tmp_path / "none_*.jsonl")).pinned()


@pytest.mark.parametrize(
    ("name", "least"), [("hh_harmless_test.jsonl.gz", 3900), ("ethics_utilitarianism.jsonl.gz", 18000)]
)
def test_real_pairs(name: str, least: int) -> None:
    found = Reward(path=str(shared(f"preference/{name}"))).pinned().load().rows
    assert len(found) > least
    assert abs(sum(row.answer[0] for row in found) / len(found) - 0.5) < 0.03
