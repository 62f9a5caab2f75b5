"""Builds a ``NativeExecutor`` for a model and a checkpoint."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from inference_pio.cores import usable_cores
from inference_pio.generation import ProgressEvent
from inference_pio.runtime.weight_matching import match_tensors

from .engine import Engine, ProgramTables
from .errors import NativeUnsupportedError
from .executor import NativeExecutor
from .lowering import lower
from .pack_cache import key_of, packed
from .packing import PackedWeight
from .planning import Planner
from .structures import MOST_THREADS, Format
from .weight_packing import WeightPacker

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from inference_pio.hookspecs import ExecutorRequest
    from inference_pio.runtime.causal_lm import CausalLMPlugin

    from .lowering import LoweredProgram

logger = logging.getLogger(__name__)

ROUNDING = {"w8": Format.W8_S, "w4": Format.W4_SM}
"""Values of ``LoadOptions.dtype`` that round float weights; quantized ones stay what they are."""

LOSS = "loss"


def build_native_executor(request: ExecutorRequest, plugin: CausalLMPlugin) -> NativeExecutor:
    """Describe the model, map its packed weights, and start an engine.

    Raises:
        MissingOperationError: The model needs an operation that decode programs do not have.
        NativeUnsupportedError: The model has no decode program, or no kernel computes a part of it.
        TensorMismatchError: The checkpoint does not hold what the configuration needs.
    """
    started = time.perf_counter()
    options, checkpoint = request.options, request.checkpoint
    program = plugin.decode_program(request.config)
    if program is None:
        raise NativeUnsupportedError(f"plugin {request.plugin_name!r} does not describe its layers as a decode program")
    threads = options.threads or min(usable_cores(), MOST_THREADS)
    weight_map = plugin.weight_map(request.config, checkpoint.format)
    sources = {ours: theirs for theirs, ours in match_tensors(program.weights, checkpoint, weight_map).items()}
    planner = Planner(checkpoint, weight_map, sources, ROUNDING.get(options.dtype or ""))
    lowered = lower(program, planner.stored, planner.stack)
    packer = WeightPacker(checkpoint, threads=threads)
    sections = _packed(request, lowered, packer)
    loss = float(sections[LOSS].view(np.float64)[0])
    if loss:
        rounded = f"float weights are rounded to {options.dtype}, by {100 * loss:.2g} % of a weight's size at most"
        logger.warning("%s: %s", request.plugin_name, rounded)
    engine = Engine(_tables(lowered, sections, packer), threads=threads)
    logger.info("loaded %s: %d bytes in %.2f s", checkpoint.path.name, _total(lowered), time.perf_counter() - started)
    remark = str(options.dtype) if loss else ""
    return NativeExecutor(engine, vocab_size=program.vocab_size, max_context=program.max_context, remark=remark)


def _tables(lowered: LoweredProgram, sections: Mapping[str, NDArray[np.uint8]], packer: WeightPacker) -> ProgramTables:
    return ProgramTables(
        buffer_widths=lowered.widths,
        operations=lowered.operations,
        weights=[
            PackedWeight(plan.format, plan.rows, plan.columns, sections[_section(number)])
            for number, plan in enumerate(lowered.weights)
        ],
        vectors=[packer.vector(vector) for vector in lowered.vectors],
        tables=[np.array(table, np.float32) for table in lowered.tables],
        layers=lowered.layers,
    )


def _packed(request: ExecutorRequest, lowered: LoweredProgram, packer: WeightPacker) -> Mapping[str, NDArray[np.uint8]]:
    """Return the bytes of every weight, and the loss of rounding, by section."""
    weights = {_section(number): weight for number, weight in enumerate(lowered.weights)}
    sizes = {**{name: weight.n_bytes for name, weight in weights.items()}, LOSS: 8}
    report = _Progress(request, _total(lowered))

    def produce(name: str) -> NDArray[np.uint8]:
        if name == LOSS:  # the last one: all others have been measured
            return np.array([packer.loss]).view(np.uint8)
        section = packer.weight(weights[name])
        report(len(section))
        return section

    if all(part.is_raw for weight in lowered.weights for part in weight.parts):
        return packed(key_of(request.checkpoint, lowered.weights), sizes, produce)
    # What a function of the model's makes of a tensor cannot be named in a key: it may change with the next version.
    return {name: produce(name) for name in sizes}


class _Progress:
    def __init__(self, request: ExecutorRequest, total: int) -> None:
        self.callback, self.label, self.total = request.options.progress, request.checkpoint.path.name, total
        self.done = 0

    def __call__(self, n_bytes: int) -> None:
        self.done += n_bytes
        if self.callback:
            event: dict[str, Any] = {"done": self.done, "total": self.total, "unit": "bytes", "label": self.label}
            self.callback(ProgressEvent(stage="load", **event))


def _section(number: int) -> str:
    return f"w{number}"


def _total(lowered: LoweredProgram) -> int:
    return sum(weight.n_bytes for weight in lowered.weights)
