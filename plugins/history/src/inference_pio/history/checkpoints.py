"""Which checkpoint a model runs, in the words that ``--weights`` takes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from inference_pio.manifest import WeightsEntry


def checkpoint_name(entry: WeightsEntry | None, model: Any) -> str | None:
    """Return the id of a checkpoint that the model's manifest lists, else its source; a path is made absolute.

    Args:
        entry: What this thread asked for last; ``None``: nothing.
        model: What has been loaded. A plugin need not fetch its weights through the host.
    """
    if entry is None:
        return None
    listed = getattr(getattr(model, "manifest", None), "weights", ())
    if entry in listed:
        return entry.id
    if not isinstance(entry.source, str) or any(entry.id == other.id for other in listed):
        return None  # left over from a model that failed to load
    path = Path(entry.source).expanduser()
    return str(path.absolute()) if path.exists() else entry.source
