"""The values of a GGUF header: numbers, strings, and arrays that are only walked over until somebody asks for them.

A vocabulary is 262,144 strings. Walking over their lengths checks them and takes 20 ms; making Python strings of them,
which takes longer and some tens of megabytes, waits until the tokenizer is built.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .faults import damaged, unsupported

if TYPE_CHECKING:
    from collections.abc import Callable

    from .mapped_file import MappedFile

_NUMBERS = {
    0: struct.Struct("<B"),
    1: struct.Struct("<b"),
    2: struct.Struct("<H"),
    3: struct.Struct("<h"),
    4: struct.Struct("<I"),
    5: struct.Struct("<i"),
    6: struct.Struct("<f"),
    7: struct.Struct("<?"),
    10: struct.Struct("<Q"),
    11: struct.Struct("<q"),
    12: struct.Struct("<d"),
}
_BOOL, _STRING, _ARRAY = 7, 8, 9
_LENGTH = struct.Struct("<Q")
MAX_NAME_BYTES = 65535
"""Longest key or tensor name, bytes; the format's own limit for keys."""


class DeferredArray(NamedTuple):
    """An array of a header that has been checked but not converted."""

    convert: Callable[[], list[Any]]


class HeaderCursor:
    """Reads a GGUF header from front to back; every read is checked against the end of the file first.

    Attributes:
        position: Of the next byte to read.
    """

    def __init__(self, file: MappedFile) -> None:
        self.file = file
        self.position = 0

    @property
    def left(self) -> int:
        """Bytes from the position to the end of the file."""
        return self.file.size - self.position

    def take(self, n_bytes: int, what: str) -> int:
        """Step over ``n_bytes`` and return where they start."""
        if n_bytes > self.left:
            raise damaged(self.file.path, f"{what} needs {n_bytes} bytes where only {self.left} are left")
        start = self.position
        self.position += n_bytes
        return start

    def number(self, code: int, what: str) -> Any:
        """Read a number of a GGUF value type."""
        layout = _NUMBERS[code]
        start = self.take(layout.size, what)
        return layout.unpack_from(self.file.buffer, start)[0]

    def uint32(self, what: str) -> int:
        """Read an unsigned 32-bit number."""
        return int(self.number(4, what))

    def uint64(self, what: str) -> int:
        """Read an unsigned 64-bit number."""
        return int(self.number(10, what))

    def string(self, what: str) -> str:
        """Read a string."""
        length = self.uint64(what)
        start = self.take(length, what)
        return _text(self.file, start, length, what)

    def name(self, what: str) -> str:
        """Read a key or a tensor's name: a string that is short and not empty."""
        length = self.uint64(what)
        if not 0 < length <= MAX_NAME_BYTES:
            raise damaged(self.file.path, f"{what} has {length} bytes; 1 to {MAX_NAME_BYTES} are possible")
        return _text(self.file, self.take(length, what), length, what)

    def value(self, what: str) -> Any:
        """Read a value with its type before it; an array comes back as ``DeferredArray``."""
        code = self.uint32(what)
        if code == _STRING:
            return self.string(what)
        if code == _ARRAY:
            return self._array(what)
        if code not in _NUMBERS:
            raise damaged(self.file.path, f"{what} has the unknown value type {code}")
        return self.number(code, what)

    def _array(self, what: str) -> DeferredArray:
        code, count = self.uint32(what), self.uint64(what)
        if code == _ARRAY:
            raise unsupported(
                self.file.path, f"{what} is an array of arrays", "Convert the model again with a current converter."
            )
        if code == _STRING:
            return self._strings(count, what)
        if code not in _NUMBERS:
            raise damaged(self.file.path, f"{what} is an array of the unknown value type {code}")
        layout = _NUMBERS[code]
        start = self.take(count * layout.size, what)
        dtype = np.dtype(np.bool_ if code == _BOOL else layout.format)
        numbers = self.file.array[start : self.position]
        return DeferredArray(lambda: list(numbers.view(dtype).tolist()))

    def _strings(self, count: int, what: str) -> DeferredArray:
        if count > self.left // _LENGTH.size:
            raise damaged(self.file.path, f"{what} claims {count} strings in the {self.left} bytes left")
        file, start = self.file, self.position
        self.position = _end_of_strings(file, start, count, what)
        end = self.position
        return DeferredArray(lambda: _decode_strings(file, start, end, what))


class Metadata(Mapping[str, Any]):
    """Key-values of a GGUF file; arrays become lists when they are first asked for.

    Args:
        values: What ``HeaderCursor.value`` returned, by key.
    """

    def __init__(self, values: dict[str, Any]) -> None:
        self._values = values

    def __getitem__(self, key: str) -> Any:
        value = self._values[key]
        if isinstance(value, DeferredArray):
            # Two threads may both convert; they store equal lists.
            value = self._values[key] = value.convert()
        return value

    def __contains__(self, key: object) -> bool:
        return key in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def _text(file: MappedFile, start: int, length: int, what: str) -> str:
    try:
        return str(file.buffer[start : start + length], "utf-8")
    except UnicodeDecodeError as error:
        raise damaged(file.path, f"{what} is not valid UTF-8 at byte {start + error.start}") from error


def _decode_strings(file: MappedFile, start: int, end: int, what: str) -> list[str]:
    # One copy of the whole array: slicing bytes is faster than slicing a mapping. Lengths have been checked.
    data, unpack, at = file.buffer[start:end], _LENGTH.unpack_from, 0
    texts: list[str] = []
    try:
        while at < len(data):
            first = at + 8
            at = first + unpack(data, at)[0]
            texts.append(data[first:at].decode())
    except UnicodeDecodeError as error:
        raise damaged(file.path, f"{what} is not valid UTF-8 in entry {len(texts)}") from error
    return texts


def _end_of_strings(file: MappedFile, start: int, count: int, what: str) -> int:
    # The hot loop of opening a file. A length beyond the end makes the next unpack fail, so one check at the end does.
    buffer, unpack, at = file.buffer, _LENGTH.unpack_from, start
    try:
        for _ in range(count):
            at += 8 + unpack(buffer, at)[0]
    except (struct.error, OverflowError):
        at = file.size + 1
    if at > file.size:
        raise damaged(file.path, f"{what} has a string that runs beyond the end of the file")
    return at
