"""``inference-pio test``: a plugin proves itself where it is installed."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ...testing.levels import LEVELS
from ..command import build_command, option
from ..completion import complete_all_plugins
from ..options import as_json
from ..terminal import note, write_json

if TYPE_CHECKING:
    from ...records import PluginRecord
    from ...testing.report import Report

EXAMPLES = """
inference-pio test smollm2
inference-pio test smollm2 --level load   # quick: no model is run
inference-pio test smollm2 --parity       # compare with transformers
inference-pio test smollm2 -k tokenizer
inference-pio test smollm2 --json | jq .level
inference-pio test smollm2 -- -x --durations=5
"""


@build_command("test", examples=EXAMPLES)
@click.argument("name", metavar="NAME", shell_complete=complete_all_plugins)
@option("--level", type=click.Choice(LEVELS), metavar="LEVEL", help=f"Only up to this level: {', '.join(LEVELS)}.")
@option("--parity", is_flag=True, help="Only the tests that compare with transformers, which must be installed.")
@option("-k", "keyword", metavar="EXPRESSION", help="Only tests whose names match, as pytest's own -k.")
@as_json
@click.argument("pytest_args", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def command(
    ctx: click.Context,
    name: str,
    level: str | None,
    parity: bool,
    keyword: str | None,
    as_json: bool,
    pytest_args: tuple[str, ...],
) -> None:
    """Run the tests of the plugin NAME, and say what it proves.

    That is a level of conformance. pytest runs the tests that the plugin ships; what follows -- goes to it as it is.
    `info` remembers the level of the last run that left nothing out. Works for models and for hook plugins.
    """
    from ...errors import UsageError
    from ...host import default_host
    from ..loading import require_module
    from ..plugin_tests import find_tests_folder, run_pytest, usable_plugin

    if level and parity:
        raise UsageError("--level and --parity each choose tests; give one of them")
    record = usable_plugin(default_host(), name)
    folder = find_tests_folder(default_host(), record)
    require_module("pytest", "pytest", "testing a plugin")
    if parity:
        require_module("transformers", "transformers", "comparing with transformers")
    chosen = {"--conformance-level": level, "--conformance-only": "parity" if parity else None, "-k": keyword}
    with tempfile.TemporaryDirectory(prefix="inference-pio-test-") as scratch:
        path = Path(scratch, "report.json")
        # Cut there: -k looks at the names of all folders that pytest walks through, and a path may well match.
        arguments = [str(folder), f"--confcutdir={folder}", f"--conformance-report={path}"]
        arguments += [f"--conformance-plugin={record.name}"]
        arguments += [part for flag, value in chosen.items() if value for part in (flag, value)]
        code = run_pytest([*arguments, *pytest_args], to_stderr=as_json)
        _finish(record, path, as_json=as_json)
    ctx.exit(code)


def _finish(record: PluginRecord, path: Path, *, as_json: bool) -> None:
    """Show the report, and keep it if it is about all tests."""
    from ...testing.report import read_report
    from ..conformance import result_lines

    report = read_report(path)
    if report is None:  # pytest has said why
        return
    if as_json:
        write_json(_as_data(report))
    else:
        click.echo("\n".join(result_lines(report)))
    if report.complete:
        _keep(report, record)
    else:
        note("tests were left out, so this run is not kept for `inference-pio info`", dim=True)


def _keep(report: Report, record: PluginRecord) -> None:
    from ...testing.report import store_report

    try:
        store_report(report, record)
    except OSError as error:  # a home that is read-only: the result is on the screen all the same
        note(f"the report could not be kept for `inference-pio info`: {error}")


def _as_data(report: Report) -> object:
    import msgspec

    return msgspec.to_builtins(report)
