"""A set of line numbers, one bit each."""

from __future__ import annotations


class LineNumbers:
    """Which lines of a file are done.

    Args:
        last: The greatest number that may be added.
    """

    def __init__(self, last: int) -> None:
        self._bits = bytearray(last // 8 + 1)
        self._count = 0

    def add(self, number: int) -> bool:
        """Add a number; return whether it is new."""
        if number in self:
            return False
        self._bits[number >> 3] |= 1 << (number & 7)
        self._count += 1
        return True

    def __contains__(self, number: object) -> bool:
        return isinstance(number, int) and bool(self._bits[number >> 3] & 1 << (number & 7))

    def __len__(self) -> int:
        return self._count
