"""Runs in a fresh process: imports a plugin as the host would and writes down what happened.

One job, one process, one mode:

- ``cold``: nothing of the plugin or its dependencies is imported yet. How long, what came with it, was the network
  touched, are the factory's objects independent.
- ``warm``: its dependencies are imported first, so that what changes in the process is the plugin's own doing.
- ``thread``: not in the main thread.
- ``host``: through the host's own checks.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

HEAVY = ("torch", "transformers")

NETWORK_EVENTS = frozenset(
    f"socket.{name}" for name in ("connect", "getaddrinfo", "gethostbyname", "gethostbyaddr", "sendto", "sendmsg")
)
LOCAL_FAMILIES = ("AF_UNIX", "AF_NETLINK")
STANDARD_LIBRARY = Path(traceback.__file__).parent


class NetworkTouchedError(RuntimeError):
    """The plugin reached for the network while it was imported."""


def main() -> None:
    """Do the job that the first argument describes as JSON; write its result to the file that the second names."""
    job, result = json.loads(sys.argv[1]), {"error": ""}
    import_host()
    watch_network(result)
    try:
        MODES[job["mode"]](job, result)
    except BaseException as error:  # noqa: BLE001 - reported by the process that asked; SystemExit is a defect too
        result["error"] = _trace(error)
    Path(sys.argv[2]).write_text(json.dumps(result), encoding="utf-8")


def import_host() -> None:
    """Import what any plugin may use of the host: the budget is for the rest."""
    import inference_pio

    for name in inference_pio.__all__:
        getattr(inference_pio, name)


def watch_network(result: dict[str, Any]) -> None:
    """Make every attempt to reach the network fail, and write it down in case the failure is swallowed."""
    attempts = result.setdefault("network", [])

    def hook(event: str, args: tuple[Any, ...]) -> None:
        if event in NETWORK_EVENTS:
            family = getattr(getattr(args[0], "family", None), "name", "")
            if family not in LOCAL_FAMILIES:
                attempts.append(f"{event.partition('.')[2]} {args[-1] if family else args[0]!r} at {_caller()}")
                raise NetworkTouchedError(f"{attempts[-1]}: a plugin must not touch the network while it is imported")

    sys.addaudithook(hook)


def cold(job: dict[str, Any], result: dict[str, Any]) -> None:
    """Import the plugin and make two objects."""
    importers = _note_importers()
    before = set(sys.modules)
    started, waited = time.perf_counter(), _waited_for_a_core_s()
    loaded = load(job)
    first = loaded() if job["is_model"] else loaded
    seconds = time.perf_counter() - started - (_waited_for_a_core_s() - waited)
    second = loaded() if job["is_model"] else loaded
    result["import_ms"] = round(seconds * 1000, 1)
    result["modules"] = [name for name in sys.modules if name not in before]
    result["heavy"] = [f"{name} (imported at {importers.get(name, '?')})" for name in HEAVY if name in sys.modules]
    if job["is_model"]:
        from .independence import faults_of

        result["faults"] = faults_of(first, second)


def warm(job: dict[str, Any], result: dict[str, Any]) -> None:
    """Compare the process before and after."""
    from .process_state import changes, take_state

    for name in job["preload"]:
        try:
            importlib.import_module(name)
        except Exception:  # noqa: BLE001 - it was there only in the middle of another import
            continue
    before = take_state()
    loaded = load(job)
    if job["is_model"]:
        loaded(), loaded()
    result["changes"] = changes(before, take_state())


def in_thread(job: dict[str, Any], result: dict[str, Any]) -> None:
    """Import the plugin and make an object in a thread of its own."""
    import threading

    def work() -> None:
        try:
            loaded = load(job)
            if job["is_model"]:
                loaded()
        except BaseException as error:  # noqa: BLE001 - as above
            result["error"] = _trace(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def through_host(job: dict[str, Any], result: dict[str, Any]) -> None:
    """Load the plugin the way the host does, with every check that the host makes."""
    if job["is_model"]:
        from ..host import Host

        result["type"] = type(Host().plugin(job["name"], force=True)).__name__
        return
    from .. import hookspecs
    from ..hook_registry import HookRegistry

    registry = HookRegistry()
    registry.register(load(job), job["name"])
    names = [name for name in dir(hookspecs) if name.startswith("pio_")]
    result["hooks"] = [name for name in names if list(registry.implementations(name))]


MODES: dict[str, Callable[[dict[str, Any], dict[str, Any]], None]] = {
    "cold": cold,
    "warm": warm,
    "thread": in_thread,
    "host": through_host,
}


def load(job: dict[str, Any]) -> Any:
    """Import what the entry point names."""
    module, _, attribute = job["entry_point"].partition(":")
    found: Any = importlib.import_module(module.strip())
    for name in filter(None, attribute.partition("[")[0].strip().split(".")):
        found = getattr(found, name)
    return found


def _waited_for_a_core_s() -> float:
    """Seconds that this thread was ready and had no core: a busy machine is not the plugin's fault. Linux only."""
    try:
        return int(Path("/proc/thread-self/schedstat").read_text(encoding="ascii").split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return 0.0


def _note_importers() -> dict[str, str]:
    """Return where each heavy package is first imported from; filled as it happens."""
    importers: dict[str, str] = {}

    class Watcher:
        @staticmethod
        def find_spec(name: str, path: object = None, target: object = None) -> None:
            if name in HEAVY:
                importers.setdefault(name, _caller())

    sys.meta_path.insert(0, Watcher)
    return importers


def _caller() -> str:
    """File and line of the nearest frame that is neither ours nor Python's own: who wanted it."""
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        name = frame.f_code.co_filename
        is_pythons = name.startswith(("<frozen", str(STANDARD_LIBRARY))) and "-packages" not in name
        if name != __file__ and not is_pythons:
            return f"{name}:{frame.f_lineno}"
        frame = frame.f_back
    return "an unknown place"


def _trace(error: BaseException) -> str:
    return "".join(traceback.format_exception(type(error), error, error.__traceback__))
