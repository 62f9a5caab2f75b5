"""Paths and ``file:``: used where they lie, checked where there is something to check."""

import os

import pytest

from inference_pio.errors import CheckpointError, ChecksumError, WeightsNotFoundError
from inference_pio.hookspecs import WeightsRequest
from inference_pio.runtime.sources import is_present, resolve

DATA = b"0123456789" * 100


@pytest.fixture
def fetch(cache, entry):
    def run(source, **fields):
        return resolve(WeightsRequest(entry=entry(source, DATA, **fields), cache_dir=cache, offline=True))

    return run


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "m.gguf"
    path.write_bytes(DATA)
    return path


@pytest.mark.parametrize("prefix", ["", "file:", "file://"])
def test_a_sound_file_is_used_where_it_lies(prefix, fetch, model, cache):
    assert fetch(f"{prefix}{model}") == model
    assert not cache.exists()


def test_a_file_of_another_size_is_refused_by_its_size(fetch, model):
    model.write_bytes(DATA[:-1])
    with pytest.raises(ChecksumError, match=r"m\.gguf has 999 bytes and 1000 were promised"):
        fetch(str(model))


def test_a_file_of_another_content_is_refused_with_both_sums(fetch, model):
    model.write_bytes(DATA[:-1] + b"x")
    with pytest.raises(ChecksumError, match=r"sha256 of .*m\.gguf is [0-9a-f]{64}, promised is [0-9a-f]{64}"):
        fetch(str(model))


def test_without_a_sum_nothing_is_compared(fetch, model):
    model.write_bytes(b"anything")
    assert fetch(str(model), sha256=None, size_bytes=None) == model


def test_a_folder_is_used_where_it_lies_and_has_no_sum(fetch, tmp_path):
    assert fetch(str(tmp_path), sha256=None, size_bytes=None) == tmp_path
    with pytest.raises(ChecksumError, match="name a folder, which has none"):
        fetch(str(tmp_path))


def test_a_missing_path_is_named_with_the_other_spellings(fetch, tmp_path):
    with pytest.raises(WeightsNotFoundError, match=r"nothing at .*absent\.gguf.*hf:<owner>/<repo>.*pypi:<dist>"):
        fetch(str(tmp_path / "absent.gguf"))


@pytest.mark.parametrize("text", ["x" * 5000, "s3:" + "x" * 5000, "file:" + "x" * 5000])
def test_an_absurdly_long_path_is_not_there(text, fetch, entry, cache):
    assert not is_present(entry(text), cache)
    if text.startswith("s3:"):
        assert fetch(text) is None
        return
    with pytest.raises(WeightsNotFoundError, match="there is nothing at"):
        fetch(text)


def test_a_file_that_cannot_be_read_is_named(fetch, model, monkeypatch):
    monkeypatch.setattr(type(model), "open", lambda *args: os.open("/proc/self/mem/absent", os.O_RDONLY))
    with pytest.raises(CheckpointError, match=r"m\.gguf cannot be read: Not a directory"):
        fetch(str(model))


def test_an_unknown_scheme_is_left_to_others(fetch, entry, cache):
    assert fetch("s3:bucket/m.gguf") is None
    assert fetch(["s3:bucket/part0", "s3:bucket/part1"]) is None
    assert not is_present(entry("s3:bucket/m.gguf"), cache)


def test_an_entry_without_sources_is_refused(fetch):
    with pytest.raises(WeightsNotFoundError, match="name no source"):
        fetch([])


def test_parts_are_joined_in_order_even_offline(fetch, tmp_path, cache, entry):
    parts = [tmp_path / f"m.gguf.part{number}" for number in range(3)]
    for number, part in enumerate(parts):
        part.write_bytes(DATA[number * 400 : (number + 1) * 400])
    joined = fetch([str(part) for part in parts])
    assert joined.read_bytes() == DATA
    assert joined.name == "m.gguf"
    assert joined.is_relative_to(cache)
    assert is_present(entry([str(part) for part in parts], DATA), cache)
    with pytest.raises(ChecksumError, match="sha256 is"):
        fetch([str(part) for part in reversed(parts)], sha256="0" * 64)
    assert all(part.exists() for part in parts)


def test_presence_of_a_local_file_is_its_existence(model, entry, cache):
    assert is_present(entry(str(model)), cache)
    model.unlink()
    assert not is_present(entry(str(model)), cache)
