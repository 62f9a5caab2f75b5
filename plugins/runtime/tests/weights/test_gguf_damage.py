"""Damaged and hostile GGUF files: a CheckpointError with file and fault, before memory is allocated."""

import contextlib
import os
import struct
import tracemalloc

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inference_pio.errors import CheckpointError
from inference_pio.runtime.weights import open_checkpoint

MAX_PARSE_BYTES = 4 << 20
"""Python memory that opening a file of some hundred bytes may take at most; a lazily imported module fits."""
F32 = struct.pack("<f", 1.0)


def _u32(value):
    return struct.pack("<I", value)


FAULTS = {
    "wrong magic": (lambda g: setattr(g, "magic", b"GGML"), "starts with b'GGML'"),
    "big endian": (lambda g: setattr(g, "version", 3 << 24), "big endian"),
    "version 1": (lambda g: setattr(g, "version", 1), "version 1"),
    "future version": (lambda g: setattr(g, "version", 9), "version 9"),
    "absurd number of tensors": (lambda g: setattr(g, "n_tensors", 1 << 62), "4611686018427387904 tensors"),
    "absurd number of key-values": (lambda g: setattr(g, "n_values", 1 << 62), "4611686018427387904 key-values"),
    "key of absurd length": (lambda g: g.values.append((b"k" * 70000, _u32(4) + _u32(0))), "has 70000 bytes"),
    "empty key": (lambda g: g.add("", 4, _u32(0)), "key 1 has 0 bytes"),
    "key twice": (lambda g: g.add("k", 4, _u32(0)).add("k", 4, _u32(1)), "'k' occurs twice"),
    "key that is not UTF-8": (lambda g: g.add(b"\xff\xfe", 4, _u32(0)), "not valid UTF-8"),
    "unknown value type": (lambda g: g.add("k", 13, b""), "unknown value type 13"),
    "string longer than the file": (lambda g: g.add("k", 8, struct.pack("<Q", 1 << 40)), "1099511627776 bytes"),
    "array longer than the file": (lambda g: g.add("k", 9, struct.pack("<IQ", 4, 1 << 60)), "bytes where only"),
    "array of absurdly many strings": (lambda g: g.add("k", 9, struct.pack("<IQ", 8, 1 << 60)), "strings in the"),
    "string in an array longer than the file": (
        lambda g: g.add("k", 9, struct.pack("<IQQ", 8, 1, (1 << 64) - 1)),
        "beyond the end",
    ),
    "array of arrays": (lambda g: g.add("k", 9, struct.pack("<IQ", 9, 1)), "array of arrays"),
    "array of an unknown type": (lambda g: g.add("k", 9, struct.pack("<IQ", 99, 1)), "unknown value type 99"),
    "alignment zero": (lambda g: g.add("general.alignment", 4, _u32(0)), "general.alignment is 0"),
    "alignment not a power of two": (lambda g: g.add("general.alignment", 4, _u32(48)), "general.alignment is 48"),
    "alignment huge": (lambda g: g.add("general.alignment", 4, _u32(1 << 30)), "general.alignment is"),
    "alignment of a wrong type": (lambda g: g.add("general.alignment", 6, F32), "general.alignment is 1.0"),
    "architecture missing": (lambda g: g.values.clear(), "general.architecture is None"),
    "no dimensions": (lambda g: g.add_tensor("t", [], 0, F32), "has 0 dimensions"),
    "five dimensions": (lambda g: g.add_tensor("t", [1] * 5, 0, F32), "has 5 dimensions"),
    "dimension zero": (lambda g: g.add_tensor("t", [4, 0], 0, F32), "length 0"),
    "dimensions that overflow": (lambda g: g.add_tensor("t", [1 << 40] * 4, 0, F32), "is it cut off?"),
    "unknown tensor type": (lambda g: g.add_tensor("t", [32], 77, F32), "type number 77"),
    "removed tensor type": (lambda g: g.add_tensor("t", [32], 4, F32), "type number 4"),
    "row that is not whole blocks": (lambda g: g.add_tensor("t", [33], 8, b"\0" * 34), "multiple of Q8_0's 32"),
    "tensor beyond the end": (lambda g: g.add_tensor("t", [1000], 0, F32), "is it cut off?"),
    "offset beyond the end": (lambda g: g.tensors.append(("t", [1], 0, 1 << 40)), "is it cut off?"),
    "offset not aligned": (lambda g: g.tensors.append(("t", [1], 0, 4)), "not a multiple of 32"),
    "tensor twice": (lambda g: g.add_tensor("t", [1], 0, F32).add_tensor("t", [1], 0, F32), "'t' occurs twice"),
    "tensors that overlap": (
        lambda g: (g.add_tensor("t", [16], 0, bytes(64)), g.tensors.append(("u", [8], 0, 32))),
        "'t' and 'u' overlap",
    ),
    "tensor without a name": (lambda g: g.add_tensor("", [1], 0, F32), "tensor 0 has 0 bytes"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_damaged_file_is_refused_with_file_and_fault(fault, new_gguf, write):
    gguf = new_gguf()
    break_it, message = FAULTS[fault]
    break_it(gguf)
    path = write("bad.gguf", gguf.build())
    tracemalloc.start()
    try:
        with pytest.raises(CheckpointError) as caught:
            open_checkpoint(path)
        assert tracemalloc.get_traced_memory()[1] < MAX_PARSE_BYTES
    finally:
        tracemalloc.stop()
    assert message in str(caught.value)
    assert "bad.gguf" in str(caught.value)


def test_a_damaged_file_says_how_to_get_it_again(new_gguf, write):
    with pytest.raises(CheckpointError, match="inference-pio pull NAME"):
        open_checkpoint(write("bad.gguf", new_gguf().build()[:-40]))


def test_a_token_that_is_not_utf8_is_found_when_the_tokens_are_asked_for(new_gguf, write):
    checkpoint = open_checkpoint(write("bad.gguf", new_gguf().add_strings("tokens", ["a", b"\xff"]).build()))
    with pytest.raises(CheckpointError, match="'tokens' is not valid UTF-8"):
        checkpoint.metadata["tokens"]


def test_every_truncation_of_a_file_is_refused(small_gguf, write):
    whole = small_gguf.build()
    data_end = len(whole) - (-(34 * 3) % 32)  # the padding behind the last tensor may be missing
    for length in range(data_end):
        with pytest.raises(CheckpointError):
            open_checkpoint(write("cut.gguf", whole[:length]))
    open_checkpoint(write("cut.gguf", whole[:data_end]))


def test_a_pipe_is_refused_without_waiting_for_a_writer(tmp_path):
    pipe = tmp_path / "pipe.gguf"
    os.mkfifo(pipe)
    with pytest.raises(CheckpointError, match="not a regular file"):
        open_checkpoint(pipe)


def test_a_file_that_may_not_be_read_is_named(small_gguf, write):
    path = write("secret.gguf", small_gguf.build())
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user may read everything")
    with pytest.raises(CheckpointError, match=r"secret\.gguf.*Permission denied"):
        open_checkpoint(path)


def test_a_git_lfs_pointer_is_recognised(write):
    path = write("model.gguf", b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n")
    with pytest.raises(CheckpointError, match="Git LFS pointer"):
        open_checkpoint(path)


def _open_and_read_everything(path):
    """Only a CheckpointError may come out; memory must stay near the size of the file."""
    tracemalloc.start()
    try:
        with contextlib.suppress(CheckpointError), open_checkpoint(path) as checkpoint:
            for key in checkpoint.metadata:
                checkpoint.metadata[key]
            for name in checkpoint.tensors:
                checkpoint.raw(name)
                checkpoint.read(name)
        assert tracemalloc.get_traced_memory()[1] < MAX_PARSE_BYTES
    finally:
        tracemalloc.stop()


HOSTILE = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@HOSTILE
@given(changes=st.lists(st.tuples(st.integers(0, 600), st.binary(min_size=1, max_size=9)), min_size=1, max_size=4))
def test_a_sound_file_with_changed_bytes_raises_nothing_but_checkpoint_errors(small_gguf, write, changes):
    data = bytearray(small_gguf.build())
    for position, patch in changes:
        start = position % len(data)
        data[start : start + len(patch)] = patch
    _open_and_read_everything(write("mutated.gguf", bytes(data)))


NUMBERS = st.one_of(
    st.sampled_from([0, 1, 2, 31, 32, 33, 256, 1 << 31, 1 << 32, 1 << 63, (1 << 64) - 1]), st.integers(0, 99)
)
TENSORS = st.tuples(
    st.text(max_size=3),
    st.lists(NUMBERS, max_size=5),
    st.integers(0, 45),
    st.one_of(st.sampled_from([0, 32, 64, 1 << 63]), st.integers(0, 200)),
)


@HOSTILE
@given(
    tensors=st.lists(TENSORS, max_size=4),
    values=st.lists(st.tuples(st.text(max_size=3), st.integers(0, 14), st.binary(max_size=40)), max_size=3),
    data=st.binary(max_size=300),
)
def test_a_random_tensor_table_raises_nothing_but_checkpoint_errors(new_gguf, write, tensors, values, data):
    gguf = new_gguf()
    gguf.tensors, gguf.data = tensors, data
    for key, code, payload in values:
        gguf.add(key, code, payload)
    _open_and_read_everything(write("table.gguf", gguf.build()))


@HOSTILE
@given(
    n_tensors=st.one_of(st.integers(0, 4), st.integers(0, (1 << 64) - 1)),
    n_values=st.one_of(st.integers(0, 4), st.integers(0, (1 << 64) - 1)),
    rest=st.binary(max_size=300),
)
def test_a_random_header_raises_nothing_but_checkpoint_errors(write, n_tensors, n_values, rest):
    _open_and_read_everything(write("random.gguf", b"GGUF" + struct.pack("<IQQ", 3, n_tensors, n_values) + rest))
