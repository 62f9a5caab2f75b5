"""Quantization of activations and matrix products against their definitions, on every instruction set.

Row t of a product depends on row t of the activations alone, to the bit, whatever stands beside it. A NaN or infinity
in a row therefore spoils that row and no other.
"""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from inference_pio.native.library import Library
from inference_pio.native.packing import PackedWeight, pack
from inference_pio.native.structures import Format, Isa, Source
from inference_pio.runtime.weights.block_types import block_type

from ..synthetic import PLAIN, QUANTIZED, SCALES, as_stored, product, quantized, stored_rows
from . import reference
from .reference import GROUP, Doubles, Floats

EPSILON = float(np.finfo(np.float32).eps)

SUPER = 256
ROUNDED = {"w8": Format.W8_S, "w4": Format.W4_SM}
LAYOUTS = [*PLAIN, *QUANTIZED, *ROUNDED]
MOST_TOKENS = 70


def smallest_columns(layout: str) -> int:
    return 1 if layout in PLAIN else SUPER if layout.endswith("_K") else GROUP


def weight_of(layout: str, rows: int, columns: int, *, poison: float | None = None) -> PackedWeight:
    """Random; with a poison, one value of row 6, or the scale of one of its blocks, is that."""
    chance = np.random.default_rng(0)
    if layout in (*PLAIN, *ROUNDED):
        values = chance.standard_normal((rows, columns)).astype(np.float32)
        if poison is not None:
            values[6, columns // 2] = poison
        kind, format = (layout, None) if layout in PLAIN else ("F32", ROUNDED[layout])
        return pack([(Source[kind], as_stored(kind, values))], columns, format=format)
    stored = stored_rows(layout, rows, columns, chance)
    if poison is not None:
        start = SCALES[layout][0]
        stored[6, start : start + 2] = np.array([poison], np.float16).view(np.uint8)
    return pack([(Source[layout], stored)], columns)


def activations(tokens: int, columns: int, *, seed: int = 1) -> Floats:
    """Rows of different sizes, as residual streams have."""
    chance = np.random.default_rng(seed)
    sizes = 10.0 ** chance.uniform(-3, 3, (tokens, 1))
    return (chance.standard_normal((tokens, columns)) * sizes).astype(np.float32)


def definition(layout: str, weight: PackedWeight, x: Floats) -> tuple[Doubles, Doubles]:
    """The product and the error that adding it up in float32 may make, both (M, N)."""
    values = weight.unpack()
    seen = x.astype(np.float64) if layout in PLAIN else reference.rounded(x)
    if layout in PLAIN:
        size = np.abs(values).astype(np.float64)
        steps = x.shape[1]
    else:  # a group's minimum is added by itself, so single weights may be far smaller than what they are made of
        groups = np.abs(values).reshape(len(values), -1, GROUP).max(-1, keepdims=True)
        size = np.broadcast_to(4.0 * groups, (*groups.shape[:2], GROUP)).reshape(values.shape)
        steps = 2 * x.shape[1] // GROUP
    return reference.product(seen, values), np.abs(seen) @ size.T * EPSILON * (steps + 8)


def assert_is_product(layout: str, weight: PackedWeight, x: Floats, out: Floats) -> None:
    expected, allowed = definition(layout, weight, x)
    assert (np.abs(out - expected) <= allowed).all()


# Activations.


Quantized = tuple[NDArray[np.int8], Floats, NDArray[np.int32]]


def assert_same_arrays(ours: Quantized, expected: Quantized) -> None:
    assert np.array_equal(ours[0], expected[0])
    assert np.array_equal(ours[1], expected[1], equal_nan=True)
    assert np.array_equal(ours[2], expected[2])


@pytest.mark.parametrize("columns", [32, 96, 576])
def test_activations_are_quantized_as_defined_to_the_bit(library: Library, isa: Isa, columns: int) -> None:
    x = activations(9, columns)
    assert_same_arrays(quantized(library, isa, x), reference.quantize(x))


def test_ties_are_rounded_to_even(library: Library, isa: Isa) -> None:
    x = np.arange(-63.5, 64.0, dtype=np.float32).reshape(1, -1)
    x[0, ::GROUP] = 127.0  # so that the scale is 1
    q, scales, _ = quantized(library, isa, x)
    assert np.array_equal(scales, np.ones((1, 4), np.float32))
    assert np.array_equal(q, np.rint(x).astype(np.int8))


@pytest.mark.parametrize("size", [3.4e38, 1e30, 1.1e-30, 0.9e-30, 1e-38, 1e-45, 0.0])
def test_activations_of_any_size_are_quantized_as_defined(library: Library, isa: Isa, size: float) -> None:
    x = np.random.default_rng(2).uniform(-size, size, (3, 64)).astype(np.float32)
    x[:, 5] = -size
    assert_same_arrays(quantized(library, isa, x), reference.quantize(x))


@pytest.mark.parametrize("poison", [np.nan, -np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", range(0, GROUP, 5))
def test_a_group_that_holds_no_number_gets_the_scale_nan(library: Library, isa: Isa, poison: float, place: int) -> None:
    x = activations(3, 96)
    q, scales, sums = quantized(library, isa, x)
    x[1, 32 + place] = poison
    after = quantized(library, isa, x)
    assert np.isnan(after[1][1, 1])
    q[1, 32:64], scales[1, 1], sums[1, 1] = 0, np.nan, 0
    assert_same_arrays(after, (q, scales, sums))


# Products.


@pytest.mark.parametrize("layout", LAYOUTS)
def test_any_number_of_tokens_gives_the_defined_product_and_the_same_bits(
    library: Library, isa: Isa, layout: str
) -> None:
    columns = 3 * GROUP if smallest_columns(layout) < SUPER else SUPER
    weight, x = weight_of(layout, 21, columns), activations(MOST_TOKENS, columns)
    alone = np.concatenate([product(library, isa, weight, x[t : t + 1]) for t in range(MOST_TOKENS)])
    assert_is_product(layout, weight, x, alone)
    for tokens in range(2, MOST_TOKENS + 1):
        assert np.array_equal(product(library, isa, weight, x[:tokens]), alone[:tokens]), tokens


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_token_gives_the_same_bits_at_every_place(library: Library, isa: Isa, layout: str) -> None:
    weight, x = weight_of(layout, 16, SUPER), activations(19, SUPER)
    alone = product(library, isa, weight, x[:1])
    for place in range(len(x)):
        moved = x.copy()
        moved[[0, place]] = x[[place, 0]]
        assert np.array_equal(product(library, isa, weight, moved)[place], alone[0]), place


@pytest.mark.parametrize("rows", [1, 7, 15, 16, 17, 48, 63])
@pytest.mark.parametrize("units", [1, 3])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_odd_sizes_give_the_defined_product(library: Library, isa: Isa, layout: str, rows: int, units: int) -> None:
    columns = units * smallest_columns(layout)
    weight = weight_of(layout, rows, columns)
    for tokens in (1, 5):
        x = activations(tokens, columns)
        assert_is_product(layout, weight, x, product(library, isa, weight, x))


@pytest.mark.parametrize("layout", PLAIN)
@pytest.mark.parametrize("columns", [2, 31, 33, 577])
def test_float_weights_take_any_number_of_columns(library: Library, isa: Isa, layout: str, columns: int) -> None:
    weight, x = weight_of(layout, 5, columns), activations(6, columns)
    assert_is_product(layout, weight, x, product(library, isa, weight, x))


@pytest.mark.parametrize(("columns", "tokens"), [(4096, 70), (32768, 19)])
@pytest.mark.parametrize("layout", ["Q4_1", "Q6_K", "Q8_0", "BF16"])
def test_long_rows_are_cut_into_slices_and_nobody_notices(
    library: Library, isa: Isa, layout: str, columns: int, tokens: int
) -> None:
    weight, x = weight_of(layout, 17, columns), activations(tokens, columns)
    out = product(library, isa, weight, x)
    assert_is_product(layout, weight, x, out)
    for token in (0, tokens // 2, tokens - 1):
        assert np.array_equal(product(library, isa, weight, x[token : token + 1])[0], out[token])


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("value", [1.0, -1.0])
def test_the_greatest_integers_do_not_overflow(library: Library, isa: Isa, layout: str, value: float) -> None:
    """All weights and all activations at the ends of their ranges: sixteen-bit sums have least room there."""
    weight = weight_of(layout, 16, SUPER)
    if layout not in (*PLAIN, *ROUNDED):
        weight = pack([(Source[layout], extreme_rows(layout))], SUPER)
    for tokens in (1, 9):
        x = np.full((tokens, SUPER), value, np.float32)
        assert_is_product(layout, weight, x, product(library, isa, weight, x))


def extreme_rows(kind: str) -> NDArray[np.uint8]:
    """Sixteen rows: all integers 0, all integers greatest, and every bit alternating, with scales of one."""
    size = block_type(kind).n_bytes
    fills = np.array([0x00, 0xFF, 0x55, 0xAA, 0x80, 0x7F, 0x81, 0x0F] * 2, np.uint8)
    rows = np.repeat(fills[:, None], size * (1 if kind.endswith("_K") else SUPER // GROUP), axis=1)
    blocks = rows.reshape(16, -1, size)
    for start in SCALES[kind]:
        blocks[:, :, start : start + 2] = np.array([1.0], np.float16).view(np.uint8)
    return rows


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf])
def test_a_row_that_holds_no_number_spoils_itself_alone(library: Library, isa: Isa, layout: str, poison: float) -> None:
    weight, x = weight_of(layout, 21, SUPER), activations(11, SUPER)
    clean = product(library, isa, weight, x)
    for spoilt in (0, 3, 10):
        broken = x.copy()
        broken[spoilt, 77] = poison
        out = product(library, isa, weight, broken)
        if layout in PLAIN:  # infinity times a number is an infinity
            expected = reference.product(broken[spoilt : spoilt + 1], weight.unpack())[0]
            assert np.array_equal(np.isnan(out[spoilt]), np.isnan(expected))
            assert not np.isfinite(out[spoilt]).any()
        else:
            assert np.isnan(out[spoilt]).all()
        out[spoilt] = clean[spoilt]
        assert np.array_equal(out, clean)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("poison", [np.nan, np.inf])
def test_a_weight_that_is_no_number_spoils_its_own_output(
    library: Library, isa: Isa, layout: str, poison: float
) -> None:
    x = activations(11, SUPER)
    clean = product(library, isa, weight_of(layout, 21, SUPER), x)
    out = product(library, isa, weight_of(layout, 21, SUPER, poison=poison), x)
    assert not np.isfinite(out[:, 6]).any()
    out[:, 6] = clean[:, 6]
    assert np.array_equal(out, clean)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_zeros_give_zeros(library: Library, isa: Isa, layout: str) -> None:
    weight = weight_of(layout, 17, SUPER)
    assert not product(library, isa, weight, np.zeros((3, SUPER), np.float32)).any()


@pytest.mark.parametrize("layout", ["F32", "F16", "BF16"])
def test_subnormal_weights_count(library: Library, isa: Isa, layout: str) -> None:
    values = np.full((3, 5), {"F32": 1e-40, "F16": 2.0**-24, "BF16": 1e-40}[layout], np.float32)
    weight = pack([(Source[layout], as_stored(layout, values))], 5)
    out = product(library, isa, weight, np.full((2, 5), 1e30, np.float32))
    assert np.allclose(out, 5e30 * weight.unpack()[0, 0], rtol=4 * EPSILON, atol=0)
    assert out.all()
