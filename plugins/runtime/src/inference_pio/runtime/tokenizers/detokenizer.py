"""``Detokenizer``: text from tokens that arrive one by one.

A token may hold a part of a character, so text is passed on only when nothing that follows can change it. Decoding the
last few tokens again, as others do, breaks on text that really contains U+FFFD and on tokens whose spelling depends on
their neighbours; here the decoder's own steps are run incrementally. A push costs what its token costs.
"""

from __future__ import annotations

import codecs
import functools
import re
from typing import TYPE_CHECKING, Any, Protocol

from inference_pio.errors import TokenizerError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Set

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


class TextAssembler(Protocol):
    """Turns spelled tokens into text, piece by piece."""

    def push(self, spelling: str) -> str:
        """Take one token; return text that is final."""

    def finish(self) -> str:
        """Return the rest."""

    def token_bytes(self, spelling: str) -> bytes:
        """Return what one token stands for inside a text; changes nothing."""


class Detokenizer:
    """Streams the text of one sequence. All pushes and ``finish`` together are ``Tokenizer.decode`` of all tokens.

    Args:
        spell: Returns a token's spelling in the vocabulary, or raises.
        skipped: Token ids that have no text.
        assembler: What the vocabulary's spelling means.
    """

    def __init__(self, spell: Callable[[int], str], skipped: Set[int], assembler: TextAssembler) -> None:
        self._spell = spell
        self._skipped = skipped
        self._assembler = assembler

    def push(self, token_id: int) -> str:
        """Take one token and return new text; empty while a character is incomplete.

        Raises:
            TokenizerError: The token is not in the vocabulary.
        """
        spelling = self._spell(token_id)
        return "" if token_id in self._skipped else self._assembler.push(spelling)

    def finish(self) -> str:
        """Return the rest, now that no token follows; bytes that are no character become U+FFFD."""
        return self._assembler.finish()


class ByteLevelAssembler:
    """A token spells bytes, one character a byte; UTF-8 characters may be split over tokens."""

    def __init__(self) -> None:
        self._decode = codecs.getincrementaldecoder("utf-8")(errors="replace").decode

    def push(self, spelling: str) -> str:
        """Take one token; return the characters that are complete."""
        return self._decode(spelled_bytes(spelling))

    def finish(self) -> str:
        """Return U+FFFD for an incomplete character."""
        return self._decode(b"", final=True)

    def token_bytes(self, spelling: str) -> bytes:
        """Return the spelled bytes."""
        return spelled_bytes(spelling)


class PieceAssembler:
    """A token spells text, with other characters for spaces; tokens like ``<0xE2>`` spell one byte.

    A run of byte tokens is text only as a whole: one invalid byte turns the entire run into U+FFFD, one a byte. That is
    the rule of the tokenizers library, which a stream must follow by waiting for the end of the run.

    Args:
        replacements: Texts to replace in a token, in order.
        has_bytes: Whether byte tokens are special.
        strip: A character and how many of it to cut from the beginning of the whole text.
        drop_in_first: A character that has no text in the first token.
    """

    def __init__(
        self,
        *,
        replacements: tuple[tuple[str, str], ...] = (),
        has_bytes: bool = False,
        strip: tuple[str, int] = ("", 0),
        drop_in_first: str = "",
    ) -> None:
        self._replacements = replacements
        self._has_bytes = has_bytes
        self._strip, self._left_to_strip = strip
        self._drop = drop_in_first
        self._run = bytearray()

    def push(self, spelling: str) -> str:
        """Take one token; return what is final."""
        if self._drop:
            spelling, self._drop = spelling.replace(self._drop, ""), ""
        piece = self._piece(spelling)
        if isinstance(piece, int):
            self._run.append(piece)
            return ""
        return self._stripped(self._end_of_run() + piece)

    def finish(self) -> str:
        """Return the last run of bytes."""
        return self._stripped(self._end_of_run())

    def token_bytes(self, spelling: str) -> bytes:
        """Return the token's text in UTF-8, or its byte."""
        piece = self._piece(spelling)
        return bytes([piece]) if isinstance(piece, int) else piece.encode("utf-8")

    def _piece(self, spelling: str) -> str | int:
        """Return a token's text, or the byte that it spells."""
        for old, new in self._replacements:
            spelling = spelling.replace(old, new)
        match = _BYTE_TOKEN.fullmatch(spelling) if self._has_bytes else None
        return int(match[1], 16) if match else spelling

    def _end_of_run(self) -> str:
        run = bytes(self._run)
        self._run.clear()
        try:
            return run.decode("utf-8")
        except UnicodeDecodeError:
            return REPLACEMENT * len(run)

    def _stripped(self, text: str) -> str:
        while self._left_to_strip and text:
            if text[0] != self._strip:
                self._left_to_strip = 0
            else:
                text = text[1:]
                self._left_to_strip -= 1
        return text


_BYTE_TOKEN = re.compile(r"<0x([0-9A-Fa-f]{2}|\+[0-9A-Fa-f])>")  # Rust's number parser takes a sign, too


@functools.cache
def byte_alphabet() -> Mapping[str, int]:
    """Return the byte that each character of a byte-level vocabulary stands for (GPT-2's choice of 256 characters).

    Printable Latin-1 characters stand for themselves, all other bytes for the characters from U+0100 on, in order.
    """
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(0x100 + i): byte for i, byte in enumerate(others)}


def spelled_bytes(spelling: str) -> bytes:
    """Return the bytes that a token of a byte-level vocabulary stands for; other text stands for itself."""
    alphabet = byte_alphabet()
    try:
        return bytes([alphabet[character] for character in spelling])
    except KeyError:
        return spelling.encode("utf-8")


def assembler_factory(decoder: Mapping[str, Any] | None) -> Callable[[], TextAssembler]:
    """Return a maker of assemblers that do what a ``decoder`` of a tokenizer.json does.

    Raises:
        TokenizerError: A step of it cannot be streamed.
    """
    steps = _steps(decoder)
    kinds = [step["type"] for step in steps]
    if kinds == ["ByteLevel"]:
        return ByteLevelAssembler
    options: dict[str, Any] = {"replacements": (), "has_bytes": False}
    for place, step in enumerate(steps):
        _add_step(step, options, is_fused="Fuse" in kinds[:place])
    return lambda: PieceAssembler(**options)


def _steps(decoder: Mapping[str, Any] | None) -> list[Mapping[str, Any]]:
    if decoder is None:
        raise TokenizerError("the tokenizer has no decoder, so it cannot turn token ids into text")
    return list(decoder["decoders"]) if decoder["type"] == "Sequence" else [decoder]


def _add_step(step: Mapping[str, Any], options: dict[str, Any], *, is_fused: bool) -> None:
    kind = step["type"]
    if kind == "Replace" and "String" in step["pattern"] and not options["has_bytes"] and not is_fused:
        options["replacements"] += ((step["pattern"]["String"], step["content"]),)
    elif kind == "Metaspace" and not options["has_bytes"] and not is_fused:
        options["replacements"] += ((step["replacement"], " "),)
        if step.get("prepend_scheme", "always") != "never":
            options["drop_in_first"] = step["replacement"]
    elif kind == "ByteFallback" and not is_fused:
        options["has_bytes"] = True
    elif kind == "Strip" and is_fused and not step["stop"]:
        options["strip"] = (step["content"], step["start"])
    elif kind != "Fuse":
        raise TokenizerError(
            f"the tokenizer's decoder has a step {dict(step)!r} that cannot be streamed. "
            "Known: ByteLevel; Replace, Metaspace, ByteFallback, Fuse and Strip in the order of Llama's"
        )
