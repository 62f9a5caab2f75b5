"""What the host calls. Nothing is imported before there is something to keep or to show: every command loads this."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from inference_pio import hookimpl

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import click

    from inference_pio import Completion, ModelPlugin
    from inference_pio.generation import GenerationRequest
    from inference_pio.hookspecs import DoctorFinding, WeightsRequest

    from .recording import Recorder

_lock = threading.Lock()
_recorders: list[Recorder] = []
_asked_for = threading.local()


@hookimpl(tryfirst=True)
def pio_resolve_weights(request: WeightsRequest) -> None:
    """Note which checkpoint this thread is about to load; the answer is left to those who can fetch it."""
    _asked_for.entry = request.entry


@hookimpl
def pio_after_load(plugin_name: str, model: ModelPlugin) -> None:
    """Note which checkpoint a model runs."""
    from .checkpoints import checkpoint_name

    entry: Any = vars(_asked_for).pop("entry", None)
    _recorder().loaded(plugin_name, checkpoint_name(entry, model))


@hookimpl
def pio_before_generation(request: GenerationRequest) -> None:
    """Look at the clock."""
    _recorder().begin(request)


@hookimpl
def pio_after_generation(request: GenerationRequest, completion: Completion) -> None:
    """Keep a generation; the writing happens in a thread of its own."""
    _recorder().end(request, completion)


@hookimpl
def pio_commands() -> Sequence[click.Command]:
    """Contribute ``logs``."""
    from .commands import logs

    return [logs]


@hookimpl
def pio_doctor_checks() -> Sequence[Callable[[], DoctorFinding]]:
    """Contribute one check of the database."""
    from .health import check_history

    return [check_history]


@hookimpl
def pio_shutdown() -> None:
    """Finish writing."""
    for recorder in _recorders:
        recorder.close()


def _recorder() -> Recorder:
    """Return the one recorder of this process."""
    from .recording import Recorder

    with _lock:
        if not _recorders:
            _recorders.append(Recorder())
        return _recorders[0]
