"""Downloaded weights that stay in the cache when their model goes."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ..errors import InferencePioError
from ..file_sizes import size_of
from ..settings import cache_dir
from ..stdout_guard import stdout_to_stderr

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class RemainingWeights:
    """One checkpoint.

    Attributes:
        plugin: Whose manifest lists it.
        id: Its id there.
        path: The file or folder.
        n_bytes: Its size.
    """

    plugin: str
    id: str
    path: Path
    n_bytes: int


def remaining_weights(models: Iterable[str]) -> tuple[RemainingWeights, ...]:
    """Return the downloaded weights of some models; touches no network.

    Asks the hooks of installed plugins, which know the cache; where they fail nothing is known of it.
    """
    found: list[RemainingWeights] = []
    for name in models:
        try:
            with stdout_to_stderr():
                found += _of_model(name)
        except InferencePioError:  # broken, disabled, or no plugin knows the cache: removing it must still work
            logger.debug("the weights of %r cannot be told", name, exc_info=True)
    return tuple(found)


def _of_model(name: str) -> Iterator[RemainingWeights]:
    from ..host import default_host

    host = default_host()
    manifest = host.record(name).manifest
    cache = cache_dir()
    for entry in manifest.weights if manifest else ():
        if host.hooks.weights_present(entry, cache):
            path = host.pull(name, entry.id, offline=True)
            if path.absolute().is_relative_to(cache.absolute()):  # a file of the user's own is not ours to mention
                yield RemainingWeights(name, entry.id, path, size_of(path))
