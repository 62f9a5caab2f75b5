"""Guessing ahead on the kernels: not only the same tokens, the same logits to the bit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inference_pio.generation import LoadOptions, SamplingOptions
from inference_pio.host import default_host
from inference_pio.runtime.causal_lm import CausalLMPlugin
from inference_pio.runtime.engine import Engine
from inference_pio.runtime.request import TokenEvent

from .test_executor import builder
from .tiny import VOCAB, build_program

CONTEXT = 400
WINDOW = 70
"""Crossed by every answer; its ring is longer, so ``test_executor`` crosses that."""


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    program = build_program(max_context=CONTEXT, windows=(WINDOW, None, 4))
    executor = builder(tmp_path_factory.mktemp("tiny"), "Q4_1", program=program, threads=2)()
    return Engine(executor, slots=4)


def quote(token_ids: Sequence[int], logits: Any) -> Any:
    """Random weights repeat nothing by themselves: prefer what was said eleven tokens before."""
    logits[token_ids[-min(11, len(token_ids))]] += 3 * logits.std()
    return logits


def run_together(engine: Engine, requests: Sequence[tuple[list[int], SamplingOptions]]) -> list[list[TokenEvent]]:
    streams = [engine.events(engine.submit(ids, chosen, processors=[quote])) for ids, chosen in requests]
    results: list[list[TokenEvent]] = [[] for _ in streams]
    live = list(range(len(streams)))
    while live:
        for number in list(live):
            event = next(streams[number], None)
            if event is None:
                live.remove(number)
            else:
                results[number].append(event)
    return results


def told(events: Sequence[TokenEvent]) -> list[Any]:
    return [(event.token_id, event.logprob, event.finish_reason) for event in events]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_requests_together_get_what_they_get_alone_without_guesses(engine: Engine, data: st.DataObject) -> None:
    requests = []
    for _ in range(data.draw(st.integers(1, 5))):
        prompt = data.draw(st.lists(st.integers(0, VOCAB - 1), min_size=1, max_size=60))
        chosen: dict[str, Any] = {
            "temperature": data.draw(st.sampled_from([0.0, 0.7])),
            "seed": data.draw(st.integers(0, 3)),
            "repetition_penalty": data.draw(st.sampled_from([None, 1.1])),
            "max_new_tokens": data.draw(st.integers(1, 120)),
            "stop_token_ids": data.draw(st.lists(st.integers(0, VOCAB - 1), max_size=1)),
            "logprobs": VOCAB,  # all of them: equal ones come from equal logits
        }
        requests.append((prompt, chosen, data.draw(st.booleans())))
    alone = [told(run_together(engine, [(ids, SamplingOptions(**chosen))])[0]) for ids, chosen, _ in requests]
    together = run_together(engine, [(ids, SamplingOptions(**chosen, speculate=on)) for ids, chosen, on in requests])
    assert [told(events) for events in together] == alone


@pytest.mark.parametrize("temperature", [0.0, 0.7])
def test_an_answer_through_the_window_is_equal_to_the_bit_in_fewer_steps(engine: Engine, temperature: float) -> None:
    chosen: dict[str, Any] = {"temperature": temperature, "seed": 1, "max_new_tokens": 300, "logprobs": VOCAB}
    plain = run_together(engine, [([1, 2, 3], SamplingOptions(**chosen))])[0]
    guessed = run_together(engine, [([1, 2, 3], SamplingOptions(**chosen, speculate=True))])[0]
    assert told(guessed) == told(plain)
    gained = [event.is_gained for event in guessed]
    assert sum(gained[WINDOW - 20 : WINDOW + 20]) > 0
    assert sum(gained) > 100


@pytest.mark.weights
def test_smollm2_says_the_same_of_a_text_that_it_quotes() -> None:
    passage = "\n".join(f"{n}. The {word} is on shelf {n * 7 % 10}." for n, word in enumerate(("lamp", "book", "key")))
    prompt = f"{passage}\n\nThe same list again:\n\n{passage[:20]}"
    with default_host().load("smollm2", LoadOptions(device="cpu", dtype="native")) as model:
        assert isinstance(model, CausalLMPlugin)
        for temperature in (0.0, 0.7):
            chosen: dict[str, Any] = {"raw": True, "temperature": temperature, "seed": 3, "max_new_tokens": 60}
            plain, guessed = (model.generate(prompt, **chosen, speculate=on) for on in (False, True))
            assert (guessed.text, guessed.token_ids) == (plain.text, plain.token_ids)
            assert guessed.stats.accepted_tokens > 10
