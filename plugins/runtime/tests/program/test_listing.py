"""``print(program)``: every operation on a line, blocks that do the same only once."""

from __future__ import annotations

from inference_pio.runtime.program import DecodeProgram, ProgramBuilder

LISTING = """\
tiny: 3 blocks, vocabulary 11, context 64
buffers: x 8, normed 8, qkv 48, attended 24, half 8, kept 8, gate_up 20, gated 10
table near: 3 pairs, 1 to 0.0464 radians a token
table far: 3 pairs, 1 to 0.01 radians a token
embed     x = embed_tokens.weight[token] * 2
block 0:
  norm      normed = x by layers.{n}.before.weight, eps 1e-06
"""


def test_a_program_prints_as_a_listing(program: DecodeProgram) -> None:
    assert str(program).startswith(LISTING)
    assert str(program).endswith(
        "norm      normed = x by norm.weight, eps 1e-06\nlogits    normed by embed_tokens.weight, softcap 5"
    )
    assert "attention attended = qkv, cache {n}, 4/2 heads of 6, scale 0.4, window 4, softcap 3" in str(program)
    assert "rotate    qkv[0: 6 x 6] by table far" in str(program)
    assert "linear    half = attended by layers.{n}.self_attn.o_proj.weight 8 + biases" in str(program)


def test_blocks_that_do_the_same_are_listed_once_with_their_numbers() -> None:
    build = ProgramBuilder("tiny", vocab_size=3, max_context=4, width=8, eps=1e-6)
    for number in range(8):
        with build.block():
            build.linear("mlp", "x", "y", {"b": 8}, bias=number in (2, 5, 6))
            build.add("y")
    lines = str(build.finish(is_tied=False)).splitlines()
    assert [line for line in lines if line.startswith("block")] == ["blocks 0-1, 3-4, 7:", "blocks 2, 5-6:"]
    assert lines[-1] == "logits    normed by lm_head.weight"
