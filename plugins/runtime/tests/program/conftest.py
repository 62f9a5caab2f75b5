"""A small program with every operation in it, that can be changed in one place."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from inference_pio.runtime.program import DecodeProgram, ProgramBuilder

VOCAB, WIDTH, HEADS, KEY_HEADS, HEAD, HIDDEN = 11, 8, 4, 2, 6, 10


def build_everything() -> DecodeProgram:
    build = ProgramBuilder("tiny", vocab_size=VOCAB, max_context=64, width=WIDTH, eps=1e-6)
    for name, base in (("near", 100.0), ("far", 1000.0)):
        build.table(name, head_dim=HEAD, base=base)
    for window, table in ((4, "near"), (None, "far"), (7, "near")):
        with build.block():
            build.norm("before", "x", "normed")
            build.attention(
                "self_attn", "normed", "half",
                heads=HEADS, key_heads=KEY_HEADS, head_dim=HEAD, table=table, scale=0.4,
                window=window, softcap=3.0, bias=True, has_head_norms=True,
            )  # fmt: skip
            build.norm("after", "half", "half")
            build.add("half")
            build.copy("x", "kept")
            build.gated_mlp("mlp", "kept", "half", hidden=HIDDEN, activation="gelu_tanh", bias=True)
            build.scale("half", 0.5)
            build.add("half")
    return build.finish(embedding_scale=2.0, is_tied=True, softcap=5.0)


@pytest.fixture
def program() -> DecodeProgram:
    return build_everything()


def changed(program: DecodeProgram, kind: type[Any], **fields: Any) -> DecodeProgram:
    """The program with some fields of the first operation of a kind replaced; makes and so validates a new one."""
    is_done = False

    def replaced(operation: Any) -> Any:
        nonlocal is_done
        if type(operation) is not kind or is_done:
            return operation
        is_done = True
        return dataclasses.replace(operation, **fields)

    return dataclasses.replace(
        program,
        embed=replaced(program.embed),
        blocks=tuple(tuple(map(replaced, block)) for block in program.blocks),
        final=tuple(map(replaced, program.final)),
        logits=replaced(program.logits),
    )
