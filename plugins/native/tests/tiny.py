"""A tiny model of all kinds at once as a decode program, its weights in any storage type, and a request to run it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from inference_pio.generation import LoadOptions
from inference_pio.hookspecs import ExecutorRequest
from inference_pio.native.executor import NativeExecutor
from inference_pio.native.loading import build_native_executor
from inference_pio.runtime.causal_lm import CausalLMPlugin
from inference_pio.runtime.program import DecodeProgram, ProgramBuilder
from inference_pio.runtime.program.reference import ReferenceExecutor
from inference_pio.runtime.weight_map import Transform, WeightMap
from inference_pio.runtime.weights.checkpoint import Checkpoint, StoredTensor, TensorInfo

from .synthetic import stored_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

VOCAB, WIDTH, HEADS, KEY_HEADS, HEAD, HIDDEN = 37, 256, 4, 2, 64, 512
WINDOWS = (4, None, 7)


def build_program(
    *,
    bias: bool = True,
    is_tied: bool = True,
    head: int = HEAD,
    max_context: int = 64,
    windows: tuple[int | None, ...] = WINDOWS,
) -> DecodeProgram:
    build = ProgramBuilder("tiny", vocab_size=VOCAB, max_context=max_context, width=WIDTH, eps=1e-6)
    for name, base in (("near", 100.0), ("far", 1000.0)):
        build.table(name, head_dim=head, base=base)
    for window in windows:
        with build.block():
            build.norm("before", "x", "normed")
            build.attention(
                "self_attn", "normed", "half",
                heads=HEADS, key_heads=KEY_HEADS, head_dim=head, table="near" if window else "far", scale=head**-0.5,
                window=window, has_head_norms=True, bias=bias,
            )  # fmt: skip
            build.norm("after", "half", "half")
            build.add("half")
            build.norm("between", "x", "normed")
            build.gated_mlp("mlp", "normed", "half", hidden=HIDDEN, activation="silu", bias=bias)
            build.add("half")
    return build.finish(embedding_scale=4.0, is_tied=is_tied)


class TinyPlugin(CausalLMPlugin):
    """Knows nothing but its program and where its weights are."""

    def __init__(self, program: DecodeProgram | None, transforms: Mapping[str, Transform] | None = None) -> None:
        super().__init__()
        self.program, self.transforms = program, transforms or {}

    def decode_program(self, config: Any) -> DecodeProgram | None:
        return self.program

    def weight_map(self, config: Any, format: str) -> WeightMap:
        assert self.program is not None
        patterns = {re.sub(r"^layers\.\d+\.", "layers.{n}.", name) for name in self.program.weights}
        return WeightMap(names={name: name for name in patterns}, transforms=self.transforms)

    def config_type(self) -> Any:
        raise NotImplementedError

    def gguf_config(self, checkpoint: Checkpoint) -> Any:
        raise NotImplementedError

    def build_model(self, config: Any) -> Any:
        raise NotImplementedError


def checkpoint_of(
    program: DecodeProgram, path: Path, kind: Callable[[str], str] = lambda name: "F32", *, seed: int = 0
) -> Checkpoint:
    """A checkpoint of random weights: vectors in float32, matrices in the storage type that ``kind`` says."""
    chance = np.random.default_rng(seed)
    if not path.exists():
        path.write_bytes(b"weights")
    stored = {}
    for name, shape in program.weights.items():
        if len(shape) == 1:
            spread = 0.05 if name.endswith("bias") else 0.2
            values = chance.normal(0.0 if name.endswith("bias") else 1.0, spread, shape).astype(np.float32)
            data, stored_kind = values.view(np.uint8), "F32"
        else:
            stored_kind = kind(name)
            rows, columns = shape
            data = stored_rows(stored_kind, rows, columns, chance).reshape(-1)
        stored[name] = StoredTensor(TensorInfo(name, shape, stored_kind, data.nbytes), data)
    return Checkpoint(
        path,
        format="gguf",
        architecture="tiny",
        metadata={},
        config=None,
        stored=stored,
    )


def request_of(checkpoint: Checkpoint, plugin: TinyPlugin, *, device: str = "cpu", **options: Any) -> ExecutorRequest:
    return ExecutorRequest(
        plugin_name="tiny",
        plugin=plugin,
        config=cast("Any", None),
        checkpoint=checkpoint,
        device=device,
        options=LoadOptions(**{"threads": 2, **options}),
    )


def load(checkpoint: Checkpoint, plugin: TinyPlugin, **options: Any) -> NativeExecutor:
    return build_native_executor(request_of(checkpoint, plugin, **options), plugin)


def interpreter(checkpoint: Checkpoint, plugin: TinyPlugin) -> ReferenceExecutor:
    assert plugin.program is not None
    executor = ReferenceExecutor.of_checkpoint(plugin.program, checkpoint, plugin.weight_map(None, "gguf"))
    executor.allocate(5, 64)
    return executor


def relative_difference(ours: NDArray[np.float32], theirs: NDArray[np.float32]) -> float:
    """Root mean square of the difference over that of the logits."""
    return float(np.sqrt(np.mean((ours - theirs) ** 2) / np.mean(theirs**2)))
