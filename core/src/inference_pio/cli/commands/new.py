"""``inference-pio new``: a complete plugin to start from."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..command import build_command, option
from ..options import OUTPUT, as_json
from ..terminal import note, write_json

if TYPE_CHECKING:
    from ...installed import Installed
    from ...scaffold import Kind, Project

EXAMPLES = """
inference-pio new my-model
inference-pio new Qwen9 --into plugins --author "Ada Lovelace" --license MIT
inference-pio new acme-llama --package acme_llama      # a top-level package of your own
inference-pio new journal --kind hooks                 # observe or change, without a model
"""

NAMES = "Names"
TEXTS = "Texts"


@build_command("new", examples=EXAMPLES)
@click.argument("name", metavar="NAME")
@option("--kind", type=click.Choice(["model", "hooks"]), default="model", section=NAMES, help="Default: model.")
@option(
    "--package",
    metavar="PACKAGE",
    section=NAMES,
    help="A top-level import package of your own; default: inference_pio.models.NAME, for hooks inference_pio_NAME.",
)
@option("--author", metavar="TEXT", section=TEXTS, help="For the metadata and the licence.")
@option("--description", metavar="TEXT", section=TEXTS, help="One line; default: what was made.")
@option(
    "--license",
    metavar="SPDX",
    default="Apache-2.0",
    section=TEXTS,
    help="Of your code: Apache-2.0, MIT, BSD-3-Clause.",
)
@option(
    "--into",
    metavar="DIR",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=".",
    section=OUTPUT,
    help="Folder to make the plugin's own folder in; default: here.",
)
@as_json
def command(
    name: str,
    kind: Kind,
    package: str | None,
    author: str | None,
    description: str | None,
    license: str,
    into: Path,
    as_json: bool,
) -> None:
    """Make a complete plugin called NAME, in a folder of its own.

    A small decoder of the Llama family that builds, installs, answers and proves itself as it is; what may differ in
    your model, each file says. With --kind hooks: a plugin of two hooks and their tests.
    """
    from ...installed import scan_installed
    from ...scaffold import build_project, render_project, write_project

    project = build_project(name, kind=kind, package=package, author=author, description=description, license=license)
    installed = scan_installed()
    for warning in _collisions(project, installed):
        note(f"warning: {warning}")
    files = render_project(project, runtime=installed.version("inference-pio-runtime"))
    folder = into / project.names.dist
    write_project(files, folder)
    if as_json:
        write_json(_as_data(project, folder, files))
    else:
        click.echo(f"{folder}/\n{_tree(project, files)}\n\nNext:\n\n{_next_commands(project, folder)}")


def _collisions(project: Project, installed: Installed) -> Iterator[str]:
    """Say what here has a name of the new plugin's already: pip would replace it, or neither could be used."""
    from importlib.util import find_spec

    from ...names import canonical_name

    names = project.names
    for dist in installed.dists.values():
        if dist.name == names.dist:
            yield f"{dist.name} {dist.version} is installed; installing yours replaces it"
        elif any(canonical_name(reference.name) == names.plugin for reference in dist.entry_points):
            yield (
                f"{dist.name} {dist.version} is installed and brings a plugin {names.plugin!r} already. While both are "
                "installed, neither can be used"
            )
    if "." not in project.package and find_spec(project.package) and names.dist not in installed.dists:
        yield f"a package {project.package!r} can be imported here already; yours may hide it, or be hidden"


def _as_data(project: Project, folder: Path, files: Iterable[str]) -> dict[str, object]:
    return {
        "name": project.names.plugin,
        "dist": project.names.dist,
        "kind": project.kind,
        "package": project.package,
        "folder": str(folder.resolve()),
        "files": list(files),
    }


def _tree(project: Project, files: Iterable[str]) -> str:
    """Draw the files, one line a folder; all lie in the plugin's own folder or in its package."""
    package = f"src/{project.package_path}/"
    folders: dict[str, list[str]] = {"": [], package: []}
    for path in files:
        folder, _, name = path.rpartition("/")
        folders.setdefault(f"{folder}/" if folder else "", []).append(name)
    inner = {folder.removeprefix(package): " ".join(names) for folder, names in folders.items() if folder != ""}
    width = max(map(len, inner)) + 2
    lines = [
        " ".join(folders[""]),
        package,
        *(f"  {folder:<{width if folder else 0}}{inner[folder]}" for folder in inner),
    ]
    return "\n".join(f"  {line}" for line in lines)


def _next_commands(project: Project, folder: Path) -> str:
    name, path = project.names.plugin, str(folder) if folder.is_absolute() else f"./{folder}"
    lines = [f"inference-pio check {shlex.quote(path)}", f"pip install -e {shlex.quote(path + '[test]')}"]
    if project.kind == "model":
        lines += [f'inference-pio run {name} "Why is the sky blue?"', f'inference-pio test {name} -- -m "not weights"']
    else:
        lines += ["inference-pio list --all", f"inference-pio test {name}"]
    return "\n".join(f"  {line}" for line in lines)
