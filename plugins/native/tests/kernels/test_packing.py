"""Packing loses nothing: unpacked values are those of gguf's own dequantization, to the bit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import gguf
import numpy as np
import pytest

from inference_pio.native.packing import PackedWeight, pack, relative_error
from inference_pio.native.structures import Format, Source
from inference_pio.runtime.weights.block_types import block_type

from ..synthetic import PLAIN, QUANTIZED, SCALES, as_stored, stored_rows
from .reference import GROUP, Floats

if TYPE_CHECKING:
    from numpy.typing import NDArray

HALVES = np.arange(65536, dtype=np.uint16)
LARGEST_HALF, SMALLEST_HALF = 65504.0, 2.0**-24
HALF_ROUNDING = 2.0**-11

SUPER = 256
SIZES = [(1, 1), (15, 1), (16, 2), (17, 3), (47, 5)]
"""Rows, and columns in units of a block: below, at and above the 16 rows that stand together."""


def unit(kind: str) -> int:
    return 1 if kind in PLAIN else SUPER if kind.endswith("_K") else GROUP


def by_gguf(kind: str, stored: NDArray[np.uint8]) -> Floats:
    with np.errstate(invalid="ignore", over="ignore"):
        values: Floats = gguf.quants.dequantize(stored, gguf.GGMLQuantizationType[kind])
    return values


def assert_same_bits(ours: Floats, theirs: Floats) -> None:
    """Equal to the bit, signs of zeros too; a NaN is any NaN."""
    is_nan = np.isnan(theirs)
    assert np.array_equal(np.isnan(ours), is_nan)
    assert np.array_equal(ours.view(np.uint32)[~is_nan], theirs.view(np.uint32)[~is_nan])


@pytest.mark.parametrize(("rows", "units"), SIZES)
@pytest.mark.parametrize("kind", [*PLAIN, *QUANTIZED])
def test_unpacked_values_are_the_stored_ones(kind: str, rows: int, units: int) -> None:
    columns = units * unit(kind)
    stored = stored_rows(kind, rows, columns, np.random.default_rng(rows))
    assert_same_bits(pack([(Source[kind], stored)], columns).unpack(), by_gguf(kind, stored))


@pytest.mark.parametrize("kind", QUANTIZED)
def test_blocks_of_random_bytes_keep_their_values(kind: str) -> None:
    """Scales of any size, infinite and NaN ones among them."""
    stored = stored_rows(kind, 40, 4 * SUPER, np.random.default_rng(1))
    stored[:] = np.random.default_rng(2).integers(0, 256, stored.shape)
    assert_same_bits(pack([(Source[kind], stored)], 4 * SUPER).unpack(), by_gguf(kind, stored))


@pytest.mark.parametrize("kind", QUANTIZED)
@pytest.mark.parametrize("scale", [LARGEST_HALF, -LARGEST_HALF, SMALLEST_HALF, 2.0**-14, 0.0])
@pytest.mark.parametrize("fill", [0x00, 0xFF, 0x80, 0x7F])
def test_extreme_scales_and_integers_keep_their_values(kind: str, scale: float, fill: int) -> None:
    stored = stored_rows(kind, 3, SUPER, np.random.default_rng(0), scale=0.0)
    stored[:] = fill
    size = block_type(kind).n_bytes
    for start in SCALES[kind]:
        stored.reshape(-1, size)[:, start : start + 2] = np.array([scale], np.float16).view(np.uint8)
    assert_same_bits(pack([(Source[kind], stored)], SUPER).unpack(), by_gguf(kind, stored))


@pytest.mark.parametrize("kind", ["Q4_0", "Q8_0"])
def test_every_half_that_there_is_can_be_a_scale(kind: str) -> None:
    stored = stored_rows(kind, len(HALVES), GROUP, np.random.default_rng(3))
    stored[:, :2] = HALVES.view(np.uint8).reshape(-1, 2)
    assert_same_bits(pack([(Source[kind], stored)], GROUP).unpack(), by_gguf(kind, stored))


@pytest.mark.parametrize("kind", ["F16", "BF16"])
@pytest.mark.parametrize("columns", [1, 3, 257])
def test_every_value_of_sixteen_bits_is_kept(kind: str, columns: int) -> None:
    rows = len(HALVES) // columns
    stored = HALVES[: rows * columns].view(np.uint8).reshape(rows, -1)
    assert_same_bits(pack([(Source[kind], stored)], columns).unpack(), by_gguf(kind, stored))


def test_float32_is_kept_with_its_infinities_and_subnormals() -> None:
    values = np.array([[0.0, -0.0, np.inf, -np.inf, np.nan, 1e-45, -1e-45, 3.4e38, 1.5]], np.float32)
    stored = as_stored("F32", values)
    assert_same_bits(pack([(Source.F32, stored)], values.shape[1]).unpack(), values)


@pytest.mark.parametrize("kind", ["F32", *QUANTIZED])
def test_stacked_tensors_stand_below_each_other_wherever_blocks_end(kind: str) -> None:
    rng, columns = np.random.default_rng(4), 2 * unit(kind)
    parts = [stored_rows(kind, rows, columns, rng) for rows in (5, 16, 1, 30)]
    packed = pack([(Source[kind], part) for part in parts], columns)
    assert_same_bits(packed.unpack(), by_gguf(kind, np.concatenate(parts)))
    assert_same_bits(packed.unpack(4, 20), by_gguf(kind, np.concatenate(parts))[4:24])
    assert packed.unpack(52, 0).shape == (0, columns)


# Rounding floats to fewer bits.


def rounded(values: Floats, format: Format, kind: str = "F32") -> PackedWeight:
    return pack([(Source[kind], as_stored(kind, values))], values.shape[1], format=format)


@pytest.mark.parametrize("kind", PLAIN)
@pytest.mark.parametrize("spread", [1e-3, 1.0, 1e3])
def test_eight_bits_are_off_by_half_a_step_at_most(kind: str, spread: float) -> None:
    chance = np.random.default_rng(5)
    stored = as_stored(kind, (chance.standard_normal((19, 96)) * spread).astype(np.float32))
    exact = by_gguf(kind, stored)
    ours = pack([(Source[kind], stored)], 96, format=Format.W8_S).unpack()
    top = np.abs(exact.reshape(19, -1, GROUP)).max(-1, keepdims=True)
    step = top / 127
    assert (np.abs(ours - exact).reshape(19, -1, GROUP) <= step / 2 + top * HALF_ROUNDING).all()


@pytest.mark.parametrize("kind", PLAIN)
@pytest.mark.parametrize("shift", [0.0, 10.0])
def test_four_bits_are_off_by_half_a_step_at_most(kind: str, shift: float) -> None:
    chance = np.random.default_rng(6)
    stored = as_stored(kind, (chance.standard_normal((19, 96)) + shift).astype(np.float32))
    exact = by_gguf(kind, stored)
    ours = pack([(Source[kind], stored)], 96, format=Format.W4_SM).unpack()
    groups = exact.reshape(19, -1, GROUP)
    low, high = groups.min(-1, keepdims=True), groups.max(-1, keepdims=True)
    lost_by_halves = (np.abs(low) + (high - low)) * HALF_ROUNDING
    assert (np.abs(ours - exact).reshape(19, -1, GROUP) <= (high - low) / 30 + lost_by_halves).all()


@pytest.mark.parametrize("format", [Format.W8_S, Format.W4_SM])
@pytest.mark.parametrize("value", [0.0, 1.0, -3.0, 2.0**-20, 60000.0])
def test_a_constant_group_keeps_its_value_as_a_half_does(format: Format, value: float) -> None:
    values = np.full((2, GROUP), value, np.float32)
    ours = rounded(values, format).unpack()
    step = 127 * SMALLEST_HALF / 2 if format == Format.W8_S else SMALLEST_HALF  # of a scale that is no normal half
    assert np.abs(ours - values).max() <= abs(value) * HALF_ROUNDING + step


@pytest.mark.parametrize("format", [Format.W8_S, Format.W4_SM])
@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf])
def test_a_group_that_holds_no_number_is_nan_and_others_are_not(format: Format, poison: float) -> None:
    values = np.random.default_rng(7).standard_normal((3, 96)).astype(np.float32)
    clean = rounded(values, format).unpack()
    values[1, 40] = poison
    ours = rounded(values, format).unpack()
    assert np.isnan(ours[1, 32:64]).all()
    ours[1, 32:64] = clean[1, 32:64]
    assert np.array_equal(ours, clean)


def test_what_no_half_can_scale_shows_as_such() -> None:
    values = np.full((1, GROUP), 1e9, np.float32)
    assert not np.isfinite(rounded(values, Format.W8_S).unpack()).any()
    assert not np.isfinite(rounded(values, Format.W4_SM).unpack()).any()


def test_the_loss_of_rounding_is_measured() -> None:
    values = np.random.default_rng(8).standard_normal((40, 64)).astype(np.float32)
    for format, least, most in ((Format.W8_S, 1e-3, 0.01), (Format.W4_SM, 0.02, 0.12)):
        packed = rounded(values, format)
        expected = np.linalg.norm(packed.unpack() - values) / np.linalg.norm(values)
        assert relative_error(packed, values) == pytest.approx(expected, rel=1e-3)
        assert least < expected < most
