"""Dequantization equals gguf's to the bit, for every type, whatever the bytes."""

import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import gguf
import gguf.quants
import numpy as np
import pytest
from gguf.quants import dequantize

from inference_pio.errors import CheckpointError
from inference_pio.runtime.weights import open_checkpoint
from inference_pio.runtime.weights.block_kernels import KERNELS
from inference_pio.runtime.weights.block_types import QUANTIZED_TYPES, block_type, gguf_type
from inference_pio.runtime.weights.dequantize import CHUNK_VALUES, dequantize_into

KNOWN = [kind.name for kind in gguf.quants._type_traits if kind.name in QUANTIZED_TYPES]
"""An older gguf knows fewer."""
EXTRA_READ_BYTES = 4 << 20
"""Memory that reading one tensor may take beside its result."""
SOURCE = Path("m.gguf")


def _random_blocks(kind, n_blocks, seed=0):
    stored = block_type(kind)
    return np.random.default_rng(seed).integers(0, 256, n_blocks * stored.n_bytes, dtype=np.uint8)


def _assert_same_bits(got, expected):
    # Damaged scales make NaNs, whose payload is nobody's business.
    both_nan = np.isnan(got) & np.isnan(expected)
    np.testing.assert_array_equal(got.view(np.uint32)[~both_nan], expected.view(np.uint32)[~both_nan])


@pytest.mark.parametrize("kind", KNOWN)
def test_dequantization_equals_ggufs_to_the_bit(kind):
    stored = block_type(kind)
    # Two chunks and a rest, so that a chunk's edge is crossed.
    n_blocks = 2 * CHUNK_VALUES // stored.values + 3
    data = _random_blocks(kind, n_blocks)
    out = np.full(n_blocks * stored.values, 7, dtype=np.float32)
    dequantize_into(data, kind, out, source=SOURCE)
    with np.errstate(all="ignore"):
        expected = dequantize(data.reshape(1, -1), gguf.GGMLQuantizationType[kind]).reshape(-1)
    _assert_same_bits(out, np.ascontiguousarray(expected, dtype=np.float32))
    assert np.isfinite(out).any()


@pytest.mark.parametrize("kind", sorted(KERNELS))
def test_every_scale_and_every_quantum_of_our_own_kernels_equals_ggufs(kind):
    """All 65,536 half-precision scales, so infinities, subnormal numbers and both zeros are among them."""
    stored = block_type(kind)
    blocks = _random_blocks(kind, 1 << 16, seed=1).reshape(-1, stored.n_bytes)
    scale_at = stored.n_bytes - 2 if kind == "Q6_K" else 0
    blocks[:, scale_at : scale_at + 2] = np.arange(1 << 16, dtype="<u2").view(np.uint8).reshape(-1, 2)
    step = 1 << 12
    for start in range(0, len(blocks), step):
        part = blocks[start : start + step].copy()
        out = np.empty(len(part) * stored.values, dtype=np.float32)
        dequantize_into(part.reshape(-1), kind, out, source=SOURCE)
        with np.errstate(all="ignore"):
            expected = dequantize(part.reshape(1, -1), gguf.GGMLQuantizationType[kind]).reshape(-1)
        _assert_same_bits(out, expected)


def test_the_table_of_block_sizes_equals_ggufs():
    for code in range(64):
        kind = gguf_type(code)
        if kind is None or not hasattr(gguf.GGMLQuantizationType, kind.name):
            continue
        assert gguf.GGMLQuantizationType[kind.name] == code
        assert gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType(code)] == (kind.values, kind.n_bytes)


def test_every_type_that_gguf_dequantizes_can_be_opened():
    assert {kind.name for kind in gguf.quants._type_traits} <= {*QUANTIZED_TYPES, "BF16"}


@pytest.mark.parametrize(
    ("kind", "dtype"),
    [
        ("F64", "<f8"),
        ("F32", "<f4"),
        ("F16", "<f2"),
        ("I64", "<i8"),
        ("I32", "<i4"),
        ("I16", "<i2"),
        ("I8", "i1"),
        ("U64", "<u8"),
        ("U32", "<u4"),
        ("U16", "<u2"),
        ("U8", "u1"),
    ],
)
def test_plain_numbers_are_converted_as_numpy_does(kind, dtype):
    numbers = (np.random.default_rng(0).standard_normal(CHUNK_VALUES + 5) * 100).astype(dtype)
    out = np.empty(numbers.shape, dtype=np.float32)
    dequantize_into(numbers.view(np.uint8), kind, out, source=SOURCE)
    np.testing.assert_array_equal(out, numbers.astype(np.float32))


def test_every_half_precision_number_and_every_bfloat16_is_exact():
    codes = np.arange(1 << 16, dtype="<u2")
    out = np.empty(1 << 16, dtype=np.float32)
    dequantize_into(codes.view(np.uint8), "F16", out, source=SOURCE)
    np.testing.assert_array_equal(out, codes.view("<f2").astype(np.float32))
    dequantize_into(codes.view(np.uint8), "BF16", out, source=SOURCE)
    np.testing.assert_array_equal(out.view(np.uint32), codes.astype(np.uint32) << 16)


@pytest.mark.parametrize("missing", ["name", "code"])
def test_a_type_that_the_installed_gguf_does_not_know_is_an_error(missing, monkeypatch):
    import gguf.constants
    import gguf.quants

    if missing == "name":
        monkeypatch.setattr(gguf.constants, "GGMLQuantizationType", object())
    else:
        monkeypatch.setattr(gguf.quants, "_type_traits", {})
    with pytest.raises(CheckpointError, match=r"m\.gguf.*cannot dequantize Q2_K.*pip install -U gguf"):
        dequantize_into(_random_blocks("Q2_K", 1), "Q2_K", np.empty(256, dtype=np.float32), source=SOURCE)


@pytest.mark.parametrize(("kind", "code"), [("Q4_1", 3), ("Q2_K", 10)])
def test_reading_a_large_tensor_takes_a_few_megabytes_beside_its_result(kind, code, new_gguf, write):
    stored = block_type(kind)
    width, rows = 2048, 4096
    data = bytes(width * rows // stored.values * stored.n_bytes)
    checkpoint = open_checkpoint(write("m.gguf", new_gguf().add_tensor("t", [width, rows], code, data).build()))
    out = np.empty((rows, width), dtype=np.float32)
    checkpoint.read("t", out)  # imports gguf where needed
    tracemalloc.start()
    try:
        checkpoint.read("t", out)
        assert tracemalloc.get_traced_memory()[1] < EXTRA_READ_BYTES
    finally:
        tracemalloc.stop()


def test_many_threads_read_the_same_numbers(new_gguf, write):
    gguf_file = new_gguf()
    for index, kind in enumerate(["Q4_0", "Q8_0", "Q6_K", "Q2_K"] * 4):
        data = _random_blocks(kind, 4096, seed=index).tobytes()
        code = int(gguf.GGMLQuantizationType[kind])
        gguf_file.add_tensor(f"t{index}", [4096 * block_type(kind).values], code, data)
    checkpoint = open_checkpoint(write("m.gguf", gguf_file.build()))
    alone = {name: checkpoint.read(name) for name in checkpoint.tensors}
    with ThreadPoolExecutor(4) as pool:
        for name, got in zip(alone, pool.map(checkpoint.read, alone), strict=True):
            _assert_same_bits(got, alone[name])
