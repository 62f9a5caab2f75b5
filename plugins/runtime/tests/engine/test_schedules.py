"""Random schedules: every request gets what a plain loop over its text gives, whatever runs, fails or ends beside it.

The schedule is drawn by a seeded generator, which is a hundred times faster than drawing every step from hypothesis;
``INFERENCE_PIO_SCHEDULES`` sets how many there are.
"""

from __future__ import annotations

import os
import random
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from inference_pio.errors import CacheFullError, InferencePioError, QueueFullError
from inference_pio.generation import FinishReason, SamplingOptions, TokenLogprob
from inference_pio.runtime import cache_budget, prefix_cache
from inference_pio.runtime.engine import Engine
from inference_pio.runtime.request import Request
from inference_pio.runtime.sampling import Sampler
from inference_pio.runtime.sampling.logprobs import report_logprob

from .caching_executor import VOCAB, CachingExecutor, LoopingExecutor
from .invariants import watch

SCHEDULES = int(os.environ.get("INFERENCE_PIO_SCHEDULES", "600"))
BLOCK = 8
EOS = 5


@dataclass
class Expected:
    """What a request must give."""

    tokens: list[int] = field(default_factory=list)
    logprobs: list[TokenLogprob | None] = field(default_factory=list)
    prompt: list[TokenLogprob | None] = field(default_factory=list)
    reason: FinishReason = "length"


def alone(executor: CachingExecutor, prompt: list[int], options: SamplingOptions, longest: int) -> Expected:
    """One sequence, one token at a time, every text from its beginning: no engine and no cache."""
    expected, text = Expected(), list(prompt)
    if options.prompt_logprobs is not None:
        rows = [executor.logits_after(text[: n + 1]) for n in range(len(text) - 1)]
        pairs = zip(rows, text[1:], strict=True)
        expected.prompt = [None, *(report_logprob(row, token, options.prompt_logprobs) for row, token in pairs)]
    sampler = Sampler(options, prompt, VOCAB)
    most = min(longest - len(prompt), longest if options.max_new_tokens is None else options.max_new_tokens)
    while len(expected.tokens) < most:
        sampled = sampler.sample(executor.logits_after(text))
        text.append(sampled.token_id)
        expected.tokens.append(sampled.token_id)
        expected.logprobs.append(sampled.logprob)
        if sampled.token_id == EOS and not options.ignore_eos:
            expected.reason = "stop"
            break
    return expected


