"""The native kernels' lines in ``inference-pio doctor``; no model is loaded for them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path

from inference_pio.hookspecs import DoctorFinding
from inference_pio.settings import cache_dir

from .errors import NativeError
from .library import load_library
from .pack_cache import FOLDER
from .pack_file import PackFileError, read_facts
from .structures import Isa

DIST = "inference-pio-native"
MEGABYTE = 1_000_000

COSTS = {
    Isa.PLAIN: "no vector instructions that the kernels know: several times slower than they could be",
    Isa.AVX2: "without AVX-512, prompts are read at about half the speed",
    Isa.AVX512: "without VNNI, prompts are read somewhat slower",
}
"""What the best instructions that this CPU lacks would bring."""


def check_kernels() -> DoctorFinding:
    """Whether the compiled kernels are here, and which instructions they use."""
    try:
        library = load_library()
    except NativeError as error:
        # Nor a wheel that pip keeps: it has no kernels either.
        return _unusable(error, "with g++ or clang++: pip install --no-cache-dir --force-reinstall --no-deps " + DIST)
    try:
        isa = library.resolve_isa()
    except NativeError as error:
        return _unusable(error, "unset INFERENCE_PIO_NATIVE_ISA")
    name = isa.name.lower()
    cost = f"; {COSTS[isa]}" if isa in COSTS else ""
    return DoctorFinding(
        code="native-isa",
        group="libraries",
        name="native",
        status="warning" if isa is Isa.PLAIN else "ok",
        message=f"kernels for {name}{cost}",
        data={"isa": name},
    )


def _unusable(error: NativeError, fix: str) -> DoctorFinding:
    return DoctorFinding(
        code="native-kernels-unusable",
        group="libraries",
        name="native",
        status="warning",
        message=f"{error}. Quantized weights are dequantized and run on torch, slower and in more memory",
        fix=fix,
        data={"isa": None},
    )


def check_packs() -> DoctorFinding:
    """What the packed weights take on disk, and which of them nobody will ask for any more."""
    sizes: dict[Path, int] = {}
    orphans: list[Path] = []
    folder = cache_dir() / FOLDER
    for path in sorted(folder.glob("*.pack")):
        with contextlib.suppress(OSError):  # removed meanwhile
            sizes[path] = path.stat().st_size
            if not _has_checkpoint(path):
                orphans.append(path)
    message = f"{len(sizes)} of models, {_megabytes(sizes.values())} in {folder}" if sizes else "none"
    if orphans:
        message += f"; {len(orphans)} of checkpoints that are gone, {_megabytes(map(sizes.__getitem__, orphans))}"
    return DoctorFinding(
        code="packed-weights-orphaned" if orphans else "packed-weights",
        group="storage",
        name="packed",
        status="warning" if orphans else "ok",
        message=message,
        fix=f"Remove {', '.join(map(str, orphans))}" if orphans else "",
        data={"files": len(sizes), "bytes": sum(sizes.values()), "orphans": [str(path) for path in orphans]},
    )


def _has_checkpoint(pack: Path) -> bool:
    try:
        return Path(read_facts(pack).get("checkpoint", "")).exists()
    except PackFileError:  # it will be written anew
        return True


def _megabytes(sizes: Iterable[int]) -> str:
    return f"{sum(sizes) / MEGABYTE:,.1f} MB"
