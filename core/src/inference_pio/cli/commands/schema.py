"""``inference-pio schema``: what a manifest must look like."""

from __future__ import annotations

import click

from ..command import build_command, option
from ..terminal import write_json

EXAMPLES = """
inference-pio schema > plugin_manifest.schema.json
inference-pio schema --markdown
"""


@build_command("schema", examples=EXAMPLES)
@option("--markdown", is_flag=True, help="Print the same for people: each field with type, meaning and example.")
def command(markdown: bool) -> None:
    """Print the JSON Schema of plugin_manifest.json.

    For authors of plugins, and for their editors.
    """
    from ...manifest_reference import manifest_reference, manifest_schema

    if markdown:
        click.echo(manifest_reference(), nl=False)
    else:
        write_json(manifest_schema())
