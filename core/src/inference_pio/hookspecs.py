"""The hooks of inference-pio: everything a third party can observe or change.

A distribution implements hooks in a module or object that an entry point in group ``inference_pio.hooks`` names::

    from inference_pio import hookimpl

    @hookimpl
    def pio_after_load(plugin_name, model):
        print(plugin_name, "is ready")

Decision hooks (``firstresult``) are asked in turn until one answers; an error in one stops the operation and names the
plugin. Contribution hooks are called one implementation at a time; an error is logged and the others still count.

Each hook has an example, which a test runs. What it uses without importing it is ``hookimpl`` as above,
``DoctorFinding`` from here, ``click``, or of the standard library. Ask only for the arguments you need.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pluggy

if TYPE_CHECKING:
    import click

    from .common.config.model_config_base import BaseConfig
    from .generation import Completion, GenerationRequest, LoadOptions, ProgressCallback
    from .interfaces import ModelPlugin
    from .manifest import Manifest, WeightsEntry

PROJECT = "inference_pio"
HOST_API = "1.2"
"""Version of the hook specifications and interfaces; a manifest's ``host_api`` is a specifier on it."""

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)

DoctorGroup = Literal["machine", "libraries", "storage", "installation", "plugins", "hooks"]
"""Sections of ``inference-pio doctor``, in its order."""

LogitsProcessor = Callable[[Sequence[int], Any], Any]
"""``(token ids so far, float32 logits [V]) -> float32 logits [V]``; may change the array it gets.

Called once for each token of an answer, in order, also with ``speculate``: it may keep a memory.
"""


@dataclass(frozen=True, kw_only=True)
class WeightsRequest:
    """A checkpoint that somebody wants as a local file or folder.

    Attributes:
        entry: Where it comes from and what its bytes must be.
        cache_dir: Folder that downloads are kept under.
        offline: Never touch the network.
        progress: Called while bytes arrive.
    """

    entry: WeightsEntry
    cache_dir: Path
    offline: bool = False
    progress: ProgressCallback | None = None


@dataclass(frozen=True, kw_only=True)
class ExecutorRequest:
    """A model that somebody wants to run.

    Attributes:
        plugin_name: Entry point name of the model.
        plugin: The model plugin, which builds its modules and describes its layers.
        config: The configuration, already adjusted.
        checkpoint: The opened checkpoint (``inference_pio.runtime.weights.Checkpoint``), tensors still on disk.
        device: The chosen device.
        options: What the caller asked for.
    """

    plugin_name: str
    plugin: ModelPlugin
    config: BaseConfig
    checkpoint: Any
    device: str
    options: LoadOptions


@dataclass(frozen=True, kw_only=True)
class DoctorFinding:
    """One line of ``inference-pio doctor``.

    Attributes:
        name: What was looked at, for example ``torch``.
        status: ``ok``, ``warning`` (works, but worse than it could) or ``error`` (something does not work).
        message: What was found.
        fix: What to do about it; empty when there is nothing to do.
        data: The same for programs.
        code: Stable, for programs; lower case, words joined by ``-``.
        group: Section of the output that it stands in.
    """

    name: str
    status: Literal["ok", "warning", "error"]
    message: str
    fix: str = ""
    data: Mapping[str, Any] | None = None
    code: str = "contributed"
    group: DoctorGroup = "hooks"


@hookspec(firstresult=True)
def pio_resolve_weights(request: WeightsRequest) -> Path | None:
    """Turn a weights source into a verified local path, or answer ``None`` when the scheme is not yours.

    Example::

        @hookimpl
        def pio_resolve_weights(request):
            source = str(request.entry.source)
            if source.startswith("share:"):  # a folder that the whole office mounts
                return Path(os.environ["OFFICE_SHARE"], source.removeprefix("share:"))
            return None  # let somebody else fetch it
    """


@hookspec(firstresult=True)
def pio_weights_present(entry: WeightsEntry, cache_dir: Path) -> bool | None:
    """Say whether a checkpoint is on this machine already, without any network; ``None`` when the scheme is not yours.

    Consent to its terms is asked for only before a download, and ``list`` can show what is there.

    Example::

        @hookimpl
        def pio_weights_present(entry, cache_dir):
            source = str(entry.source)
            if source.startswith("share:"):
                return Path(os.environ["OFFICE_SHARE"], source.removeprefix("share:")).exists()
            return None
    """


