"""Model configurations."""

from .model_config_base import BaseConfig

__all__ = ["BaseConfig"]
