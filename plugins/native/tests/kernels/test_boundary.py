"""Hostile sizes, numbers and pointers at the C interface get a code and a line of text, never a crash.

What stands behind a pointer is trusted to be as long as stated, so nothing here states more than there is.
"""

from __future__ import annotations

import ctypes
import functools
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference_pio.native.engine import Engine
from inference_pio.native.library import Library, load_library
from inference_pio.native.packing import aligned_zeros
from inference_pio.native.structures import (
    Batch,
    Code,
    EngineOptions,
    EngineStats,
    Format,
    Isa,
    Layer,
    Operation,
    Program,
    Source,
    Vector,
    Weight,
)

from ..synthetic import Assembly, Bytes, random_weight, stored_rows
from ..transformer import Shape, build_decoder

if TYPE_CHECKING:
    from numpy.typing import NDArray

EXAMPLES = settings(max_examples=150, deadline=None)

INT32 = st.one_of(
    st.sampled_from([0, -1, 1, 2, -(1 << 31), (1 << 31) - 1, 1 << 20, 1 << 24, (1 << 24) + 1, 65536]),
    st.integers(-64, 300),
    st.integers(-(1 << 31), (1 << 31) - 1),
)
INT64 = st.one_of(
    st.sampled_from([-(1 << 63), (1 << 63) - 1, 1 << 62, 1 << 32, (1 << 32) + 1, 1 << 31, 1 << 59, -(1 << 32)]),
    st.integers(-(1 << 63), (1 << 63) - 1),
    INT32,
)
FLOAT = st.floats(width=32)
GUARD = 0xA5


def code_of(name: str, *arguments: object) -> int:
    """Call, and see that every refusal says why."""
    functions = load_library()._functions
    code: int = getattr(functions, name)(*arguments)
    assert code in set(Code)
    if code != Code.OK:
        assert 10 < len(functions.pio_last_error()) < 512
    return code


def guarded(n_bytes: int) -> tuple[Bytes, Bytes]:
    """Aligned memory, and the bytes right behind it, which nobody may touch."""
    room = aligned_zeros(n_bytes + 64)
    room[n_bytes:] = GUARD
    return room[:n_bytes], room[n_bytes:]


@pytest.fixture(autouse=True)
def is_here(library: Library) -> None:
    """Skip where there are no kernels."""


# Numbers that name something.


@given(number=INT32)
@EXAMPLES
def test_a_number_that_names_nothing_is_refused(number: int) -> None:
    resolved = ctypes.c_int32()
    code = code_of("pio_resolve_isa", number, ctypes.byref(resolved))
    assert code == Code.OK if number in (Isa.AUTO, Isa.PLAIN) else code in (Code.OK, Code.E_CPU)
    assert (number in set(Isa)) or code == Code.E_CPU
    name = load_library()._functions.pio_isa_name(number)
    assert (name == b"unknown") == (number not in set(Isa))
    code = code_of("pio_format_of", number, ctypes.byref(resolved))
    assert code == (Code.OK if number in set(Source) else Code.E_ARGUMENT)


def test_null_is_refused_wherever_a_pointer_is_wanted() -> None:
    weight = random_weight("Q8_0", 2, 32, np.random.default_rng(0)).struct()
    row = np.zeros(64, np.float32).ctypes.data
    for name, *arguments in (
        ("pio_resolve_isa", 0, None), ("pio_format_of", 0, None), ("pio_weight_bytes", 0, 1, 1, None),
        ("pio_pack", 0, None, 4, 1, 1, 0, row, 64, 1, 0), ("pio_pack", 0, row, 4, 1, 1, 0, None, 64, 1, 0),
        ("pio_unpack", None, 0, 1, row, 64), ("pio_unpack", ctypes.byref(weight), 0, 1, None, 64),
        ("pio_quantize", 0, None, 1, 32, row, row, row), ("pio_quantize", 0, row, 1, 32, None, row, row),
        ("pio_quantize", 0, row, 1, 32, row, None, row), ("pio_quantize", 0, row, 1, 32, row, row, None),
        ("pio_product", 0, None, row, 1, row, 64), ("pio_product", 0, ctypes.byref(weight), None, 1, row, 64),
        ("pio_product", 0, ctypes.byref(weight), row, 1, None, 64),
        ("pio_engine_create", None, None, None),
        ("pio_engine_allocate", None, 1, 1, 0), ("pio_engine_step", None, None, None, 0),
        ("pio_engine_free_slot", None, 0), ("pio_engine_read_buffer", None, 0, None, 0, None),
        ("pio_engine_save", None, 0, 0, 1, None, 0, None), ("pio_engine_restore", None, 0, 0, 1, None, 0),
        ("pio_engine_get_stats", None, ctypes.byref(EngineStats())),
    ):  # fmt: skip
        assert code_of(str(name), *arguments) == Code.E_ARGUMENT, name
    load_library().destroy_engine(ctypes.c_void_p())  # allowed


