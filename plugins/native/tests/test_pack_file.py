"""A file of packed weights is found whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference_pio.native.pack_file import END_BYTES, PackFileError, open_pack, read_facts, write_pack
from inference_pio.native.structures import ALIGNMENT

if TYPE_CHECKING:
    from numpy.typing import NDArray

FACTS = {"source": "abc", "abi": 1}
SIZES = {"w0": 1000, "empty": 0, "w1": 64, "w2": 5000}


def content(name: str) -> NDArray[np.uint8]:
    chance = np.random.default_rng(sum(name.encode()))
    return chance.integers(0, 256, SIZES[name], dtype=np.uint8)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "a.pack"
    write_pack(path, FACTS, SIZES, content)
    return path


def test_what_was_written_is_read_aligned_and_read_only(path: Path) -> None:
    pack = open_pack(path)
    assert pack.facts == FACTS == read_facts(path)
    assert list(pack.sections) == list(SIZES)
    for name, section in pack.sections.items():
        assert np.array_equal(section, content(name))
        assert section.ctypes.data % ALIGNMENT == 0
        assert not section.flags.writeable


def test_sections_outlive_the_file(path: Path) -> None:
    section = open_pack(path).sections["w2"]
    path.unlink()
    assert np.array_equal(section, content("w2"))


@settings(max_examples=60, deadline=None)
@given(length=st.integers(0, 7000))
def test_a_file_that_was_cut_off_is_refused(tmp_path_factory: pytest.TempPathFactory, length: int) -> None:
    path = tmp_path_factory.mktemp("cut") / "a.pack"
    write_pack(path, FACTS, SIZES, content)
    if length >= path.stat().st_size:
        return
    os.truncate(path, length)
    with pytest.raises(PackFileError):
        open_pack(path)


def test_every_byte_of_the_header_counts(path: Path) -> None:
    whole = path.read_bytes()
    for at in range(whole.index(b"w2")):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(PackFileError):
            open_pack(path)


@pytest.mark.parametrize("at", [-1, -END_BYTES, -5000, -5000 + END_BYTES - 1])
def test_a_section_whose_ends_were_never_written_is_refused(path: Path, at: int) -> None:
    whole = bytearray(path.read_bytes())
    end = len(whole) - (-SIZES["w2"] % ALIGNMENT)  # without what fills the last line
    whole[end + at] ^= 1
    path.write_bytes(whole)
    with pytest.raises(PackFileError, match="section w2 is damaged"):
        open_pack(path)


@pytest.mark.parametrize("foreign", [b"", b"GGUF", b"PIOPACK\0", b"PIOPACK\0" + b"\xff" * 200, b"x" * 10_000])
def test_a_foreign_file_is_refused(tmp_path: Path, foreign: bytes) -> None:
    path = tmp_path / "a.pack"
    path.write_bytes(foreign)
    for read in (open_pack, read_facts):
        with pytest.raises(PackFileError):
            read(path)


def test_a_failure_while_it_is_written_leaves_the_old_file_and_nothing_else(path: Path) -> None:
    before = path.read_bytes()

    def fails(name: str) -> NDArray[np.uint8]:
        if name == "w1":
            raise KeyboardInterrupt
        return content(name)

    with pytest.raises(KeyboardInterrupt):
        write_pack(path, FACTS, SIZES, fails)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]
