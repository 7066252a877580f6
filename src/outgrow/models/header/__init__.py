"""The header of a checkpoint: what its files say before any weight is loaded. No family, so a folder of its own."""

from outgrow.models.header.reading import CheckpointHeader, longest_input, read_config, read_header
from outgrow.models.header.tensors import Tensor, tensors_in

__all__ = ["CheckpointHeader", "Tensor", "longest_input", "read_config", "read_header", "tensors_in"]
