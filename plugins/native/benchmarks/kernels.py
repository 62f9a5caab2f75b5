"""Speed of the kernels one by one, beside the memory's: products of every layout, and attention.

    python plugins/native/benchmarks/kernels.py
    python plugins/native/benchmarks/kernels.py --isa all --layouts W4_SM,W8_S --contexts "" --json

Everything runs inside an engine and on its threads, as in a model. Products of 1 and 16 tokens read ``--stream-mb`` of
weights, more than caches hold; with 512 tokens, one weight of ``--rows`` by ``--columns`` is used again and again.
GOP/s counts a multiplication and an addition as two operations. Attention runs in four layers: one new token at the end
of a context, and the last 512 tokens of it (all of it, where it is shorter). The weights' bytes are random ones that
are finite numbers in every layout.

All figures are taken in turn for several rounds, and the best counts: noise only makes a run slower. The memory's
speed, though, may rise and fall by half where others use it, too: shares of it are medians of what was read over plain
reading right before.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from inference_pio.cores import usable_cores
from inference_pio.native.engine import Engine, ProgramTables, operation
from inference_pio.native.library import load_library
from inference_pio.native.packing import PackedWeight, aligned_zeros, packed_bytes
from inference_pio.native.structures import Format, Isa, OperationKind
from inference_pio.runtime.bench import BandwidthMeter

FEW = (1, 16)
"""Tokens at once in decoding, where weights come from memory."""
MANY = 512
LAYERS = 4
LEAST_SECONDS = 0.05
"""How long one figure is measured for in a round; a run that takes longer runs once."""


@dataclass
class Figure:
    """Something that is measured.

    Attributes:
        run: Does it once.
        best: Shortest time of a run so far, seconds.
    """

    run: Callable[[], object]
    best: float = float("inf")

    def measure(self) -> float:
        """Repeat the run for a while; keep the shortest time, and return the mean, seconds."""
        runs, started = 0, time.perf_counter()
        while True:
            before = time.perf_counter()
            self.run()
            after = time.perf_counter()
            runs += 1
            self.best = min(self.best, after - before)
            if after - started > LEAST_SECONDS:
                return (after - started) / runs


@dataclass
class Row:
    """One line of a table.

    Attributes:
        isa: What the line is about.
        describe: What to make of the shortest times, seconds by figure.
        n_bytes: What the first figure reads.
        figures: By name.
        bandwidths: The memory's in each round, bytes a second.
        shares: What the first figure read a second over that.
    """

    isa: str
    describe: Callable[[dict[str, float]], dict[str, Any]]
    n_bytes: int
    figures: dict[str, Figure] = field(default_factory=dict)
    bandwidths: list[float] = field(default_factory=list)
    shares: list[float] = field(default_factory=list)

    def measure(self, meter: BandwidthMeter) -> None:
        """Measure every figure once, and the memory right before the first."""
        self.bandwidths.append(meter.measure())
        first, *others = self.figures.values()
        self.shares.append(self.n_bytes / first.measure() / self.bandwidths[-1])
        for figure in others:
            figure.measure()

    def result(self) -> dict[str, Any]:
        """Return all figures by name."""
        return {
            "isa": self.isa,
            **self.describe({name: figure.best for name, figure in self.figures.items()}),
            "m1_gb_s": self.n_bytes / next(iter(self.figures.values())).best / 1e9,
            "memory_gb_s": statistics.median(self.bandwidths) / 1e9,
            "m1_share": statistics.median(self.shares),
        }


def main() -> None:
    """Measure and print."""
    options = parse()
    library = load_library()
    if options.isa == "all":
        isas = library.available_isas()
    else:
        isas = tuple(library.resolve_isa(Isa[name.upper()]) for name in options.isa.split(","))
    meter = BandwidthMeter(options.threads)
    products, attentions = [], []
    for isa in isas:  # one after another: their engines would keep too much memory
        rows = [product_row(isa, Format[name], options) for name in options.layouts.split(",") if name]
        measure(rows, options.rounds, meter, f"products, {isa.name.lower()}")
        products += [row.result() for row in rows]
        rows = list(attention_rows(isa, options))
        measure(rows, options.rounds, meter, f"attention, {isa.name.lower()}")
        attentions += [row.result() for row in rows]
    result = {"threads": options.threads, "products": products, "attention": attentions}
    print(json.dumps(result) if options.json else draw(result, options))


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    layouts = ",".join(each.name for each in Format)
    parser.add_argument("--isa", default="auto", help="Instruction sets, comma-separated, or `all` that there are.")
    parser.add_argument("--threads", type=int, default=usable_cores())
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--layouts", default=layouts, help="Of weights, comma-separated; empty for none.")
    parser.add_argument("--rows", type=int, default=1536, help="Output width of a weight.")
    parser.add_argument("--columns", type=int, default=1536, help="Input width; K layouts need a multiple of 256.")
    parser.add_argument("--stream-mb", type=int, default=128, help="Weights that a decode step reads, MB.")
    parser.add_argument("--contexts", default="128,512,2048,8192", help="Tokens, comma-separated; empty for none.")
    parser.add_argument("--heads", type=int, nargs=3, default=(9, 3, 64), help="Query and key heads, and their width.")
    parser.add_argument("--json", action="store_true", help="Print one JSON line.")
    return parser.parse_args()


def measure(rows: Sequence[Row], rounds: int, meter: BandwidthMeter, label: str) -> None:
    """Take every row once a round."""
    for number in range(rounds):
        if rows:
            print(f"{label}: round {number + 1} of {rounds}", file=sys.stderr)
        for row in rows:
            row.measure(meter)


# Products -------------------------------------------------------------------------------------------------------------


def product_row(isa: Isa, layout: Format, options: argparse.Namespace) -> Row:
    """Return the figures of a weight layout at 1, 16 and 512 tokens."""
    n_bytes = packed_bytes(layout, options.rows, options.columns)
    count = max(1, (options.stream_mb << 20) // n_bytes)
    operations = 2 * options.rows * options.columns

    def describe(seconds: dict[str, float]) -> dict[str, Any]:
        speeds = {f"m{m}_gop_s": count * operations * m / seconds[f"m{m}"] / 1e9 for m in FEW}
        speeds[f"m{MANY}_gop_s"] = operations * MANY / seconds[f"m{MANY}"] / 1e9
        return {"layout": layout.name, **speeds}

    row = Row(isa.name.lower(), describe, count * n_bytes)
    streaming = product_engine(isa, layout, count, options)
    for tokens in FEW:
        row.figures[f"m{tokens}"] = Figure(lambda tokens=tokens: step(streaming, 0, tokens))  # type: ignore[misc]  # a default of a lambda has no type
    computing = product_engine(isa, layout, 1, options)
    row.figures[f"m{MANY}"] = Figure(lambda: step(computing, 0, MANY))
    return row


def product_engine(isa: Isa, layout: Format, count: int, options: argparse.Namespace) -> Engine:
    """Return a program of so many products of one input, each with a weight of its own."""
    rows, columns = options.rows, options.columns
    weights = [random_weight(layout, rows, columns, seed) for seed in range(count)]
    operations = [operation(OperationKind.EMBED, out=0, weight=0)]
    # All write to one place, so none may run beside another.
    operations += [operation(OperationKind.LINEAR, in_=0, out=1, weight=number + 1) for number in range(count)]
    tables = ProgramTables([columns, rows], operations, [random_weight(Format.F32, 1, columns, 0), *weights])
    return started(tables, isa, options.threads, MANY)


def random_weight(layout: Format, rows: int, columns: int, seed: int) -> PackedWeight:
    """Return a weight of random bytes, each such that no scale and no value becomes infinite, NaN or 0."""
    data = aligned_zeros(packed_bytes(layout, rows, columns))
    data[:] = np.random.default_rng(seed).integers(0x20, 0x38, len(data), np.uint8)
    return PackedWeight(layout, rows, columns, data)


# Attention ------------------------------------------------------------------------------------------------------------


def attention_rows(isa: Isa, options: argparse.Namespace) -> Iterator[Row]:
    """Yield the figures of each context; every one has an engine of its own, so that rounds can take turns."""
    heads, kv_heads, width = options.heads
    for context in map(int, filter(None, options.contexts.split(","))):
        engine = attention_engine(isa, context, options)
        for first in range(0, context, MANY):
            step(engine, first, min(MANY, context - first))
        many = min(MANY, context)
        pairs = sum(range(context - many + 1, context + 1))

        def describe(
            seconds: dict[str, float], context: int = context, many: int = many, pairs: int = pairs
        ) -> dict[str, Any]:
            return {
                "heads": [heads, kv_heads, width],
                "context": context,
                "m1_us_a_layer": seconds["one"] / LAYERS * 1e6,
                "m512_us_a_token": seconds["many"] / LAYERS / many * 1e6,
                "m512_gop_s": LAYERS * 4 * heads * width * pairs / seconds["many"] / 1e9,
            }

        row = Row(isa.name.lower(), describe, LAYERS * 2 * 2 * kv_heads * width * context)  # keys, values of two bytes
        row.figures["one"] = Figure(lambda engine=engine, context=context: step(engine, context - 1, 1))  # type: ignore[misc]  # a default of a lambda has no type
        row.figures["many"] = Figure(
            lambda engine=engine, context=context, many=many: step(engine, context - many, many)  # type: ignore[misc]  # a default of a lambda has no type
        )
        yield row


def attention_engine(isa: Isa, context: int, options: argparse.Namespace) -> Engine:
    """Return a program of four cached layers that attend to the same queries, keys and values."""
    heads, kv_heads, width = options.heads
    queries, keys = heads * width, kv_heads * width
    columns = queries + 2 * keys
    operations = [operation(OperationKind.EMBED, out=0, weight=0)]
    for layer in range(LAYERS):
        places = {"in_column": 0, "key_column": queries, "value_column": queries + keys, "scale": width**-0.5}
        operations.append(operation(OperationKind.ATTENTION, in_=0, out=1, layer=layer, heads=heads, **places))
    tables = ProgramTables(
        [columns, queries],
        operations,
        [random_weight(Format.F32, 1, columns, 0)],
        layers=[(kv_heads, width, 0)] * LAYERS,
    )
    return started(tables, isa, options.threads, context)


def started(tables: ProgramTables, isa: Isa, threads: int, context: int) -> Engine:
    """Return an engine with room for one sequence."""
    engine = Engine(tables, threads=threads, isa=isa, max_tokens=MANY)
    engine.allocate(1, context)
    return engine


def step(engine: Engine, first: int, tokens: int) -> None:
    """Compute tokens from a position on; what was cached behind it is forgotten."""
    zeros = np.zeros(tokens, np.int64)
    engine.step(zeros, zeros, np.arange(first, first + tokens), zeros[:0])


# Tables ---------------------------------------------------------------------------------------------------------------


def draw(result: dict[str, Any], options: argparse.Namespace) -> str:
    """Return both tables, 80 columns wide at most."""
    lines = [f"{result['threads']} threads"]
    if result["products"]:
        shape = f"{options.rows} x {options.columns}"
        lines.append(f"products, weights of {shape}: GB/s, share of the memory's, GOP/s by tokens")
        lines.append(f"{'':<12}{'':<7}{'GB/s':>8}{'memory':>8}{'share':>7}{'1':>9}{'16':>9}{'512':>9}")
    for row in result["products"]:
        speeds = "".join(f"{row[f'm{m}_gop_s']:>9.1f}" for m in (*FEW, MANY))
        lines.append(f"{row['isa']:<12}{row['layout']:<7}{_reading(row)}{speeds}")
    if result["attention"]:
        heads, kv_heads, width = options.heads
        lines += ["", f"attention, {heads} heads of {width}, {kv_heads} of keys: one layer, by tokens and context"]
        lines.append(
            f"{'':<12}{'context':>8}{'1: us':>9}{'GB/s':>8}{'memory':>8}{'share':>7}{'512: us/token':>15}{'GOP/s':>8}"
        )
    for row in result["attention"]:
        lines.append(
            f"{row['isa']:<12}{row['context']:>8}{row['m1_us_a_layer']:>9.1f}{_reading(row)}"
            f"{row['m512_us_a_token']:>15.2f}{row['m512_gop_s']:>8.1f}"
        )
    return "\n".join(lines)


def _reading(row: dict[str, Any]) -> str:
    return f"{row['m1_gb_s']:>8.1f}{row['memory_gb_s']:>8.1f}{row['m1_share']:>7.0%}"


if __name__ == "__main__":
    main()
