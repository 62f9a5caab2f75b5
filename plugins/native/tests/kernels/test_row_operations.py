"""Operations that treat every row by itself, each in a program of its own, against their definitions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from inference_pio.native.packing import pack
from inference_pio.native.structures import Activation, Isa, OperationKind, Pairing, Source

from ..synthetic import PLAIN, QUANTIZED, Assembly, as_stored, batch, random_weight, stored_rows
from . import reference
from .reference import Doubles, Floats

EPSILON = float(np.finfo(np.float32).eps)

WIDTHS = [1, 3, 4, 5, 8, 15, 16, 17, 31, 33, 64, 576]
"""Below, at and above what one register of any instruction set holds."""

POISONS = [np.nan, np.inf, -np.inf]
EXTREMES = np.array(
    [0.0, -0.0, 1e-45, -1e-45, 1e-38, 0.5, -0.5, 20.0, -20.0, 87.2, -87.4, 88.8, -88.8, 200.0, -200.0, 1e10, -1e10,
     1e38, -1e38], np.float32,
)  # fmt: skip


def values_of(tokens: int, width: int, *, seed: int = 0, scale: float = 3.0) -> Floats:
    return (np.random.default_rng(seed).standard_normal((tokens, width)) * scale).astype(np.float32)


def run(
    isa: Isa, values: Floats, kind: OperationKind, columns: int, *, program: Assembly | None = None, **fields: Any
) -> Floats:
    """One operation from a buffer of ``values`` to another of ``columns`` columns, which it returns."""
    program = program or Assembly()
    source = program.rows(values)
    target = source if kind in (OperationKind.ROPE, OperationKind.SCALE) else program.buffer(columns)
    program.add(kind, in_=source, out=target, **fields)
    engine = program.engine(isa=isa)
    engine.step(*batch((0, 0, len(values)), logits=[]))
    out = engine.read_buffer(target, len(values))
    engine.close()
    return out


def assert_close(ours: Floats, expected: Doubles, *, relative: float, absolute: float = 0.0) -> None:
    assert np.array_equal(np.isnan(ours), np.isnan(expected))
    with np.errstate(over="ignore", invalid="ignore"):
        rounded = expected.astype(np.float32)
        error = np.abs(ours.astype(np.float64) - expected)
    is_number = np.isfinite(rounded)
    assert np.array_equal(ours[~is_number], rounded[~is_number], equal_nan=True)
    assert (error[is_number] <= relative * np.abs(expected[is_number]) + absolute).all()


# Norm.


@pytest.mark.parametrize("width", WIDTHS)
def test_norm(isa: Isa, width: int) -> None:
    values, program = values_of(5, width), Assembly()
    weight = values_of(1, width, seed=1)[0]
    out = run(isa, values, OperationKind.RMS_NORM, width, program=program, width=width, heads=1,
              vector=program.vector(weight), epsilon=1e-5)  # fmt: skip
    assert_close(out, reference.rms_norm(values, weight, 1e-5), relative=8 * EPSILON)


@pytest.mark.parametrize("heads", [1, 2, 5])
def test_norm_of_heads(isa: Isa, heads: int) -> None:
    width, values, program = 24, values_of(3, heads * 24), Assembly()
    weight = values_of(1, width, seed=1)[0]
    out = run(isa, values, OperationKind.RMS_NORM, heads * width, program=program, width=width, heads=heads,
              vector=program.vector(weight), epsilon=1e-6)  # fmt: skip
    expected = reference.rms_norm(values.reshape(3, heads, width), weight, 1e-6)
    assert_close(out, expected.reshape(3, -1), relative=8 * EPSILON)


@pytest.mark.parametrize("scale", [0.0, 1e-30, 1e-10, 1e10, 1e17])
def test_norm_of_small_and_large_rows(isa: Isa, scale: float) -> None:
    values, program = values_of(2, 40, scale=scale), Assembly()
    out = run(isa, values, OperationKind.RMS_NORM, 40, program=program, width=40, heads=1,
              vector=program.vector(np.ones(40, np.float32)), epsilon=1e-6)  # fmt: skip
    assert_close(out, reference.rms_norm(values, np.ones(40, np.float32), 1e-6), relative=8 * EPSILON, absolute=1e-36)


@pytest.mark.parametrize("poison", POISONS)
def test_norm_of_a_row_that_holds_no_number_spoils_that_row(isa: Isa, poison: float) -> None:
    values, weight = values_of(4, 33), np.ones(33, np.float32)
    values[2, 32] = poison
    program = Assembly()
    out = run(isa, values, OperationKind.RMS_NORM, 33, program=program, width=33, heads=1,
              vector=program.vector(weight), epsilon=1e-6)  # fmt: skip
    assert np.isnan(out[2, 32])
    assert not np.any(np.nan_to_num(out[2, :32]))  # a finite number over an infinity is 0, over a NaN it is NaN
    keep = [0, 1, 3]
    assert_close(out[keep], reference.rms_norm(values[keep], weight, 1e-6), relative=8 * EPSILON)


# Rotary embedding.


@pytest.mark.parametrize("pairing", list(Pairing))
@pytest.mark.parametrize(("width", "pairs"), [(16, 8), (16, 5), (64, 32), (96, 1), (96, 40), (256, 128)])
def test_rotation(isa: Isa, pairing: Pairing, width: int, pairs: int) -> None:
    heads, values, program = 3, values_of(7, 3 * width), Assembly()
    frequencies = (10000.0 ** -(np.arange(pairs) / pairs)).astype(np.float32)
    out = run(isa, values, OperationKind.ROPE, 3 * width, program=program, width=width, heads=heads,
              table=program.table(frequencies), mode=pairing)  # fmt: skip
    expected = reference.rotate(values.reshape(7, heads, width), np.arange(7), frequencies,
                                is_interleaved=pairing == Pairing.INTERLEAVED)  # fmt: skip
    assert_close(out, expected.reshape(7, -1), relative=0, absolute=4 * EPSILON * np.abs(values).max())
    untouched = out.reshape(7, heads, width)[..., 2 * pairs :]
    assert np.array_equal(untouched, values.reshape(7, heads, width)[..., 2 * pairs :])
    assert np.array_equal(out[0], values[0])  # position 0 does not turn


@pytest.mark.parametrize("pairing", list(Pairing))
def test_rotation_far_from_the_start_is_as_exact_as_near_it(isa: Isa, pairing: Pairing) -> None:
    """The angle is a product in float32; its cosine and sine are exact, however many turns it is."""
    first, tokens, program = 131000, 50, Assembly()
    frequencies = np.array([1.0, 0.3, 1e-2, 1e-5], np.float32)
    buffer = program.rows(np.ones((tokens, 8), np.float32))
    program.add(OperationKind.ROPE, out=buffer, width=8, heads=1, table=program.table(frequencies), mode=pairing)
    engine = program.engine(isa=isa, context=first + tokens)
    for start in range(0, first, 512):  # a sequence has no gaps
        count = min(512, first - start)
        engine.step(*batch((0, start, count), tokens=np.zeros(count, np.int64), logits=[]))
    engine.step(*batch((0, first, tokens), logits=[]))
    expected = reference.rotate(np.ones((tokens, 1, 8), np.float32), np.arange(first, first + tokens), frequencies,
                                is_interleaved=pairing == Pairing.INTERLEAVED)  # fmt: skip
    assert_close(engine.read_buffer(buffer, tokens), expected[:, 0], relative=0, absolute=4 * EPSILON)
    engine.close()


# Gates.


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("activation", list(Activation))
def test_gated_activation(isa: Isa, activation: Activation, width: int) -> None:
    values = values_of(5, 2 * width)
    out = run(isa, values, OperationKind.GATED, width, width=width, mode=activation)
    define = reference.silu if activation == Activation.SILU else reference.gelu_tanh
    expected = define(values[:, :width]) * values[:, width:]
    assert_close(out, expected, relative=4e-6, absolute=1e-7 * np.abs(values).max())


@pytest.mark.parametrize("activation", list(Activation))
def test_gates_far_from_zero_are_open_or_shut(isa: Isa, activation: Activation) -> None:
    values = np.concatenate([EXTREMES, np.ones_like(EXTREMES)])[None]
    out = run(isa, values, OperationKind.GATED, len(EXTREMES), width=len(EXTREMES), mode=activation)
    define = reference.silu if activation == Activation.SILU else reference.gelu_tanh
    with np.errstate(over="ignore", invalid="ignore"):
        expected = np.nan_to_num(define(EXTREMES[None]), nan=0.0)  # x * 0 where the definition overflows
    assert_close(out, expected, relative=4e-6, absolute=1e-7)


@pytest.mark.parametrize("activation", list(Activation))
def test_a_gate_that_is_no_number(isa: Isa, activation: Activation) -> None:
    gates = np.array([np.nan, np.inf, -np.inf, 1.0], np.float32)
    out = run(
        isa, np.concatenate([gates, np.ones_like(gates)])[None], OperationKind.GATED, 4, width=4, mode=activation
    )[0]
    assert np.isnan(out[0])
    assert out[1] == np.inf
    assert np.isnan(out[2])  # minus infinity times 0
    assert np.isfinite(out[3])


# Residuals, factors, copies.


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scale", [1.0, 0.125, -3.7])
def test_residual(isa: Isa, width: int, scale: float) -> None:
    x, y, program = values_of(4, width), values_of(4, width, seed=1), Assembly()
    stream, branch = program.rows(x), program.rows(y)
    program.add(OperationKind.ADD, in_=branch, out=stream, width=width, scale=scale)
    engine = program.engine(isa=isa)
    engine.step(*batch((0, 0, 4), logits=[]))
    expected = x.astype(np.float64) + np.float32(scale) * y.astype(np.float64)
    allowed = 2 * EPSILON * (np.abs(x) + abs(scale) * np.abs(y))
    assert (np.abs(engine.read_buffer(stream, 4) - expected) <= allowed).all()
    assert np.array_equal(engine.read_buffer(branch, 4), y)


@pytest.mark.parametrize("width", WIDTHS)
def test_factors_and_copies_are_exact(isa: Isa, width: int) -> None:
    values = values_of(4, width)
    values[1, width // 2] = np.nan
    assert np.array_equal(run(isa, values, OperationKind.SCALE, width, width=width, scale=0.37),
                          values * np.float32(0.37), equal_nan=True)  # fmt: skip
    assert np.array_equal(run(isa, values, OperationKind.COPY, width, width=width), values, equal_nan=True)


def test_columns_outside_an_operation_stay_as_they_are(isa: Isa) -> None:
    x, y, program = values_of(3, 40), values_of(3, 40, seed=1), Assembly()
    target, source = program.rows(x), program.rows(y)
    program.add(OperationKind.COPY, in_=source, in_column=5, out=target, out_column=9, width=7)
    engine = program.engine(isa=isa)
    engine.step(*batch((0, 0, 3), logits=[]))
    expected = x.copy()
    expected[:, 9:16] = y[:, 5:12]
    assert np.array_equal(engine.read_buffer(target, 3), expected)


# Embedding rows and logits.


@pytest.mark.parametrize("kind", [*PLAIN, *QUANTIZED])
@pytest.mark.parametrize("scale", [1.0, 25.25])
def test_embedding_rows(isa: Isa, kind: str, scale: float) -> None:
    weight, program = random_weight(kind, 37, 512, np.random.default_rng(0)), Assembly()
    out = program.buffer(512)
    program.add(OperationKind.EMBED, out=out, weight=program.weight(weight), scale=scale)
    engine = program.engine(isa=isa)
    tokens = np.array([36, 0, 15, 16, 16, 31], np.int64)
    engine.step(*batch((0, 0, 6), tokens=tokens, logits=[]))
    assert np.array_equal(engine.read_buffer(out, 6), weight.unpack()[tokens] * np.float32(scale))


def logits_program(
    kind: str, *, softcap: float = 0.0, scale: float = 1.0, bias: bool = False
) -> tuple[Assembly, Floats, Floats, Floats]:
    """Return the program, the rows that it reads, its weight and its bias."""
    program, values = Assembly(), values_of(40, 64)
    source = program.rows(values)
    stored = stored_rows(kind, 21, 64, np.random.default_rng(2), scale=0.1)
    weight = pack([(Source[kind], stored)], 64)
    offsets = values_of(1, 21, seed=3)[0] if bias else np.zeros(21, np.float32)
    program.add(OperationKind.LOGITS, in_=source, weight=program.weight(weight), softcap=softcap, scale=scale,
                vector=program.vector(offsets) if bias else -1)  # fmt: skip
    return program, values, weight.unpack(), offsets


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("softcap", [0.0, 2.0, 30.0])
@pytest.mark.parametrize("scale", [1.0, 0.5])
@pytest.mark.parametrize("kind", ["F32", "Q4_1"])
def test_logits(isa: Isa, kind: str, softcap: float, scale: float, bias: bool) -> None:
    program, values, weight, offsets = logits_program(kind, softcap=softcap, scale=scale, bias=bias)
    ours = program.engine(isa=isa).step(*batch((0, 0, 40)))
    seen = values.astype(np.float64) if kind == "F32" else reference.rounded(values)
    expected = scale * (reference.product(seen, weight) + offsets)
    size = np.abs(seen).max() * np.abs(weight).sum(1).max() + np.abs(offsets).max()
    if softcap:
        expected = reference.softcap(expected, softcap)
    assert_close(ours, expected, relative=0, absolute=70 * EPSILON * size)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("rows", [[], [0], [39], [0, 39], [3, 4, 5, 20], list(range(40))])
def test_only_the_wanted_rows_of_logits_are_computed(isa: Isa, rows: list[int], threads: int) -> None:
    """Pieces of 16 tokens: rows of the first, the last and of no piece."""
    program, values, _, _ = logits_program("Q4_1")
    everything = program.engine(isa=isa).step(*batch((0, 0, 40)))
    for max_tokens in (16, 512):
        engine = program.engine(isa=isa, threads=threads, max_tokens=max_tokens)
        ours = engine.step(*batch((0, 0, 40), logits=rows))
        assert np.array_equal(ours, everything[rows])
    assert len(values) == 40


def test_softcap_of_any_logits(isa: Isa) -> None:
    program = Assembly()
    values = np.concatenate([EXTREMES, [np.inf, -np.inf]]).astype(np.float32)[:, None]
    weight = program.weight(pack([(Source.F32, as_stored("F32", np.ones((1, 1), np.float32)))], 1))
    program.add(OperationKind.LOGITS, in_=program.rows(values), weight=weight, softcap=30.0)
    ours = program.engine(isa=isa).step(*batch((0, 0, len(values))))
    assert_close(ours, reference.softcap(values, 30.0), relative=0, absolute=4 * 30 * EPSILON)


def test_bias_is_added_to_the_last_rows_too(isa: Isa) -> None:
    program, values = Assembly(), values_of(5, 32)
    weight, offsets = random_weight("Q8_0", 19, 32, np.random.default_rng(1)), values_of(1, 19, seed=2)[0]
    source, target = program.rows(values), program.buffer(19)
    program.add(OperationKind.LINEAR, in_=source, out=target, weight=program.weight(weight),
                vector=program.vector(offsets))  # fmt: skip
    engine = program.engine(isa=isa)
    engine.step(*batch((0, 0, 5), logits=[]))
    expected = reference.product(reference.rounded(values), weight.unpack()) + offsets
    assert_close(engine.read_buffer(target, 5), expected, relative=0, absolute=1e-5)
