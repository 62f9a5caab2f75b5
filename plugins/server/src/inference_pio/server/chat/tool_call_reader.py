"""``ToolCallReader``: finds calls of tools in a text that arrives in pieces."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass

from ..answer_ids import new_id

OPENING, CLOSING = "<tool_call>", "</tool_call>"

MAX_HEAD_CHARS = 256
"""Longest text from the opening to the arguments; a name has 64 at most."""

_HEAD = re.compile(r'\s*\{\s*"name"\s*:\s*"([a-zA-Z0-9_-]+)"\s*,\s*"arguments"\s*:\s*(?=\{)')

_BRACE = re.compile(r"\s*(\}?)\s*")


@dataclass(frozen=True)
class Text:
    """Text for the user."""

    text: str


@dataclass(frozen=True)
class CallStart:
    """A call begins; its arguments follow.

    Attributes:
        index: Its place among the answer's calls.
        id: By which its result will be told.
        name: Of the function.
    """

    index: int
    id: str
    name: str


@dataclass(frozen=True)
class CallArguments:
    """More of the arguments of a call, a piece of JSON."""

    index: int
    text: str


Piece = Text | CallStart | CallArguments


class ToolCallReader:
    """Passes text on until a call may begin, holds back what may be its beginning, and passes its arguments on.

    A call is ``<tool_call>``, an object with ``name`` and ``arguments`` in this order, and ``</tool_call>``. What is
    not one after all, because it is malformed or names no tool, is text. White space around calls is dropped.

    Args:
        names: Of the tools there are.
    """

    def __init__(self, names: Collection[str]) -> None:
        self._names = names
        self._held = ""
        self._space = ""  # held back, for a call may follow
        self._read: Callable[[], bool] = self._read_space
        self._arguments = _ObjectScanner()
        self._pieces: list[Piece] = []
        self.calls = 0
        """How many have begun."""

    def push(self, text: str) -> list[Piece]:
        """Take new text; return what is certain now."""
        self._held += text
        while self._held and self._read():
            pass
        return self._taken()

    def finish(self) -> list[Piece]:
        """Return what was held back, now that no text follows."""
        if self._read == self._read_head:
            self._put_text(OPENING + self._held)
        elif self._read != self._read_end:
            self._put_text(self._held)
        if not self.calls:
            self._put(Text(self._space))
        self._held = self._space = ""
        return self._taken()

    # Each of these takes something from what is held and returns whether the next one may find something, too.

    def _read_space(self) -> bool:
        rest = self._held.lstrip()
        self._space += self._held[: len(self._held) - len(rest)]
        self._held = rest
        if not rest.startswith(OPENING) and OPENING.startswith(rest):
            return False
        self._read = self._read_text
        return True

    def _read_text(self) -> bool:
        before, opening, after = self._held.partition(OPENING)
        if opening:
            self._put_text(before)
            self._held, self._read = after, self._read_head
            return True
        longest = min(len(OPENING) - 1, len(self._held))
        kept = next(size for size in range(longest, -1, -1) if self._held.endswith(OPENING[:size]))
        self._put_text(self._held[: len(self._held) - kept])
        self._held = OPENING[:kept]
        return False

    def _read_head(self) -> bool:
        head = _HEAD.match(self._held)
        if head is not None and head[1] in self._names:
            self._space = ""
            self._put(CallStart(self.calls, new_id("call_"), head[1]))
            self.calls += 1
            self._held, self._read = self._held[head.end() :], self._read_arguments
            self._arguments = _ObjectScanner()
            return True
        if head is None and CLOSING not in self._held and len(self._held) <= MAX_HEAD_CHARS:
            return False
        self._put_text(OPENING)
        self._read = self._read_text
        return True

    def _read_arguments(self) -> bool:
        end = self._arguments.push(self._held)
        self._put(CallArguments(self.calls - 1, self._held[:end]))
        self._held = self._held[end:]
        if self._arguments.is_closed:
            self._read = self._read_end
        return self._arguments.is_closed

    def _read_end(self) -> bool:
        brace = _BRACE.match(self._held)
        assert brace is not None, "it matches every text"
        rest = self._held[brace.end() :]
        if brace[1] and rest.startswith(CLOSING):
            self._held, self._read = rest[len(CLOSING) :], self._read_space
            return True
        if not rest or (brace[1] and CLOSING.startswith(rest)):
            return False
        self._read = self._read_text
        return True

    def _put_text(self, text: str) -> None:
        if text:
            self._put(Text(self._space + text))
            self._space = ""

    def _put(self, piece: Piece) -> None:
        if isinstance(piece, CallStart) or piece.text:
            self._pieces.append(piece)

    def _taken(self) -> list[Piece]:
        pieces, self._pieces = self._pieces, []
        return pieces


class _ObjectScanner:
    """Finds the end of a JSON object that arrives in pieces; does not check what is in it."""

    def __init__(self) -> None:
        self.is_closed = False
        self._depth = 0
        self._in_string = self._is_escaped = False

    def push(self, text: str) -> int:
        """Return how many of the characters belong to the object."""
        for place, char in enumerate(text):
            if self._in_string:
                self._in_string = self._is_escaped or char != '"'
                self._is_escaped = char == "\\" and not self._is_escaped
            elif char == '"':
                self._in_string = True
            elif char in "{[":
                self._depth += 1
            elif char in "}]":
                self._depth -= 1
                if self._depth == 0:
                    self.is_closed = True
                    return place + 1
        return len(text)
