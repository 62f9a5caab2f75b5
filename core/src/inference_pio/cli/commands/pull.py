"""``inference-pio pull``: fetch a model's weights ahead of time."""

from __future__ import annotations

import click

from ..command import build_command
from ..options import accept_license, as_json, offline, plugin_name, weights
from ..terminal import write_json

EXAMPLES = """
inference-pio pull smollm2
inference-pio pull gemma3 --accept-license
inference-pio pull smollm2 --json | jq -r .path
"""


@build_command("pull", examples=EXAMPLES)
@plugin_name
@weights
@accept_license
@offline
@as_json
def command(name: str, weights: str | None, accept_license: bool, offline: bool, as_json: bool) -> None:
    """Download the weights of the model NAME.

    They are verified, and standard output gets their path. Nothing is downloaded when they are there already.
    """
    from ...file_sizes import size_of
    from ...host import default_host
    from ..loading import pull_weights
    from ..results import results_only

    host = default_host()
    with results_only() as out:
        path = pull_weights(host, name, weights, accept_license=accept_license, offline=offline)
        if as_json:
            write_json({"model": host.record(name).name, "path": str(path), "size_bytes": size_of(path)}, out)
        else:
            click.echo(str(path), file=out)
