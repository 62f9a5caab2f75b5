"""Prompts that begin alike are computed once, and nobody's answer changes by it."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pytest

from inference_pio.generation import SamplingOptions
from inference_pio.runtime.engine import Engine
from inference_pio.runtime.prefix_cache import BLOCK_TOKENS, Block, BlockStore

from .caching_executor import PLACE_BYTES, VOCAB, CachingExecutor
from .conftest import FakeExecutor
from .invariants import check_prefixes, watch

BLOCK_BYTES = BLOCK_TOKENS * PLACE_BYTES


@pytest.fixture
def executor() -> CachingExecutor:
    return CachingExecutor(max_context=400)


def text(blocks: float, first: int = 0) -> list[int]:
    return [(first + n * n) % VOCAB for n in range(int(blocks * BLOCK_TOKENS))]


def run(engine: Engine, prompt: list[int], *, salt: str = "", **given: Any) -> tuple[list[int], int]:
    """The tokens of one request, and how many of its prompt's it found."""
    options = SamplingOptions(**{"max_new_tokens": 4, "temperature": 1.0, "seed": 2, **given})
    request = engine.submit(prompt, options, cache_salt=salt)
    return [event.token_id for event in engine.events(request)], request.cached_tokens


def start(executor: CachingExecutor, limit: int = 10**6) -> Engine:
    engine = Engine(executor, prefix_cache_bytes=limit)
    watch(engine)
    return engine


def computed(executor: CachingExecutor) -> int:
    return sum(len(batch.tokens) for batch in executor.batches)


def test_a_prompt_that_comes_again_is_found_but_for_its_last_token(executor):
    engine = start(executor)
    for prompt in (text(3), text(3.5)):
        first, found = run(engine, prompt)
        again, found_again = run(engine, prompt)
        assert again == first
        assert found_again == (len(prompt) - 1) // BLOCK_TOKENS * BLOCK_TOKENS
    assert found == 3 * BLOCK_TOKENS, "the shorter text was the beginning of the longer one"


def test_the_next_turn_of_a_chat_finds_prompt_and_answer(executor):
    engine = start(executor)
    prompt = text(1.5)
    answer, _ = run(engine, prompt, max_new_tokens=BLOCK_TOKENS)
    _, found = run(engine, prompt + answer + [7])
    assert found == 2 * BLOCK_TOKENS


@pytest.mark.parametrize(
    ("other", "shared"),
    [
        (text(4, first=1), 0),
        ([*text(4)[:40], 39, *text(4)[41:]], 1),
        ([*text(4)[:31], 39, *text(4)[32:]], 0),
        ([*text(1, first=1), *text(4)[BLOCK_TOKENS:]], 0),  # the same blocks behind another one
        (text(4)[BLOCK_TOKENS:] * 2, 0),
    ],
)
def test_only_what_is_equal_from_the_first_token_on_is_shared(executor, other, shared):
    engine = start(executor)
    run(engine, text(4))
    answer, found = run(engine, other)
    assert found == shared * BLOCK_TOKENS
    assert answer == run(start(CachingExecutor(max_context=400), limit=0), other)[0]


def test_only_requests_of_one_salt_share(executor):
    engine = start(executor)
    founds = [run(engine, text(2.5), salt=salt)[1] for salt in ("", "a", "", "a", "b", "1")]
    assert founds == [0, 0, 2 * BLOCK_TOKENS, 2 * BLOCK_TOKENS, 0, 0]


def test_equal_hashes_do_not_make_prompts_equal(executor, monkeypatch):
    assert hash(-1) == hash(-2), "what this test stands on"
    store = BlockStore(10**6)
    first, second = (-1,) * BLOCK_TOKENS, (-2,) * BLOCK_TOKENS
    assert hash(("", first)) == hash(("", second))
    store.add(("", first), np.zeros(4, np.uint8), [])
    assert store.get(("", second)) is None


def test_prompt_logprobs_read_nothing_and_leave_blocks_for_others(executor):
    engine = start(executor)
    for expected in (0, 0):
        assert run(engine, text(2.5), prompt_logprobs=0)[1] == expected
    assert run(engine, text(2.5))[1] == 2 * BLOCK_TOKENS


@pytest.mark.parametrize("limit", [0, 1, BLOCK_BYTES - 1, BLOCK_BYTES, 3 * BLOCK_BYTES, 7 * BLOCK_BYTES])
def test_the_cache_stays_within_its_bound_and_answers_stay_the_same(executor, limit):
    engine = start(executor, limit)
    for _ in range(2):
        for first in range(4):
            prompt = text(2.5 + first, first=first % 2)
            answer, found = run(engine, prompt)
            assert answer == run(start(CachingExecutor(max_context=400), limit=0), prompt)[0]
            assert found <= limit // BLOCK_BYTES * BLOCK_TOKENS
            used = engine.figures()["prefix_cache_bytes"]
            assert used <= limit
            if engine._prefixes is not None:
                check_prefixes(engine._prefixes)
    assert engine.figures()["prefix_cache_bytes"] == limit // BLOCK_BYTES * BLOCK_BYTES


