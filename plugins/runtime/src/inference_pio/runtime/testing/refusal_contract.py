"""Level behaviour, its other half: what a model must refuse, and what the refusal must say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from inference_pio.errors import (
    ArchitectureError,
    ConfigError,
    ContextLengthError,
    EmptyPromptError,
    InvalidOptionError,
    TensorMismatchError,
)
from inference_pio.generation import LoadOptions

from ..causal_lm import CausalLMPlugin
from .behaviour_contract import behaviour
from .tiny_model import TinyModel


class RefusalContract(TinyModel):
    """Tests of level ``behaviour`` on broken checkpoints and impossible requests."""

    @behaviour
    def test_an_unknown_optimization_is_refused(self, folder: Path) -> None:
        with pytest.raises(InvalidOptionError, match="'warp-drive' is unknown"):
            self.load(folder, disabled_optimizations=("warp-drive",))

    @behaviour
    def test_missing_and_unexpected_tensors_are_named(self, folder: Path, tmp_path: Path) -> None:
        tensors = load_file(folder / "model.safetensors")
        name = next(n for n in tensors if n.endswith("q_proj.weight"))
        tensors[name.replace("q_proj", "z_proj")] = tensors.pop(name)
        self.copy_checkpoint(folder, tmp_path, tensors=tensors)
        with pytest.raises(TensorMismatchError, match=r"1 missing: .*q_proj.*1 unexpected: .*z_proj"):
            self.load(tmp_path)

    @behaviour
    def test_a_tensor_of_a_wrong_shape_is_named(self, folder: Path, tmp_path: Path) -> None:
        tensors = load_file(folder / "model.safetensors")
        name = next(n for n in tensors if n.endswith("o_proj.weight"))
        tensors[name] = tensors[name][1:].contiguous()
        self.copy_checkpoint(folder, tmp_path, tensors=tensors)
        with pytest.raises(TensorMismatchError, match=r"1 of a wrong shape: .*o_proj"):
            self.load(tmp_path)

    @behaviour
    def test_another_architecture_is_refused(self, folder: Path, tmp_path: Path) -> None:
        self.copy_checkpoint(folder, tmp_path, config={"model_type": "mamba"})
        with pytest.raises(ArchitectureError, match="'mamba'"):
            self.load(tmp_path)

    @behaviour
    def test_an_unknown_setting_is_an_error(self, folder: Path, tmp_path: Path) -> None:
        self.copy_checkpoint(folder, tmp_path, config={"hidden_sized": 3})
        with pytest.raises(ConfigError, match=r"'hidden_sized' \(did you mean 'hidden_size'\?\)"):
            self.load(tmp_path)

    @behaviour
    def test_a_size_that_is_left_out_is_not_made_up(self, folder: Path, tmp_path: Path) -> None:
        self.copy_checkpoint(folder, tmp_path, config={"intermediate_size": None})
        with pytest.raises(ConfigError, match="does not say intermediate_size"):
            self.load(tmp_path)

    @behaviour
    def test_code_that_a_checkpoint_names_is_never_run(self, folder: Path, tmp_path: Path) -> None:
        (tmp_path / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
        self.copy_checkpoint(folder, tmp_path, config={"auto_map": {"AutoModelForCausalLM": "evil.Model"}})
        self.load(tmp_path).cleanup()
        assert not (tmp_path / "ran").exists()

    @behaviour
    def test_a_prompt_longer_than_the_context_says_both_lengths(self, folder: Path, text: list[int]) -> None:
        said = rf"{len(text)} tokens.* 16"
        with self.load(folder, context=16) as model, pytest.raises(ContextLengthError, match=said):
            model.generate(text)

    @behaviour
    def test_an_empty_prompt_is_refused(self, model: CausalLMPlugin) -> None:
        with pytest.raises(EmptyPromptError):
            model.generate([])

    @behaviour
    @pytest.mark.parametrize(
        "option",
        [{"temperature": -1.0}, {"top_p": 0.0}, {"max_new_tokens": 0}, {"temprature": 1.0}],
    )
    def test_invalid_options_are_refused(self, model: CausalLMPlugin, option: dict[str, Any]) -> None:
        with pytest.raises(InvalidOptionError, match=next(iter(option))):
            model.generate([5, 6, 7], **option)

    @behaviour
    def test_a_device_that_is_not_there_is_refused(self, folder: Path) -> None:
        with pytest.raises(InvalidOptionError, match="'warp' cannot be used here"):
            self.new_plugin().load_model(LoadOptions(weights=str(folder), device="warp"))
