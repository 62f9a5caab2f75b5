"""Compiles a grammar and walks through it a little, in a process of its own: some grammars take minutes or all memory.

Run as a program: reads a grammar in llguidance's form, and ends with 0 and what is wrong with it on the output, if
anything is. Its processor time and memory are bounded from the start. It imports nothing of this project.
"""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llguidance import LLParserLimits

CPU_S = 3
"""Processor time, seconds. What people use takes some hundredths."""
MEMORY_BYTES = 2 << 30
STEPS = 64
"""Bytes of an answer that are tried."""


class Bytes:
    """A vocabulary of the 256 bytes and an end."""

    eos_token_id, bos_token_id, special_token_ids = 256, None, (256,)
    tokens = (*(bytes([byte]) for byte in range(256)), b"<\0>")  # a name that no grammar can give it

    def __call__(self, text: bytes) -> list[int]:
        """Return the bytes."""
        return list(text)


def limits() -> LLParserLimits:
    """Return llguidance's own limits, here and where answers are made."""
    from llguidance import LLParserLimits

    return LLParserLimits(
        max_lexer_states=20_000,  # about 2 kB each
        max_grammar_size=100_000,
        step_lexer_fuel=100_000,  # about 7 ms
        verbose_errors=False,
    )


def find_fault(grammar: str) -> str:
    """Return what is wrong with a grammar; empty if nothing was found."""
    from llguidance import LLMatcher, LLTokenizer, TokenizerWrapper

    tokenizer = LLTokenizer(TokenizerWrapper(Bytes()), eos_token=[256], slices=[])
    matcher = LLMatcher(tokenizer, grammar, log_level=0, limits=limits())
    for step in range(STEPS):
        mask = matcher.compute_bitmask()
        allowed = [token for token in range(256) if mask[token // 8] >> token % 8 & 1]
        if matcher.is_error() or matcher.is_stopped() or not allowed:
            break
        matcher.consume_token(allowed[step * 7 % len(allowed)])  # any walk will do, if it is the same every time
    return matcher.get_error()


def _limit() -> None:
    with contextlib.suppress(ImportError, OSError, ValueError):  # no such limits on this system
        import resource

        resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S + 1))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    _limit()
    sys.stdout.buffer.write(find_fault(sys.stdin.buffer.read().decode("utf-8")).encode("utf-8", "replace"))
