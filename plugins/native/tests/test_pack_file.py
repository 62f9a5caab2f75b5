"""A file of packed weights is found whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference_pio.native.pack_file import END_BYTES, MAGIC, PackFileError, open_pack, read_facts, write_pack
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


def forged(header: Any, size: int = 4096) -> bytes:
    """A file whose header is sound, whatever stands in it."""
    encoded = header if isinstance(header, bytes) else json.dumps(header).encode()
    start = MAGIC + len(encoded).to_bytes(4, "little") + hashlib.sha256(encoded).digest() + encoded
    return start.ljust(size, b"\0")


@pytest.mark.parametrize(
    "header",
    [
        [],
        {"facts": {}, "sections": 3},
        {"facts": [1], "sections": []},
        {"facts": {}, "sections": [["w0", -64, "0"], ["w1", 4096, "0"]]},
        {"facts": {}, "sections": [["w0", float("inf"), "0"]]},
        {"facts": {}, "sections": [["w0", 1 << 70, "0"]]},
        {"facts": {}, "sections": [["w0", 64, "no number"]]},
        {"facts": {}, "sections": [["w0", 1920, "0"], ["w0", 1920, "0"]]},
        b"[" * 100_000,
    ],
)
def test_a_sound_header_with_senseless_content_is_refused(tmp_path: Path, header: Any) -> None:
    path = tmp_path / "a.pack"
    path.write_bytes(forged(header))
    with pytest.raises(PackFileError):
        open_pack(path)


@settings(max_examples=60, deadline=None)
@given(
    sections=st.lists(
        st.tuples(st.text(max_size=2), st.integers(-(1 << 64), 1 << 64) | st.sampled_from([-64, 0, 64]), st.just("0")),
        max_size=4,
    ),
    size=st.integers(256, 4096),
)
def test_sections_lie_within_the_file_whatever_the_header_says(
    tmp_path_factory: pytest.TempPathFactory, sections: list[tuple[str, int, str]], size: int
) -> None:
    path = tmp_path_factory.mktemp("forged") / "a.pack"
    path.write_bytes(forged({"facts": {}, "sections": sections}, size))
    try:
        found = open_pack(path).sections
    except PackFileError:
        return
    assert {name: section.size for name, section in found.items()} == {name: length for name, length, _ in sections}


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
def test_a_file_that_anybody_may_write_is_not_believed(path: Path) -> None:
    path.chmod(0o666)
    with pytest.raises(PackFileError, match="other users may write it"):
        open_pack(path)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give a file away")
def test_another_users_file_is_not_believed_unless_the_checkpoint_is_theirs_too(path: Path) -> None:
    os.chown(path, 12345, 12345)
    with pytest.raises(PackFileError, match="belongs to another user"):
        open_pack(path)
    assert open_pack(path, owner=12345).facts == FACTS


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
def test_a_link_that_lies_where_it_is_written_is_not_followed(path: Path) -> None:
    victim = path.with_name("victim")
    victim.write_bytes(b"precious")
    path.with_name(f".{path.name}.{os.getpid()}.tmp").symlink_to(victim)
    umask = os.umask(0)
    try:
        with pytest.raises(FileExistsError):
            write_pack(path, FACTS, SIZES, content)
        write_pack(path, FACTS, SIZES, content)  # what lay in the way is gone
    finally:
        os.umask(umask)
    assert victim.read_bytes() == b"precious"
    assert path.stat().st_mode & 0o777 == 0o644


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
