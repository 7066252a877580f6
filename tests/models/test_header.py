"""What a checkpoint says of itself, and what is wrong with it, before anything is loaded."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
from safetensors.numpy import save_file

from outgrow.models.header import read_header
from outgrow.models.hf import HF, checkpoint_digest
from outgrow.types import UserError

WEIGHTS = "model.safetensors"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.checkpoint(tmp_path_factory.mktemp("model"), "llama", num_key_value_heads=2)


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    copied = tmp_path / "copied"
    copied.mkdir()
    for path in whole.iterdir():
        (copied / path.name).write_bytes(path.read_bytes())
    return copied


def changed(folder: Path, name: str, **fields: Any) -> None:
    path = folder / name
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def header_of(tensors: dict[str, Any], data: bytes = b"") -> bytes:
    text = json.dumps(tensors).encode()
    return len(text).to_bytes(8, "little") + text + data


def refused(folder: Path) -> str:
    with pytest.raises(UserError) as caught:
        read_header(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_header_says_what_is_there(whole: Path) -> None:
    """A layer: attention 4 x 16 x 16, MLP 3 x 16 x 32, two norms of 16: 2,592. The embedding has 49 rows of 16, the
    output as many, and there is one norm more: 2 x 2,592 + 2 x 784 + 16."""
    header = read_header(whole)
    assert (header.model_type, header.vocabulary, header.longest) == ("llama", 49, 64)
    assert header.parameters == 2 * 2592 + 2 * 784 + 16
    assert header.shapes["model.embed_tokens.weight"] == (49, 16)
    assert header.tokenizer == whole / "tokenizer.json"


def test_a_large_checkpoint_is_read_in_a_moment(folder: Path) -> None:
    """40 GB of weights in a sparse file, of which the header alone is read."""
    each = 500_000_000
    tensors = {f"model.layers.{i % 2}.w{i}": (i * each, (i + 1) * each) for i in range(80)}
    entries = {name: {"dtype": "BF16", "shape": [each // 2], "data_offsets": span} for name, span in tensors.items()}
    start = header_of(entries)
    with (folder / WEIGHTS).open("wb") as file:
        file.write(start)
        file.truncate(len(start) + 80 * each)
    began = time.perf_counter()
    assert read_header(folder).parameters == 20_000_000_000
    assert time.perf_counter() - began < 0.1


def test_no_ml_library_is_imported(whole: Path) -> None:
    code = f"""
