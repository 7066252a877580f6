"""The headers of a checkpoint's safetensors files: names, types and shapes of its tensors."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, TypeGuard

from outgrow.types import UserError

SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"
MOST_HEADER = 100_000_000  # bytes, the limit of the format
_BITS = {"BOOL": 8, "U8": 8, "I8": 8, "U16": 16, "I16": 16, "U32": 32, "I32": 32, "U64": 64, "I64": 64}
_BITS |= {"F4": 4, "F6_E2M3": 6, "F6_E3M2": 6, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8}
_BITS |= {"F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8, "F16": 16, "BF16": 16, "F32": 32, "F64": 64, "C64": 64}
_SHARD = re.compile(r"[\w.-]+\.safetensors")


@dataclass(frozen=True, kw_only=True)
class Tensor:
    """The type and shape of one tensor."""

    dtype: str
    shape: tuple[int, ...]

    @property
    def is_float(self) -> bool:
        return "F" in self.dtype


def tensors_in(folder: Path) -> dict[str, Tensor]:
    """The tensors of the files that transformers would load, by name. Empty without safetensors files.

    Raises UserError for a file that is incomplete or malformed, and for a missing shard.
    """
    if (folder / SINGLE).is_file():
        return read_tensors(folder / SINGLE)
    if (folder / INDEX).is_file():
        return _sharded(folder)
    if any(folder.glob("model-*.safetensors")):
        raise UserError(f"{folder} has weights in shards but no {INDEX}: copy it from where the weights came from")
    return {}


def _sharded(folder: Path) -> dict[str, Tensor]:
    index = read_json(folder / INDEX)
    weight_map = index.get("weight_map")
    if not isinstance(weight_map, dict) or not all(isinstance(shard, str) for shard in weight_map.values()):
        raise UserError(f"{folder / INDEX} has no weight_map: copy it again from where the weights came from")
    tensors: dict[str, Tensor] = {}
    for shard in sorted(set(weight_map.values())):
        if not _SHARD.fullmatch(shard) or not (folder / shard).is_file():
            raise UserError(f"{folder / INDEX} names the shard {shard!r}, which is not there: fetch the weights again")
        tensors |= read_tensors(folder / shard)
    if absent := sorted(weight_map.keys() - tensors.keys()):
        raise UserError(f"{folder} lacks the tensor {absent[0]}, which {INDEX} names: fetch the weights again")
    return tensors


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors in the header of one safetensors file, by name.

    The format: eight bytes with the length of the JSON header, the header, then the data. The tensors must cover the
    data without gap or overlap. Raises UserError for a file that is incomplete or malformed.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(8)
            if start == b"version ":
                raise UserError(f"{path} is a Git LFS pointer, not the weights: fetch them with git lfs pull")
            length = int.from_bytes(start, "little")
            if size < 8 or length > min(size - 8, MOST_HEADER):
                raise _broken(path, f"it has {size} bytes" if size < 8 else "its header is longer than the file")
            text = file.read(length)
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): check the file") from None
    try:
        header = json.loads(text)
    except (ValueError, RecursionError):
        raise _broken(path, "its header is not JSON") from None
    if not isinstance(header, dict):
        raise _broken(path, "its header is not a JSON object")
    _require_metadata(path, header.pop("__metadata__", None))
    tensors, spans = {}, []
    for name, entry in header.items():
        tensors[name], span = _tensor(path, name, entry)
        spans.append(span)
    end = 0
    for begin, stop in sorted(spans):
        if begin != end:
            raise _broken(path, "its tensors overlap or leave gaps")
        end = stop
    if end != size - 8 - length:
        raise _broken(path, f"{8 + length + end} bytes are announced and {size} are there")
    return tensors


def _tensor(path: Path, name: str, entry: Any) -> tuple[Tensor, tuple[int, int]]:
    """One tensor of the header, and the start and end of its bytes. Raises UserError."""
    entry = entry if isinstance(entry, dict) else {}
    shape, span = entry.get("shape"), entry.get("data_offsets")
    if not _whole(shape) or not _whole(span) or len(span) != 2:
        raise _broken(path, f"{name!r} has no shape or no place")
    bits = _BITS.get(str(entry.get("dtype")))
    if bits is None:
        raise _broken(path, f"{name!r} is of the unknown type {str(entry.get('dtype'))[:20]!r}")
    if prod(shape) * bits != 8 * (span[1] - span[0]):
        raise _broken(path, f"{name!r} has another size than its shape says")
    return Tensor(dtype=entry["dtype"], shape=tuple(shape)), (span[0], span[1])


def _require_metadata(path: Path, metadata: Any) -> None:
    if metadata is not None and (
        not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values())
    ):
        raise _broken(path, "its metadata are not texts")


def _whole(numbers: Any) -> TypeGuard[list[int]]:
    """Whether this is a list of non-negative integers below 2 ** 63."""
    return isinstance(numbers, list) and all(type(number) is int and 0 <= number < 2**63 for number in numbers)


def _broken(path: Path, why: str) -> UserError:
    return UserError(f"{path} is not a whole safetensors file ({why}): fetch or save it again")


def read_json(path: Path) -> Mapping[str, Any]:
    """The JSON object in a file. Raises UserError for anything else."""
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        raise UserError(f"{path} is not JSON that can be read: save the checkpoint again") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): check the file") from None
    if not isinstance(content, dict):
        raise UserError(f"{path} holds a {type(content).__name__}, not a JSON object: save the checkpoint again")
    return content
