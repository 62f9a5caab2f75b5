"""Gets a model ready for a command: progress, the question about a licence, and the check that it speaks text."""

from __future__ import annotations

import dataclasses
import importlib.util
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from ..errors import InferencePioError, LicenseNotAcceptedError, UsageError
from .options import ModelFlags
from .progress import ProgressDisplay
from .terminal import can_ask, note

if TYPE_CHECKING:
    from pathlib import Path

    from ..generation import ProgressCallback
    from ..host import Host
    from ..interfaces import ModelPlugin, TextModelPlugin
    from ..manifest import WeightsEntry

T = TypeVar("T")


def load_text_model(host: Host, name: str, flags: ModelFlags) -> TextModelPlugin:
    """Load a model that generates text.

    Raises:
        UsageError: The plugin does something else.
        InferencePioError: Loading failed.
    """
    require_model_name(host, name)

    def load(accepted: bool, progress: ProgressCallback) -> TextModelPlugin:
        _require_text(host.plugin(name, force=flags.force))
        options = dataclasses.replace(flags.load, accept_license=accepted, progress=progress)
        return cast("TextModelPlugin", host.load(name, options, force=flags.force))

    return with_consent(load, host, name, flags.load.weights, accepted=flags.load.accept_license)


def pull_weights(host: Host, name: str, weights: str | None, *, accept_license: bool, offline: bool) -> Path:
    """Fetch a checkpoint without loading it, and return where it is.

    Raises:
        InferencePioError: There is no such checkpoint, no consent, or the download failed.
    """

    def pull(accepted: bool, progress: ProgressCallback) -> Path:
        return host.pull(name, weights, accept_license=accepted, offline=offline, progress=progress)

    return with_consent(pull, host, name, weights, accepted=accept_license)


def with_consent(
    action: Callable[[bool, ProgressCallback], T], host: Host, name: str, weights: str | None, *, accepted: bool
) -> T:
    """Do something that may need the user's consent to the weights' terms, with progress shown.

    Args:
        action: Gets whether the terms are accepted, and where to report progress. Done again after a yes.
        host: Where the plugin is.
        name: The plugin.
        weights: Which of its checkpoints, as in ``LoadOptions``.
        accepted: Whether the user agreed already.

    Raises:
        LicenseNotAcceptedError: Nobody could be asked, or the answer was no.
    """
    try:
        with ProgressDisplay(name) as progress:
            return action(accepted, progress)
    except LicenseNotAcceptedError:
        if not can_ask() or not _agrees(_entry(host, name, weights)):
            raise
    with ProgressDisplay(name) as progress:
        return action(True, progress)


def _entry(host: Host, name: str, weights: str | None) -> WeightsEntry:
    from ..weights_choice import weights_entry

    manifest = host.record(name).manifest
    assert manifest is not None, "a plugin without a manifest cannot have asked for consent"
    return weights_entry(manifest, weights)


def _agrees(entry: WeightsEntry) -> bool:
    """Ask on standard error; anything but a yes is a no."""
    note(f"The weights {entry.id} come under their own terms: {entry.license or 'not named by the manifest'}")
    if entry.license_url:
        note(f"Read them: {entry.license_url}")
    click.echo("Do you accept these terms? [y/N] ", err=True, nl=False)
    # Not input(): it writes to standard output, which belongs to the answer.
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def _require_text(plugin: ModelPlugin) -> None:
    # By members: as for the host, a plugin need not inherit from our classes.
    if not all(hasattr(type(plugin), member) for member in ("stream", "stream_chat", "has_chat_template")):
        raise UsageError(f"plugin {plugin.name!r} does not generate text. See: inference-pio info {plugin.name}")


def require_model_name(host: Host, name: str) -> None:
    """Stop unless this is the name of an installed model, whatever its state.

    Raises:
        UsageError: It is not; a sentence is taken for a prompt in the name's place.
    """
    if len(name.split()) > 1:
        raise UsageError(f"the model's name comes before the prompt: inference-pio run smollm2 {name!r}")
    host.record(name)


def require_module(module: str, dist: str, purpose: str) -> None:
    """Stop with the command to type when an optional distribution is missing.

    Raises:
        InferencePioError: The module cannot be found.
    """
    try:
        found = importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # a parent package is missing
        found = False
    if not found:
        raise InferencePioError(f"{purpose} needs {dist}, which is not installed. Install it: pip install {dist}")


def runtime_module(name: str, purpose: str) -> Any:
    """Import a module of the runtime, which core does not depend on: without it there is only less that can be done.

    Raises:
        InferencePioError: The runtime is not installed.
    """
    require_module("inference_pio.runtime", "inference-pio-runtime", purpose)
    return importlib.import_module(f"inference_pio.runtime.{name}")
