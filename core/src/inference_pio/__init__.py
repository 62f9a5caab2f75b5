"""Language models as pip packages: the host, its hooks and its interfaces."""

import pkgutil

# Other distributions add packages below this one (inference_pio.runtime, inference_pio.models.gemma3), from wherever
# they are installed; none of them may ship an __init__.py here or at inference_pio/models.
__path__ = pkgutil.extend_path(__path__, __name__)

from .common.config.model_config_base import BaseConfig
from .generation import Chunk, Completion, LoadOptions, ProgressEvent, SamplingOptions
from .hookspecs import HOST_API, hookimpl
from .interfaces import ModelPlugin, TextModelPlugin

__version__ = "0.1.0"

__all__ = [
    "HOST_API",
    "BaseConfig",
    "Chunk",
    "Completion",
    "LoadOptions",
    "ModelPlugin",
    "ProgressEvent",
    "SamplingOptions",
    "TextModelPlugin",
    "hookimpl",
]
