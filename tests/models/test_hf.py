"""Checkpoints by folder and by hub name; the hub is a stand-in here."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from outgrow.graph import Settings, identity
from outgrow.models.hf import HF, checkpoint_digest
from outgrow.types import UserError

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def checkpoint(folder: Path, *, weights: str = "model.safetensors", **config: Any) -> Path:
    """What looks like a checkpoint until one loads it."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"model_type": "bert", **config}))
    (folder / "tokenizer.json").write_text('{"model": {"vocab": {"a": 0}}}')
    save_file({"weight": np.zeros(2, np.float32)}, folder / weights)
    return folder


def test_the_digest_is_of_what_the_model_is(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "a")
    digest = checkpoint_digest(folder)
    for beside in ("optimizer.pt", "trainer_state.json", "training_args.bin", "README.md", "pytorch_model.bin"):
        (folder / beside).write_text("not the model")
    (folder / "checkpoint-10").mkdir()
    (folder / "checkpoint-10" / "config.json").write_text("{}")
    assert checkpoint_digest(folder) == digest
    moved = tmp_path / "moved"
    shutil.copytree(folder, moved)
    assert identity(HF(size=str(moved)).pinned()) == identity(HF(size=str(folder)).pinned())
    for name in ("model.safetensors", "tokenizer.json", "config.json"):
        kept = (folder / name).read_bytes()
        (folder / name).write_bytes(kept + b" ")
        assert checkpoint_digest(folder) != digest
        (folder / name).write_bytes(kept)
    assert checkpoint_digest(folder) == digest


def test_a_folder_is_called_by_its_last_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = checkpoint(tmp_path / "my-bert")
    assert HF(size=str(folder)).name == "hf/my-bert"
    assert HF(size=str(folder)).pinned().folder(Settings()) == folder
    monkeypatch.chdir(tmp_path)
    assert HF(size="my-bert").pinned() == HF(size="my-bert", digest=checkpoint_digest(folder))
    assert HF(size="org/name@v1").name == "hf/org/name@v1"


@pytest.mark.parametrize(
    ("gone", "says"),
    [
        ("config.json", "has no config.json"),
        ("tokenizer.json", "has no tokenizer: save one there"),
        ("model.safetensors", "has no weights: it needs model.safetensors"),
    ],
)
def test_a_folder_that_lacks_a_part_is_refused_before_anything_runs(tmp_path: Path, gone: str, says: str) -> None:
    folder = checkpoint(tmp_path / "a")
    (folder / gone).unlink()
    with pytest.raises(UserError, match=says):
        HF(size=str(folder)).pinned()


def test_a_config_that_is_none_is_refused(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "a")
    (folder / "config.json").write_text("{")
    with pytest.raises(UserError, match="is not JSON"):
        HF(size=str(folder)).pinned()
    (folder / "config.json").write_text("{}")
    with pytest.raises(UserError, match="names no model_type"):
        HF(size=str(folder)).pinned()


def test_pickled_weights_need_trust(tmp_path: Path) -> None:
    model = HF(size=str(checkpoint(tmp_path / "a", weights="pytorch_model.bin"))).pinned()
    with pytest.raises(UserError, match="pickled weights only: allow it with --trust-pickle"):
        model.folder(Settings())
    assert model.folder(Settings(trust_pickle=True)) == tmp_path / "a"


def test_remote_code_needs_trust_where_transformers_does_not_know_the_model(tmp_path: Path) -> None:
    auto = {"AutoModel": "modeling.Mine"}
    known = HF(size=str(checkpoint(tmp_path / "known", auto_map=auto))).pinned()
    assert known.folder(Settings())
    unknown = HF(size=str(checkpoint(tmp_path / "new", auto_map=auto, model_type="never-heard-of"))).pinned()
    for folder_of in (unknown.folder, unknown.tokenizer_folder):  # what a run needs, and what a plan does
        with pytest.raises(UserError, match="brings its own code: allow it with --trust-remote-code"):
            folder_of(Settings())
        assert folder_of(Settings(trust_remote_code=True))


@pytest.mark.parametrize("size", ["", "/no/such/folder", "./gone", "a b", "one/two/three", "~/no/such"])
def test_what_is_neither_a_folder_nor_a_name_is_refused(size: str) -> None:
    with pytest.raises(UserError, match="there is no folder"):
        HF(size=size).pinned()


class Hub:
    """A hub with one model, whose files are in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.requests, self.patterns = folder, [], []  # type: ignore[var-annotated]

    def model_info(self, repo: str, *, revision: str) -> Any:
        self.requests.append((repo, revision))

        class Info:
            sha = COMMIT

        return Info()

    def snapshot_download(self, repo: str, **options: Any) -> str:
        assert options["revision"] == COMMIT
        assert options["ignore_patterns"] == ["*/*"]
        self.patterns += options["allow_patterns"]
        return str(self.folder)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    import huggingface_hub

    hub = Hub(tmp_path / "snapshot")
    monkeypatch.setattr(huggingface_hub, "model_info", hub.model_info)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", hub.snapshot_download)
    return hub


def test_a_hub_name_is_identified_by_its_commit(hub: Hub) -> None:
    model = HF(size="org/name@v1").pinned()
    assert model.digest == COMMIT
    assert hub.requests == [("org/name", "v1")]
    assert identity(model) == identity(HF(size=f"org/renamed@{COMMIT}").pinned())
    checkpoint(hub.folder)
    assert model.folder(Settings()) == hub.folder
    assert not any("bin" in pattern for pattern in hub.patterns)


def test_pickled_weights_are_not_even_downloaded_without_trust(hub: Hub) -> None:
    checkpoint(hub.folder, weights="pytorch_model.bin")
    model = HF(size="org/name").pinned()
    with pytest.raises(UserError, match="has no safetensors: allow pickled weights with --trust-pickle"):
        model.folder(Settings())
    assert not any("bin" in pattern for pattern in hub.patterns)
    assert model.folder(Settings(trust_pickle=True)) == hub.folder
    assert any("bin" in pattern for pattern in hub.patterns)


def test_without_a_network_the_hub_is_what_it_was(tmp_path: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    def refuse(*_: Any, **__: Any) -> None:
        raise ConnectionError("no network")

    monkeypatch.setattr(huggingface_hub, "model_info", refuse)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", refuse)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    with pytest.raises(UserError, match="the hub cannot be reached: connect once, or give"):
        HF(size="org/name").pinned()
    refs = tmp_path / "cache" / "models--org--name" / "refs"
    refs.mkdir(parents=True)
    (refs / "main").write_text(COMMIT)
    model = HF(size="org/name").pinned()
    assert model.digest == COMMIT
    with pytest.raises(UserError, match="cannot be downloaded"):
        model.folder(Settings())


def test_a_name_the_hub_does_not_know_is_refused(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub
    from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

    cases = ((RepositoryNotFoundError, "no model of this name"), (RevisionNotFoundError, "no revision 'v9'"))
    for error, says in cases:

        def refuse(*_: Any, wrong: type[Exception] = error, **__: Any) -> None:
            raise wrong.__new__(wrong)

        monkeypatch.setattr(huggingface_hub, "model_info", refuse)
        with pytest.raises(UserError, match=says):
            HF(size="org/name@v9").pinned()