# Weights.


@given(format=st.one_of(st.sampled_from(Format), INT32), rows=INT64, columns=INT64)
@EXAMPLES
def test_sizes_of_weights_do_not_overflow(format: int, rows: int, columns: int) -> None:
    n_bytes = ctypes.c_int64(-1)
    if code_of("pio_weight_bytes", format, rows, columns, ctypes.byref(n_bytes)) == Code.OK:
        assert rows * columns // 2 <= n_bytes.value <= (rows + 16) * (columns * 4 + 64)
    else:
        assert n_bytes.value == -1


@given(data=st.data())
@EXAMPLES
def test_packing_random_bytes_of_any_size_stays_within_its_memory(data: st.DataObject) -> None:
    source = data.draw(st.sampled_from(Source))
    columns = data.draw(st.sampled_from([1, 31, 32, 64, 256, 512]))
    total, rows = data.draw(st.integers(1, 40)), data.draw(st.integers(0, 20))
    first = data.draw(st.integers(0, 40))
    stored = np.frombuffer(data.draw(st.binary(min_size=64, max_size=64)) * 64, np.uint8)
    exact = ctypes.c_int32()
    code_of("pio_format_of", source, ctypes.byref(exact))
    format = data.draw(st.sampled_from([exact.value, exact.value, Format.W8_S, Format.W4_SM, *Format]))
    needed = ctypes.c_int64(0)
    code_of("pio_weight_bytes", format, total, columns, ctypes.byref(needed))
    size = needed.value - data.draw(st.sampled_from([0, 0, 0, 1, 64, needed.value]))
    target, guard = guarded(max(size, 0))
    has = min(row_bytes(source, columns) * rows, len(stored)) - data.draw(st.sampled_from([0, 0, 0, 1]))
    numbers = {"source": source, "rows": rows, "columns": columns, "format": format, "total": total, "first": first}
    for name in data.draw(st.lists(st.sampled_from(sorted(numbers)), max_size=2)):
        numbers[name] = data.draw(INT32 if name in ("source", "format") else INT64)
    code = code_of(
        "pio_pack", numbers["source"], stored.ctypes.data, has, numbers["rows"], numbers["columns"], numbers["format"],
        target.ctypes.data, len(target), numbers["total"], numbers["first"],
    )  # fmt: skip
    assert (guard == GUARD).all()
    if code != Code.OK:
        assert not target.any()  # refused before anything was written


def row_bytes(source: Source, columns: int) -> int:
    if source.name in ("F32", "F16", "BF16"):
        return columns * (4 if source is Source.F32 else 2)
    rng = np.random.default_rng(0)
    is_whole = columns % (256 if source.name.endswith("_K") else 32) == 0
    return stored_rows(source.name, 1, columns, rng).shape[1] if is_whole else columns


WEIGHT_BYTES = 16384


def hostile_weight(data: st.DataObject) -> tuple[Weight, Bytes, Bytes]:
    """A struct of random numbers over random bytes, as many as it says."""
    memory, guard = guarded(WEIGHT_BYTES)
    memory[:] = np.random.default_rng(data.draw(st.integers(0, 9))).integers(0, 256, WEIGHT_BYTES)
    n_bytes = data.draw(st.one_of(st.integers(-10, WEIGHT_BYTES), st.just(WEIGHT_BYTES)))
    address = data.draw(
        st.sampled_from([memory.ctypes.data] * 6 + [0, memory.ctypes.data + 1, memory.ctypes.data + 32])
    )
    if address:
        n_bytes = min(n_bytes, WEIGHT_BYTES - (address - memory.ctypes.data))
    format = data.draw(st.one_of(st.sampled_from(Format), st.sampled_from(Format), INT32))
    rows = data.draw(st.one_of(st.integers(1, 33), INT64))
    columns = data.draw(st.one_of(st.sampled_from([1, 5, 32, 64, 256]), INT64))
    return Weight(format, data.draw(INT32), rows, columns, address, n_bytes), memory, guard


