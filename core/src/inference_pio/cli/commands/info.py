"""``inference-pio info``: everything the index knows of one plugin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ..command import build_command
from ..completion import complete_all_plugins
from ..conformance import conformance_data, conformance_text
from ..options import as_json
from ..records import describe_record
from ..table import draw_fields
from ..terminal import write_json
from ..units import readable_bytes

if TYPE_CHECKING:
    from ...host import Host
    from ...manifest import Manifest, WeightsEntry
    from ...records import PluginRecord

EXAMPLES = """
inference-pio info smollm2
inference-pio info smollm2 --json | jq .manifest.weights
"""


@build_command("info", examples=EXAMPLES)
@click.argument("name", metavar="NAME", shell_complete=complete_all_plugins)
@as_json
def command(name: str, as_json: bool) -> None:
    """Show everything about the plugin NAME, a model or hooks.

    What it is, what it needs, which checkpoints it runs, how far it has proven itself here, and why it cannot run if it
    cannot. Its code is not run.
    """
    from ...host import default_host
    from ...testing.installed_plugins import find_plugin

    host = default_host()
    _, record = find_plugin(name)
    present = _present_weights(host, record)
    if as_json:
        write_json(_as_data(record, present))
        return
    click.echo(f"{record.name} ({record.dist}): {record.state}")
    for reason in record.reasons:
        click.echo(f"  {'!' if not record.is_usable else '-'} {reason}")
    click.echo(draw_fields(_fields(record)))
    if record.manifest and record.manifest.weights:
        click.echo("  weights")
        for entry in record.manifest.weights:
            click.echo(f"    {_weights_line(entry, record.manifest, entry.id in present)}")


def _present_weights(host: Host, record: PluginRecord) -> set[str]:
    """Ids of the checkpoints that are on this machine already; empty when no plugin can tell."""
    from ...errors import InferencePioError
    from ...settings import cache_dir
    from ...stdout_guard import stdout_to_stderr

    entries = record.manifest.weights if record.manifest else []
    try:
        with stdout_to_stderr():
            return {entry.id for entry in entries if host.hooks.weights_present(entry, cache_dir())}
    except InferencePioError:
        return set()  # a broken hook plugin is doctor's business, not a reason to hide this model


def _as_data(record: PluginRecord, present: set[str]) -> dict[str, Any]:
    import msgspec

    manifest = msgspec.to_builtins(record.manifest) if record.manifest else None
    return {
        **describe_record(record),
        "manifest": manifest,
        "weights_present": sorted(present),
        "conformance": conformance_data(record),
    }


def _fields(record: PluginRecord) -> list[tuple[str, str]]:
    fields = [
        ("entry point", record.entry_point),
        ("manifest", record.manifest_path or "none"),
        ("conformance", conformance_text(record)),
    ]
    manifest = record.manifest
    if manifest is None:
        return fields
    needs = manifest.compatibility
    versions = [("python", needs.python_version), ("torch", needs.torch_version)]
    versions.append(("transformers", needs.transformers_version))
    return [
        ("description", manifest.description),
        ("architecture", f"{manifest.model_architecture} (family {manifest.model_family})"),
        ("size", f"{manifest.model_size}, {manifest.num_parameters:,} parameters"),
        ("modalities", ", ".join(manifest.supported_modalities)),
        ("memory", f"{manifest.required_memory_gb:g} GB free, on a machine with {needs.min_memory_gb:g} GB or more"),
        ("versions", ", ".join(f"{what} {wanted}" for what, wanted in versions if wanted)),
        ("dependencies", ", ".join(manifest.dependencies) or "none"),
        ("author", manifest.author),
        ("license", manifest.license),
        ("tags", ", ".join(manifest.tags)),
        *fields,
    ]


def _weights_line(entry: WeightsEntry, manifest: Manifest, is_present: bool) -> str:
    marks = [
        "default" if entry == manifest.default_weights() else "",
        readable_bytes(entry.size_bytes) if entry.size_bytes else "",
        entry.license + (", asks for consent" if entry.consent else ""),
        "on this machine" if is_present else "not downloaded",
    ]
    return f"{entry.id}: {'; '.join(mark for mark in marks if mark)}"
