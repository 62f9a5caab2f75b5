"""Every instruction set against plain C++.

Equal to the bit: quantized activations, unpacked weights, rotations, factors, copies, all that neither adds up in
another order nor multiplies and adds with one rounding where plain C++ has two. All else is within a tolerance.
"""

from __future__ import annotations

import numpy as np
import pytest

from inference_pio.native.library import Library
from inference_pio.native.structures import Isa, OperationKind, Pairing

from ..synthetic import PLAIN, QUANTIZED, Assembly, Floats, batch, product, quantized, random_weight
from ..transformer import Shape, build_decoder
from .test_attention import ROUNDING, Case
from .test_products import activations, assert_same_arrays

PRODUCT = 1e-5
"""Of the greatest result of a row; sums of 512 terms in float32."""

DECODER = 2e-2
"""Of the greatest logit: where sums differ by a bit, an activation may be rounded to the next of its 255 steps."""


@pytest.mark.parametrize("columns", [32, 576, 4096])
def test_activations_are_quantized_to_the_same_bits(library: Library, other_isa: Isa, columns: int) -> None:
    x = activations(33, columns)
    assert_same_arrays(quantized(library, other_isa, x), quantized(library, Isa.PLAIN, x))


@pytest.mark.parametrize("kind", [*PLAIN, *QUANTIZED])
@pytest.mark.parametrize("tokens", [1, 2, 7, 8, 70])
def test_products_agree(library: Library, other_isa: Isa, kind: str, tokens: int) -> None:
    weight, x = random_weight(kind, 41, 512, np.random.default_rng(0)), activations(tokens, 512)
    ours, plain = product(library, other_isa, weight, x), product(library, Isa.PLAIN, weight, x)
    assert (np.abs(ours - plain).max(1) <= PRODUCT * np.abs(plain).max(1)).all()


@pytest.mark.parametrize("pairing", list(Pairing))
def test_operations_without_sums_give_the_same_bits(other_isa: Isa, pairing: Pairing) -> None:
    def compute(on: Isa) -> Floats:
        program = Assembly()
        x = program.rows(activations(9, 60))
        table = program.table(np.linspace(0.01, 1, 9).astype(np.float32))
        program.add(OperationKind.ROPE, out=x, heads=3, width=20, table=table, mode=pairing)
        program.add(OperationKind.SCALE, out=x, width=60, scale=1 / 3)
        y = program.buffer(60)
        program.add(OperationKind.COPY, in_=x, out=y, width=60)
        engine = program.engine(isa=on)
        engine.step(*batch((0, 0, 9), logits=[]))
        return engine.read_buffer(y, 9)

    assert compute(other_isa).tobytes() == compute(Isa.PLAIN).tobytes()


@pytest.mark.parametrize("kind", ["F32", "BF16", "Q4_1", "Q5_0", "Q8_0"])
def test_a_whole_decoder_agrees(other_isa: Isa, kind: str) -> None:
    shape = Shape(kind=kind, head_kind=kind, windows=(0, 20), norm_heads=True)
    arguments = batch((0, 0, 70))
    ours = build_decoder(shape).engine(isa=other_isa).step(*arguments)
    plain = build_decoder(shape).engine(isa=Isa.PLAIN).step(*arguments)
    assert np.abs(ours - plain).max() <= DECODER * np.abs(plain).max()


def test_attention_agrees(other_isa: Isa) -> None:

    case = Case(heads=4, kv_heads=2, width=96, window=300, softcap=30.0)
    inputs = case.inputs(400)
    ours = case.attention(*inputs, isa=other_isa).whole([400])
    plain = case.attention(*inputs, isa=Isa.PLAIN).whole([400])
    assert np.abs(ours - plain).max() <= 10 * ROUNDING * np.abs(plain).max()
