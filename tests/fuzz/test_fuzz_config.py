"""Whatever stands in a TOML file or on the command line: an experiment, or one line for the user."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from random import Random
from typing import Any

import pytest

from outgrow.cli import main
from outgrow.config import experiment_from, pretraining, read
from outgrow.experiment.definition import Experiment
from outgrow.types import UserError

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.toml"))
RECIPE = ROOT / "recipes" / "ladder" / "pawn.toml"

# fmt: off
ODD: list[Any] = [
    "", " ", "x", "name", "text", "hf", "007", "a\nb", "naïve → 模型", "\u202e", "\0", "\x85", "x" * 5000,
    "{text}", "{", "{}", "{0}", "{text!r:>{w}}", "a:b", "os:path", "fakes:FakeLoss", ":", "/", "../..",
    "~", "~nobody/x", "$HOME/x", "$OUTGROW_DATA", "$OUTGROW_DATA/x", "ladder/pawn", "ladder/", "ladder", "hf/x",
    "gguf/x.gguf", "nlp", "finetune", "head", "lora", "confidence", "all", 0, 1, -1, 5, 101, 2**31, 2**63, 2**64,
    10**30, -(10**30), True, False, 0.0, -0.0, 0.5, 1.5, -1e308, 1e-320, float("nan"), float("inf"),
    [], {}, [[]], [{}], [None], [1, 1], ["a", "a"], {"name": "x"}, {"name": 3}, {"name": {}}, {"": 1},
    {"name": "hf", "size": "x"}, {"name": "text", "path": "x", "prompt": "{t}", "label": "l"}, {"size": "pawn"},
    None, object,
]
KEYS = [
    "task", "weak", "strong", "methods", "seeds", "sizes", "recipes", "pairs", "score", "name", "label", "labels",
    "loss", "fit", "rules", "chain", "adapt", "oracle", "size",
    "digest", "alias", "path", "prompt", "test", "", "a.b", 'a"b',
    "a\nb", "é", "ladder/pawn",
]
TYPED = [
    "", "=", "[", "]", '"', "'", ".", "[0]", "[1]", "[-1]", "[99999999999]", " ", "#", "\\", "\n", "\0", "{", "}", ",",
    "nan", "inf", "0x1", "1e999", "é", "\udcff", "1979-05-27", "true", "9" * 5000, "[" * 200, "0", "1", "5", "-1", "*",
]
# fmt: on


@pytest.fixture(autouse=True)
def away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OUTGROW_DATA", str(tmp_path))


def places(value: Any, where: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a table."""
    if isinstance(value, dict):
        return [where, *(each for key in value for each in places(value[key], (*where, key)))]
    if isinstance(value, list):
        return [where, *(each for i, item in enumerate(value) for each in places(item, (*where, i)))]
    return [where]


def mutated(table: dict[str, Any], rng: Random) -> dict[str, Any]:
    """Some places of a table with something else in them, something more, or nothing."""
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        where = rng.choice(places(table))
        holder: Any = table
        for part in where[:-1]:
            holder = holder[part]
        act = rng.choice(["replace", "replace", "add", "remove", "wrap", "deepen"])
        target, odd = (holder[where[-1]] if where else table), deepcopy(rng.choice(ODD))
        if act == "add" and isinstance(target, dict):
            target[rng.choice(KEYS)] = odd
        elif act == "add" and isinstance(target, list):
            target.insert(rng.randint(0, len(target)), rng.choice([odd, *target]))
        elif where and act == "remove":
            del holder[where[-1]]
        elif where and act == "wrap":
            holder[where[-1]] = rng.choice([[target], {"name": target}, [[target]], {rng.choice(KEYS): target}])
        elif where and act == "deepen":
            for _ in range(rng.choice([5, 60])):
                target = [target]
            holder[where[-1]] = target
        elif where:
            holder[where[-1]] = odd
    return table


def toml(value: Any) -> str:
    """A value as TOML, in one line."""
    match value:
        case bool():
            return str(value).lower()
        case int() | float():
            return repr(value)
        case dict():
            return "{ " + ", ".join(f"{json.dumps(str(k))} = {toml(v)}" for k, v in value.items()) + " }"
        case list():
            return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(str(value), ensure_ascii=False)


