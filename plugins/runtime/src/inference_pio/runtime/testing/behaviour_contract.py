"""Level behaviour: what every model must do, whatever its numbers are."""

from __future__ import annotations

import gc
import json
import random
import weakref
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from inference_pio.errors import NotLoadedError
from inference_pio.generation import LoadOptions, SamplingOptions

from ..batch import TokenBatch
from ..causal_lm import CausalLMPlugin
from ..layers import RMSNorm
from ..request import TokenEvent
from .inspection import caches_of, decoder_of, fused_products
from .tiny_model import TinyModel

STEP_TOLERANCE = 1e-4
"""Float32 sums of a few hundred products, split differently between prefill, decode and batch."""

SAMPLING: dict[str, Any] = {"temperature": 1.0, "seed": 7, "max_new_tokens": 24, "ignore_eos": True}

behaviour = pytest.mark.conformance("behaviour")


class BehaviourContract(TinyModel):
    """Tests of level ``behaviour`` on random weights."""

    fused_tolerance: ClassVar[float] = STEP_TOLERANCE
    """Greatest difference of a logit with all optimizations on and off; the model's ``PARITY_TOLERANCE``."""

    # Decode = prefill.

    @behaviour
    def test_decode_token_by_token_equals_prefill(self, model: CausalLMPlugin, text: list[int]) -> None:
        assert model.engine is not None
        whole = model.infer(text)
        stepwise = model.engine.logits(text, chunk=1)
        assert np.abs(whole - stepwise).max() <= STEP_TOLERANCE

    @behaviour
    @pytest.mark.parametrize("chunk", [2, 5, 13])
    def test_prefill_in_chunks_equals_prefill_at_once(self, model: CausalLMPlugin, text: list[int], chunk: int) -> None:
        assert model.engine is not None
        assert np.abs(model.infer(text) - model.engine.logits(text, chunk=chunk)).max() <= STEP_TOLERANCE

    # Batch = single.

    @behaviour
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

    # Determinism under a seed.

    @behaviour
    def test_a_seed_gives_the_same_tokens_alone_and_in_any_batch(self, model: CausalLMPlugin, text: list[int]) -> None:
        prompts = [text[:9], text[9:30], text[30:41]]
        alone = [model.generate(prompt, **SAMPLING).token_ids for prompt in prompts]
        together = [completion.token_ids for completion in model.generate_batch(prompts, **SAMPLING)]
        assert alone == together
        assert model.generate(prompts[0], **{**SAMPLING, "seed": 8}).token_ids != alone[0]

    @behaviour
    def test_a_seed_gives_the_same_tokens_in_another_object_and_another_random_state(
        self, folder: Path, model: CausalLMPlugin, text: list[int], random_states: Callable[[], tuple[Any, ...]]
    ) -> None:
        first = model.generate(text[:9], **SAMPLING).token_ids
        for seed in (random.seed, np.random.seed, torch.manual_seed):
            seed(5)
        assert model.generate(text[:9], **SAMPLING).token_ids == first
        with self.load(folder) as other:
            assert other.generate(text[:9], **SAMPLING).token_ids == first

    @behaviour
    def test_nobody_elses_random_numbers_are_used_up(
        self, folder: Path, text: list[int], random_states: Callable[[], tuple[Any, ...]]
    ) -> None:
        before = random_states()
        with self.load(folder) as model:
            model.generate(text[:9], **SAMPLING)
        assert random_states() == before

    @pytest.fixture
    def random_states(self) -> Iterator[Callable[[], tuple[Any, ...]]]:
        """Reads the random states that the whole process shares; they are put back afterwards."""
        plain, legacy, of_torch = random.getstate(), np.random.get_state(), torch.get_rng_state()

        def read() -> tuple[Any, ...]:
            kind, keys, *rest = np.random.get_state()
            return random.getstate(), kind, list(keys), rest, torch.get_rng_state().tolist()

        yield read
        random.setstate(plain)
        np.random.set_state(legacy)
        torch.set_rng_state(of_torch)

    # Guessing ahead.

    @behaviour
    @pytest.mark.parametrize("temperature", [0.0, 0.5])
    def test_guessing_ahead_changes_no_token(self, model: CausalLMPlugin, text: list[int], temperature: float) -> None:
        engine = model.engine
        assert engine is not None

        def quote(token_ids: Sequence[int], logits: Any) -> Any:
            logits[token_ids[-8]] += 3 * logits.std() + 6 * temperature  # random weights repeat nothing by themselves
            return logits

        def answers(*speculates: bool) -> list[list[TokenEvent]]:
            streams = []
            for prompt, speculate in zip((text[:20], text[9:30], text[3:12]), speculates, strict=True):
                chosen = SamplingOptions(temperature=temperature, seed=7, max_new_tokens=40, speculate=speculate)
                streams.append(engine.events(engine.submit(prompt, chosen, processors=[quote])))
            results: list[list[TokenEvent]] = [[] for _ in streams]
            for _ in range(40):  # side by side, so that they share steps
                for result, stream in zip(results, streams, strict=True):
                    result += [next(stream)]
            return results

        plain, mixed = answers(False, False, False), answers(True, False, True)
        assert [[e.token_id for e in events] for events in mixed] == [[e.token_id for e in events] for events in plain]
        assert [any(event.is_gained for event in events) for events in mixed] == [True, False, True]

    # Cache reset.

    @behaviour
    def test_a_used_slot_starts_afresh(self, model: CausalLMPlugin, text: list[int]) -> None:
        before = model.infer(text)
        model.generate(text[::-1], temperature=0, max_new_tokens=8)
        assert np.array_equal(model.infer(text), before)

    @behaviour
    def test_an_answer_that_is_broken_off_leaves_nothing_behind(self, model: CausalLMPlugin, text: list[int]) -> None:
        before = model.infer(text)
        answer = model.stream(text[::-1], temperature=0, max_new_tokens=40, ignore_eos=True)
        next(answer)
        answer.close()  # type: ignore[attr-defined]  # a generator, which is an iterator that can be closed
        assert np.array_equal(model.infer(text), before)

    # Optimizations.

    @behaviour
    def test_switching_every_optimization_off_changes_no_logit(
        self, folder: Path, model: CausalLMPlugin, text: list[int]
    ) -> None:
        names = tuple(optimization.name for optimization in model.optimizations())
        with self.load(folder, disabled_optimizations=names) as plain:
            # A model that claims no optimization has nothing to switch, and must then be the same twice.
            assert not names or fused_products(plain) != fused_products(model), "the switch switched nothing"
            assert np.abs(plain.infer(text) - model.infer(text)).max() <= self.fused_tolerance

    # Configuration round-trip.

    @behaviour
    def test_the_configuration_survives_a_round_trip(self, model: CausalLMPlugin) -> None:
        assert model.config is not None
        assert type(model.config).from_dict(model.config.to_dict()) == model.config
        assert model.create_config(**model.config.to_dict()) == model.config

    @behaviour
    def test_a_saved_configuration_is_read_back_as_it_was(self, model: CausalLMPlugin, tmp_path: Path) -> None:
        assert model.config is not None
        model.config.save(tmp_path / "config.json")
        assert type(model.config).from_file(tmp_path / "config.json") == model.config

    @behaviour
    def test_supports_its_own_model_type_only(self, model: CausalLMPlugin, folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text())
        assert model.supports_config(config)
        assert not model.supports_config({**config, "model_type": "something-else"})

    # Dtype and device are kept.

    @behaviour
    @pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
    def test_dtype_and_device_are_kept(self, folder: Path, text: list[int], dtype: str) -> None:
        shared = torch.get_default_dtype(), torch.is_grad_enabled()
        with self.load(folder, dtype=dtype) as model:
            assert model.infer(text).dtype == np.float32
            for _ in range(2):
                # Vectors (norms) may keep more digits; what is multiplied and what is remembered may not differ.
                matrices = [weight for weight in decoder_of(model).parameters() if weight.ndim > 1]
                cached = [part for cache in caches_of(model) for part in (cache.keys, cache.values)]
                assert {tensor.dtype for tensor in (*matrices, *cached)} == {getattr(torch, dtype)}
                assert {t.device.type for t in (*decoder_of(model).parameters(), *cached)} == {"cpu"}
                model.generate(text[:9], temperature=0, max_new_tokens=3)
        assert (torch.get_default_dtype(), torch.is_grad_enabled()) == shared

    @behaviour
    def test_norms_keep_their_digits_in_reduced_precision(self, folder: Path) -> None:
        with self.load(folder, dtype="bfloat16") as model:
            norms = [module for module in decoder_of(model).modules() if isinstance(module, RMSNorm)]
        assert {norm.weight.dtype for norm in norms} == {torch.float32}

    # Cleanup.

    @behaviour
    def test_cleanup_gives_memory_back_and_loading_works_again(self, folder: Path, text: list[int]) -> None:
        model = self.load(folder)
        before = model.infer(text)
        cached = [part for cache in caches_of(model) for part in (cache.keys, cache.values)]
        tensors = [weakref.ref(tensor) for tensor in [*decoder_of(model).parameters(), *cached]]
        del cached
        model.cleanup()
        model.cleanup()
        gc.collect()
        assert not [reference for reference in tensors if reference() is not None]
        with pytest.raises(NotLoadedError, match="load_model"):
            model.infer(text)
        model.load_model(LoadOptions(weights=str(folder), device="cpu", dtype="float32"))
        assert np.array_equal(model.infer(text), before)
        model.cleanup()
