"""What every model must do, on random weights that take a second."""

from __future__ import annotations

import gc
import json
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from inference_pio.errors import (
    ArchitectureError,
    ConfigError,
    ContextLengthError,
    EmptyPromptError,
    InvalidOptionError,
    NotLoadedError,
    TensorMismatchError,
)
from inference_pio.generation import LoadOptions

from ..batch import TokenBatch
from ..caches import LayerCache
from ..causal_lm import CausalLMPlugin
from ..layers import Decoder, FusedLinear, RMSNorm
from ..torch_executor import TorchExecutor
from .reference import Reference, assert_logits_close
from .tiny_checkpoint import save_tiny_checkpoint

LOGITS_TOLERANCE = 1e-4
"""Float32 sums of a few hundred products in another order; random logits are of order ten."""

STEP_TOLERANCE = 1e-4
"""The same sums, split differently between prefill, decode and batch."""


class TinyContract(ABC):
    """Inherit in a class called ``TestParity…`` and say what the model is."""

    plugin_factory: ClassVar[Callable[[], CausalLMPlugin]]
    fused_tolerance: ClassVar[float]
    """Greatest difference of a logit with all optimizations on and off; the model's ``PARITY_TOLERANCE``."""
    text_length: ClassVar[int] = 48
    """Tokens of the compared text; longer than the window of a model that has one."""

    @classmethod
    @abstractmethod
    def reference(cls) -> Any:
        """Return a small transformers model with ``vocab_size=VOCAB_SIZE`` (of ``tiny_checkpoint``)."""

    @pytest.fixture(scope="class")
    @classmethod
    def folder(cls, tmp_path_factory: pytest.TempPathFactory) -> Path:
        """The checkpoint, as transformers saves it."""
        folder = tmp_path_factory.mktemp("tiny")
        save_tiny_checkpoint(cls.reference(), folder)
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
        """Load a checkpoint as a user would."""
        plugin = type(self).plugin_factory()
        plugin.name = plugin.name or "tiny"
        plugin.load_model(LoadOptions(weights=str(folder), device="cpu", **options))
        return plugin

    def test_all_logits_equal_transformers(self, model: CausalLMPlugin, oracle: Reference, text: list[int]) -> None:
        assert_logits_close(model.infer(text), oracle.logits(text), LOGITS_TOLERANCE)

    def test_greedy_tokens_equal_transformers(self, model: CausalLMPlugin, oracle: Reference, text: list[int]) -> None:
        prompt = text[:10]
        ours = model.generate(prompt, temperature=0, max_new_tokens=40, ignore_eos=True).token_ids
        assert len(ours) == 40
        assert oracle.greedy_agrees(prompt, ours)

    def test_decode_token_by_token_equals_prefill(self, model: CausalLMPlugin, text: list[int]) -> None:
        assert model.engine is not None
        whole = model.infer(text)
        stepwise = model.engine.logits(text, chunk=1)
        assert np.abs(whole - stepwise).max() <= STEP_TOLERANCE

    @pytest.mark.parametrize("chunk", [2, 5, 13])
    def test_prefill_in_chunks_equals_prefill_at_once(self, model: CausalLMPlugin, text: list[int], chunk: int) -> None:
        assert model.engine is not None
        assert np.abs(model.infer(text) - model.engine.logits(text, chunk=chunk)).max() <= STEP_TOLERANCE

    def test_a_mixed_batch_equals_each_sequence_alone(self, model: CausalLMPlugin, text: list[int]) -> None:
        assert model.engine is not None
        executor = model.engine.executor
        executor.step(TokenBatch.of_sequence(text[:20], slot=0))
        executor.step(TokenBatch.of_sequence(text[5:12], slot=2))
        # A token to decode, a new prompt, another token to decode: what a busy server computes in one step.
        mixed = TokenBatch(
            tokens=np.array([*text[20:21], *text[30:40], *text[12:13]]),
            slots=np.repeat([0, 1, 2], [1, 10, 1]),
            positions=np.array([20, *range(10), 7]),
            logit_rows=np.array([0, 10, 11]),
        )
        rows = executor.step(mixed)
        for slot in range(3):
            executor.free(slot)
        alone = [model.infer(text[:21]), model.infer(text[30:40]), model.infer(text[5:13])]
        assert np.abs(rows - np.stack([logits[-1] for logits in alone])).max() <= STEP_TOLERANCE

    def test_a_seed_gives_the_same_tokens_alone_and_in_any_batch(self, model: CausalLMPlugin, text: list[int]) -> None:
        options: dict[str, Any] = {"temperature": 1.0, "seed": 7, "max_new_tokens": 24, "ignore_eos": True}
        prompts = [text[:9], text[9:30], text[30:41]]
        alone = [model.generate(prompt, **options).token_ids for prompt in prompts]
        together = [completion.token_ids for completion in model.generate_batch(prompts, **options)]
        assert alone == together
        assert model.generate(prompts[0], **{**options, "seed": 8}).token_ids != alone[0]

    def test_a_used_slot_starts_afresh(self, model: CausalLMPlugin, text: list[int]) -> None:
        before = model.infer(text)
        model.generate(text[::-1], temperature=0, max_new_tokens=8)
        assert np.array_equal(model.infer(text), before)

    def test_switching_every_optimization_off_changes_no_logit(
        self, folder: Path, model: CausalLMPlugin, text: list[int]
    ) -> None:
        names = tuple(optimization.name for optimization in model.optimizations())
        with self.load(folder, disabled_optimizations=names) as plain:
            assert fused_products(plain) != fused_products(model), "the switch switched nothing"
            assert np.abs(plain.infer(text) - model.infer(text)).max() <= self.fused_tolerance

    def test_an_unknown_optimization_is_refused(self, folder: Path) -> None:
        with pytest.raises(InvalidOptionError, match="'warp-drive' is unknown"):
            self.load(folder, disabled_optimizations=("warp-drive",))

    def test_the_configuration_survives_a_round_trip(self, model: CausalLMPlugin) -> None:
        assert model.config is not None
        assert type(model.config).from_dict(model.config.to_dict()) == model.config

    def test_supports_its_own_model_type_only(self, model: CausalLMPlugin, folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text())
        assert model.supports_config(config)
        assert not model.supports_config({**config, "model_type": "something-else"})

    @pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
    def test_runs_in_reduced_precision(self, folder: Path, oracle: Reference, text: list[int], dtype: str) -> None:
        with self.load(folder, dtype=dtype) as model:
            ours = model.infer(text)
            assert ours.dtype == np.float32
            assert model.engine is not None
            assert dtype in model.engine.executor.name
        # Random weights amplify rounding; what must hold is that the same function is computed.
        correlation = np.corrcoef(ours.ravel(), oracle.logits(text).ravel())[0, 1]
        assert correlation > 0.95, f"correlation of logits {correlation:.3f}"

    def test_missing_and_unexpected_tensors_are_named(self, folder: Path, tmp_path: Path) -> None:
        tensors = load_file(folder / "model.safetensors")
        name = next(n for n in tensors if n.endswith("q_proj.weight"))
        tensors[name.replace("q_proj", "z_proj")] = tensors.pop(name)
        self.copy_checkpoint(folder, tmp_path, tensors=tensors)
        with pytest.raises(TensorMismatchError, match=r"1 missing: .*q_proj.*1 unexpected: .*z_proj"):
            self.load(tmp_path)

    def test_a_tensor_of_a_wrong_shape_is_named(self, folder: Path, tmp_path: Path) -> None:
        tensors = load_file(folder / "model.safetensors")
        name = next(n for n in tensors if n.endswith("o_proj.weight"))
        tensors[name] = tensors[name][1:].contiguous()
        self.copy_checkpoint(folder, tmp_path, tensors=tensors)
        with pytest.raises(TensorMismatchError, match=r"1 of a wrong shape: .*o_proj"):
            self.load(tmp_path)

    def test_another_architecture_is_refused(self, folder: Path, tmp_path: Path) -> None:
        self.copy_checkpoint(folder, tmp_path, config={"model_type": "mamba"})
        with pytest.raises(ArchitectureError, match="'mamba'"):
            self.load(tmp_path)

    def test_an_unknown_setting_is_an_error(self, folder: Path, tmp_path: Path) -> None:
        self.copy_checkpoint(folder, tmp_path, config={"hidden_sized": 3})
        with pytest.raises(ConfigError, match=r"'hidden_sized' \(did you mean 'hidden_size'\?\)"):
            self.load(tmp_path)

    def test_a_size_that_is_left_out_is_not_made_up(self, folder: Path, tmp_path: Path) -> None:
        self.copy_checkpoint(folder, tmp_path, config={"intermediate_size": None})
        with pytest.raises(ConfigError, match="does not say intermediate_size"):
            self.load(tmp_path)

    def test_norms_keep_their_digits_in_reduced_precision(self, folder: Path) -> None:
        with self.load(folder, dtype="bfloat16") as model:
            norms = [module for module in decoder_of(model).modules() if isinstance(module, RMSNorm)]
        assert {norm.weight.dtype for norm in norms} == {torch.float32}

    def test_code_that_a_checkpoint_names_is_never_run(self, folder: Path, tmp_path: Path) -> None:
        (tmp_path / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
        self.copy_checkpoint(folder, tmp_path, config={"auto_map": {"AutoModelForCausalLM": "evil.Model"}})
        self.load(tmp_path).cleanup()
        assert not (tmp_path / "ran").exists()

    def test_a_prompt_longer_than_the_context_says_both_lengths(self, folder: Path, text: list[int]) -> None:
        with self.load(folder, context=16) as model, pytest.raises(ContextLengthError, match=r"48 tokens.* 16"):
            model.generate(text)

    def test_an_empty_prompt_is_refused(self, model: CausalLMPlugin) -> None:
        with pytest.raises(EmptyPromptError):
            model.generate([])

    @pytest.mark.parametrize(
        "option",
        [{"temperature": -1.0}, {"top_p": 0.0}, {"max_new_tokens": 0}, {"temprature": 1.0}],
    )
    def test_invalid_options_are_refused(self, model: CausalLMPlugin, option: dict[str, Any]) -> None:
        with pytest.raises(InvalidOptionError, match=next(iter(option))):
            model.generate([5, 6, 7], **option)

    def test_a_device_that_is_not_there_is_refused(self, folder: Path) -> None:
        with pytest.raises(InvalidOptionError, match="'warp' cannot be used here"):
            type(self).plugin_factory().load_model(LoadOptions(weights=str(folder), device="warp"))

    def test_cleanup_gives_memory_back_and_loading_works_again(self, folder: Path, text: list[int]) -> None:
        model = self.load(folder)
        before = model.infer(text)
        tensors = [weakref.ref(tensor) for tensor in [*decoder_of(model).parameters(), caches_of(model)[0].keys]]
        model.cleanup()
        model.cleanup()
        gc.collect()
        assert not [reference for reference in tensors if reference() is not None]
        with pytest.raises(NotLoadedError, match="load_model"):
            model.infer(text)
        model.load_model(LoadOptions(weights=str(folder), device="cpu"))
        assert np.array_equal(model.infer(text), before)
        model.cleanup()

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


def decoder_of(model: CausalLMPlugin) -> Decoder:
    """Return the torch module of a loaded model."""
    executor = _torch_executor(model)
    assert executor.model is not None
    return executor.model


def caches_of(model: CausalLMPlugin) -> list[LayerCache]:
    """Return the KV caches of a loaded model, one a layer."""
    return _torch_executor(model).caches


def fused_products(model: CausalLMPlugin) -> list[bool]:
    """Return for each ``FusedLinear`` whether it is one product."""
    return [module.is_fused for module in decoder_of(model).modules() if isinstance(module, FusedLinear)]


def _torch_executor(model: CausalLMPlugin) -> TorchExecutor:
    assert model.engine is not None
    assert isinstance(model.engine.executor, TorchExecutor)
    return model.engine.executor
