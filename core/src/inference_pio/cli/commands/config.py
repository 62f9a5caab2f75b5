"""``inference-pio config``: the configuration of a model, field by field."""

from __future__ import annotations

import dataclasses
import inspect
import re
from typing import TYPE_CHECKING

import click

from ..command import build_command
from ..options import accept_license, as_json, offline, plugin_name, weights
from ..table import draw_table
from ..terminal import write_json

if TYPE_CHECKING:
    from pathlib import Path

    from ...common.config.model_config_base import BaseConfig
    from ...interfaces import ModelPlugin

EXAMPLES = """
inference-pio config smollm2
inference-pio config smollm2 --json | jq .config.hidden_size
inference-pio config smollm2 --weights ./my-checkpoint     # what this checkpoint says
inference-pio config smollm2 --weights ./config.json
"""


@build_command("config", examples=EXAMPLES)
@plugin_name
@weights
@accept_license
@offline
@as_json
def command(name: str, weights: str | None, accept_license: bool, offline: bool, as_json: bool) -> None:
    """Show the configuration of the model NAME.

    The plugin's defaults, or with --weights what a checkpoint says: a file, a folder, a config.json, or an id.
    """
    from ...host import default_host
    from ..loading import pull_weights
    from ..results import results_only

    host = default_host()
    with results_only() as out:
        plugin = host.plugin(name, force=True)  # no weights are loaded, so the model's need of memory does not count
        if weights is None:
            config = plugin.create_config()
        else:
            path = pull_weights(host, name, weights, accept_license=accept_license, offline=offline)
            config = _config_of(plugin, path)
        if as_json:
            write_json({"model": plugin.name, "type": type(config).__name__, "config": config.to_dict()}, out)
        else:
            click.echo(_draw(config), file=out)


def _config_of(plugin: ModelPlugin, path: Path) -> BaseConfig:
    """Read a checkpoint's configuration.

    Raises:
        InferencePioError: The file is broken or for another architecture, or this plugin cannot read checkpoints.
    """
    from ..loading import runtime_module

    if path.suffix == ".json":
        return type(plugin.create_config()).from_file(path)
    read_config = getattr(plugin, "read_config", None)
    if read_config is None and (path / "config.json").is_file():
        return type(plugin.create_config()).from_file(path / "config.json")
    if read_config is None:
        raise click.UsageError(
            f"plugin {plugin.name!r} can only read a config.json or a folder that has one, not {path}"
        )
    with runtime_module("weights", "reading a checkpoint").open_checkpoint(path) as checkpoint:
        config: BaseConfig = read_config(checkpoint)
    return config


def _draw(config: BaseConfig) -> str:
    meanings = _field_meanings(type(config))
    rows = [(field, repr(value), meanings.get(field, "")) for field, value in config.to_dict().items()]
    return f"{type(config).__name__}\n" + draw_table(("FIELD", "VALUE", "MEANING"), rows)


def _field_meanings(kind: type) -> dict[str, str]:
    """Read what each field means from the ``Attributes`` sections of a dataclass and of those it derives from."""
    meanings: dict[str, str] = {}
    for cls in reversed([c for c in kind.__mro__ if dataclasses.is_dataclass(c)]):
        _, _, section = (inspect.getdoc(cls) or "").partition("Attributes:\n")
        for match in re.finditer(r"^    (\w+): (.+(?:\n {5,}.+)*)", section, re.MULTILINE):
            meanings[match[1]] = " ".join(match[2].split())
    return meanings
