"""The header of a checkpoint: its config and the names and shapes of its tensors, read without loading weights."""

from outgrow.models.header.architectures import is_known
from outgrow.models.header.reading import CheckpointHeader, longest_input, read_config, read_header
from outgrow.models.header.tensors import Tensor, tensors_in

__all__ = ["CheckpointHeader", "Tensor", "is_known", "longest_input", "read_config", "read_header", "tensors_in"]
