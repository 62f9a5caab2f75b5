"""A program that contradicts itself is refused by name, whatever is wrong with it; a valid one says what it needs."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inference_pio.runtime.batch import TokenBatch
from inference_pio.runtime.program import DecodeProgram, ProgramBuilder, ProgramError, RotaryTable
from inference_pio.runtime.program.operations import (
    Add,
    Attention,
    Copy,
    Embed,
    Gated,
    Linear,
    Logits,
    Norm,
    Rotate,
    Scale,
)
from inference_pio.runtime.program.reference import ReferenceExecutor

from .conftest import HEAD, HEADS, HIDDEN, KEY_HEADS, VOCAB, WIDTH, build_everything, changed

EVERYTHING = build_everything()
KINDS = (Embed, Norm, Linear, Rotate, Attention, Gated, Add, Scale, Copy, Logits)


def test_the_weights_of_a_program_are_known_with_their_shapes(program: DecodeProgram) -> None:
    first = {name: shape for name, shape in program.weights.items() if not name.startswith(("layers.1", "layers.2"))}
    query, key = HEADS * HEAD, KEY_HEADS * HEAD
    assert first == {
        "embed_tokens.weight": (VOCAB, WIDTH),
        "layers.0.before.weight": (WIDTH,),
        "layers.0.self_attn.q_proj.weight": (query, WIDTH),
        "layers.0.self_attn.k_proj.weight": (key, WIDTH),
        "layers.0.self_attn.v_proj.weight": (key, WIDTH),
        "layers.0.self_attn.q_proj.bias": (query,),
        "layers.0.self_attn.k_proj.bias": (key,),
        "layers.0.self_attn.v_proj.bias": (key,),
        "layers.0.self_attn.q_norm.weight": (HEAD,),
        "layers.0.self_attn.k_norm.weight": (HEAD,),
        "layers.0.self_attn.o_proj.weight": (WIDTH, query),
        "layers.0.self_attn.o_proj.bias": (WIDTH,),
        "layers.0.after.weight": (WIDTH,),
        "layers.0.mlp.gate_proj.weight": (HIDDEN, WIDTH),
        "layers.0.mlp.up_proj.weight": (HIDDEN, WIDTH),
        "layers.0.mlp.gate_proj.bias": (HIDDEN,),
        "layers.0.mlp.up_proj.bias": (HIDDEN,),
        "layers.0.mlp.down_proj.weight": (WIDTH, HIDDEN),
        "layers.0.mlp.down_proj.bias": (WIDTH,),
        "norm.weight": (WIDTH,),
    }


@pytest.mark.parametrize(
    ("kind", "fields", "message"),
    [
        (Embed, {"target": "y"}, r"embed \(Embed\): there is no buffer 'y'"),
        (Embed, {"scale": math.nan}, "scale = nan is not a finite number"),
        (Norm, {"source": "gated"}, "block 0, operation 0 .*'gated' is read before anything was written"),
        (Norm, {"eps": 0.0}, "eps = 0.0 is not a finite number above 0"),
        (Norm, {"width": WIDTH + 1}, "groups end at column 9 of buffer 'x', which is 8 wide"),
        (Norm, {"width": WIDTH // 2}, "can only be normalised in place"),
        (Linear, {"target": "normed"}, "cannot work in place"),
        (Linear, {"rows": (HEADS * HEAD, 1, 1)}, "'qkv' is 48 wide, what is written to it 26"),
        (Linear, {"rows": (HEADS * HEAD,)}, "3 weights, 1 numbers of rows"),
        (Linear, {"rows": (HEADS * HEAD, 12, True)}, "= True is not a whole number"),
        (Linear, {"weights": ()}, "0 weights"),
        (Linear, {"weights": ["a", "b", "c"]}, "a tuple is expected, not list"),
        (Linear, {"weights": ("embed_tokens.weight", "b", "c")}, r"used as \(24, 8\) here and as \(11, 8\) before"),
        (Linear, {"biases": ("b",)}, "1 biases do not go together"),
        (Rotate, {"table": "wide"}, "no rotary table 'wide'"),
        (Rotate, {"width": HEAD - 2}, "heads are 4 wide, and rotary table 'near' has 3 pairs"),
        (Rotate, {"heads": 9}, "heads end at column 54 of buffer 'qkv', which is 48 wide"),
        (Rotate, {"column": -1}, "column of heads = -1 is not a whole number from 0"),
        (Rotate, {"is_interleaved": 1}, "neither True nor False"),
        (Attention, {"heads": 3}, "3 query heads are no multiple of 2 key heads"),
        (Attention, {"key_column": HEAD}, "overlap"),
        (Attention, {"cache": 1}, "cache 1 comes where 0 belongs"),
        (Attention, {"window": 0}, "window = 0 is not a whole number from 1"),
        (Attention, {"softcap": 0.0}, "softcap = 0.0 is not a finite number above 0"),
        (Attention, {"scale": -1.0}, "scale = -1.0"),
        (Attention, {"target": "half"}, "'half' is 8 wide, what is written to it 24"),
        (Attention, {"value_column": 1 << 40}, "is not a whole number"),
        (Gated, {"activation": "relu"}, "activation 'relu' is unknown; known: silu, gelu_tanh"),
        (Gated, {"source": "normed"}, "'gated' is 10 wide, what is written to it 4"),
        (Add, {"target": "half"}, "cannot work in place"),
        (Add, {"source": "qkv"}, "'x' is 8 wide, what is written to it 48"),
        (Scale, {"factor": math.inf}, "factor = inf is not a finite number"),
        (Scale, {"factor": 10**400}, "is not a finite number"),  # no executor could make a float of it
        (Scale, {"factor": -4e38}, "factor = -4e.38 is not a finite number"),  # infinite in float32
        (Copy, {"target": "x"}, "cannot work in place"),
        (Logits, {"source": "qkv"}, r"used as \(11, 48\) here and as \(11, 8\) before"),
        (Logits, {"softcap": -2}, "softcap = -2"),
    ],
)
def test_a_mistake_is_named_with_its_place(
    program: DecodeProgram, kind: type, fields: dict[str, Any], message: str
) -> None:
    with pytest.raises(ProgramError, match=message) as caught:
        changed(program, kind, **fields)
    assert "decode program 'tiny'" in str(caught.value) or "a tuple is expected" in str(caught.value)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": ""}, "'' is no name"),
        ({"vocab_size": 0}, "vocab_size = 0"),
        ({"vocab_size": VOCAB + 0.0}, r"vocab_size = 11\.0"),
        ({"max_context": 1 << 31}, "max_context = 2147483648"),
        ({"buffers": ["x"]}, "buffers is no mapping"),
        ({"buffers": {**EVERYTHING.buffers, "spare": 3}}, "buffers that nothing uses: spare"),
        ({"buffers": {**EVERYTHING.buffers, "x": -1}}, "width of buffer 'x' = -1"),
        ({"tables": {**EVERYTHING.tables, "spare": RotaryTable(frequencies=(1.0,))}}, "tables that nothing uses"),
        ({"tables": {**EVERYTHING.tables, "near": RotaryTable(frequencies=(1.0, math.nan, 1.0))}}, "is not a finite"),
        ({"tables": {**EVERYTHING.tables, "near": RotaryTable(frequencies=())}}, "has no frequencies"),
        ({"blocks": list(EVERYTHING.blocks)}, "a tuple is expected"),
        ({"blocks": ((EVERYTHING.embed,),)}, "Embed has no place here"),
        ({"embed": EVERYTHING.logits}, "Logits has no place here; possible: Embed"),
        ({"final": ("norm",)}, "str has no place here"),
        ({"blocks": EVERYTHING.blocks[1:]}, "cache 1 comes where 0 belongs"),
    ],
)
def test_declarations_must_hold_together(program: DecodeProgram, fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ProgramError, match=message):
        dataclasses.replace(program, **fields)


def test_the_builder_refuses_one_buffer_of_two_widths() -> None:
    build = ProgramBuilder("tiny", vocab_size=3, max_context=4, width=8, eps=1e-6)
    build.linear("a", "x", "y", {"b": 3})
    with pytest.raises(ProgramError, match="buffer 'y' is 3 wide, and 5 elsewhere"):
        build.linear("a", "x", "y", {"b": 5})


hostile = st.one_of(
    st.integers(-3, 60),
    st.integers(),
    st.floats(),
    st.booleans(),
    st.none(),
    st.text(max_size=3),
    st.sampled_from([*EVERYTHING.buffers, *EVERYTHING.tables, *EVERYTHING.weights]),
    st.tuples(st.integers(-3, 60)),
    st.lists(st.integers(), max_size=2),
    st.builds(lambda: np.float32(1.5)),
    st.builds(lambda: np.zeros(2)),
)


def test_what_does_not_even_compare_is_refused() -> None:
    with pytest.raises(ProgramError, match="there is no buffer"):
        changed(EVERYTHING, Linear, source=[], target=np.float32(1.5))


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_whatever_is_changed_it_is_refused_or_it_runs(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(KINDS))
    names = [field.name for field in dataclasses.fields(kind)]
    fields = data.draw(st.dictionaries(st.sampled_from(names), hostile, min_size=1, max_size=2))
    try:
        program = changed(EVERYTHING, kind, **fields)
    except ProgramError:
        return
    # What passes is a program: it can be read, and computed without an index or a shape going wrong.
    assert str(program)
    run(program)


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_operations_in_any_order_are_refused_or_run(data: st.DataObject) -> None:
    blocks = [list(block) for block in EVERYTHING.blocks]
    place = data.draw(st.integers(0, 2))
    blocks[place] = data.draw(st.permutations(blocks[place]))[: data.draw(st.integers(0, len(blocks[place])))]
    try:
        program = dataclasses.replace(EVERYTHING, blocks=tuple(map(tuple, blocks)))
    except ProgramError:
        return
    run(program)


def run(program: DecodeProgram) -> None:
    generator = np.random.default_rng(0)
    weights = {name: generator.normal(size=shape).astype(np.float32) for name, shape in program.weights.items()}
    executor = ReferenceExecutor(program, weights)
    executor.allocate(1, 8)
    assert executor.step(TokenBatch.of_sequence([1, 2, 3])).shape == (3, program.vocab_size)
