"""A file of packed weights: a checksummed header, then sections that are mapped and used where they lie.

    8 bytes    PIOPACK and a zero
    4 bytes    length of the header's JSON
    32 bytes   sha256 of the JSON
    JSON       facts, size of the file, and of each section its size and the checksum of its two ends
    sections   each at a multiple of 64 bytes

The header is written after the sections and the file gets its name after both, so a file with a good header is whole
unless a disk lied. Against that stand the size and the checksums of every section's ends; to read all of it at every
start would cost more than the file saves.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .structures import ALIGNMENT

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAGIC = b"PIOPACK\0"
FIXED_BYTES = len(MAGIC) + 4 + 32
MOST_HEADER_BYTES = 1 << 24
END_BYTES = 256
"""Bytes at each end of a section that its checksum covers."""


class PackFileError(Exception):
    """A file is none of ours, torn or damaged; it will be written anew."""


@dataclass(frozen=True)
class PackFile:
    """An open file.

    Attributes:
        facts: What was written beside the sections.
        sections: Their bytes by name, read-only views that keep the mapping alive.
    """

    facts: Mapping[str, Any]
    sections: Mapping[str, NDArray[np.uint8]]


class _Header(NamedTuple):
    header: bytes
    facts: dict[str, Any]
    sizes: dict[str, int]
    ends: dict[str, int]


def write_pack(
    path: Path, facts: Mapping[str, Any], sizes: Mapping[str, int], produce: Callable[[str], NDArray[np.uint8]]
) -> None:
    """Write a file under its final name, or not at all. Only one section is in memory at a time.

    Args:
        path: Its name; an older file of that name is replaced.
        facts: For the header.
        sizes: Bytes of each section by name, in order.
        produce: Returns a section, (size,) uint8.

    Raises:
        OSError: No room, or no right to write there.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    ends = dict.fromkeys(sizes, 0)
    try:
        # Not through a link that somebody laid there, and not writable for others, whatever the umask is.
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o644)
        with os.fdopen(descriptor, "wb") as file:
            for name, (start, _) in _places(_encode(facts, sizes, ends), sizes).items():
                section = produce(name)
                assert section.size == sizes[name]
                ends[name] = _checksum(section)
                file.seek(start)
                file.write(section.data)
            # A last section that ends in a hole would be shorter than the header says.
            header = _encode(facts, sizes, ends)
            file.truncate(_total(header, sizes))
            file.seek(0)
            file.write(MAGIC + len(header).to_bytes(4, "little") + hashlib.sha256(header).digest() + header)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def read_facts(path: Path) -> dict[str, Any]:
    """Return what stands in a file's header, its sections left alone.

    Raises:
        PackFileError: It is none of ours, torn or damaged.
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        return _decode(path, file).facts


def open_pack(path: Path, *, owner: int | None = None) -> PackFile:
    """Map a file.

    Args:
        path: Where it is.
        owner: A user whose files are believed beside one's own and the administrator's: the checkpoint's.

    Raises:
        PackFileError: It is none of ours, torn or damaged, or somebody else could have written it.
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        state = os.fstat(file.fileno())
        _check_trust(path, state, owner)
        found = _decode(path, file)
        size = state.st_size
        if size != _total(found.header, found.sizes):
            raise PackFileError(f"{path} has {size} bytes, its header says otherwise")
        mapping = np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), np.uint8)
    places = _places(found.header, found.sizes)
    sections = {name: mapping[start:end] for name, (start, end) in places.items()}
    for name, section in sections.items():
        if _checksum(section) != found.ends[name]:
            raise PackFileError(f"{path}: section {name} is damaged")
    return PackFile(found.facts, sections)


def _check_trust(path: Path, state: os.stat_result, owner: int | None) -> None:
    """A pack stands in for a checkpoint whose hash was checked once: what others wrote must not take its place."""
    if not hasattr(os, "geteuid"):
        return
    if state.st_uid not in (os.geteuid(), 0, owner):
        raise PackFileError(f"{path} belongs to another user")
    if state.st_mode & 0o002:
        raise PackFileError(f"{path}: other users may write it")


def _encode(facts: Mapping[str, Any], sizes: Mapping[str, int], ends: Mapping[str, int]) -> bytes:
    sections = [[name, size, f"{ends[name]:08x}"] for name, size in sizes.items()]  # as long before as after
    return json.dumps({"facts": facts, "sections": sections}, separators=(",", ":")).encode()


def _decode(path: Path, file: IO[bytes]) -> _Header:
    fixed = file.read(FIXED_BYTES)
    length = int.from_bytes(fixed[len(MAGIC) : len(MAGIC) + 4], "little")
    if len(fixed) < FIXED_BYTES or not fixed.startswith(MAGIC) or length > MOST_HEADER_BYTES:
        raise PackFileError(f"{path} is no file of packed weights, or was not finished")
    header = file.read(length)
    if hashlib.sha256(header).digest() != fixed[-32:]:
        raise PackFileError(f"{path}: its header is damaged")
    try:
        content = json.loads(header)
        sizes = {name: int(size) for name, size, _ in content["sections"]}
        ends = {name: int(end, 16) for name, _, end in content["sections"]}
        if len(sizes) != len(content["sections"]) or min(sizes.values(), default=0) < 0:
            raise ValueError(sizes)
        return _Header(header, dict(content["facts"]), sizes, ends)
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        # Sound, but of another program that calls itself the same.
        raise PackFileError(f"{path}: its header is none of ours") from error


def _places(header: bytes, sizes: Mapping[str, int]) -> dict[str, tuple[int, int]]:
    """Return start and end of every section, bytes from the start of the file."""
    return dict(zip(sizes, _layout(header, sizes), strict=True))


def _layout(header: bytes, sizes: Mapping[str, int]) -> Iterator[tuple[int, int]]:
    at = _aligned(FIXED_BYTES + len(header))
    for size in sizes.values():
        yield at, at + size
        at += _aligned(size)


def _total(header: bytes, sizes: Mapping[str, int]) -> int:
    return _aligned(FIXED_BYTES + len(header)) + sum(map(_aligned, sizes.values()))


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


def _checksum(section: NDArray[np.uint8]) -> int:
    return zlib.crc32(section[-END_BYTES:].tobytes(), zlib.crc32(section[:END_BYTES].tobytes()))
