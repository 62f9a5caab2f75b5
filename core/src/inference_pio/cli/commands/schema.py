"""``inference-pio schema``: what a manifest must look like."""

from __future__ import annotations

from ..command import build_command
from ..terminal import write_json

EXAMPLES = """
inference-pio schema > plugin_manifest.schema.json
"""


@build_command("schema", examples=EXAMPLES)
def command() -> None:
    """Print the JSON Schema of plugin_manifest.json.

    For authors of plugins, and for their editors.
    """
    from ...manifest import manifest_schema

    write_json(manifest_schema())
