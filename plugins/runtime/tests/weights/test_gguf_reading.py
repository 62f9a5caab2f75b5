"""Sound GGUF files are read as their writer meant them."""

import struct

import gguf
import numpy as np
import pytest

from inference_pio.errors import NotLoadedError, TensorMismatchError, WeightsNotFoundError
from inference_pio.runtime.weights import open_checkpoint


@pytest.fixture
def written(tmp_path):
    """A file from the reference writer, and what went into it."""
    path = tmp_path / "model.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    values = {
        "u8": (writer.add_uint8, 250),
        "i8": (writer.add_int8, -7),
        "u16": (writer.add_uint16, 65000),
        "i16": (writer.add_int16, -30000),
        "u32": (writer.add_uint32, 4_000_000_000),
        "i32": (writer.add_int32, -5),
        "u64": (writer.add_uint64, 1 << 60),
        "i64": (writer.add_int64, -(1 << 60)),
        "f32": (writer.add_float32, 0.25),
        "f64": (writer.add_float64, 0.1),
        "yes": (writer.add_bool, True),
        "text": (writer.add_string, "Zürich 🦀"),
        "strings": (writer.add_array, ["", "é", "▁the"]),
        "ints": (writer.add_array, [1, -2, 3]),
        "floats": (writer.add_array, [0.5, 2.0]),
        "bools": (writer.add_array, [True, False]),
    }
    for key, (add, value) in values.items():
        add(key, value)
    tensors = {
        "vector": np.arange(5, dtype=np.float32),
        "matrix": np.arange(12, dtype=np.float16).reshape(3, 4),
        "cube": np.arange(24, dtype=np.float32).reshape(2, 3, 4),
        "whole": np.arange(6, dtype=np.int32).reshape(2, 3),
    }
    for name, tensor in tensors.items():
        writer.add_tensor(name, tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path, {key: value for key, (_, value) in values.items()}, tensors


def test_every_type_of_value_comes_back(written):
    path, values, _ = written
    checkpoint = open_checkpoint(path)
    assert {key: checkpoint.metadata[key] for key in values} == values
    assert checkpoint.architecture == "llama"
    assert checkpoint.format == "gguf"
    assert checkpoint.config is None
    assert "text" in checkpoint.metadata
    assert checkpoint.metadata.get("absent") is None


def test_tensors_come_back_with_row_major_shapes(written):
    path, _, tensors = written
    checkpoint = open_checkpoint(path)
    assert {name: info.shape for name, info in checkpoint.tensors.items()} == {n: t.shape for n, t in tensors.items()}
    for name, tensor in tensors.items():
        got = checkpoint.read(name)
        assert got.dtype == np.float32
        np.testing.assert_array_equal(got, tensor.astype(np.float32))


def test_raw_gives_the_stored_bytes_row_by_row_and_read_only(written):
    path, _, tensors = written
    raw = open_checkpoint(path).raw("cube")
    assert raw.shape == (6, 16)
    assert raw.tobytes() == tensors["cube"].tobytes()
    with pytest.raises(ValueError, match="read-only"):
        raw[0, 0] = 1


def test_version_2_is_read(new_gguf, write):
    gguf_file = new_gguf()
    gguf_file.version = 2
    assert open_checkpoint(write("m.gguf", gguf_file.build())).architecture == "llama"


def test_another_alignment_is_honoured(new_gguf, write):
    gguf_file = new_gguf().add("general.alignment", 4, struct.pack("<I", 64))
    gguf_file.alignment = 64
    gguf_file.add_tensor("a", [1], 0, struct.pack("<f", 1.5)).add_tensor("b", [1], 0, struct.pack("<f", 2.5))
    checkpoint = open_checkpoint(write("m.gguf", gguf_file.build()))
    assert (checkpoint.read("a")[0], checkpoint.read("b")[0]) == (1.5, 2.5)


def test_a_file_is_recognised_by_its_magic_whatever_its_name(small_gguf, write):
    assert open_checkpoint(write("blob", small_gguf.build())).architecture == "llama"


def test_a_vocabulary_of_262144_tokens_is_read_whole(new_gguf, write):
    tokens = [f"token{i}" for i in range(262_144)]
    path = write("m.gguf", new_gguf().add_strings("tokenizer.ggml.tokens", tokens).build())
    checkpoint = open_checkpoint(path)
    assert checkpoint.metadata["tokenizer.ggml.tokens"] == tokens


def test_reading_goes_into_the_given_array(small_gguf, write):
    checkpoint = open_checkpoint(write("m.gguf", small_gguf.build()))
    fused = np.full((5, 4), -1, dtype=np.float32)
    out = checkpoint.read("a.weight", fused[2:4])
    np.testing.assert_array_equal(fused[2:4], np.arange(8, dtype=np.float32).reshape(2, 4))
    assert np.shares_memory(out, fused)
    assert (fused[:2] == -1).all()
    assert (fused[4:] == -1).all()


def test_reading_goes_into_an_array_that_is_not_contiguous(small_gguf, write):
    checkpoint = open_checkpoint(write("m.gguf", small_gguf.build()))
    transposed = np.empty((4, 2), dtype=np.float32).T
    checkpoint.read("a.weight", transposed)
    np.testing.assert_array_equal(transposed, np.arange(8, dtype=np.float32).reshape(2, 4))


def test_an_array_of_another_shape_or_type_is_refused(small_gguf, write):
    checkpoint = open_checkpoint(write("m.gguf", small_gguf.build()))
    with pytest.raises(TensorMismatchError, match=r"a\.weight.*\(2, 4\).*\(4, 2\)"):
        checkpoint.read("a.weight", np.empty((4, 2), dtype=np.float32))
    with pytest.raises(TypeError, match="float64"):
        checkpoint.read("a.weight", np.empty((2, 4), dtype=np.float64))


def test_an_unknown_tensor_is_named(small_gguf, write):
    with pytest.raises(TensorMismatchError, match=r"no tensor 'c\.weight'"):
        open_checkpoint(write("m.gguf", small_gguf.build())).read("c.weight")


def test_a_closed_checkpoint_says_so_and_its_raw_arrays_stay_valid(small_gguf, write):
    with open_checkpoint(write("m.gguf", small_gguf.build())) as checkpoint:
        raw = checkpoint.raw("a.weight")
    checkpoint.close()
    assert raw.view("<f4").reshape(-1).tolist() == list(range(8))
    with pytest.raises(NotLoadedError, match="closed"):
        checkpoint.read("a.weight")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(WeightsNotFoundError, match=r"absent\.gguf"):
        open_checkpoint(tmp_path / "absent.gguf")
