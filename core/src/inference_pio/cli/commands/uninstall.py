"""``inference-pio uninstall``: plugins, by pip, all or nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ..command import build_command, option
from ..completion import complete_all_plugins
from ..options import as_json
from ..table import draw_table
from ..terminal import can_ask, note, write_json
from ..units import readable_bytes

if TYPE_CHECKING:
    from ...installation import Removal

EXAMPLES = """
inference-pio uninstall smollm2
inference-pio uninstall gemma3 acme-llama --yes
"""


@build_command("uninstall", examples=EXAMPLES)
@click.argument("names", metavar="NAME...", nargs=-1, required=True, shell_complete=complete_all_plugins)
@option("-y", "--yes", is_flag=True, help="Do not ask.")
@option("--force", is_flag=True, help="Remove what other plugins need, too.")
@as_json
@click.pass_context
def command(ctx: click.Context, names: tuple[str, ...], yes: bool, force: bool, as_json: bool) -> None:
    """Uninstall plugins; downloaded weights stay.

    A name is a plugin's or its distribution's. Nothing is removed if one of the names is unknown or another plugin
    needs one of them. Where weights stay is said.
    """
    from ...errors import InstallError
    from ...installation import uninstall

    def confirm(removal: Removal) -> bool:
        return yes or as_json or not can_ask() or _ask(removal)

    try:
        removal = uninstall(names, force=force, confirm=confirm, say=lambda text: note(text, dim=True))
    except InstallError as error:
        if as_json:
            write_json({"removed": [], "weights": [], "reason": str(error)})
        raise
    if removal is None:
        note("nothing was removed")
        ctx.exit(1)
    if as_json:
        write_json(_as_data(removal))
    else:
        click.echo(_table("REMOVED", removal))
        _tell_weights(removal)


def _ask(removal: Removal) -> bool:
    note(_table("TO BE REMOVED", removal))
    return click.confirm("Remove?", default=False, err=True)


def _table(heading: str, removal: Removal) -> str:
    rows = [
        (dist.name, dist.version, f"{dist.n_files} files, {readable_bytes(dist.n_bytes)}",
         ", ".join(plugin.name for plugin in dist.plugins))
        for dist in removal.dists
    ]  # fmt: skip
    return draw_table((heading, "VERSION", "SIZE", "PLUGINS"), rows)


def _tell_weights(removal: Removal) -> None:
    for weights in removal.weights:
        note(
            f"the weights {weights.id!r} of {weights.plugin} stay: {readable_bytes(weights.n_bytes)} in {weights.path}"
        )


def _as_data(removal: Removal) -> dict[str, Any]:
    return {
        "removed": [
            {"name": d.name, "version": d.version, "plugins": [p.name for p in d.plugins], "files": d.n_files,
             "bytes": d.n_bytes}
            for d in removal.dists
        ],
        "weights": [
            {"plugin": w.plugin, "id": w.id, "path": str(w.path), "bytes": w.n_bytes} for w in removal.weights
        ],
        "reason": None,
    }  # fmt: skip
