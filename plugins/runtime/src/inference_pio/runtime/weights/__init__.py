"""Checkpoints: GGUF and safetensors, memory-mapped, validated before anything is allocated. Never pickle."""

from .checkpoint import Checkpoint, TensorInfo
from .opening import open_checkpoint

__all__ = ["Checkpoint", "TensorInfo", "open_checkpoint"]
