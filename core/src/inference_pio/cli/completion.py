"""Completes plugin names and checkpoint ids in the shell, from the index: no plugin code runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    import click


def complete_plugins(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the installed models whose names start with what was typed; none when the index cannot be read."""
    try:
        from ..host import default_host

        records = default_host().records()
    except Exception:  # noqa: BLE001 - a traceback in the middle of somebody's command line helps nobody
        return []
    return [
        CompletionItem(record.name, help=record.manifest.description if record.manifest else None)
        for record in records
        if record.name.startswith(incomplete)
    ]


def complete_all_plugins(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the installed plugins of both kinds whose names start with what was typed."""
    try:
        from ..host import default_host

        host = default_host()
        names = {record.name for record in (*host.records(), *host.hook_plugins())}
    except Exception:  # noqa: BLE001 - as above
        return []
    return [CompletionItem(name) for name in sorted(names) if name.startswith(incomplete)]


def complete_weights(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the ids of the model's checkpoints, and let the shell add files."""
    items = [CompletionItem(incomplete, type="file")]
    try:
        from ..host import default_host

        # click gives up parsing at the option without its value, before it has matched the arguments.
        manifest = default_host().record(ctx.params.get("name") or ctx.args[0]).manifest
    except Exception:  # noqa: BLE001 - as above; no name yet, an unknown one, no index
        return items
    ids = [entry.id for entry in manifest.weights] if manifest else []
    return [CompletionItem(name) for name in ids if name.startswith(incomplete)] + items


def complete_targets(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the installed models, and let the shell add files and folders."""
    return [*complete_plugins(ctx, param, incomplete), CompletionItem(incomplete, type="file")]


def complete_codes(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the codes that start with what was typed."""
    from ..codes import all_codes

    return [CompletionItem(code.name) for code in all_codes().values() if code.name.startswith(incomplete)]
