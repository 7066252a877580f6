"""Strict loading of checkpoints: a tensor of the backbone that is missing, left over or of another shape is an error.

One kind of difference is accepted: a classifier's head that the file lacks or has in another size, which is drawn. A
tensor of the backbone that is missing, left over or of another shape is an error that names it. `check_loadable` finds
the same from the headers of the files, before anything is loaded.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from outgrow.graph import Settings
from outgrow.models.base import first_line, quiet
from outgrow.models.header import Tensor, tensors_in
from outgrow.models.hf import check
from outgrow.training.precision import all_finite
from outgrow.types import UserError

Kind = Literal["classifier", "language model", "encoder"]

NOT_CAUSAL = "{folder} does not read from left to right: next tokens need a causal language model"
SPARE = 10**8  # weights that a config may describe beyond those that the files hold: a new head
_BUFFER = re.compile(r"(inv_freq|masked_bias|cos_cached|sin_cached|position_ids)$")


def load_module(
    kind: Kind,
    folder: Path,
    settings: Settings,
    *,
    classes: tuple[str, ...] | None = None,
    seed: int = 0,
    attention: str | None = None,
) -> Any:
    """The model in `folder` with fp32 weights on the CPU, as a classifier, a language model or an encoder without head.

    `classes` asks for a head with these classes, drawn from `seed` where the checkpoint has none of that size. Without
    it every weight of a classifier must be there. Raises UserError for whatever else does not fit.
    """
    import torch

    check(folder, settings)
    config = load_config(folder, settings)
    if classes:
        config.id2label = dict(enumerate(classes))
        config.label2id = {name: i for i, name in enumerate(classes)}
        config.problem_type = "single_label_classification" if len(classes) > 1 else "regression"
    auto, tensors = _auto(kind, config, folder), tensors_in(folder)
    _described(auto, config, tensors, folder, settings)
    with torch.random.fork_rng(devices=[]), readable(str(folder)):
        torch.manual_seed(seed)
        module, info = auto.from_pretrained(
            folder,
            config=config,
            dtype=torch.float32,
            use_safetensors=None if settings.trust_pickle else True,
            trust_remote_code=settings.trust_remote_code,
            output_loading_info=True,
            attn_implementation=attention,
            ignore_mismatched_sizes=True,  # they are looked at below
        )
    _require_what_is_stored(kind, module, info, tensors, folder, drawn=classes is not None)
    _require_numbers(module, folder)
    _fast_gelu(module)
    return module.eval()


def check_loadable(kind: Kind, folder: Path, settings: Settings, *, drawn: bool) -> Any:
    """The model in `folder` without its weights. Raises UserError for what `load_module` would refuse, as far as config
    and headers show it. drawn: a head that the files lack would be drawn.

    transformers loads tensors of the stored shapes whose elements are all one zero, so that neither time nor memory
    depends on the size of the model.
    """
    import torch

    check(folder, settings)
    config = load_config(folder, settings)
    auto, tensors = _auto(kind, config, folder), tensors_in(folder)
    described = _described(auto, config, tensors, folder, settings)
    if described is None or not tensors:
        return described
    stored = {name: torch.zeros(()).expand(tensor.shape) for name, tensor in tensors.items()}
    try:
        with torch.random.fork_rng(devices=[]), quiet():
            module, info = type(described).from_pretrained(
                None,
                config=config,
                state_dict=stored,
                dtype=torch.float32,
                output_loading_info=True,
                ignore_mismatched_sizes=True,
            )
    except Exception:  # an architecture that changes its weights while it loads them: `load_module` decides
        return described
    _require_what_is_stored(kind, module, info, tensors, folder, drawn)
    return described


def load_config(folder: Path, settings: Settings) -> Any:
    """The config in `folder`. That of an encoder-decoder is a UserError."""
    from transformers import AutoConfig

    with readable(f"the config in {folder}"):
        config: Any = AutoConfig.from_pretrained(folder, trust_remote_code=settings.trust_remote_code)
    if getattr(config, "is_encoder_decoder", False):
        raise UserError(
            f"{folder} is an encoder-decoder ({config.model_type}): choose an encoder or a causal language model"
        )
    if getattr(config, "attention_type", None) == "block_sparse":
        config.attention_type = "original_full"  # BigBird's other one depends on the longest text of a batch
    if getattr(config, "rescale_every", 0):
        config.rescale_every = 0  # RWKV would divide its weights when it answers, and store them so
    return config


@contextmanager
def readable(what: str, failed: str = "cannot be loaded") -> Iterator[None]:
    """No advice meanwhile; and whatever transformers and its tokenizers trip over is a UserError in one line."""
    try:
        with quiet():
            yield
    except UserError:
        raise
    except MemoryError:
        raise UserError(f"{what} {failed}: there is not enough memory") from None
    except Exception as error:
        raise UserError(f"{what} {failed}: {first_line(error)}") from error
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # of the Rust libraries: not an Exception
            raise
        raise UserError(f"{what} {failed}: {first_line(error)}") from None


def in_backbone(module: Any, key: str) -> bool:
    """Whether a weight belongs to what was pretrained: not to the head, nor to a pooler, which some leave out."""
    prefix = "" if module.base_model is module else f"{module.base_model_prefix}."
    return key.startswith(prefix) and "pooler" not in key.removeprefix(prefix).split(".")[:1]


def _auto(kind: Kind, config: Any, folder: Path) -> Any:
    """The class that loads this kind. Raises UserError where the architecture has none."""
    import transformers

    name = {"classifier": "ForSequenceClassification", "language model": "ForCausalLM", "encoder": ""}[kind]
    auto = getattr(transformers, f"AutoModel{name}")
    known = type(config) in auto._model_mapping or f"AutoModel{name}" in (getattr(config, "auto_map", None) or {})
    if not known:
        raise UserError(f"transformers has no {kind} of the architecture {config.model_type}: choose another model")
    masked = type(config) in transformers.AutoModelForMaskedLM._model_mapping
    causal = getattr(config, "is_decoder", False) or getattr(config, "causal", False)
    if kind == "language model" and masked and not causal:
        raise UserError(NOT_CAUSAL.format(folder=folder))
    return auto


def _described(auto: Any, config: Any, tensors: Mapping[str, Tensor], folder: Path, settings: Settings) -> Any:
    """The model that a config describes, without memory for its weights; None where they are quantized.

    Raises UserError for a config that describes far more weights than the files hold, or no model.
    """
    import torch

    if getattr(config, "quantization_config", None):
        return None
    with torch.random.fork_rng(devices=[]), readable(str(folder)), torch.device("meta"):
        plan = auto.from_config(config, trust_remote_code=settings.trust_remote_code)
    stored = sum(_numel(tensor.shape) for tensor in tensors.values())
    described = sum(each.numel() for each in plan.parameters()) + sum(each.numel() for each in plan.buffers())
    if stored and described > 2 * stored + SPARE:
        raise UserError(
            f"{folder / 'config.json'} describes {described:,} weights, the files hold {stored:,}: "
            "save config and weights together"
        )
    return plan


def _numel(shape: Iterable[int]) -> int:
    product = 1
    for size in shape:
        product *= size
    return product


def _require_what_is_stored(
    kind: Kind, module: Any, info: dict[str, Any], tensors: Mapping[str, Tensor], folder: Path, drawn: bool
) -> None:
    """Raise a UserError for a tensor of the files that is not in the model, or the other way round."""

    def accepted(key: str) -> bool:
        if kind == "encoder":
            return not in_backbone(module, key)  # a pooler, which nobody reads
        return drawn and not in_backbone(module, key)

    for key, stored, wanted in sorted(info["mismatched_keys"], key=str):
        if not accepted(key):
            raise UserError(
                f"{folder}: {key} has the shape {tuple(stored)}, and the config asks for {tuple(wanted)}: "
                "save config and weights together"
            )
    if lacks := sorted(key for key in info["missing_keys"] if not accepted(key)):
        inside = [key for key in lacks if in_backbone(module, key)]
        what = "whole model" if inside else kind
        raise UserError(f"{folder} is not a {what}: it lacks {(inside or lacks)[0]}")
    if surplus := _left_out(module, info["unexpected_keys"], tensors):
        raise UserError(
            f"{folder}: the weights hold {surplus[0]}, which the config has no place for: "
            "save config and weights together"
        )
    if errors := info.get("error_msgs"):
        raise UserError(f"{folder} cannot be loaded: {first_line(Exception(errors[0]))}")


def _left_out(module: Any, unexpected: Iterable[str], tensors: Mapping[str, Tensor]) -> list[str]:
    """The tensors of the backbone that were not loaded. Those of other heads are none of it, nor are buffers."""
    base, prefix = module.base_model, f"{module.base_model_prefix}."
    parts = {name for name, _ in base.named_children()} | {name for name, _ in base.named_parameters(recurse=False)}
    return sorted(
        key
        for key in unexpected
        if key.removeprefix(prefix).partition(".")[0] in parts - {"pooler"} and not _is_buffer(key, tensors)
    )


def _is_buffer(key: str, tensors: Mapping[str, Tensor]) -> bool:
    """Whether a tensor is a table or a mask that older versions kept, and not a weight."""
    tensor = next((tensors[name] for name in tensors if name == key or name.endswith(f".{key}")), None)
    mask = tensor is not None and len(tensor.shape) == 4 and tensor.shape[:2] == (1, 1)
    return mask or bool(_BUFFER.search(key)) or (tensor is not None and not tensor.is_float)


def _require_numbers(module: Any, folder: Path) -> None:
    for name, weight in module.named_parameters():
        if not all_finite(weight):
            raise UserError(f"{folder}: {name} holds what is not a number (NaN or infinite): fetch or train it again")


def _fast_gelu(module: Any) -> None:
    """GPT-2's `gelu_new` is written out op by op; PyTorch's kernel computes the same function: 9 % of a step."""
    from transformers.activations import ACT2FN, NewGELUActivation

    for part in module.modules():
        for name, child in part.named_children():
            if isinstance(child, NewGELUActivation):
                setattr(part, name, ACT2FN["gelu_pytorch_tanh"])
