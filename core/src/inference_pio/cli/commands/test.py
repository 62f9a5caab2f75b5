"""``inference-pio test``: a plugin proves itself where it is installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..command import build_command, option
from ..options import plugin_name

if TYPE_CHECKING:
    from ...records import PluginRecord

EXAMPLES = """
inference-pio test smollm2
inference-pio test smollm2 --parity      # compare with transformers
inference-pio test smollm2 -k tokenizer
inference-pio test smollm2 -- -x --durations=5
"""


@build_command("test", examples=EXAMPLES)
@plugin_name
@option("--parity", is_flag=True, help="Only the tests that compare with transformers, which must be installed.")
@option("-k", "keyword", metavar="EXPRESSION", help="Only tests whose names match, as pytest's own -k.")
@click.argument("pytest_args", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def command(ctx: click.Context, name: str, parity: bool, keyword: str | None, pytest_args: tuple[str, ...]) -> None:
    """Run the tests that the plugin NAME ships.

    pytest runs them; what follows -- goes to it as it is.
    """
    from ...host import default_host
    from ..loading import require_module

    # Its tests import it, so what keeps it from being loaded keeps it from being tested; memory is the tests' business.
    record = default_host().require_usable(name, force=True)
    folder = _tests_folder(record)
    require_module("pytest", "pytest", "testing a plugin")
    if parity:
        require_module("transformers", "transformers", "comparing with transformers")
    chosen = " and ".join(f"({part})" for part in ("parity" if parity else None, keyword) if part)
    # Cut there: -k looks at the names of all folders that pytest walks through, and a path may well contain "parity".
    arguments = [str(folder), f"--confcutdir={folder}", *(["-k", chosen] if chosen else []), *pytest_args]
    ctx.exit(_run_pytest(arguments))


def _tests_folder(record: PluginRecord) -> Path:
    """Find the tests beside the plugin's manifest, so that nothing is imported to look for them.

    Raises:
        PluginLoadError: The plugin brings none.
    """
    from ...errors import PluginLoadError

    folder = Path(record.manifest_path).parent / "tests" if record.manifest_path else None
    if folder is None or not folder.is_dir():
        package = record.entry_point.partition(":")[0].rpartition(".")[0]
        raise PluginLoadError(f"ships no tests folder in its package {package}", plugin=record.name, dist=record.dist)
    return folder


def _run_pytest(arguments: list[str]) -> int:
    """Run pytest and return our exit code."""
    from ..failures import INTERRUPTED

    # A process of its own: neither our log handlers nor what we have imported are the plugin's business. No cache
    # folder: site-packages may be read-only. Import mode: the folder's name, "tests", is every plugin's.
    own = ["-p", "no:cacheprovider", "--import-mode=importlib", "-p", "inference_pio.cli.markers"]
    process = subprocess.Popen([sys.executable, "-m", "pytest", *own, *arguments])
    interrupted = False
    while True:
        try:
            code = process.wait()
            break
        except KeyboardInterrupt:
            interrupted = True  # pytest got it too, and reports before it ends
    # pytest's own 2 means Ctrl-C or that a test file cannot be imported, its 4 wrong arguments, its 5 no test at all.
    return INTERRUPTED if interrupted else {0: 0, 4: 2}.get(code, 1)
