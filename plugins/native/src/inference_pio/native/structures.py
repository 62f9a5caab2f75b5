"""The structs, numbers and functions of ``csrc/pio_native.h``, for ctypes; a test compares them with the header."""

from __future__ import annotations

import ctypes
from ctypes import POINTER, c_char_p, c_float, c_int32, c_int64, c_void_p
from enum import IntEnum

ABI_VERSION = 2
BLOCK_ROWS = 16
GROUP = 32
ALIGNMENT = 64
MOST_THREADS = 256
PAGE_TOKENS = 256


class Code(IntEnum):
    """``pio_code``: what a function returns."""

    OK = 0
    E_ARGUMENT = 1
    E_UNSUPPORTED = 2
    E_MEMORY = 3
    E_CPU = 4
    E_CONTEXT = 5
    E_BUSY = 6
    E_FORKED = 7
    E_THREADS = 8


class Isa(IntEnum):
    """``pio_isa``: instruction sets."""

    AUTO = 0
    PLAIN = 1
    AVX2 = 2
    AVX512 = 3
    AVX512VNNI = 4
    NEON = 5


class Format(IntEnum):
    """``pio_format``: how a packed weight lies in memory."""

    F32 = 0
    F16 = 1
    BF16 = 2
    W4_S = 10
    W4_SM = 11
    W4_K = 12
    W5_S = 20
    W5_SM = 21
    W5_K = 22
    W6_K = 30
    W8_S = 40


class Source(IntEnum):
    """``pio_source``: storage types of checkpoints; the numbers are GGUF's, the names too."""

    F32 = 0
    F16 = 1
    Q4_0 = 2
    Q4_1 = 3
    Q5_0 = 6
    Q5_1 = 7
    Q8_0 = 8
    Q4_K = 12
    Q5_K = 13
    Q6_K = 14
    BF16 = 30


class OperationKind(IntEnum):
    """``pio_operation_kind``."""

    EMBED = 1
    RMS_NORM = 2
    LINEAR = 3
    ROPE = 4
    ATTENTION = 5
    GATED = 6
    ADD = 7
    SCALE = 8
    COPY = 9
    LOGITS = 10


class Pairing(IntEnum):
    """``pio_pairing``."""

    HALVES = 0
    INTERLEAVED = 1


class Activation(IntEnum):
    """``pio_activation``."""

    SILU = 0
    GELU_TANH = 1


class CacheType(IntEnum):
    """``pio_cache_type``."""

    F16 = 0
    F32 = 1


class Weight(ctypes.Structure):
    """``pio_weight``."""

    _fields_ = (
        ("format", c_int32),
        ("padding", c_int32),
        ("rows", c_int64),
        ("columns", c_int64),
        ("data", c_void_p),
        ("n_bytes", c_int64),
    )


class Operation(ctypes.Structure):
    """``pio_operation``; ``in`` is a keyword, so its field is ``in_``."""

    _fields_ = (
        ("kind", c_int32),
        ("in_", c_int32),
        ("in_column", c_int32),
        ("out", c_int32),
        ("out_column", c_int32),
        ("width", c_int32),
        ("heads", c_int32),
        ("key_column", c_int32),
        ("value_column", c_int32),
        ("weight", c_int32),
        ("vector", c_int32),
        ("table", c_int32),
        ("layer", c_int32),
        ("mode", c_int32),
        ("scale", c_float),
        ("softcap", c_float),
        ("epsilon", c_float),
        ("padding", c_int32),
    )


class Vector(ctypes.Structure):
    """``pio_vector``."""

    _fields_ = (("data", POINTER(c_float)), ("length", c_int64))


class Layer(ctypes.Structure):
    """``pio_layer``."""

    _fields_ = (("kv_heads", c_int32), ("width", c_int32), ("window", c_int32), ("padding", c_int32))


class Program(ctypes.Structure):
    """``pio_program``."""

    _fields_ = (
        ("buffer_widths", POINTER(c_int32)),
        ("operations", POINTER(Operation)),
        ("weights", POINTER(Weight)),
        ("vectors", POINTER(Vector)),
        ("tables", POINTER(Vector)),
        ("layers", POINTER(Layer)),
        ("n_buffers", c_int32),
        ("n_operations", c_int32),
        ("n_weights", c_int32),
        ("n_vectors", c_int32),
        ("n_tables", c_int32),
        ("n_layers", c_int32),
    )


class EngineOptions(ctypes.Structure):
    """``pio_engine_options``."""

    _fields_ = (("isa", c_int32), ("threads", c_int32), ("cache_type", c_int32), ("max_tokens", c_int32))


class Batch(ctypes.Structure):
    """``pio_batch``."""

    _fields_ = (
        ("tokens", POINTER(c_int64)),
        ("slots", POINTER(c_int64)),
        ("positions", POINTER(c_int64)),
        ("logit_rows", POINTER(c_int64)),
        ("n_tokens", c_int64),
        ("n_logit_rows", c_int64),
    )


class EngineStats(ctypes.Structure):
    """``pio_engine_stats``."""

    _fields_ = (
        ("weight_bytes", c_int64),
        ("buffer_bytes", c_int64),
        ("cache_bytes", c_int64),
        ("steps", c_int64),
        ("tokens", c_int64),
        ("threads", c_int32),
        ("isa", c_int32),
    )


_engine = c_void_p
_floats = POINTER(c_float)

FUNCTIONS: dict[str, tuple[type | None, tuple[type, ...]]] = {
    "pio_abi_version": (c_int32, ()),
    "pio_last_error": (c_char_p, ()),
    "pio_resolve_isa": (c_int32, (c_int32, POINTER(c_int32))),
    "pio_isa_name": (c_char_p, (c_int32,)),
    "pio_format_of": (c_int32, (c_int32, POINTER(c_int32))),
    "pio_weight_bytes": (c_int32, (c_int32, c_int64, c_int64, POINTER(c_int64))),
    "pio_pack": (
        c_int32,
        (c_int32, c_void_p, c_int64, c_int64, c_int64, c_int32, c_void_p, c_int64, c_int64, c_int64),
    ),
    "pio_unpack": (c_int32, (POINTER(Weight), c_int64, c_int64, c_void_p, c_int64)),
    "pio_quantize": (c_int32, (c_int32, c_void_p, c_int64, c_int64, c_void_p, c_void_p, c_void_p)),
    "pio_product": (c_int32, (c_int32, POINTER(Weight), c_void_p, c_int64, c_void_p, c_int64)),
    "pio_engine_create": (c_int32, (POINTER(Program), POINTER(EngineOptions), POINTER(_engine))),
    "pio_engine_destroy": (None, (_engine,)),
    "pio_engine_allocate": (c_int32, (_engine, c_int32, c_int32, c_int64)),
    "pio_engine_step": (c_int32, (_engine, POINTER(Batch), c_void_p, c_int64)),
    "pio_engine_free_slot": (c_int32, (_engine, c_int32)),
    "pio_engine_save": (c_int32, (_engine, c_int32, c_int64, c_int64, c_void_p, c_int64, POINTER(c_int32))),
    "pio_engine_restore": (c_int32, (_engine, c_int32, c_int64, c_int64, c_void_p, c_int64)),
    "pio_engine_read_buffer": (c_int32, (_engine, c_int32, c_void_p, c_int64, POINTER(c_int64))),
    "pio_engine_get_stats": (c_int32, (_engine, POINTER(EngineStats))),
}
"""Result and argument types by name. Arrays go as addresses (``ndarray.ctypes.data``)."""