@hookspec(firstresult=True)
def pio_choose_device(manifest: Manifest, requested: str | None) -> str | None:
    """Choose the device a model runs on, for example ``cuda:1``.

    Example::

        @hookimpl
        def pio_choose_device(manifest, requested):
            if requested is None and manifest.required_memory_gb > 8:
                return "cuda:1"  # the larger of the two cards here
            return None
    """


@hookspec(firstresult=True)
def pio_offer_executor(request: ExecutorRequest) -> Any | None:
    """Offer an executor for a model (see ``inference_pio.runtime.executor.Executor``), or ``None`` to pass.

    Example::

        @hookimpl
        def pio_offer_executor(request):
            if request.device != "npu":
                return None
            from acme_npu import NpuExecutor  # imported where it is used: every command loads this module

            return NpuExecutor(request.plugin, request.config, request.checkpoint)
    """


@hookspec(firstresult=True)
def pio_adjust_config(plugin_name: str, config: BaseConfig) -> BaseConfig | None:
    """Return a changed configuration before the model is built, or ``None`` to leave it.

    Example::

        @hookimpl
        def pio_adjust_config(plugin_name, config):
            if plugin_name == "gemma3":
                return dataclasses.replace(config, max_position_embeddings=2048)
            return None
    """


@hookspec
def pio_after_load(plugin_name: str, model: ModelPlugin) -> None:
    """Observe a model that has just been loaded.

    Example::

        @hookimpl
        def pio_after_load(plugin_name, model):
            model.generate("warm up", max_new_tokens=1)
    """


@hookspec
def pio_before_generation(request: GenerationRequest) -> None:
    """Observe a generation that is about to start.

    Example::

        logger = logging.getLogger(__name__)

        @hookimpl
        def pio_before_generation(request):
            logger.info("%s: %d tokens", request.plugin_name, len(request.prompt_ids))
    """


@hookspec
def pio_after_generation(request: GenerationRequest, completion: Completion) -> None:
    """Observe a generation that has ended, also when it was cancelled.

    Example::

        new_tokens = collections.Counter()

        @hookimpl
        def pio_after_generation(request, completion):
            new_tokens[request.plugin_name] += completion.stats.new_tokens
    """


@hookspec
def pio_logits_processors(request: GenerationRequest) -> Sequence[LogitsProcessor] | None:
    """Contribute functions that change the logits before a token is chosen.

    Example::

        @hookimpl
        def pio_logits_processors(request):
            def never_say_42(token_ids, logits):
                logits[42] = float("-inf")
                return logits

            return [never_say_42]
    """


@hookspec
def pio_commands() -> Sequence[click.Command] | None:
    """Contribute commands to the command line.

    Example::

        @hookimpl
        def pio_commands():
            @click.command("greet", help="Greet somebody.")
            @click.argument("who")
            def greet(who):
                click.echo(f"Hello {who}")

            return [greet]
    """


@hookspec
def pio_doctor_checks() -> Sequence[Callable[[], DoctorFinding]] | None:
    """Contribute checks to ``inference-pio doctor``; a check must not import torch or load a model.

    Example::

        def check_share():
            path = os.environ["OFFICE_SHARE"]
            if os.path.isdir(path):
                return DoctorFinding(name="share", status="ok", message=path)
            return DoctorFinding(name="share", status="error", message=f"{path} is not mounted", fix=f"mount {path}")

        @hookimpl
        def pio_doctor_checks():
            return [check_share]
    """


@hookspec
def pio_shutdown() -> None:
    """Put your things in order: the command, or the program, is about to end.

    Called once, for plugins that were loaded, each with a limit of a few seconds and so in a thread of its own: what
    belongs to one thread, as a connection of ``sqlite3`` does by default, is closed where it was opened. Since host API
    1.1.

    Example::

        connections = []  # opened by other hooks of this plugin

        @hookimpl
        def pio_shutdown():
            while connections:
                connections.pop().close()
    """
