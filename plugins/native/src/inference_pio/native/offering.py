"""Decides whether a model runs on the native kernels, and says once why it does not."""

from __future__ import annotations

import functools
import logging
from typing import TYPE_CHECKING

from inference_pio.errors import InvalidOptionError
from inference_pio.runtime.causal_lm import CausalLMPlugin
from inference_pio.runtime.program import MissingOperationError

from .errors import NativeUnavailableError, NativeUnsupportedError
from .library import load_library

if TYPE_CHECKING:
    from inference_pio.hookspecs import ExecutorRequest

    from .executor import NativeExecutor

logger = logging.getLogger(__name__)

DEMANDED = ("native", "w8", "w4")
"""Values of ``LoadOptions.dtype`` that only these kernels know: where they cannot be had, that is an error."""

OFFERED = (None, "auto", *DEMANDED)


def offer(request: ExecutorRequest) -> NativeExecutor | None:
    """Return an executor, or ``None`` where torch is the one to ask.

    Raises:
        InvalidOptionError: The caller demands what cannot be had here; the message says why.
    """
    dtype, plugin = request.options.dtype, request.plugin
    if dtype not in OFFERED or not isinstance(plugin, CausalLMPlugin):
        return None
    if request.device != "cpu":
        _refuse_if_demanded(dtype, f"the native kernels run on the cpu, not on {request.device!r}")
        return None
    _check_optimizations(request, plugin)
    try:
        from .loading import build_native_executor

        load_library()
        return build_native_executor(request, plugin)
    except NativeUnavailableError as error:
        _refuse_if_demanded(dtype, str(error), error)
        logger.info("%s", error)  # doctor says it, too: not a warning at every start
    except (MissingOperationError, NativeUnsupportedError) as error:
        _refuse_if_demanded(dtype, str(error), error)
        _warn_once(f"{request.plugin_name} runs on torch, slower and in more memory: {error}")
    return None


def _refuse_if_demanded(dtype: str | None, reason: str, error: Exception | None = None) -> None:
    if dtype in DEMANDED:
        raise InvalidOptionError(
            f"dtype {dtype!r} cannot be had here: {reason}. Leave it out, or ask inference-pio doctor"
        ) from error


@functools.cache
def _warn_once(message: str) -> None:
    logger.warning("%s", message)


def _check_optimizations(request: ExecutorRequest, plugin: CausalLMPlugin) -> None:
    """Refuse names that the model does not have, as on torch; those it has concern its torch modules alone."""
    known = (
        [optimization.name for optimization in plugin.optimizations()] if request.options.disabled_optimizations else []
    )
    for name in request.options.disabled_optimizations:
        if name not in known:
            listed = ", ".join(known) or "none"
            raise InvalidOptionError(f"optimization {name!r} is unknown; this model has: {listed}")
