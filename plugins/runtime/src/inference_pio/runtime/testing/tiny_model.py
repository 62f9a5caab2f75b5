"""The model that levels behaviour and parity run on: random weights that take a second, and the reference beside it."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from inference_pio.generation import LoadOptions
from inference_pio.loading import load_plugin
from inference_pio.testing.installed_plugins import find_plugin

from ..causal_lm import CausalLMPlugin
from .reference import Reference
from .tiny_checkpoint import save_tiny_checkpoint


class TinyModel(ABC):
    """What the tests of both levels share: fixtures, and how a model is made and loaded."""

    plugin_name: ClassVar[str]
    text_length: ClassVar[int] = 48
    """Tokens of the compared text; longer than the window of a model that has one."""

    @classmethod
    @abstractmethod
    def reference(cls) -> Any:
        """Return a small transformers model with ``vocab_size=VOCAB_SIZE`` (of ``tiny_checkpoint``).

        Import transformers here: where it is missing, the levels that need no reference are tested all the same.
        """

    @classmethod
    def new_plugin(cls) -> CausalLMPlugin:
        """Return a new plugin that has loaded nothing: what the installed plugin's factory makes."""
        plugin = load_plugin(find_plugin(cls.plugin_name)[1])
        assert isinstance(plugin, CausalLMPlugin)
        return plugin

    @pytest.fixture(scope="class")
    @classmethod
    def folder(cls, tmp_path_factory: pytest.TempPathFactory) -> Path:
        """The checkpoint, as transformers saves it."""
        folder = tmp_path_factory.mktemp("tiny")
        try:
            model = cls.reference()
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] != "transformers":
                raise
            pytest.skip("there is no reference to compare with: pip install inference-pio-runtime[parity]")
        save_tiny_checkpoint(model, folder)
        return folder

    @pytest.fixture(scope="class")
    @classmethod
    def oracle(cls, folder: Path) -> Reference:
        """The reference on the checkpoint."""
        from transformers import AutoModelForCausalLM

        return Reference(AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32))

    @pytest.fixture
    def model(self, folder: Path) -> Iterator[CausalLMPlugin]:
        """Ours on the checkpoint."""
        with self.load(folder) as model:
            yield model

    @pytest.fixture
    def text(self) -> list[int]:
        """A random text, token ids."""
        return list(np.random.default_rng(1).integers(3, 259, self.text_length))

    def load(self, folder: Path, **options: Any) -> CausalLMPlugin:
        """Load a checkpoint, in float32 unless asked otherwise: on torch, whatever else is installed."""
        plugin = self.new_plugin()
        plugin.name = plugin.name or "tiny"
        plugin.load_model(LoadOptions(weights=str(folder), device="cpu", **{"dtype": "float32", **options}))
        return plugin

    @staticmethod
    def copy_checkpoint(
        folder: Path, to: Path, *, config: dict[str, Any] | None = None, tensors: dict[str, torch.Tensor] | None = None
    ) -> None:
        """Copy a checkpoint with some settings or all tensors replaced."""
        settings = json.loads((folder / "config.json").read_text())
        (to / "config.json").write_text(json.dumps({**settings, **(config or {})}))
        (to / "tokenizer.json").write_bytes((folder / "tokenizer.json").read_bytes())
        if tensors is None:
            (to / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes())
        else:
            save_file(tensors, to / "model.safetensors")
