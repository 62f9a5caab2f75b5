"""Everything that core looks at, in the order in which it is shown."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .. import settings
from . import editables, libraries, machine, metadata, plugins, processor, requirements, storage, threads
from .metadata_folders import scan_metadata

if TYPE_CHECKING:
    from ..hookspecs import DoctorFinding
    from ..host import Host


def core_findings(host: Host, *, search_path: Sequence[str] | None = None) -> list[DoctorFinding]:
    """Return what core knows: machine, libraries, folders, metadata, plugins. Imports no plugin.

    Args:
        host: Whose index to look at.
        search_path: Folders whose metadata to look through, in import order; default: ``sys.path``.
    """
    scan = scan_metadata(sys.path if search_path is None else search_path)
    index = host.index
    return [
        machine.interpreter(),
        processor.processor(),
        threads.cores(),
        machine.memory(),
        *libraries.libraries(index.installed),
        libraries.native_kernels(index.installed),
        storage.cache(settings.cache_dir()),
        storage.disk(settings.cache_dir()),
        storage.state(settings.environment_dir()),
        *metadata.metadata_findings(index, scan),
        *editables.editable_findings(index),
        *requirements.requirement_findings(index),
        *plugins.plugin_findings(host),
    ]
