"""What the native kernels refuse, as exceptions."""

from __future__ import annotations

from inference_pio.errors import InferencePioError, NotLoadedError

from .structures import Code


class NativeError(InferencePioError):
    """A call into the compiled kernels failed; the message is theirs."""


class NativeUnavailableError(NativeError):
    """The kernels are not here: not compiled, not loadable, or not for this CPU."""


class NativeUnsupportedError(NativeError):
    """Something that no kernel computes; the model runs on torch instead, and the message says what it was."""


class NativeArgumentError(NativeError, ValueError):
    """A size, an index or an address is wrong."""


class NativeMemoryError(NativeError, MemoryError):
    """The system has no memory left for buffers, weights or the KV cache."""


class ForkedError(NativeError, NotLoadedError):
    """The process was forked after the model was loaded: the threads that compute are in the parent."""


_BY_CODE: dict[int, type[NativeError]] = {
    Code.E_ARGUMENT: NativeArgumentError,
    Code.E_CONTEXT: NativeArgumentError,
    Code.E_UNSUPPORTED: NativeUnsupportedError,
    Code.E_MEMORY: NativeMemoryError,
    Code.E_CPU: NativeUnavailableError,
    Code.E_FORKED: ForkedError,
}


def error_of(code: int, message: str) -> NativeError:
    """Return the exception for a code and the kernels' own words."""
    return _BY_CODE.get(code, NativeError)(message or f"the native kernels failed with code {code}")