import sys; from pathlib import Path; from outgrow.models.header import read_header
read_header(Path({str(whole)!r})); print(sorted({{"torch", "transformers", "safetensors"}} & set(sys.modules)))"""
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


F32 = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "is a Git LFS pointer"),
        (b"", "it has 0 bytes"),
        ((2**60).to_bytes(8, "little") + b"{}", "its header is longer than the file"),
        (b"\2" + b"\0" * 7 + b"[]", "its header is not a JSON object"),
        (b"\2" + b"\0" * 7 + b"\xff{", "its header is not JSON"),
        ((20_000).to_bytes(8, "little") + b"[" * 20_000, "its header is not JSON"),
        (header_of({"a": {**F32, "data_offsets": [0, int("9" * 30)]}}, b"12345678"), "no shape or no place"),
        (header_of({"a": {**F32, "shape": [-2]}}, b"12345678"), "no shape or no place"),
        (header_of({"a": {**F32, "shape": [2**62, 2**62]}}, b"12345678"), "another size than its shape says"),
        (header_of({"a": {**F32, "dtype": "F31"}}, b"12345678"), "unknown type 'F31'"),
        (header_of({"a": F32, "b": F32}, b"12345678"), "overlap or leave gaps"),
        (header_of({"a": F32}, b"1234567"), "7 are there|are announced and"),
        (header_of({"a": F32}, b"123456789"), "are announced and"),
        (header_of({"a": F32, "__metadata__": [1]}, b"12345678"), "metadata are not texts"),
        (header_of({"a": 1}), "no shape or no place"),
    ],
)
def test_weights_that_are_not_whole_are_refused(content: bytes, says: str, folder: Path) -> None:
    (folder / WEIGHTS).write_bytes(content)
    assert WEIGHTS in refused(folder)
    with pytest.raises(UserError, match=says):
        read_header(folder)


def test_metadata_are_not_needed(folder: Path) -> None:
    save_file({"a": np.zeros(3, np.float32)}, folder / WEIGHTS)
    assert read_header(folder).parameters == 3


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("hidden_size", value) for value in ("abc", 0, -1, 1.5, True, [], [16], {}, 10**30, 8, 24, 32)),
        *(("vocab_size", value) for value in ("48", 0, -5, 47)),
        *(("num_hidden_layers", value) for value in (-1, 0, 1, 3, 10**9, "2", [2])),
        *(("max_position_embeddings", value) for value in (0, -7, "64", 1e9)),
        *(("pad_token_id", value) for value in ("0", [0])),
        *(("model_type", value) for value in (3, [], None, "", "never-heard-of", "../bert", "a" * 999)),
    ],
)
def test_a_config_of_another_type_or_size_is_refused(field: str, value: Any, folder: Path) -> None:
    changed(folder, "config.json", **{field: value})
    message = refused(folder)
    assert field in message
    assert "config.json" in message


def built(folder: Path, config: dict[str, Any], **shapes: tuple[int, ...]) -> Path:
    """A checkpoint with this config and weights of these shapes; `__` in a name stands for a dot."""
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config))
    tensors = {name.replace("__", "."): np.zeros(shape, np.float32) for name, shape in shapes.items()}
    save_file(tensors, folder / WEIGHTS)
    return folder


@pytest.mark.parametrize(
    ("model_type", "field", "embedding"),
    [
        ("bert", "hidden_size", "bert__embeddings__word_embeddings__weight"),
        ("gpt2", "n_embd", "wte__weight"),
        ("openai-gpt", "n_embd", "tokens_embed__weight"),
        ("ctrl", "n_embd", "transformer__w__weight"),
        ("distilbert", "dim", "embeddings__word_embeddings__weight"),
        ("xlm", "emb_dim", "transformer__embeddings__weight"),
        ("xglm", "d_model", "model__embed_tokens__weight"),
    ],
)
def test_a_width_that_is_not_the_embedding_s_is_refused(
    model_type: str, field: str, embedding: str, tmp_path: Path
) -> None:
    """Though some tensor of a layer has both numbers as its shape."""
    shapes = {embedding: (10, 4), "h__0__mlp__weight": (6, 4)}
    assert read_header(built(tmp_path / "right", {"model_type": model_type, field: 4}, **shapes)).parameters == 64
    message = refused(built(tmp_path / "wrong", {"model_type": model_type, field: 6}, **shapes))
    assert f"says {field} = 6, but {embedding.replace('__', '.')} has 10 rows of 4 numbers" in message


@pytest.mark.parametrize(
    ("field", "mapping", "columns"),
    [
        ("embedding_size", "embeddings_project__weight", 4),  # ELECTRA
        ("input_embedding_size", "encoder__embedding_hidden_mapping_in__weight", 4),  # RemBERT
        ("word_embed_proj_dim", "model__decoder__project_in__weight", 4),  # OPT
        ("embedding_size", "embeddings__embedding_transformation__weight", 12),  # MobileBERT
    ],
)
def test_an_embedding_of_its_own_width_is_mapped_to_the_layers(
    field: str, mapping: str, columns: int, tmp_path: Path
) -> None:
    config = {"model_type": "electra", "hidden_size": 6, field: 4}
    shapes = {"embeddings__word_embeddings__weight": (10, 4), mapping: (6, columns)}
    assert read_header(built(tmp_path / "right", config, **shapes)).parameters == 40 + 6 * columns
    for i, wrong in enumerate(({"hidden_size": 8}, {field: 5})):
        message = refused(built(tmp_path / f"wrong{i}", config | wrong, **shapes))
        assert f"hidden_size = {wrong.get('hidden_size', 6)} and {field} = {wrong.get(field, 4)}, but" in message


def test_an_architecture_without_a_folder_of_its_own_is_known(folder: Path) -> None:
    changed(folder, "config.json", model_type="gemma3_text")
    assert read_header(folder).model_type == "gemma3_text"


def test_an_architecture_that_transformers_does_not_know_may_bring_its_code(folder: Path) -> None:
    changed(folder, "config.json", model_type="never-heard-of")
    assert "'never-heard-of', which transformers" in refused(folder)
    changed(folder, "config.json", auto_map={"AutoModel": "modeling.Mine"})
    assert read_header(folder).model_type == "never-heard-of"


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "tokenizer_config.json", "generation_config.json"])
@pytest.mark.parametrize(
    "content", ["", "[]", "3", "{", '{"a": ' * 10_000, "[" * 10_000, '{"a": ' + "1" * 5000 + "}", "\0"]
)
def test_json_that_cannot_be_read_is_named(name: str, content: str, folder: Path) -> None:
    (folder / name).write_text(content)
    assert name in refused(folder)


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "tokenizer_config.json"])
def test_a_folder_where_a_file_belongs_is_named(name: str, folder: Path) -> None:
    (folder / name).unlink()
    (folder / name).mkdir()
    assert name in refused(folder)


def test_a_token_beyond_the_embedding_is_named(folder: Path) -> None:
    found = json.loads((folder / "tokenizer.json").read_text())
    found["added_tokens"].append({"id": 49, "content": "<new>"})
    (folder / "tokenizer.json").write_text(json.dumps(found))
    assert "'<new>' the id 49" in refused(folder)


@pytest.mark.parametrize(
    "found", [{}, {"model": []}, {"model": {"vocab": {"a": "0"}}}, {"model": {"vocab": {"a": 0}}, "added_tokens": [1]}]
)
def test_a_tokenizer_that_is_none_is_refused(found: Any, folder: Path) -> None:
    (folder / "tokenizer.json").write_text(json.dumps(found))
    assert "is not a tokenizer" in refused(folder)


@pytest.mark.parametrize("value", ["512", 0, -1, [], True])
def test_a_length_of_another_type_is_refused(value: Any, folder: Path) -> None:
    changed(folder, "tokenizer_config.json", model_max_length=value)
    assert "model_max_length" in refused(folder)


@pytest.mark.parametrize(
    ("model_type", "pad", "longest"), [("roberta", 1, 62), ("roberta", 0, 63), ("mpnet", 0, 62), ("bert", 1, 64)]
)
def test_positions_that_count_from_the_padding_token_are_fewer(
    model_type: str, pad: int, longest: int, folder: Path
) -> None:
    """64 positions of which the first pad + 1 are never used; MPNet leaves out two whatever the token."""
    changed(folder, "config.json", model_type=model_type, pad_token_id=pad)
    assert read_header(folder).longest == longest


@pytest.mark.parametrize(
    ("positions", "tokenizer", "longest"),
    [(64, 10, 10), (64, 10**30, 64), (-1, 10**30, None), (-1, 20, 20), (None, None, None)],
)
def test_the_lesser_limit_counts(positions: Any, tokenizer: Any, longest: int | None, folder: Path) -> None:
    changed(folder, "config.json", max_position_embeddings=positions)
    changed(folder, "tokenizer_config.json", model_max_length=tokenizer)
    assert read_header(folder).longest == longest


@pytest.mark.parametrize(
    "placed", [None, [], {"a": 1}, {"a": "../other.safetensors"}, {"a": "/etc/passwd"}, {"a": "gone.safetensors"}]
)
def test_an_index_of_shards_that_is_wrong_is_refused(placed: Any, folder: Path) -> None:
    save_file({"a": np.zeros(3, np.float32)}, folder.parent / "other.safetensors")
    (folder / WEIGHTS).unlink()
    (folder / f"{WEIGHTS}.index.json").write_text(json.dumps({"weight_map": placed}))
    assert f"{WEIGHTS}.index.json" in refused(folder)


def test_shards_without_an_index_are_refused(folder: Path) -> None:
    (folder / WEIGHTS).rename(folder / "model-00001-of-00002.safetensors")
    assert "in shards but no model.safetensors.index.json" in refused(folder)


def test_a_link_out_of_the_folder_is_refused_but_in_the_hub_s_cache(folder: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret.json"
    secret.write_text("{}")
    (folder / "special_tokens_map.json").symlink_to(secret)
    with pytest.raises(UserError, match=r"is a link to .*secret\.json, outside the checkpoint: copy the file there"):
        HF(size=str(folder)).pinned()
    (folder / "special_tokens_map.json").unlink()
    blobs, snapshot = tmp_path / "models--a--b" / "blobs", tmp_path / "models--a--b" / "snapshots" / "0123"
    blobs.mkdir(parents=True)
    snapshot.mkdir(parents=True)
    for i, path in enumerate(sorted(folder.iterdir())):
        (blobs / str(i)).write_bytes(path.read_bytes())
        (snapshot / path.name).symlink_to(f"../../blobs/{i}")
    assert checkpoint_digest(snapshot) == checkpoint_digest(folder)
    assert read_header(snapshot) == read_header(folder).__class__(
        **{**vars(read_header(folder)), "tokenizer": snapshot / "tokenizer.json"}
    )