def assignment(table: dict[str, Any], rng: Random) -> str:
    """A `--set` for a place of a table, or something like one."""
    where = rng.choice(places(table))
    name = "".join(f"[{part}]" if isinstance(part, int) and rng.random() < 0.5 else f".{part}" for part in where)
    if rng.random() < 0.3:
        name += rng.choice([f".{rng.choice(KEYS)}", rng.choice(TYPED)])
    odd = rng.choice(ODD)
    value = rng.choice([str(odd), *([toml(odd)] if odd is not None else []), rng.choice(TYPED), rng.choice(TYPED) * 2])
    argument = f"{name.removeprefix('.')}={value}"
    return (
        argument
        if rng.random() < 0.7
        else "".join(rng.choice([letter, letter, letter, rng.choice(TYPED)]) for letter in argument)
    )


def fine(act: Callable[[], object]) -> None:
    """It gives something, or tells the user in one line."""
    try:
        act()
    except UserError as error:
        text = str(error)
        assert text.strip()
        assert text.isprintable(), text
        assert len(text) < 12_000, text


def example(rng: Random) -> dict[str, Any]:
    return tomllib.loads(rng.choice(EXAMPLES).read_text())


def test_tables(inputs: Callable[[], Iterator[Random]]) -> None:
    for rng in inputs():
        table = mutated(example(rng), rng)

        def act(table: dict[str, Any] = table) -> None:
            assert isinstance(experiment_from(table), Experiment)

        fine(act)


def test_files(inputs: Callable[[], Iterator[Random]], tmp_path: Path) -> None:
    path = tmp_path / "grid.toml"
    for rng in inputs():
        lines = rng.choice([*EXAMPLES, RECIPE]).read_text().splitlines(keepends=True)
        if rng.random() < 0.5:
            at = rng.randrange(len(lines))
            lines[at] = rng.choice(
                ["", lines[at] * 2, lines[at].replace('"', "", 1), f"{rng.choice(KEYS)} = {toml(rng.choice(ODD))}\n"]
            )
        data = bytearray("".join(lines).encode())
        for _ in range(rng.choice([0, 1, 3, 30])):
            data[rng.randrange(len(data))] = rng.choice([*b"\n\r\t \"'[]{}=.,#\\09aA_-\0", rng.randrange(256)])
        path.write_bytes(rng.choice([b"", b"", b"", b"\xef\xbb\xbf", b"\xff\xfe"]) + data)
        fine(lambda: read(path))
        fine(lambda: pretraining(path))


def test_options(inputs: Callable[[], Iterator[Random]], tmp_path: Path) -> None:
    for rng in inputs():
        table = example(rng)
        overrides = [assignment(table, rng) for _ in range(rng.choice([1, 1, 2, 4]))]
        seeds = "".join(rng.choices(TYPED, k=rng.randint(0, 4))) if rng.random() < 0.3 else None
        fine(lambda table=table, overrides=overrides, seeds=seeds: experiment_from(table, overrides, seeds))  # type: ignore[misc]


def test_the_command_line(
    inputs: Callable[[], Iterator[Random]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Verbs that compute nothing, on examples that are not there, odd or fine, with odd options."""
    options = [
        "--set",
        "--seeds",
        "--store",
        "--format",
        "--by",
        "--json",
        "--no-plugins",
        "--out",
        "--sed",
        "-h",
        "--",
        "--repair",
    ]
    for rng in inputs():
        table = example(rng)
        path = tmp_path / "grid.toml"
        path.write_text(
            "\n".join(f"{key} = {toml(value)}" for key, value in mutated(table, rng).items() if value is not None)
        )
        args = [
            rng.choice(["plan", "plan", "plan", "list", "check", "results", "x"]),
            rng.choice(["grid.toml", "grid.toml", "x", ""]),
        ]
        for _ in range(rng.randint(0, 3)):
            option = rng.choice(options)
            args += [option, assignment(table, rng) if option == "--set" else rng.choice(TYPED)]
        code = main([arg.replace("\0", "") for arg in args])
        argument = capsys.readouterr().err
        assert code in (0, 2), args
        assert "Traceback" not in argument
        if code:  # one line a fault: a plan names all at once
            assert argument, args
            assert all(line.startswith("error: ") for line in argument.splitlines()), (args, argument)
