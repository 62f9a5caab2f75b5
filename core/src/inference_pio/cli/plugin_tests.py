"""Finds the tests that a plugin ships, and runs pytest on them in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..settings import trial
from .failures import INTERRUPTED

if TYPE_CHECKING:
    from ..host import Host
    from ..records import PluginRecord


def usable_plugin(host: Host, name: str) -> PluginRecord:
    """Return the record of a plugin whose tests may run.

    Its tests import it, so what keeps it from being loaded keeps it from being tested; memory is the tests' business.

    Raises:
        InferencePioError: There is none of this name, or it may not be loaded here.
    """
    from ..errors import ManifestError, PluginUnavailableError
    from ..records import PluginState
    from ..testing.installed_plugins import find_plugin

    kind, record = find_plugin(name)
    if kind == "model":
        return host.require_usable(record.name, force=True)
    if record.state is PluginState.INVALID:
        raise ManifestError(record.explanation, plugin=record.name, dist=record.dist)
    if not record.is_usable:
        raise PluginUnavailableError(
            f"plugin {record.name!r} ({record.dist}) cannot be used here: {record.explanation}"
        )
    return record


def find_tests_folder(host: Host, record: PluginRecord) -> Path:
    """Find the tests in the plugin's package, so that nothing is imported to look for them.

    Raises:
        PluginLoadError: The plugin brings none.
    """
    from ..errors import PluginLoadError

    for package in _package_folders(host, record):
        if (package / "tests").is_dir():
            return package / "tests"
    module = record.entry_point.partition(":")[0]
    package_name = module.rpartition(".")[0] or module
    raise PluginLoadError(
        f"ships no tests: there is no folder tests in its package {package_name}",
        plugin=record.name,
        dist=record.dist,
        fix="If it is yours: inference-pio new NAME writes one with its tests, as an example",
    )


def _package_folders(host: Host, record: PluginRecord) -> list[Path]:
    if record.manifest_path:
        return [Path(record.manifest_path).parent]
    from ..installed import HOOKS_GROUP, EntryPointRef
    from ..manifest_files import PackageFolders, folders_beside

    reference = EntryPointRef(HOOKS_GROUP, record.name, record.entry_point)
    folders = PackageFolders()
    dist = host.index.installed.dists[record.dist_name]
    # An entry point may name the package itself, or a module in it.
    return [Path(path) for path in (*folders.of(reference.module), *folders_beside(reference, dist, folders))]


def run_pytest(arguments: Sequence[str], *, to_stderr: bool = False) -> int:
    """Run pytest and return our exit code.

    Args:
        arguments: For pytest.
        to_stderr: Keep standard output free for the result.
    """
    # A process of its own: neither our log handlers nor what we have imported are the plugin's business. No cache
    # folder: site-packages may be read-only. Import mode: the folder's name, "tests", is every plugin's. Our plugin by
    # name: where entry points of pytest are switched off it is needed all the same.
    own = ["-p", "no:cacheprovider", "--import-mode=importlib", "-p", "inference_pio.testing.plugin"]
    argv = [sys.executable, "-m", "pytest", *own, *arguments]
    with trial():
        process = subprocess.Popen(argv, stdout=sys.stderr if to_stderr else None)
    interrupted = False
    while True:
        try:
            code = process.wait()
            break
        except KeyboardInterrupt:
            interrupted = True  # pytest got it too, and reports before it ends
    # pytest's own 2 means Ctrl-C or that a test file cannot be imported, its 4 wrong arguments, its 5 no test at all.
    return INTERRUPTED if interrupted else {0: 0, 4: 2}.get(code, 1)
