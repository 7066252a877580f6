"""What `--set` and `--seeds` take, and that errors name them."""

from __future__ import annotations

from pathlib import Path

import pytest
from fakes import FakeLoss, FakeModel, FakeTask

from outgrow.config import read
from outgrow.experiment.definition import Experiment
from outgrow.labelling.harden import Harden
from outgrow.labelling.sharpen import Sharpen
from outgrow.tasks.text import Text
from outgrow.types import UserError

FILE = """\
task = [{ name = "text", path = "a.csv", prompt = "{text}", label = "label" }, "fakes:FakeTask"]
weak = ["fakes:FakeModel/small"]
strong = "fakes:FakeModel/large"

[[methods]]
label = "naive"
rules = ["sharpen"]

[[methods]]
label = "other"
loss = { name = "fakes:FakeLoss", weight = 0.25 }

[recipes."fakes/small"]
name = "fakes:FakeMethod"
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "grid.toml").write_text(FILE)
    return tmp_path / "grid.toml"


def text(found: Experiment) -> Text:
    assert isinstance(found.tasks[0], Text)
    return found.tasks[0]


@pytest.mark.parametrize("place", ["methods[1].loss.weight", "methods.1.loss.weight", ' "methods"[ 1 ] . loss.weight '])
def test_a_place_is_written_with_an_index_or_dotted(path: Path, place: str) -> None:
    assert read(path, [f"{place}=0.75"]).methods[1].loss == FakeLoss(weight=0.75)


def test_every_axis_takes_an_index(path: Path) -> None:
    found = read(path, ["task[1].rows=60", "strong=fakes:FakeModel/medium", "methods[0].rules[0]=harden"])
    assert (found.tasks[1], found.methods[0].rules) == (FakeTask(rows=60), (Harden(),))
    assert read(path, ["weak[0]=fakes:FakeModel/small"]).weak == (FakeModel(size="small"),)
    assert read(path, ["methods[0].rules[0].temperature=0.25"]).methods[0].rules == (Sharpen(temperature=0.25),)
    assert read(path, ['recipes."fakes/small".seconds=1']) == read(path, ["recipes.fakes/small.seconds=1"])


@pytest.mark.parametrize(
    ("typed", "wanted"),
    [
        ("{body}", "{body}"),
        ("Is {text} right? # = [true]", "Is {text} right? # = [true]"),
        ("[{text}]", "[{text}]"),
        ('"{text} in quotes"', "{text} in quotes"),
        ("'{text}'", "{text}"),
        ('["{text}"]', '["{text}"]'),
    ],
)
def test_text_needs_no_quotes(path: Path, typed: str, wanted: str) -> None:
    assert text(read(path, [f"task[0].prompt={typed}"])).prompt == wanted


@pytest.mark.parametrize("typed", ["007", "nan", "true", "1979-05-27", "0x1f", "1_000", "inf", "a=b", "[x", "{", '"x'])
def test_what_looks_like_another_type_is_text_where_the_field_is(path: Path, typed: str) -> None:
    found = read(path, [f"task[0].label={typed}", f"methods[0].label={typed}"])
    assert (text(found).label, found.methods[0].label) == (typed, typed)


def test_a_path_needs_no_quotes(path: Path) -> None:
    assert text(read(path, ["task[0].path=/a/b c.csv"])).path == "/a/b c.csv"


def test_what_is_set_whole_later_forgets_what_was_typed_for_its_parts(path: Path) -> None:
    overrides = ["methods[0].label=007", 'methods[0]={ label = "whole" }']
    assert read(path, overrides).methods[0].label == "whole"


def test_a_number_that_names_a_checkpoint(path: Path) -> None:
    (path.parent / "123").mkdir()
    found = read(path, ["strong=123"])
    assert found.strong[0].size == str(path.parent / "123")


ERRORS = {
    "methods[1].loss.weight=2.5": "methods[1].loss: weight is 2.5: it lies between 0 and 1",
    "methods[1].loss.weight=high": "methods[1].loss.weight is 'high' but should be a valid number",
    "sizes.test=5\nseeds=[9]": "sizes.test is '5\\nseeds=[9]' but should be a number of examples above 0",
    "strong=['fakes:FakeModel/large', 'fakes:FakeModel/large']": "strong lists 'fakes/large' twice: name each once",
    "task[0].label=text": "task[0]: the prompt names the label column 'text'",
    "methods[1].label=naive": "two methods are called 'naive': give each its own label",
    "methods[2].label=x": "methods has 2 entries, counted from 0, so there is no 2",
    "methods[-1].label=x": "'methods[-1].label' is not a field: write it as methods[0].loss.weight=0.5",
    "methods[0]label=x": "'methods[0]label' is not a field",
    "a..b=x": "'a..b' is not a field",
    "[0]=x": "no field called '0'. Known: analyses, direct, methods, metric, pairs",
    'weak=["a"': """weak: '["a"' is neither a name nor a TOML value""",
    "seeds=0": "seeds = 0 asks for no seeds: for the one seed 0 write [0]",
    "sizes" + ".a" * 60 + "=1": "tables and lists are nested more than 50 deep",
    "task[0].prompt=\udc80": "'\\udc80' is not Unicode text",
}


@pytest.mark.parametrize("argument", ERRORS)
def test_an_error_names_the_option(path: Path, argument: str) -> None:
    with pytest.raises(UserError) as caught:
        read(path, [argument])
    shown = argument.replace("\n", "\\n").replace("\udc80", "\\udc80")
    assert str(caught.value).startswith(f"--set {shown[:70]}")
    assert f": {ERRORS[argument]}" in str(caught.value)


def test_an_error_names_the_option_that_brings_it(path: Path) -> None:
    with pytest.raises(UserError, match=r"^--set methods\[1\].loss.weight=7: "):
        read(path, ["sizes.test=5", "methods[1].loss.weight=7", "pairs=upward"])
    path.write_text(FILE.replace("0.25", "7.0"))
    with pytest.raises(UserError, match=r"grid.toml, line 11: methods\[1\].loss: weight is 7.0"):
        read(path, ["sizes.test=5", "methods[1].loss.weight=7"])  # the file had it before


@pytest.mark.parametrize(
    ("typed", "seeds"),
    [
        ("5", (0, 1, 2, 3, 4)),
        ("0", (0,)),
        ("0,", (0,)),
        ("7,", (7,)),
        (" 3 , 1 ", (3, 1)),
        ("[5]", (5,)),
        ("[4, 7]", (4, 7)),
    ],
)
def test_seeds(path: Path, typed: str, seeds: tuple[int, ...]) -> None:
    assert read(path, seeds=typed).seeds == seeds


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("1234", "seeds = 1234 asks for 1234 seeds, more than 100: for the one seed 1234 write [1234] (--seeds 1234,)"),
        ("12345678901234567890,", "the seed 12345678901234567890 is not between 0 and 4294967295: give another"),
        ("1,2,1", "seeds lists 1 twice: name each once"),
        *(
            (odd, "say how many seeds (--seeds 5), or which")
            for odd in ("", "-1", "few", "1..3", "5,,6", "[", "1.0", "٣")
        ),
    ],
)
def test_odd_seeds(path: Path, typed: str, expected: str) -> None:
    with pytest.raises(UserError) as caught:
        read(path, seeds=typed)
    assert str(caught.value).startswith(f"--seeds {typed}: {expected}")


@pytest.mark.parametrize(
    "seeds", ["1234", "0", "-1", "12345678901234567890", "[-1]", "[12345678901234567890]", "[1.0]"]
)
def test_odd_seeds_in_a_file(path: Path, seeds: str) -> None:
    path.write_text(f"seeds = {seeds}\n{FILE}")
    with pytest.raises(UserError, match=r"grid.toml, line 1: (seeds|the seed)"):
        read(path)
