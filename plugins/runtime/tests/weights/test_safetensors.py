"""safetensors files: what the reference library accepts is read alike, what it refuses is refused."""

import contextlib
import json
import struct

import numpy as np
import pytest
import safetensors
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from inference_pio.errors import CheckpointError, WeightsNotFoundError
from inference_pio.runtime.weights import open_checkpoint
from inference_pio.runtime.weights.safetensors_file import read_safetensors

F32 = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
CONFIG = b'{"model_type": "llama", "hidden_size": 8}'

DTYPES = [torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16]
DTYPES += [torch.int8, torch.uint8, torch.uint16, torch.uint32, torch.uint64, torch.bool]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_every_type_is_read_as_torch_converts_it(dtype, tmp_path, write):
    write("config.json", CONFIG)
    tensor = (torch.randn(7, 9, generator=torch.Generator().manual_seed(0)).abs() * 50).to(dtype)
    save_file({"t": tensor}, tmp_path / "m.safetensors")
    checkpoint = open_checkpoint(tmp_path / "m.safetensors")
    np.testing.assert_array_equal(checkpoint.read("t"), tensor.to(torch.float32).numpy())
    assert checkpoint.raw("t").tobytes() == tensor.reshape(-1).view(torch.uint8).numpy().tobytes()
    assert checkpoint.raw("t").shape[0] == 7


def test_scalars_vectors_and_empty_tensors_are_read(tmp_path, write):
    write("config.json", CONFIG)
    tensors = {"scalar": torch.tensor(2.5), "vector": torch.arange(3.0), "none": torch.zeros(0, 4), "z": torch.ones(1)}
    save_file(tensors, tmp_path / "m.safetensors", metadata={"format": "pt"})
    checkpoint = open_checkpoint(tmp_path / "m.safetensors")
    for name, tensor in tensors.items():
        np.testing.assert_array_equal(checkpoint.read(name), tensor.numpy())
        assert checkpoint.raw(name).size == tensor.numel() * 4
    assert set(checkpoint.tensors) == set(tensors)


def test_architecture_and_config_come_from_config_json(write, build_safetensors):
    write("config.json", CONFIG)
    checkpoint = open_checkpoint(write("m.safetensors", build_safetensors({"t": F32}, bytes(4))))
    assert (checkpoint.format, checkpoint.architecture) == ("safetensors", "llama")
    assert checkpoint.config == {"model_type": "llama", "hidden_size": 8}
    assert not checkpoint.metadata


def test_a_file_without_a_config_beside_it_says_what_is_missing(write, build_safetensors):
    with pytest.raises(WeightsNotFoundError, match=r"no config\.json"):
        open_checkpoint(write("m.safetensors", build_safetensors({"t": F32}, bytes(4))))


def _with(**changes):
    return {"t": {**F32, **changes}}


FAULTS = {
    "too short for a length": (b"\x01\x00", "too few"),
    "header longer than the file": (struct.pack("<Q", 1 << 50) + b"{}", "header of 1125899906842624 bytes"),
    "header that is not JSON": (struct.pack("<Q", 4) + b"{no}", "JSON cannot be read"),
    "header that is not UTF-8": (struct.pack("<Q", 4) + b'"\xff\xff"', "JSON cannot be read"),
    "header that is no object": (struct.pack("<Q", 2) + b"[]", "list where an object belongs"),
    "header nested too deeply": (struct.pack("<Q", 200_000) + b"[" * 200_000, "JSON cannot be read"),
    "tensor twice": (struct.pack("<Q", 13) + b'{"t":1,"t":2}', "'t' occurs twice"),
    "tensor that is no object": ({"t": 1}, "does not have exactly"),
    "field missing": ({"t": {"dtype": "F32", "shape": [1]}}, "does not have exactly"),
    "unknown type": (_with(dtype="F8_E4M3"), "'F8_E4M3'"),
    "type that is no text": (_with(dtype=["F32"]), "cannot be read"),
    "negative dimension": (_with(shape=[-1]), "make no sense"),
    "dimension that is no whole number": (_with(shape=[1.0]), "make no sense"),
    "dimension that is a boolean": (_with(shape=[True]), "make no sense"),
    "shape that is no list": (_with(shape=4), "make no sense"),
    "dimensions that overflow": (_with(shape=[1 << 62, 1 << 62]), "bytes lies at 0 to 4"),
    "absurdly many dimensions": (_with(shape=[1] * 1000), "make no sense"),
    "three offsets": (_with(data_offsets=[0, 2, 4]), "make no sense"),
    "offsets the wrong way round": (_with(data_offsets=[4, 0]), "lies at 4 to 0"),
    "offsets that do not fit the shape": (_with(shape=[2]), "8 bytes lies at 0 to 4"),
    "tensor beyond the end": (_with(shape=[2], data_offsets=[0, 8]), "is it cut off?"),
    "gap before a tensor": (_with(data_offsets=[2, 6]), "leaves a gap"),
    "tensors that overlap": ({"t": F32, "u": F32}, "'u' overlaps"),
    "bytes of no tensor": ({}, "what are the others?"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_damaged_file_is_refused_with_file_and_fault(fault, write, build_safetensors):
    write("config.json", CONFIG)
    content, message = FAULTS[fault]
    path = write("bad.safetensors", content if isinstance(content, bytes) else build_safetensors(content, bytes(4)))
    with pytest.raises(CheckpointError) as caught:
        open_checkpoint(path)
    assert message in str(caught.value)
    assert "bad.safetensors" in str(caught.value)


def test_every_truncation_is_refused(write, build_safetensors):
    whole = build_safetensors({"t": F32}, bytes(4))
    for length in range(len(whole)):
        with pytest.raises(CheckpointError):
            read_safetensors(write("cut.safetensors", whole[:length]))


SOUND = {"a": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}}
SOUND["b"] = {"dtype": "BF16", "shape": [3], "data_offsets": [16, 22]}
HOSTILE = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def _check_against_the_library(path):
    """Nothing but CheckpointError may come out, and nothing may be accepted that the library refuses."""
    with contextlib.suppress(CheckpointError):
        tensors = read_safetensors(path)
        for stored in tensors.values():
            assert stored.data.size == stored.info.n_bytes
        with safetensors.safe_open(path, "numpy") as reference:
            assert set(reference.keys()) == set(tensors)


@HOSTILE
@given(changes=st.lists(st.tuples(st.integers(0, 400), st.binary(min_size=1, max_size=4)), min_size=1, max_size=4))
def test_a_sound_file_with_changed_bytes_raises_nothing_but_checkpoint_errors(write, build_safetensors, changes):
    data = bytearray(build_safetensors(SOUND, bytes(22)))
    for position, patch in changes:
        start = position % len(data)
        data[start : start + len(patch)] = patch
    _check_against_the_library(write("mutated.safetensors", bytes(data)))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 1 << 70) | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
FIELDS = st.fixed_dictionaries(
    {
        "dtype": st.sampled_from(["F32", "BF16", "U8"]) | JSON,
        "shape": st.lists(st.integers(0, 4), max_size=3) | JSON,
        "data_offsets": st.lists(st.integers(0, 40), min_size=2, max_size=2) | JSON,
    }
)


@HOSTILE
@given(header=st.dictionaries(st.text(max_size=3), FIELDS | JSON, max_size=3), data=st.binary(max_size=40))
def test_a_random_header_raises_nothing_but_checkpoint_errors(write, build_safetensors, header, data):
    _check_against_the_library(write("random.safetensors", build_safetensors(json.dumps(header).encode(), data)))
