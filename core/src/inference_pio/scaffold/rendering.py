"""Templates to texts: ``{{placeholder}}`` becomes its value, and nothing else happens.

Why not copier or cookiecutter: they bring jinja2, git and a few dozen distributions for questions, updates and
loops that two fixed templates do not have, and core's dependencies are paid for by everybody who runs a model. A
template is a file of ``templates/`` whose name ends in ``.tmpl``, so that no tool takes it for code; the rest of its
path says where it goes:

    templates/shared/project/    every plugin's own folder
    templates/<kind>/project/    the same, of one kind
    templates/<kind>/package/    its import package, src/<package>/
    templates/license/           texts of licences, by SPDX identifier
"""

from __future__ import annotations

import functools
import importlib.resources
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.abc import Traversable

    from .project import Project

SUFFIX = ".tmpl"
_PLACEHOLDER = re.compile(r"\{\{(\w+)\}\}")
_IMPORTS = re.compile(r"(?:^from \w[\w.]* import [^(\n]+\n)+", re.MULTILINE)


def render_project(project: Project, *, runtime: str | None = None) -> dict[str, str]:
    """Render every file of a plugin in memory; nothing is written.

    Args:
        project: What to render.
        runtime: Version of ``inference-pio-runtime`` to write for; default: the host's own.

    Returns:
        Path in the plugin's folder, with slashes, to content; by path.
    """
    values = project.values(runtime=runtime) if runtime else project.values()
    homes = {
        "shared/project": "",
        f"{project.kind}/project": "",
        f"{project.kind}/package": f"src/{project.package_path}/",
    }
    files = {
        home + path: _render(path, text, values) for folder, home in homes.items() for path, text in read_folder(folder)
    }
    files["LICENSE"] = substitute(dict(read_folder("license"))[project.license], values)
    return dict(sorted(files.items()))


def _render(path: str, text: str, values: Mapping[str, str]) -> str:
    rendered = substitute(text, values)
    return _IMPORTS.sub(_sorted_lines, rendered) if path.endswith(".py") else rendered


def substitute(text: str, values: Mapping[str, str]) -> str:
    """Put values in the place of placeholders, once: a value that looks like a placeholder stays as it is."""
    return _PLACEHOLDER.sub(lambda found: values[found[1]], text)


def _sorted_lines(block: re.Match[str]) -> str:
    """Sort imports: where the plugin's own package belongs among the others depends on its name."""
    lines = block[0].splitlines(keepends=True)
    return "".join(sorted(lines, key=lambda line: line.split()[1]))


def read_folder(folder: str) -> Iterator[tuple[str, str]]:
    """Yield path and content of every template below a folder of ``templates/``, the suffix taken off."""
    place = importlib.resources.files(__package__).joinpath("templates")
    for part in folder.split("/"):
        place = place.joinpath(part)
    yield from _walk(place, "")


def _walk(folder: Traversable, prefix: str) -> Iterator[tuple[str, str]]:
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir():
            yield from _walk(entry, f"{prefix}{entry.name}/")
        elif entry.name.endswith(SUFFIX):
            yield prefix + entry.name.removesuffix(SUFFIX), entry.read_text("utf-8")


@functools.cache
def license_names() -> tuple[str, ...]:
    """Return the SPDX identifiers of the licences whose text is here."""
    return tuple(name for name, _ in read_folder("license"))
