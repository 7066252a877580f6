"""Damaged checkpoints: opening one gives a network with the stored weights and finite answers, or a UserError."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
import tiny
import torch

from outgrow.graph import Settings
from outgrow.models.header import read_header
from outgrow.training.classification import probabilities
from outgrow.training.network import open_network
from outgrow.types import Examples, UserError

Inputs = Callable[[], Iterator[Random]]
FILES = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")
ODD: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2, 7, 17, 10**6, 10**9, 10**15, 10**30, 0.5, -0.5, float("inf"), float("nan")),
    *("", "abc", "0", "\ud800", "../x", [], [1, 2], [[]], {}, {"a": 1}, {"0": "x"}),
)


def damaged(raw: bytes, rng: Random) -> bytes:
    """Bytes flipped, cut off, doubled, or other bytes altogether."""
    match rng.randrange(5):
        case 0:
            changed = bytearray(raw)
            for _ in range(rng.choice([1, 1, 4, 64])):
                changed[rng.randrange(len(raw))] ^= 1 << rng.randrange(8)
            return bytes(changed)
        case 1:
            return raw[: rng.randrange(len(raw))]
        case 2:
            at = rng.randrange(len(raw))
            return raw[:at] + raw[at : at + rng.randrange(200)] + raw[at:]
        case 3:
            return rng.choice(
                [b"", b"[]", b"0", b"null", b'"a"', b"[" * 10_000, b"1" * 5_000, b"version https://git-lfs"]
            )
        case _:
            return rng.randbytes(rng.randrange(300))


def changed(value: Any, rng: Random) -> Any:
    """A JSON value with a field somewhere that is odd, gone, or another's."""
    if isinstance(value, dict) and value and rng.random() < 0.9:
        key = rng.choice(sorted(value))
        others = {name: each for name, each in value.items() if name != key}
        if rng.random() < 0.15:
            return others
        if rng.random() < 0.1:
            return {**others, rng.choice(sorted(value)): value[key]}
        return {**others, key: changed(value[key], rng)}
    if isinstance(value, list) and value and rng.random() < 0.7:
        at = rng.randrange(len(value))
        return [*value[:at], changed(value[at], rng), *value[at + 1 :]]
    if type(value) is int and rng.random() < 0.5:
        return value + rng.choice([-1, 1, value, -2 * value])
    return rng.choice(ODD)


def damage(folder: Path, rng: Random) -> None:
    path = folder / rng.choice(FILES)
    raw = path.read_bytes()
    if path.suffix == ".json" and rng.random() < 0.75:
        path.write_text(json.dumps(changed(json.loads(raw), rng)))
    elif path.suffix == ".safetensors" and rng.random() < 0.4:
        length = int.from_bytes(raw[:8], "little")
        header = json.dumps(changed(json.loads(raw[8 : 8 + length]), rng)).encode()
        path.write_bytes(len(header).to_bytes(8, "little") + header + raw[8 + length :])
    else:
        path.write_bytes(damaged(raw, rng))


def backbone(module: Any) -> dict[str, torch.Tensor]:
    return {name: weight for name, weight in module.base_model.named_parameters() if "pooler" not in name}


@pytest.mark.parametrize("architecture", ["bert", "gpt2", "llama"])
def test_a_damaged_checkpoint_is_read_as_it_is_or_refused(architecture: str, inputs: Inputs, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    whole = tiny.checkpoint(tmp_path / "whole", architecture)
    examples = tiny.examples(4)
    broken = tmp_path / "broken"
    opened, refusals = 0, list[str]()
    for rng in inputs():
        shutil.rmtree(broken, ignore_errors=True)
        shutil.copytree(whole, broken)
        damage(broken, rng)
        try:
            network = open_network(broken, "head", Settings(), classes=("a", "b"))
            probs = probabilities(network, network.encode(Examples(rows=examples.rows)))
        except UserError as error:
            refusals.append(str(error))
            continue
        assert np.isfinite(probs).all()
        stored = load_file(broken / "model.safetensors")
        for name, weight in backbone(network.module).items():
            found = next(each for key, each in stored.items() if key == name or key.endswith(f".{name}"))
            assert torch.equal(weight[: len(found)], found.float()), name  # a padding token may have been added
        opened += 1
    assert refusals
    assert not [line for line in refusals if "\n" in line]
    print(f"{opened} opened, {len(refusals)} refused")


def test_a_damaged_header_is_read_or_refused(inputs: Inputs, tmp_path: Path) -> None:
    whole, broken = tiny.checkpoint(tmp_path / "whole"), tmp_path / "broken"
    refusals = list[str]()
    for rng in inputs():
        shutil.rmtree(broken, ignore_errors=True)
        shutil.copytree(whole, broken)
        damage(broken, rng)
        try:
            header = read_header(broken)
        except UserError as error:
            refusals.append(str(error))
        else:
            assert header.parameters > 0
    assert refusals
    assert not [line for line in refusals if "\n" in line]