@given(data=st.data())
@EXAMPLES
def test_unpacking_any_weight_stays_within_its_memory(data: st.DataObject) -> None:
    weight, memory, _ = hostile_weight(data)
    values = data.draw(st.integers(0, 2000))
    out, guard = guarded(values * 4)
    first, rows = (data.draw(st.one_of(st.integers(0, 20), INT64)) for _ in range(2))
    code_of("pio_unpack", ctypes.byref(weight), first, rows, out.ctypes.data, values)
    assert (guard == GUARD).all()
    assert len(memory) == WEIGHT_BYTES


@given(data=st.data())
@EXAMPLES
def test_products_with_any_weight_stay_within_their_memory(data: st.DataObject) -> None:
    weight, memory, _ = hostile_weight(data)
    values = data.draw(st.sampled_from([0, 1, 33, 64]))
    out, guard = guarded(values * 4)
    x = np.ones((64, WEIGHT_BYTES // 8), np.float32)  # no weight of so many bytes has more columns
    tokens = data.draw(st.one_of(st.integers(1, 20), INT64))
    isa = data.draw(st.one_of(st.sampled_from(Isa), INT32))
    code = code_of("pio_product", isa, ctypes.byref(weight), x.ctypes.data, tokens, out.ctypes.data, values)
    assert (guard == GUARD).all()
    assert len(memory) == WEIGHT_BYTES
    if code == Code.OK:
        assert tokens * weight.rows <= values


@given(tokens=INT64, columns=INT64)
@EXAMPLES
def test_quantizing_any_number_of_activations(tokens: int, columns: int) -> None:
    if 1 <= tokens <= 1 << 20 and 32 <= columns <= 1 << 24 and columns % 32 == 0:
        return  # allowed, and more than this test has
    row = np.zeros(64, np.float32).ctypes.data
    assert code_of("pio_quantize", Isa.PLAIN, row, tokens, columns, row, row, row) == Code.E_ARGUMENT


# Programs and engines.


@functools.cache
def small_decoder() -> Assembly:
    return build_decoder(Shape(width=32, hidden=32, heads=2, head_width=16, layers=1, windows=(7,), norm_heads=True))


class Tables:
    """The C structs of a small program, to be spoilt, and what they point to."""

    def __init__(self) -> None:
        parts = small_decoder()
        vectors = [np.ascontiguousarray(each) for each in parts.vectors]
        tables = [np.ascontiguousarray(each) for each in parts.tables]
        self.arrays: dict[str, Any] = {
            "buffer_widths": (ctypes.c_int32 * len(parts.widths))(*parts.widths),
            "operations": (Operation * len(parts.operations))(*parts.operations),
            "weights": (Weight * len(parts.weights))(*(weight.struct() for weight in parts.weights)),
            "vectors": self.vectors(vectors),
            "tables": self.vectors(tables),
            "layers": (Layer * len(parts.layers))(*(Layer(*each, 0) for each in parts.layers)),
        }
        self.kept = [vectors, tables]

    @staticmethod
    def vectors(values: list[NDArray[np.float32]]) -> Any:
        pointers = [each.ctypes.data_as(ctypes.POINTER(ctypes.c_float)) for each in values]
        return (Vector * len(values))(*(Vector(one, each.size) for one, each in zip(pointers, values, strict=True)))

    def program(self) -> Program:
        return Program(*self.arrays.values(), *(len(each) for each in self.arrays.values()))


def spoil(data: st.DataObject, tables: Tables) -> None:
    """Change up to three numbers anywhere in the program; lengths of arrays only get shorter."""
    for _ in range(data.draw(st.integers(1, 3))):
        name = data.draw(
            st.sampled_from(["operations"] * 5 + ["buffer_widths", "weights", "vectors", "tables", "layers"])
        )
        array = tables.arrays[name]
        place = data.draw(st.integers(0, len(array) - 1))
        if name == "buffer_widths":
            array[place] = data.draw(INT32)
            continue
        if name in ("vectors", "tables"):
            array[place].length = data.draw(
                st.one_of(st.integers(-1, max(array[place].length, 0)), st.just(-(1 << 63)))
            )
            continue
        field, kind = data.draw(
            st.sampled_from([each for each in array[place]._fields_ if each[0] not in ("data", "n_bytes")])
        )
        strategy = FLOAT if kind is ctypes.c_float else INT64 if kind is ctypes.c_int64 else INT32
        setattr(array[place], field, data.draw(strategy))


@given(data=st.data())
@EXAMPLES
def test_a_program_of_any_numbers_is_refused_or_runs(data: st.DataObject) -> None:
    tables = Tables()
    spoil(data, tables)
    program = tables.program()
    options, engine = EngineOptions(Isa.AUTO, 1, 0, 3), ctypes.c_void_p()
    if code_of("pio_engine_create", ctypes.byref(program), ctypes.byref(options), ctypes.byref(engine)) != Code.OK:
        assert engine.value is None
        return
    last = tables.arrays["operations"][len(tables.arrays["operations"]) - 1]
    rows = tables.arrays["weights"][last.weight].rows
    logits = np.empty((4, rows), np.float32)
    numbers = np.array([[0, 1, 2, 3], [0, 0, 1, 1], [0, 1, 0, 1], [0, 1, 2, 3]], np.int64)
    batch = Batch(*(each.ctypes.data_as(ctypes.POINTER(ctypes.c_int64)) for each in numbers), 4, 4)
    if code_of("pio_engine_allocate", engine, 2, 20, 0) == Code.OK:
        code_of("pio_engine_step", engine, ctypes.byref(batch), logits.ctypes.data, logits.size)
    load_library().destroy_engine(engine)


@pytest.mark.parametrize("part", ["buffer_widths", "operations", "weights", "vectors", "tables", "layers"])
@pytest.mark.parametrize("count", [-1, -(1 << 31), (1 << 31) - 1, (1 << 20) + 1])
def test_a_number_of_parts_that_cannot_be_is_refused(part: str, count: int) -> None:
    program, options, engine = Tables().program(), EngineOptions(Isa.PLAIN, 1, 0, 3), ctypes.c_void_p()
    setattr(program, "n_buffers" if part == "buffer_widths" else f"n_{part}", count)
    code = code_of("pio_engine_create", ctypes.byref(program), ctypes.byref(options), ctypes.byref(engine))
    assert code == Code.E_ARGUMENT
    assert engine.value is None


@pytest.mark.parametrize("part", ["buffer_widths", "operations", "weights", "vectors", "tables", "layers"])
def test_parts_behind_null_are_refused(part: str) -> None:
    program, options, engine = Tables().program(), EngineOptions(Isa.PLAIN, 1, 0, 3), ctypes.c_void_p()
    setattr(program, part, None)
    code = code_of("pio_engine_create", ctypes.byref(program), ctypes.byref(options), ctypes.byref(engine))
    assert code == Code.E_ARGUMENT


@given(numbers=st.tuples(INT32, INT32, INT32, INT32))
@EXAMPLES
def test_options_of_any_numbers_are_refused_or_work(numbers: tuple[int, int, int, int]) -> None:
    isa, threads, cache_type, max_tokens = numbers
    program, engine = Tables().program(), ctypes.c_void_p()
    options = EngineOptions(isa, threads if threads > 256 else min(threads, 4), cache_type, max_tokens)
    code = code_of("pio_engine_create", ctypes.byref(program), ctypes.byref(options), ctypes.byref(engine))
    is_possible = 1 <= threads <= 256 and cache_type in (0, 1) and 1 <= max_tokens <= 8192
    assert code != Code.OK or is_possible
    assert code == Code.OK or isa not in (Isa.AUTO, Isa.PLAIN) or not is_possible
    load_library().destroy_engine(engine)


@pytest.fixture(scope="module")
def small(library: Library) -> Engine:
    return build_decoder(Shape(layers=2, windows=(20, 0))).engine(slots=3, context=600, threads=2, max_tokens=16)


@given(data=st.data())
@EXAMPLES
def test_any_batch_is_refused_or_runs_and_the_engine_lives_on(small: Engine, data: st.DataObject) -> None:
    expected = answer(small)
    count = data.draw(st.integers(1, 40))
    numbers = [np.zeros(count, np.int64), np.zeros(count, np.int64), np.arange(count), np.arange(count)]
    for _ in range(data.draw(st.integers(0, 3))):
        array, place = data.draw(st.sampled_from(numbers)), data.draw(st.integers(0, count - 1))
        array[place] = data.draw(INT64)
    if data.draw(st.booleans()):
        numbers[1][count // 2 :] += 1
        numbers[2][count // 2 :] -= count // 2
    pointers: list[Any] = [each.ctypes.data_as(ctypes.POINTER(ctypes.c_int64)) for each in numbers]
    if data.draw(st.integers(0, 9)) == 0:
        pointers[data.draw(st.integers(0, 3))] = None
    n_tokens = data.draw(st.sampled_from([count, count, count, 0, -1, -(1 << 63)]))
    n_rows = data.draw(st.one_of(st.just(count), st.integers(0, count), INT64))
    logits, guard = guarded(count * small.logits_width * 4)
    has = data.draw(st.sampled_from([logits.size // 4] * 3 + [0, -1, logits.size // 4 - 1]))
    address = data.draw(st.sampled_from([logits.ctypes.data] * 5 + [None]))
    batch = Batch(*pointers, n_tokens, n_rows)
    before = small.stats()["steps"]
    code = code_of("pio_engine_step", small._engine, ctypes.byref(batch), address, has)
    assert (guard == GUARD).all()
    assert small.stats()["steps"] == before + (code == Code.OK)
    assert code == Code.OK or not logits.any()
    assert np.array_equal(answer(small), expected)


def answer(engine: Engine) -> NDArray[np.float32]:
    for slot in range(3):
        engine.free_slot(slot)
    tokens = np.array([3, 1, 2], np.int64)
    logits = engine.step(tokens, np.ones(3, np.int64), np.arange(3), np.array([2]))
    engine.free_slot(1)
    return logits


@given(slots=INT32, context=INT32, n_bytes=INT64)
@EXAMPLES
def test_room_of_any_size_is_refused_or_had(small: Engine, slots: int, context: int, n_bytes: int) -> None:
    expected = answer(small)
    code = code_of("pio_engine_allocate", small._engine, slots, context, n_bytes)
    assert (code == Code.OK) == (1 <= slots <= 65536 and context >= 1 and n_bytes >= 0)
    small.allocate(3, 600)
    assert np.array_equal(answer(small), expected)


@given(slot=INT32, buffer=INT32, values=st.integers(-5, 300))
@EXAMPLES
def test_a_slot_or_buffer_of_any_number(small: Engine, slot: int, buffer: int, values: int) -> None:
    answer(small)
    assert (code_of("pio_engine_free_slot", small._engine, slot) == Code.OK) == (0 <= slot < 3)
    out, guard = guarded(max(values, 0) * 4)
    rows = ctypes.c_int64(-1)
    code = code_of("pio_engine_read_buffer", small._engine, buffer, out.ctypes.data, values, ctypes.byref(rows))
    assert (guard == GUARD).all()
    assert code == Code.E_ARGUMENT or 0 <= buffer < len(small._widths)
    assert code != Code.OK or rows.value * small._widths[buffer] <= values


@given(data=st.data())
@EXAMPLES
def test_blocks_of_any_numbers_are_refused_or_copied(small: Engine, data: st.DataObject) -> None:
    expected = answer(small)
    tokens = np.arange(40, dtype=np.int64) % 7
    small.step(tokens, np.full(40, 2), np.arange(40), np.zeros(0, np.int64))
    start, count = data.draw(st.integers(0, 39)), data.draw(st.integers(1, 40))
    numbers: dict[str, int] = {"slot": 2, "start": start, "end": start + count, "bytes": count * small.token_bytes}
    for name in data.draw(st.lists(st.sampled_from(sorted(numbers)), max_size=2)):
        numbers[name] = data.draw(INT32 if name == "slot" else INT64)
    block, guard = guarded(count * small.token_bytes)
    numbers["bytes"] = min(numbers["bytes"], block.size)
    address = data.draw(st.sampled_from([block.ctypes.data] * 5 + [None]))
    slot, start, end, n_bytes = numbers.values()
    is_saved = ctypes.c_int32(-1)
    code = code_of("pio_engine_save", small._engine, slot, start, end, address, n_bytes, ctypes.byref(is_saved))
    assert (guard == GUARD).all()
    is_possible = slot == 2 and 0 <= start < end <= 40 and n_bytes == (end - start) * small.token_bytes and address
    assert (code == Code.OK) == bool(is_possible)
    assert code == Code.OK or (is_saved.value == -1 and not block.any())
    slot = data.draw(st.sampled_from([slot, slot, 0, 1]))
    code = code_of("pio_engine_restore", small._engine, slot, start, end, address, n_bytes)
    assert code != Code.OK or (0 <= slot < 3 and 0 <= start < end <= 600 and (start <= 40 if slot == 2 else not start))
    assert np.array_equal(answer(small), expected)


def test_a_step_before_there_is_room_is_refused() -> None:
    tables = Tables()
    program, options, engine = tables.program(), EngineOptions(Isa.PLAIN, 1, 0, 3), ctypes.c_void_p()
    assert code_of("pio_engine_create", ctypes.byref(program), ctypes.byref(options), ctypes.byref(engine)) == Code.OK
    zero = np.zeros(1, np.int64)
    pointer = zero.ctypes.data_as(ctypes.POINTER(ctypes.c_int64))
    batch, logits = Batch(pointer, pointer, pointer, pointer, 1, 1), np.empty(70, np.float32)
    assert code_of("pio_engine_step", engine, ctypes.byref(batch), logits.ctypes.data, 70) == Code.E_CONTEXT
    load_library().destroy_engine(engine)
