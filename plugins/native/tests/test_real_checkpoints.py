"""The native path on the models' own checkpoints, against float32 on torch with the dequantized weights."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from inference_pio.errors import UnknownPluginError
from inference_pio.generation import LoadOptions
from inference_pio.host import default_host
from inference_pio.native.executor import NativeExecutor
from inference_pio.runtime.batch import TokenBatch
from inference_pio.runtime.causal_lm import CausalLMPlugin
from inference_pio.runtime.testing.checkpoint_contract import TEXT

pytestmark = pytest.mark.weights

MEAN_KL = 0.0032
"""Mean Kullback-Leibler divergence to float32, nats: what llama.cpp loses on SmolLM2 with the same file."""

TOP_1 = 0.97
"""Share of positions with the same likeliest token."""

Floats = NDArray[np.float32]


@dataclass
class Case:
    """A model, a text longer than its window, and the text's logits on both paths."""

    model: CausalLMPlugin
    ids: list[int]
    exact: Floats
    native: Floats

    @property
    def executor(self) -> NativeExecutor:
        assert self.model.engine is not None
        assert isinstance(self.model.engine.executor, NativeExecutor)
        return self.model.engine.executor


def loaded(name: str, dtype: str) -> CausalLMPlugin:
    host = default_host()
    try:
        model = host.plugin(name)
    except UnknownPluginError:
        pytest.skip(f"{name} is not installed beside the native kernels")
    assert isinstance(model, CausalLMPlugin)
    model.load_model(LoadOptions(device="cpu", dtype=dtype, accept_license=True), host.hooks)
    return model


@pytest.fixture(scope="module", params=[("smollm2", 512), ("gemma3", 700)], ids=["smollm2", "gemma3"])
def case(request: pytest.FixtureRequest) -> Iterator[Case]:
    name, length = request.param
    model = loaded(name, "float32")
    ids = model.tokenize(TEXT * 4)[:length]
    exact = model.infer(ids)
    model.cleanup()
    with loaded(name, "native") as native:
        yield Case(native, ids, exact, native.infer(ids))


def log_probabilities(logits: Floats) -> NDArray[np.float64]:
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    result: NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return result


def test_it_loses_no_more_than_llama_cpp(case: Case) -> None:
    exact, native = log_probabilities(case.exact), log_probabilities(case.native)
    divergence = (np.exp(exact) * (exact - native)).sum(axis=-1)
    assert divergence.mean() <= MEAN_KL
    assert np.mean(case.exact.argmax(-1) == case.native.argmax(-1)) >= TOP_1


@pytest.mark.parametrize("chunk", [1, 37, 256])
def test_decode_and_prefill_in_chunks_equal_prefill_at_once_to_the_bit(case: Case, chunk: int) -> None:
    assert case.model.engine is not None
    length = len(case.ids) if chunk > 1 else 560  # beyond Gemma's window of 512 tokens, and not for ever
    assert np.array_equal(case.model.engine.logits(case.ids[:length], chunk=chunk), case.native[:length])


def test_a_batch_of_sequences_at_different_places_equals_each_alone_to_the_bit(case: Case) -> None:
    pieces = [case.ids[at : at + length] for at, length in ((0, 90), (100, 64), (40, 1), (200, 33), (7, 120))]
    alone = [case.model.infer(piece)[-1] for piece in pieces]
    executor = case.executor
    for slot, piece in enumerate(pieces):
        if len(piece) > 1:
            executor.step(TokenBatch.of_sequence(piece[:-1], slot=slot))
    # The last token of every piece at once, in an order that is not the slots'.
    order = [3, 0, 4, 2, 1]
    batch = TokenBatch(
        tokens=np.array([pieces[slot][-1] for slot in order]),
        slots=np.array(order),
        positions=np.array([len(pieces[slot]) - 1 for slot in order]),
        logit_rows=np.arange(len(order)),
    )
    together = executor.step(batch)
    for slot in order:
        executor.free(slot)
    assert np.array_equal(together, np.stack([alone[slot] for slot in order]))


def test_greedy_answers_are_the_same_alone_and_together(case: Case) -> None:
    prompts = ["The capital of France is", "1, 2, 3, 5, 8, 13,", "Once upon a time, in a small village by the sea,"]
    options: dict[str, Any] = {"temperature": 0, "max_new_tokens": 24, "ignore_eos": True}
    alone = [case.model.generate(case.model.tokenize(prompt), **options).token_ids for prompt in prompts]
    together = case.model.generate_batch([case.model.tokenize(prompt) for prompt in prompts], **options)
    assert [completion.token_ids for completion in together] == alone


def test_the_cache_of_sliding_layers_ends_at_their_window(case: Case) -> None:
    executor = case.executor
    assert executor.engine is not None
    windows = {layer[2] for layer in _layers(case)}
    if windows == {0}:
        pytest.skip("this model has no sliding layer")
    sizes = []
    for start in range(0, 4096, 512):
        executor.step(TokenBatch.of_sequence([5] * 512, start=start))
        sizes.append(executor.engine.stats()["cache_bytes"])
    executor.free(0)
    growth = np.diff(sizes)
    full = sum(2 * 2 * 512 * heads * width for heads, width, window in _layers(case) if not window)
    assert growth[-1] == full  # in half precision: the layers without a window, and no others


def _layers(case: Case) -> list[tuple[int, int, int]]:
    assert case.model.config is not None
    program = case.model.decode_program(case.model.config)
    assert program is not None
    return [(attention.key_heads, attention.width, attention.window or 0) for attention in program.attentions]