class Schedule:
    """One engine under random use: submits, steps, cancels, failures, until all has ended."""

    def __init__(self, seed: int, executor_type: type[CachingExecutor]) -> None:
        self.draw = draw = random.Random(seed)
        context = draw.choice([40, 90, 140])
        self.executor = executor_type(
            max_context=context,
            max_rewind=draw.choice([0, 3, 16]),
            window=draw.choice([None, None, 12]),
            is_rectangle=draw.random() < 0.3,
        )
        one = self.executor.cache_bytes([context])
        self.has_failures = draw.random() < 0.3
        self.engine = Engine(
            self.executor,
            slots=draw.randint(1, 6),
            step_tokens=draw.choice([1, 7, 20, 64]),
            cache_bytes=draw.choice([10**9, 10**9, one // 2, one, 2 * one]),
            prefix_cache_bytes=draw.choice([0, 300, 1000, 10**6, 10**6]),
            max_waiting=draw.choice([None, None, 1]),
        )
        self.longest = self.engine._budget.longest
        if draw.random() < 0.4:
            self.executor.capacity = self.executor.cache_bytes([self.longest]) * draw.randint(10, 20) // 10
        self.bases = [[draw.randrange(VOCAB) for _ in range(context)] for _ in range(2)]
        self.live: dict[Request, Expected] = {}
        self.broken: set[Request] = set()
        self.ended = 0
        watch(self.engine)

    def run(self) -> None:
        to_come = self.draw.randint(2, 9)
        while to_come or self.live:
            action = self.draw.random()
            if to_come and (action < 0.3 or not self.live):
                prompt = self.prompt()
                for _ in range(self.draw.choice([1, 1, 3])):
                    self.submit(prompt)
                to_come -= 1
            elif action < 0.33 and self.live:
                self.cancel()
            elif self.has_failures and action < 0.4:
                self.step(self.draw.choice(["fail", "interrupt", "full", "save", "restore"]))
            else:
                self.step()
        self.check_idle()

    def prompt(self) -> list[int]:
        """A text that begins like others: like a base text, or like an earlier prompt and its answer."""
        draw = self.draw
        texts = [*self.bases, *(request.sequence.tokens for request in self.live)]
        prompt = draw.choice(texts)[: draw.randint(1, self.longest)]
        prompt = prompt + [draw.randrange(VOCAB) for _ in range(draw.choice([0, 0, 1, 9]))]
        return prompt[: self.longest - 1]

    def submit(self, prompt: list[int]) -> None:
        draw = self.draw
        wants_prompt = draw.random() < 0.2
        options = SamplingOptions(
            max_new_tokens=draw.choice([1, 2, 6, 12, 12, 25, None, 0 if wants_prompt else 3]),
            temperature=draw.choice([0.0, 0.0, 0.7, 1.0]),
            seed=draw.randint(0, 2),
            repetition_penalty=draw.choice([None, None, 1.3]),
            ignore_eos=draw.random() < 0.5,
            logprobs=draw.choice([None, None, 2]),
            prompt_logprobs=draw.choice([0, 2]) if wants_prompt else None,
            speculate=draw.random() < 0.4,
        )
        broken_at = draw.randint(0, 4) if draw.random() < 0.1 else None
        hook = raising(broken_at) if broken_at is not None else None
        try:
            request = self.engine.submit(
                prompt,
                options,
                eos_token_ids=[EOS],
                processors=[hook] if hook else [],
                cache_salt=draw.choice(["", "", "salt"]),
            )
        except QueueFullError:
            assert self.engine.scheduler.waiting
            return
        self.live[request] = alone(self.executor, prompt, options, self.longest)
        if hook:
            self.broken.add(request)

    def cancel(self) -> None:
        request = self.draw.choice(list(self.live))
        self.engine.cancel(request)
        assert request.finish_reason == "cancelled"

    def step(self, failure: str | None = None) -> None:
        """Take a step; a failure ends nobody but, if the executor is broken, those of the batch."""
        executor = self.executor
        if failure in ("save", "restore"):
            executor.on_copy = raise_once(executor, "on_copy", RuntimeError(failure))
        elif failure == "full":
            executor.on_start = raise_once(executor, "on_start", CacheFullError("full"))
        elif failure:
            error = RuntimeError("no") if failure == "fail" else KeyboardInterrupt()
            executor.on_step = raise_once(executor, "on_step", error)
        before = set(self.engine._requests)
        try:
            news = self.engine.step()
        except KeyboardInterrupt:
            assert failure == "interrupt"
            assert set(self.engine._requests) == before
            return
        finally:
            executor.on_start = executor.on_step = lambda _: None
            executor.on_copy = lambda _: None
        told = [request for request in news if request in self.live]
        assert {request for request in self.live if request.finish_reason} <= set(told), "whoever ended is told of"
        for request in told:
            self.check(request, may_fail=failure in ("fail", "full"))

    def check(self, request: Request, *, may_fail: bool) -> None:
        expected = self.live[request]
        events = list(request.events)
        tokens = [event.token_id for event in events]
        assert tokens == expected.tokens[: len(tokens)]
        assert [event.logprob for event in events] == expected.logprobs[: len(tokens)]
        assert request.prompt_logprobs == expected.prompt[: len(request.prompt_logprobs)]
        assert len(request.prompt_logprobs) == len(expected.prompt) or not events
        assert 0 <= request.cached_tokens < request.sequence.prompt_length
        assert not (request.cached_tokens and expected.prompt), "logprobs of a prompt come from computing it"
        if request.finish_reason is None:
            return
        if request.error is not None:
            assert may_fail or request in self.broken, request.error
            assert isinstance(request.error, InferencePioError)
        elif request.finish_reason != "cancelled":
            assert (tokens, request.finish_reason) == (expected.tokens, expected.reason)
            assert request.prompt_logprobs == expected.prompt
        del self.live[request]
        self.ended += 1

    def check_idle(self) -> None:
        engine, executor = self.engine, self.executor
        assert not engine.step()
        assert not engine.scheduler.has_work
        assert not engine._requests
        assert not any(executor.lengths)
        figures = engine.figures()
        assert (figures["running"], figures["waiting"], figures["waiting_tokens"], figures["cache_bytes"]) == (0,) * 4
        assert figures["cached_tokens"] <= figures["prompt_tokens"]
        assert figures["prefix_cache_bytes"] or not executor.restored


def raising(count: int) -> Any:
    """A processor that fails after some calls."""
    left = [count]

    def process(token_ids: Any, logits: Any) -> Any:
        left[0] -= 1
        if left[0] < 0:
            raise ValueError("enough")
        return logits

    return process


def raise_once(executor: CachingExecutor, name: str, error: BaseException) -> Any:
    def fail(_: Any) -> None:
        setattr(executor, name, lambda _: None)
        raise error

    return fail


@pytest.mark.parametrize("executor_type", [CachingExecutor, LoopingExecutor])
@settings(
    max_examples=SCHEDULES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # a smaller seed is no smaller schedule
)
@given(seed=st.integers(0, 2**40))
def test_whatever_is_asked_and_whatever_fails_requests_get_what_they_get_alone(monkeypatch, executor_type, seed):
    monkeypatch.setattr(prefix_cache, "BLOCK_TOKENS", BLOCK)
    monkeypatch.setattr(cache_budget, "PAGE_TOKENS", 6)
    Schedule(seed, executor_type).run()
