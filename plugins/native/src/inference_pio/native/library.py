"""Loads the compiled kernels, once a process, and turns their codes into exceptions."""

from __future__ import annotations

import ctypes
import functools
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import NativeError, NativeUnavailableError, error_of
from .structures import ABI_VERSION, FUNCTIONS, Code, Isa

if TYPE_CHECKING:
    from collections.abc import Callable

LIBRARY = Path(__file__).parent / "_kernels.so"
"""Where the build puts the kernels; the name is the same on every system."""


class Library:
    """The functions of ``csrc/pio_native.h``.

    Calls release the interpreter's lock. Arrays are given as addresses; the caller keeps them alive.

    Args:
        path: The shared library.

    Raises:
        NativeUnavailableError: It is missing, cannot be loaded, or is of another version of this distribution.
    """

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise NativeUnavailableError(
                f"inference-pio-native was installed without its compiled kernels ({path.name} is missing): no C++ "
                "compiler worked when it was built"
            )
        try:
            self._functions = ctypes.CDLL(str(path))
        except OSError as error:
            raise NativeUnavailableError(f"the compiled kernels cannot be loaded: {error}") from error
        version = getattr(self._functions, "pio_abi_version", lambda: None)()
        if version != ABI_VERSION:
            raise NativeUnavailableError(
                f"the compiled kernels have interface version {version}, and this distribution needs {ABI_VERSION}"
            )
        for name, (result, arguments) in FUNCTIONS.items():
            function = getattr(self._functions, name)
            function.restype, function.argtypes = result, arguments

    def call(self, name: str, *arguments: object) -> None:
        """Call a function that returns a code.

        Raises:
            NativeError: The code is not 0; a subclass where one fits.
        """
        code = getattr(self._functions, name)(*arguments)
        if code != Code.OK:
            raise error_of(code, self._functions.pio_last_error().decode("utf-8", "replace"))

    def destroy_engine(self, engine: ctypes.c_void_p) -> None:
        """Call ``pio_engine_destroy``, which cannot fail."""
        self._functions.pio_engine_destroy(engine)

    def resolve_isa(self, isa: Isa = Isa.AUTO) -> Isa:
        """Return the instruction set that ``isa`` stands for here.

        Raises:
            NativeUnavailableError: This CPU lacks it, or ``INFERENCE_PIO_NATIVE_ISA`` names none.
        """
        resolved = ctypes.c_int32()
        self.call("pio_resolve_isa", int(isa), ctypes.byref(resolved))
        return Isa(resolved.value)

    def available_isas(self) -> tuple[Isa, ...]:
        """Every instruction set that this build and this CPU have, plain first."""
        return tuple(isa for isa in Isa if isa is not Isa.AUTO and self._has(isa))

    def _has(self, isa: Isa) -> bool:
        try:
            self.resolve_isa(isa)
        except NativeError:
            return False
        return True


load_library: Callable[[], Library] = functools.cache(lambda: Library(LIBRARY))
"""The library of this installation, loaded at the first call. Raises ``NativeUnavailableError``."""
