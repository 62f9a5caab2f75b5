"""From names to indices: stacks become one weight where they can, and what no kernel does is said by name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from inference_pio.native.errors import NativeUnsupportedError
from inference_pio.native.lowering import LoweredProgram, lower
from inference_pio.native.planning import Planner
from inference_pio.native.structures import Format, OperationKind
from inference_pio.runtime.program import DecodeProgram, ProgramBuilder
from inference_pio.runtime.weight_map import WeightMap
from inference_pio.runtime.weights.checkpoint import Checkpoint, StoredTensor, TensorInfo

from .tiny import HEAD, HEADS, KEY_HEADS, WIDTH, TinyPlugin, build_program, checkpoint_of

QUERY, KEY = HEADS * HEAD, KEY_HEADS * HEAD


def lowered(
    program: DecodeProgram,
    folder: Path,
    kind: Callable[[str], str] = lambda name: "Q4_1",
    rounding: Format | None = None,
) -> LoweredProgram:
    plugin = TinyPlugin(program)
    weight_map = plugin.weight_map(None, "gguf")
    checkpoint = checkpoint_of(program, folder / "w.gguf", kind)
    planner = Planner(checkpoint, weight_map, {name: name for name in program.weights}, rounding)
    return lower(program, planner.stored, planner.stack)


def test_a_stack_of_one_storage_type_is_one_product(tmp_path: Path) -> None:
    program = lowered(build_program(), tmp_path)
    products = [op for op in program.operations if op.kind == OperationKind.LINEAR]
    assert len(products) == 3 * 4
    stacked = program.weights[products[0].weight]
    assert [part.target.split(".")[-2] for part in stacked.parts] == ["q_proj", "k_proj", "v_proj"]
    assert (stacked.rows, stacked.columns, stacked.format) == (QUERY + 2 * KEY, WIDTH, Format.W4_SM)
    assert program.vectors[products[0].vector].length == QUERY + 2 * KEY


def test_a_stack_of_two_storage_types_is_two_products_side_by_side(tmp_path: Path) -> None:
    program = lowered(build_program(), tmp_path, lambda name: "Q6_K" if "v_proj" in name else "Q4_K")
    first, second = [op for op in program.operations if op.kind == OperationKind.LINEAR][:2]
    assert (first.out, first.out_column, second.out, second.out_column) == (first.out, 0, first.out, QUERY + KEY)
    assert [program.weights[op.weight].format for op in (first, second)] == [Format.W4_K, Format.W6_K]
    assert [program.vectors[op.vector].length for op in (first, second)] == [QUERY + KEY, KEY]


def test_a_tied_head_is_the_embedding_and_packed_once(tmp_path: Path) -> None:
    program = lowered(build_program(), tmp_path)
    embed, logits = program.operations[0], program.operations[-1]
    assert (embed.kind, logits.kind) == (OperationKind.EMBED, OperationKind.LOGITS)
    assert embed.weight == logits.weight
    assert embed.scale == 4.0
    assert len(program.weights) == 1 + 3 * 4
    untied = lowered(build_program(is_tied=False), tmp_path)
    assert untied.operations[0].weight != untied.operations[-1].weight


def test_without_biases_there_are_only_norms_among_the_vectors(tmp_path: Path) -> None:
    program = lowered(build_program(bias=False), tmp_path)
    assert {op.vector for op in program.operations if op.kind == OperationKind.LINEAR} == {-1}
    assert len(program.vectors) == 3 * 5 + 1


def test_every_operation_is_lowered_in_its_order(tmp_path: Path) -> None:
    build = ProgramBuilder("all", vocab_size=5, max_context=4, width=WIDTH, eps=1e-6)
    with build.block():
        build.copy("x", "kept")
        build.scale("kept", 0.25)
        build.add("kept")
    program = lowered(build.finish(is_tied=True, softcap=7.0), tmp_path)
    kinds = [OperationKind(op.kind).name for op in program.operations]
    assert kinds == ["EMBED", "COPY", "SCALE", "ADD", "RMS_NORM", "LOGITS"]
    copy, scale, add = program.operations[1:4]
    assert (copy.width, scale.width, scale.scale, add.width, add.scale) == (WIDTH, WIDTH, 0.25, WIDTH, 1.0)
    assert program.operations[-1].softcap == 7.0


def test_windows_and_tables_follow_their_layers(tmp_path: Path) -> None:
    program = lowered(build_program(), tmp_path)
    assert program.layers == [(KEY_HEADS, HEAD, 4), (KEY_HEADS, HEAD, 0), (KEY_HEADS, HEAD, 7)]
    assert [op.table for op in program.operations if op.kind == OperationKind.ROPE] == [0, 1, 0]
    assert Counter(len(table) for table in program.tables) == {HEAD // 2: 2}


def test_only_float_weights_are_rounded(tmp_path: Path) -> None:
    def mixed(name: str) -> str:
        return "BF16" if "mlp" in name else "Q4_1"

    formats = {weight.format for weight in lowered(build_program(), tmp_path, mixed, Format.W8_S).weights}
    assert formats == {Format.W8_S, Format.W4_SM}
    assert Format.BF16 in {weight.format for weight in lowered(build_program(), tmp_path, mixed).weights}


@pytest.mark.parametrize("head", [24, 8, 520])
def test_a_head_width_without_a_kernel_is_named(tmp_path: Path, head: int) -> None:
    with pytest.raises(NativeUnsupportedError, match=f"no kernel for attention heads of width {head}"):
        lowered(build_program(head=head), tmp_path, lambda name: "F32")


def test_a_storage_type_without_a_kernel_is_named_with_its_tensor() -> None:
    data = np.zeros(4 * 74, np.uint8)
    odd = {"blk.0.odd": StoredTensor(TensorInfo("blk.0.odd", (4, 256), "IQ2_XS", data.nbytes), data)}
    checkpoint = Checkpoint(Path("odd"), format="gguf", architecture="tiny", metadata={}, config=None, stored=odd)
    planner = Planner(checkpoint, WeightMap(names={"blk.{n}.odd": "odd"}), {"odd": "blk.0.odd"})
    with pytest.raises(NativeUnsupportedError, match=r"'blk\.0\.odd' is stored as IQ2_XS: no native weight layout"):
        planner.stack([planner.stored("odd")], 256)
