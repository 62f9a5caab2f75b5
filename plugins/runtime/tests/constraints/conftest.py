"""A vocabulary of bytes and some longer tokens, and a model that draws any token that it may."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from inference_pio.errors import TokenizerError
from inference_pio.generation import Constraint, SamplingOptions
from inference_pio.runtime.constraints import GrammarCompiler
from inference_pio.runtime.sampling import Sampler

END, TURN, GAP = 256, 257, 258
LONGER = [b'{"', b'": ', b'"}', b"abc", "é".encode(), b"<end>", b"123", b"\n  "]
PADDED = 300
"""Width of the model's logits: more than it has tokens."""


class ByteTokenizer:
    vocab_size = 259 + len(LONGER)
    bos_token_id: int | None = None
    special_token_ids = frozenset({END, TURN})

    def token_bytes(self, token_id: int) -> bytes:
        if token_id == GAP:
            raise TokenizerError("a gap")
        if token_id > GAP:
            return LONGER[token_id - GAP - 1]
        return bytes([token_id]) if token_id < END else (b"<end>", b"<turn>")[token_id - END]

    def encode(self, text: str, *, add_special_tokens: bool = True) -> list[int]:
        head, end, tail = text.partition("<end>")
        return [*head.encode(), END, *self.encode(tail)] if end else list(head.encode())


@pytest.fixture
def compiler() -> GrammarCompiler:
    return GrammarCompiler(ByteTokenizer(), [END, TURN, 10_000])  # type: ignore[arg-type]  # as much as is used


Answer = Callable[..., tuple[str, int | None]]


@pytest.fixture
def answer(compiler: GrammarCompiler) -> Answer:
    """Draw an answer with a seed; return its text and the token that ended it, ``None`` where the form did."""

    def draw(kind: Any, source: Any, seed: int = 0, most: int = 2000, **options: Any) -> tuple[str, int | None]:
        text = source if isinstance(source, str) else json.dumps(source)
        chosen = SamplingOptions(temperature=1.0, seed=seed, **options)
        constraint = compiler.compile(Constraint(kind=kind, source=text), may_end=not chosen.ignore_eos)
        sampler = Sampler(chosen, [], PADDED, constraint=constraint)
        random = np.random.default_rng(seed)
        said = b""
        for _ in range(most):
            token = sampler.sample(random.standard_normal(PADDED).astype(np.float32)).token_id
            if token in (END, TURN):
                return said.decode(), token
            said += ByteTokenizer().token_bytes(token)
            if sampler.is_done:
                return said.decode(), None
        raise AssertionError(f"no end in {said!r}")

    return draw
