"""What this distribution plugs in: an executor for CPUs, and what ``inference-pio doctor`` says of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from inference_pio.hookspecs import DoctorFinding, ExecutorRequest, hookimpl

if TYPE_CHECKING:
    from .executor import NativeExecutor


@hookimpl(tryfirst=True)
def pio_offer_executor(request: ExecutorRequest) -> NativeExecutor | None:
    """The native executor for models on the CPU, unless another kind of number is asked for than it computes with."""
    from .offering import offer

    return offer(request)


@hookimpl
def pio_doctor_checks() -> Sequence[Callable[[], DoctorFinding]]:
    """Whether the kernels are here and which instructions they use, and what their cache takes."""
    from .doctor import check_kernels, check_packs

    checks: list[Any] = [check_kernels, check_packs]
    return checks