def test_what_was_used_last_stays_longest(executor):
    engine = start(executor, limit=4 * BLOCK_BYTES)
    common = text(2.5)
    run(engine, common)
    for first in range(1, 6):
        run(engine, text(1.5, first=first))
        run(engine, text(1.5, first=first + 10))
        assert run(engine, common)[1] == 2 * BLOCK_TOKENS


def test_an_executor_that_cannot_save_is_used_as_it_is():
    engine = Engine(FakeExecutor(max_context=200))
    assert engine._prefixes is None
    prompt = [n % 50 for n in range(100)]
    options = SamplingOptions(max_new_tokens=3)
    tokens = [[event.token_id for event in engine.events(engine.submit(prompt, options))] for _ in range(2)]
    assert tokens[0] == tokens[1]
    assert engine.figures()["prefix_cache_bytes"] == 0


def test_what_a_ring_has_forgotten_ends_the_chain(executor):
    executor.window = 8
    engine = start(executor)
    prompt = text(4.5)
    first, _ = run(engine, prompt)
    again, found = run(engine, prompt)
    assert (again, found) == (first, 0)


@pytest.mark.parametrize("copied", [0, 2])
@pytest.mark.parametrize("what", ["save", "restore"])
def test_an_executor_that_fails_to_copy_costs_time_and_no_answer(executor, caplog, what, copied):
    engine = start(executor)
    prompt = text(3.5)
    if what == "restore":
        run(engine, prompt)
    expected, _ = run(start(CachingExecutor(max_context=400), limit=0), prompt)

    calls = []

    def fail(asked: str) -> None:
        calls.append(asked)
        if calls.count(what) > copied:
            raise OSError("disk of dreams")

    executor.on_copy = fail
    with caplog.at_level(logging.WARNING):
        assert run(engine, prompt) == (expected, 0)
    assert f"could not {what} a part of its cache, so it is computed: OSError: disk of dreams" in caplog.text
    executor.on_copy = lambda asked: None
    run(engine, prompt)
    assert run(engine, prompt) == (expected, 3 * BLOCK_TOKENS)


def test_copying_much_takes_turns_with_whoever_decodes(executor, monkeypatch):
    monkeypatch.setattr("inference_pio.runtime.scheduler.RESTORE_TOKENS", 2 * BLOCK_TOKENS)
    engine = start(executor)
    expected, _ = run(engine, text(8.5))
    decoding = engine.submit([1], SamplingOptions(max_new_tokens=50))
    engine.step()
    request = engine.submit(text(8.5), SamplingOptions(max_new_tokens=4, temperature=1.0, seed=2))
    lengths = []
    while not request.events:
        before = len(decoding.events)
        engine.step()
        assert len(decoding.events) == before + 1
        lengths.append(request.sequence.computed // BLOCK_TOKENS)
    assert lengths == [2, 4, 6, 8]
    assert request.cached_tokens == 8 * BLOCK_TOKENS
    assert [event.token_id for event in engine.events(request)] == expected


def test_a_closed_engine_keeps_nothing(executor):
    engine = start(executor)
    run(engine, text(3.5))
    assert engine.figures()["prefix_cache_bytes"] == 3 * BLOCK_BYTES
    engine.close()
    assert engine.figures()["prefix_cache_bytes"] == 0


# The store by itself


def data(size: int = 1) -> Any:
    return np.zeros(size, np.uint8)


def added(store: BlockStore, chain: list[Block], token: int) -> Block:
    block = store.add((chain[-1].number if chain else "", (token,)), data(), chain)
    assert block is not None
    store.touch([*chain, block])
    return block


def test_children_go_before_their_parents_and_the_least_recently_used_chain_first():
    store = BlockStore(5)
    a = added(store, [], 1)
    b = added(store, [a], 2)
    c = added(store, [a, b], 3)
    d = added(store, [a], 4)
    e = added(store, [], 5)
    gone = []
    for token in range(10, 15):
        added(store, [], token)
        gone += [block for block in (a, b, c, d, e) if block.data is None and block not in gone]
    assert gone == [c, b, d, a, e]


def test_a_block_never_takes_the_place_of_those_it_follows():
    store = BlockStore(2)
    a = added(store, [], 1)
    b = added(store, [a], 2)
    assert store.add((b.number, (3,)), data(), [a, b]) is None
    assert store.add((b.number, (3,)), data(3), []) is None
    assert (a.data is not None) or store.used == 0
