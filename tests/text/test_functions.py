"""Functions that say the class of a text: what they may return, and what goes wrong in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from outgrow.text.functions import apply, functions_of, source_digest
from outgrow.types import Example, UserError

EXAMPLES = [Example(id=f"q{i}", group="g", prompt=f"word{i}", choices=("no", "Yes")) for i in range(4)]


def file(folder: Path, text: str) -> Path:
    path = folder / "rules.py"
    path.write_text(text)
    return path


def labels_of(path: Path, name: str = "rule") -> list[int | None]:
    return apply(path, source_digest(path), name, EXAMPLES)


def test_a_class_in_any_case_or_nothing(tmp_path: Path) -> None:
    path = file(tmp_path, "def rule(text):\n    return [None, 'no', 'YES', ''][int(text[-1])]\n")
    assert labels_of(path) == [None, 0, 1, None]


def test_a_second_parameter_takes_the_choices(tmp_path: Path) -> None:
    path = file(tmp_path, "def rule(text, choices, sure=True):\n    return choices[1] if sure else -1\n")
    assert labels_of(path) == [1] * 4


def test_which_functions_there_are_is_known_without_running_them(tmp_path: Path) -> None:
    text = "raise SystemExit\ndef b(text): ...\ndef _helper(): ...\nclass C:\n    def c(self): ...\ndef a(text): ...\n"
    assert functions_of(file(tmp_path, text)) == ("b", "a")


def test_comments_and_docstrings_are_not_in_the_digest(tmp_path: Path) -> None:
    first = source_digest(file(tmp_path, "def rule(text):\n    return 'no'\n"))
    assert (
        source_digest(file(tmp_path, '"""Rules."""\n# c\ndef rule( text ):\n    "Says no."\n    return "no"')) == first
    )
    assert source_digest(file(tmp_path, "def rule(text):\n    return 'yes'\n")) != first


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def rule(text):\n    x = 1\n    return text.nope\n", "rule of example 'q0' failed in line 3: AttributeError"),
        (
            "def rule(text):\n    return 'maybe'\n",
            "rule of example 'q0' is 'maybe', which is not a class: they are no, Yes",
        ),
        ("def rule(text):\n    return 1\n", "is '1', which is not a class"),
        ("def rule(text):\n    return ['no']\n", "rule of example 'q0' holds a list, not text: return the name of"),
        ("def rule():\n    return 'no'\n", "rule takes 0 arguments: a rule takes a text, or a text and its choices"),
        ("def rule(a, b, c):\n    return 'no'\n", "rule takes 3 arguments"),
        ("import nowhere_at_all\ndef rule(text): ...\n", "line 1: ModuleNotFoundError"),
        ("def rule(text): ...\nraise SystemExit(0)\n", "line 2: SystemExit"),
        ("def rule(text): ...\nrule = 3\n", "has no function 'rule': it was replaced"),
        ("def rule(text:\n", r"line 1: this is not valid Python"),
    ],
)
def test_what_goes_wrong_is_reported_in_one_line(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message) as error:
        labels_of(file(tmp_path, text))
    assert "\n" not in str(error.value)


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no file"):
        functions_of(tmp_path / "nowhere.py")
    with pytest.raises(UserError, match="Is a directory"):
        functions_of(tmp_path)
    with pytest.raises(UserError, match="has no function: write one that takes a text"):
        functions_of(file(tmp_path, "x = 1\n"))
    (tmp_path / "latin.py").write_bytes(b"# \xe9\n")
    with pytest.raises(UserError, match="is not UTF-8"):
        functions_of(tmp_path / "latin.py")
    path = file(tmp_path, "def rule(text):\n    return 'no'\n")
    with pytest.raises(UserError, match="has changed since the experiment was planned"):
        apply(path, "another", "rule", EXAMPLES)
