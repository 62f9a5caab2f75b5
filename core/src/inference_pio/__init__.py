"""Language models as pip packages: the host, its hooks and its interfaces."""

import importlib
import pkgutil
from typing import TYPE_CHECKING, Any

# Other distributions add packages below this one (inference_pio.runtime, inference_pio.models.gemma3), from wherever
# they are installed; none of them may ship an __init__.py here or at inference_pio/models.
__path__ = pkgutil.extend_path(__path__, __name__)

if TYPE_CHECKING:
    from .common.config.model_config_base import BaseConfig
    from .errors import InferencePioError
    from .generation import Chunk, Completion, LoadOptions, ProgressEvent, SamplingOptions
    from .hookspecs import HOST_API, hookimpl
    from .host import Host, load
    from .interfaces import EmbeddingModelPlugin, ModelPlugin, TextModelPlugin

__version__ = "0.1.0"

__all__ = [
    "HOST_API",
    "BaseConfig",
    "Chunk",
    "Completion",
    "EmbeddingModelPlugin",
    "Host",
    "InferencePioError",
    "LoadOptions",
    "ModelPlugin",
    "ProgressEvent",
    "SamplingOptions",
    "TextModelPlugin",
    "hookimpl",
    "load",
]

# Imported on first use: completing a word in the shell must not pay for validation and plugin management.
_MODULES = {
    "HOST_API": "hookspecs",
    "BaseConfig": "common.config.model_config_base",
    "Chunk": "generation",
    "Completion": "generation",
    "EmbeddingModelPlugin": "interfaces",
    "Host": "host",
    "InferencePioError": "errors",
    "LoadOptions": "generation",
    "ModelPlugin": "interfaces",
    "ProgressEvent": "generation",
    "SamplingOptions": "generation",
    "TextModelPlugin": "interfaces",
    "hookimpl": "hookspecs",
    "load": "host",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_MODULES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
