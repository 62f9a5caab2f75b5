"""``inference-pio install``: plugins, by pip, all or nothing."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from ..command import build_command, option
from ..options import as_json
from ..table import draw_table
from ..terminal import can_draw, echo_error, note, write_json

if TYPE_CHECKING:
    from ...installation import InstallOptions, InstallOutcome

EXAMPLES = """
inference-pio install smollm2                   # short for inference-pio-smollm2
inference-pio install acme-llama==1.2 ./other-1.0-py3-none-any.whl
inference-pio install -e .                      # a plugin that you are writing
inference-pio install -U smollm2 --dry-run      # what would change?
inference-pio install smollm2 --no-index --find-links wheels
"""

WHERE = "Where from"
CHECKS = "Checks"


def _complete_files(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(incomplete, type="file")]


def _require_places(ctx: click.Context, param: click.Parameter, places: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse a folder that is not there: pip passes over it, and says that no version can be found."""
    for place in places:
        if ":" not in place and not Path(place).expanduser().exists():
            raise click.BadParameter(f"there is no file or folder {place}", ctx, param)
    return places


@build_command("install", examples=EXAMPLES)
@click.argument("targets", metavar="[PLUGIN]...", nargs=-1, shell_complete=_complete_files)
@option(
    "-e",
    "--editable",
    "editables",
    multiple=True,
    metavar="FOLDER",
    type=click.Path(),
    help="Install a source folder so that changes in it count at once; may be repeated.",
)
@option("-U", "--upgrade", is_flag=True, help="Take the newest version, though one is installed.")
@option("--pre", is_flag=True, help="Take pre-releases too.")
@option("--exact", "is_exact", is_flag=True, help="Take a single word as a distribution's name, not as a model's.")
@option("--no-deps", is_flag=True, help="Leave requirements alone.")
@option("--dry-run", "is_dry_run", is_flag=True, help="Say what would change, and change nothing.")
@option(
    "--find-links",
    multiple=True,
    metavar="PLACE",
    callback=_require_places,
    section=WHERE,
    help="Look in this folder or page, too.",
)
@option("--no-index", is_flag=True, section=WHERE, help="Look nowhere else; touches no network.")
@option("--index-url", metavar="URL", section=WHERE, help="Package index; default: the one in pip's configuration.")
@option("--extra-index-url", "extra_index_urls", multiple=True, metavar="URL", section=WHERE, help="A further one.")
@option(
    "-c",
    "--constraint",
    "constraints",
    multiple=True,
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False),
    section=WHERE,
    help="Versions to keep to, as pip's own option.",
)
@option("--force", is_flag=True, section=CHECKS, help="Keep what was installed though it is not ready or defective.")
@option(
    "--timeout",
    "check_timeout_s",
    type=click.FloatRange(min=1),
    default=60.0,
    metavar="SECONDS",
    section=CHECKS,
    help="How long importing one plugin may take; default: 60.",
)
@as_json
@click.pass_context
def command(
    ctx: click.Context, /, targets: tuple[str, ...], editables: tuple[str, ...], as_json: bool, **options: Any
) -> None:
    """Install plugins: names, wheels, folders.

    pip does it, with the host, torch and transformers held at their versions. Each plugin is checked afterwards; unless
    it is ready, everything is put back as it was.
    """
    from ...errors import InstallError
    from ...installation import InstallOptions, install

    chosen = InstallOptions(**options)
    say = (lambda text: note(text, dim=True)) if can_draw(sys.stderr) or not as_json else _silent
    try:
        outcome = install(targets, chosen, editables=editables, say=say, is_shown=can_draw(sys.stderr))
    except InstallError as error:
        if as_json:
            write_json({**_NOTHING, "dry_run": chosen.is_dry_run, "reason": str(error)})
        raise
    if as_json:
        write_json(_as_data(outcome))
    else:
        _draw(outcome)
    if outcome.faults:
        _tell_faults(outcome, chosen)
    ctx.exit(outcome.exit_code)


_NOTHING: dict[str, Any] = {"changed": [], "plugins": [], "faults": [], "rolled_back": False}


def _silent(_text: str) -> None:
    """A program reads the document, and a log of its runs stays empty."""


def _as_data(outcome: InstallOutcome) -> dict[str, Any]:
    return {
        "changed": [dataclasses.asdict(change) for change in outcome.changes],
        "plugins": [{**dataclasses.asdict(plugin), "ready": plugin.is_ready} for plugin in outcome.plugins],
        "faults": [{"code": f.code, "message": f.message, "dist": f.dist} for f in outcome.faults],
        "rolled_back": outcome.is_rolled_back,
        "dry_run": outcome.is_dry_run,
        "reason": outcome.reason or None,
    }


def _draw(outcome: InstallOutcome) -> None:
    if outcome.has_failed:
        return
    if not outcome.changes:
        click.echo(
            "nothing to do: all of it is installed already" if not outcome.is_dry_run else "nothing would change"
        )
    brought = {
        change.name: ", ".join(f"{p.name}: {p.state}" for p in outcome.plugins if p.dist == change.name)
        for change in outcome.changes
    }
    if outcome.changes:
        heading = "WOULD CHANGE" if outcome.is_dry_run else "CHANGED"
        plugins_first = sorted(outcome.changes, key=lambda change: not brought[change.name])
        rows = [(change.name, change.description, brought[change.name]) for change in plugins_first]
        click.echo(draw_table((heading, "VERSION", "" if outcome.is_dry_run else "PLUGINS"), rows))
    for plugin in outcome.plugins:
        if not outcome.changes:
            click.echo(f"{plugin.dist} {plugin.version}  {plugin.name}: {plugin.state}")
        if plugin.state == "disabled":
            note(f"{plugin.name} {plugin.explanation}")


def _tell_faults(outcome: InstallOutcome, options: InstallOptions) -> None:
    for fault in outcome.faults:
        if outcome.has_failed:
            echo_error(fault.message)
        else:
            note(f"warning: {fault.message}")
    if outcome.is_rolled_back:
        undone = ", ".join(f"{change.name} {change.description}" for change in outcome.changes)
        host_is_broken = any(fault.code == "install-host-broken" for fault in outcome.faults)
        how = "" if host_is_broken else ". To keep it all the same: --force"
        note(f"rolled back ({undone}): everything is as it was before{how}")
    elif outcome.is_refused:
        note("nothing was installed. To install it all the same: --force")
    elif not options.is_dry_run:
        note("kept because of --force")
