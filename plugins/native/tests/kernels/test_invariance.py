"""A token's logits, to the bit, whatever is computed beside it, however its prompt was cut, by however many threads."""

from __future__ import annotations

import numpy as np
import pytest

from inference_pio.native.engine import Engine
from inference_pio.native.structures import Isa

from ..synthetic import Arrays, Floats, batch
from ..transformer import Shape, build_decoder

SHAPES = {
    "llama": Shape(kind="Q4_1"),
    "gemma": Shape(kind="Q5_0", windows=(20, 0), norm_heads=True, head_width=64, heads=2),
    "nested": Shape(width=256, hidden=256, heads=2, head_width=128, kind="Q4_K", head_kind="Q6_K"),
    "floats": Shape(kind="BF16", head_kind="F16"),
}


def tokens_of(count: int, *, seed: int = 0) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.random.default_rng(seed).integers(0, 70, count)


def engine_of(name: str, isa: Isa, **options: int) -> Engine:
    return build_decoder(SHAPES[name]).engine(isa=isa, slots=80, context=600, **options)


def shuffled(count: int, chance: np.random.Generator) -> Arrays:
    """The first token of ``count`` sequences, in slots of any order; token 0's sequence stands anywhere among them."""
    slots = chance.permutation(80)[:count]
    return np.arange(count) % 70, slots, np.zeros(count, np.int64), np.arange(count)


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("threads", [1, 2])
def test_a_token_alone_and_among_any_number_of_others(isa: Isa, name: str, threads: int) -> None:
    engine, chance = engine_of(name, isa, threads=threads), np.random.default_rng(1)
    alone = engine_of(name, isa)
    zero = np.zeros(1, np.int64)
    expected = np.concatenate([alone.step(np.array([t]), np.array([t]), zero, zero) for t in range(70)])
    for count in range(2, 71):
        tokens, slots, positions, rows = shuffled(count, chance)
        order = chance.permutation(count)
        logits = engine.step(tokens[order], slots, positions, rows)
        assert np.array_equal(logits, expected[tokens[order]]), count
        for slot in slots:
            engine.free_slot(int(slot))


@pytest.mark.parametrize("name", SHAPES)
def test_prefill_decode_pieces_and_threads(isa: Isa, name: str) -> None:
    count = 150
    tokens = tokens_of(count)
    expected = engine_of(name, isa).step(*batch((0, 0, count), tokens=tokens))
    for threads in (1, 2):
        for max_tokens in (1, 7, 64, 512):
            engine = engine_of(name, isa, threads=threads, max_tokens=max_tokens)
            for piece in (count, 1, 19):
                engine.free_slot(0)
                parts = [
                    engine.step(*batch((0, at, min(piece, count - at)), tokens=tokens[at : at + piece]))
                    for at in range(0, count, piece)
                ]
                assert np.array_equal(np.concatenate(parts), expected), (threads, max_tokens, piece)


@pytest.mark.parametrize("name", SHAPES)
def test_sequences_of_all_kinds_in_one_step(isa: Isa, name: str) -> None:
    """A prompt, a piece of one, and decoding sequences around the border of a page, as a scheduler mixes them."""
    lengths, fresh = [0, 3, 255, 256, 300], [40, 1, 2, 1, 1]
    texts = [tokens_of(before + now, seed=slot) for slot, (before, now) in enumerate(zip(lengths, fresh, strict=True))]
    expected: list[Floats] = []
    for text, now in zip(texts, fresh, strict=True):
        expected.append(engine_of(name, isa).step(*batch((0, 0, len(text)), tokens=text))[-now:])
    for threads in (1, 2):
        engine = engine_of(name, isa, threads=threads, max_tokens=32)
        for slot, (text, before) in enumerate(zip(texts, lengths, strict=True)):
            if before:
                engine.step(*batch((slot, 0, before), tokens=text[:before]))
        spans = [(slot, before, now) for slot, (before, now) in enumerate(zip(lengths, fresh, strict=True))]
        together = np.concatenate([text[before:] for text, before in zip(texts, lengths, strict=True)])
        logits = engine.step(*batch(*spans, tokens=together))
        assert np.array_equal(logits, np.concatenate(expected))
