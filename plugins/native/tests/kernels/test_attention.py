"""Attention over the paged cache against its definition, and its bits whatever the schedule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pytest

from inference_pio.native.engine import Engine
from inference_pio.native.structures import CacheType, Isa, OperationKind

from ..synthetic import Assembly, batch
from . import reference
from .reference import Doubles, Floats

if TYPE_CHECKING:
    from numpy.typing import NDArray

ROUNDING = 2e-6
"""Of sums in float32 and of an exponential whose relative error is below 2e-7; values are about 1."""

PAGE = 256


@dataclass(frozen=True)
class Case:
    """Query heads H, key heads K, width C, and what else an attention is made of."""

    heads: int = 2
    kv_heads: int = 1
    width: int = 64
    window: int = 0
    softcap: float = 0.0
    scale: float = 0.125
    cache_type: CacheType = CacheType.F16

    def inputs(self, tokens: int, *, seed: int = 0) -> tuple[Floats, Floats, Floats]:
        """Queries, keys and values, (T, heads, C); scores spread over several units."""
        chance = np.random.default_rng(seed)
        shapes = [(tokens, heads, self.width) for heads in (self.heads, self.kv_heads, self.kv_heads)]
        q, k, v = (chance.standard_normal(shape).astype(np.float32) for shape in shapes)
        return q * np.float32(16 / self.width**0.5), k, v

    def definition(self, q: Floats, k: Floats, v: Floats) -> Doubles:
        if self.cache_type == CacheType.F16:
            k, v = k.astype(np.float16).astype(np.float32), v.astype(np.float16).astype(np.float32)
        out = reference.attention(q, k, v, scale=self.scale, window=self.window, cap=self.softcap)
        return out.reshape(len(q), -1)

    def attention(self, q: Floats, k: Floats, v: Floats, **options: int) -> Attention:
        return Attention(self, np.concatenate([each.reshape(len(q), -1) for each in (q, k, v)], axis=1), **options)


class Attention:
    """An engine whose token t has row t of queries, keys and values."""

    def __init__(self, case: Case, rows: Floats, *, slots: int = 1, **options: int) -> None:
        program = Assembly()
        query, key = case.heads * case.width, case.kv_heads * case.width
        source, self.out = program.rows(rows), program.buffer(query)
        program.add(
            OperationKind.ATTENTION, in_=source, out=self.out,
            layer=program.layer(case.kv_heads, case.width, case.window),
            heads=case.heads, key_column=query, value_column=query + key, scale=case.scale, softcap=case.softcap,
        )  # fmt: skip
        self.engine: Engine = program.engine(
            slots=slots, context=max(len(rows), 1), cache_type=case.cache_type, **options
        )

    def step(self, *spans: tuple[int, int, int]) -> Floats:
        """Tokens of (slot, first position, number) spans, in which token and position are one; their (M, H C)."""
        tokens = np.concatenate([np.arange(first, first + n) for _, first, n in spans])
        self.engine.step(*batch(*spans, tokens=tokens, logits=[]))
        return self.engine.read_buffer(self.out, len(tokens))

    def whole(self, cuts: list[int]) -> Floats:
        """One sequence in pieces that end at ``cuts``."""
        self.engine.free_slot(0)
        return np.concatenate(
            [self.step((0, first, last - first)) for first, last in zip([0, *cuts], cuts, strict=False)]
        )


def assert_close(ours: Floats, expected: Doubles, scale: float = ROUNDING) -> None:
    assert np.abs(ours - expected).max() <= scale * max(1.0, np.abs(expected).max())


@pytest.mark.parametrize("width", [16, 32, 64, 80, 96, 112, 128, 192, 256, 512])
@pytest.mark.parametrize("cache_type", list(CacheType))
def test_any_width_of_heads(isa: Isa, width: int, cache_type: CacheType) -> None:
    case = Case(width=width, cache_type=cache_type, scale=width**-0.5)
    inputs = case.inputs(70)
    assert_close(case.attention(*inputs, isa=isa).whole([70]), case.definition(*inputs))


@pytest.mark.parametrize(
    ("heads", "kv_heads"), [(1, 1), (3, 3), (2, 1), (6, 2), (4, 1), (10, 2), (7, 1), (9, 3), (16, 2)]
)
def test_any_number_of_queries_for_a_key(isa: Isa, heads: int, kv_heads: int) -> None:
    case = Case(heads=heads, kv_heads=kv_heads, width=32)
    inputs = case.inputs(19)
    assert_close(case.attention(*inputs, isa=isa).whole([19]), case.definition(*inputs))


@pytest.mark.parametrize("tokens", [1, 2, 15, 16, 17, 255, 256, 257, 511, 512])
def test_lengths_around_the_borders_of_blocks_and_pages(isa: Isa, tokens: int) -> None:
    case = Case(heads=3, width=32)
    inputs = case.inputs(tokens)
    assert_close(case.attention(*inputs, isa=isa).whole([tokens]), case.definition(*inputs))


@pytest.mark.parametrize("window", [1, 2, 15, 16, 17, 100, 255, 256, 257, 300, 599, 600, 10000])
def test_a_window_hides_what_lies_before_it(isa: Isa, window: int) -> None:
    case = Case(width=32, window=window)
    inputs = case.inputs(600)
    attention = case.attention(*inputs, isa=isa, max_tokens=128)
    expected = case.definition(*inputs)
    assert_close(attention.whole([128, 256, 300, 301, 302, 400, 511, 512, 513, 600]), expected)


@pytest.mark.parametrize("softcap", [0.5, 5.0, 50.0])
def test_scores_are_capped(isa: Isa, softcap: float) -> None:
    case = Case(softcap=softcap, width=32)
    inputs = case.inputs(40)
    expected = case.definition(*inputs)
    assert_close(case.attention(*inputs, isa=isa).whole([40]), expected, 10 * ROUNDING)
    assert np.abs(expected - Case(width=32).definition(*inputs)).max() > 1e-3  # the cap is felt


@pytest.mark.parametrize("scale", [-1.0, 0.0, 1e-3, 3.0])
def test_any_scale_of_scores(isa: Isa, scale: float) -> None:
    case = Case(scale=scale, width=32)
    inputs = case.inputs(40)
    size = max(1.0, abs(scale) * 16)  # the greater scores are, the more their own rounding weighs
    assert_close(case.attention(*inputs, isa=isa).whole([40]), case.definition(*inputs), size * ROUNDING)


def test_the_first_token_gets_its_own_value_as_a_half_holds_it(isa: Isa) -> None:
    """Every bit pattern between two halves is rounded to nearest even, up to infinity and down to subnormals."""
    chance = np.random.default_rng(0)
    bits = chance.integers(0, 1 << 32, 512 * 512, dtype=np.uint32)
    halves = chance.integers(0, 0x7C00, 1 << 15).astype(np.uint16).view(np.float16).astype(np.float32)
    ties = (halves + np.nextafter(halves.astype(np.float16), np.float16(np.inf)).astype(np.float32)) / 2
    values = np.concatenate([bits.view(np.float32)[: 512 * 512 - len(ties)], ties]).reshape(512, 1, 512)
    values = np.where(np.isnan(values), np.float32(1), values)
    case = Case(heads=1, width=512)
    zeros = np.zeros_like(values)
    attention = case.attention(zeros, zeros, values, isa=isa)
    with np.errstate(over="ignore"):
        expected = values.astype(np.float16).astype(np.float32).reshape(512, -1)
    for token in range(512):
        attention.engine.free_slot(0)
        attention.engine.step(*batch((0, 0, 1), tokens=np.array([token]), logits=[]))
        assert np.array_equal(attention.engine.read_buffer(attention.out, 1)[0], expected[token])


@pytest.mark.parametrize("case", [Case(width=32), Case(heads=3, width=16, window=300), Case(4, 2, 64, softcap=20.0)])
def test_every_cut_of_a_sequence_gives_the_same_bits(isa: Isa, case: Case) -> None:
    """Prefill at once, in pieces, and token by token; with one thread and with two."""
    tokens = 560
    inputs = case.inputs(tokens)
    cuts: list[list[int]] = [[512, 560], [1, 513, 560], [255, 257, 560], [16, 17, 18, 19, 100, 511, 513, 560]]
    cuts.append(list(range(1, tokens + 1)))
    expected = case.attention(*inputs, isa=isa).whole(cuts[0])
    assert_close(expected, case.definition(*inputs), 10 * ROUNDING)
    for threads in (1, 2):
        attention = case.attention(*inputs, isa=isa, threads=threads)
        for each in cuts:
            assert np.array_equal(attention.whole(each), expected), each[:3]


def test_sequences_side_by_side_give_the_bits_of_each_alone(isa: Isa) -> None:
    case, lengths = Case(heads=3, width=32), [1, 300, 40, 257]
    inputs = case.inputs(302)
    expected = case.attention(*inputs, isa=isa).whole([302])
    for threads in (1, 2):
        attention = case.attention(*inputs, isa=isa, slots=4, threads=threads)
        for slot, length in enumerate(lengths):
            attention.step((slot, 0, length))
        spans = [(slot, length, n) for (slot, length), n in zip(enumerate(lengths), (1, 2, 17, 1), strict=True)]
        out, first = attention.step(*spans), 0
        for _, position, n in spans:
            assert np.array_equal(out[first : first + n], expected[position : position + n])
            first += n


def test_a_long_sequence(isa: Isa) -> None:
    """Twenty pages, folded at once by one thread and page by page by two."""
    case, tokens = Case(heads=2, width=16), 5000
    q, k, v = case.inputs(tokens)
    expected = last_token(case, q, k, v)
    results = []
    for threads in (1, 2):
        attention = case.attention(q, k, v, isa=isa, threads=threads)
        for first in range(0, tokens - 1, 512):
            attention.step((0, first, min(512, tokens - 1 - first)))
        results.append(attention.step((0, tokens - 1, 1))[0])
    assert np.array_equal(results[0], results[1])
    assert_close(results[0], expected)


def last_token(case: Case, q: Floats, k: Floats, v: Floats) -> Doubles:
    """The definition for the last token alone: all of them would take gigabytes."""
    keys, values = (each.astype(np.float16).astype(np.float64)[:, 0] for each in (k, v))
    scores = q[-1].astype(np.float64) @ keys.T * case.scale
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    out: Doubles = (weights / weights.sum(axis=-1, keepdims=True) @ values).reshape(-1)
    return out


def test_great_scores_overflow_nothing(isa: Isa) -> None:
    case = Case(width=32, cache_type=CacheType.F32, scale=1.0)
    q, k, v = case.inputs(20)
    out = case.attention(q * np.float32(1e6), k, v, isa=isa).whole([20])
    expected = case.definition(q * np.float32(1e6), k, v)  # one key has all of the weight
    assert_close(out, expected)


# What is no number.


@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("part", ["queries", "keys", "values"])
@pytest.mark.parametrize("cuts", [[40], [20, 21, 40], list(range(1, 41))])
def test_what_is_no_number_reaches_its_own_token_and_later_ones_only(
    isa: Isa, poison: float, part: str, cuts: list[int]
) -> None:
    case, spoilt = Case(heads=3, width=32), 21
    inputs = case.inputs(40)
    clean = case.attention(*inputs, isa=isa).whole([40])
    inputs[["queries", "keys", "values"].index(part)][spoilt, 0, 5] = poison
    out = case.attention(*inputs, isa=isa).whole(cuts)
    assert np.array_equal(out[:spoilt], clean[:spoilt])
    if part == "queries":
        assert not np.isfinite(out[spoilt, :32]).all()
        assert np.array_equal(out[spoilt + 1 :], clean[spoilt + 1 :])
    else:
        assert not np.isfinite(out[spoilt]).all()


@pytest.mark.parametrize("cuts", [[60], [33, 34, 60], list(range(1, 61))])
def test_what_is_no_number_leaves_with_the_window(isa: Isa, cuts: list[int]) -> None:
    case, spoilt = Case(heads=1, width=32, window=10), 21
    q, k, v = case.inputs(60)
    clean = case.attention(q, k, v, isa=isa).whole([60])
    k[spoilt], v[spoilt] = np.nan, np.nan
    out = case.attention(q, k, v, isa=isa).whole(cuts)
    is_spoilt = np.isnan(out).any(axis=1)
    assert list(np.flatnonzero(is_spoilt)) == list(range(spoilt, spoilt + 10))
    assert np.array_equal(out[~is_spoilt], clean[~is_spoilt])


def test_memory_that_held_nan_is_clean_for_the_next_sequence(isa: Isa) -> None:
    case = Case(heads=2, width=32)
    q, k, v = case.inputs(300)
    broken = [
        np.where(np.arange(600)[:, None, None] < 300, np.float32(np.nan), np.tile(each, (2, 1, 1)))
        for each in (q, k, v)
    ]
    attention = Attention(case, np.concatenate([each.reshape(600, -1) for each in broken], axis=1), isa=isa)
    attention.engine.step(*batch((0, 0, 300), tokens=np.arange(300), logits=[]))
    attention.engine.free_slot(0)
    tokens: NDArray[np.int64] = np.arange(300, 600)
    attention.engine.step(*batch((0, 0, 300), tokens=tokens, logits=[]))
    expected = case.attention(q, k, v, isa=isa).whole([300])
    assert np.array_equal(attention.engine.read_buffer(attention.out, 300), expected)
