"""What one rendering is about: every value that a template may ask for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from .. import __version__
from ..errors import InvalidOptionError
from ..hookspecs import HOST_API
from .naming import Names, check_package, derive_names
from .rendering import license_names

Kind = Literal["model", "hooks"]

_DESCRIPTIONS: Mapping[Kind, str] = {
    "model": "{title}, a decoder of the Llama family, as an inference-pio plugin",
    "hooks": "{title}: hooks for inference-pio",
}


@dataclass(frozen=True, kw_only=True)
class Project:
    """A plugin to render.

    Attributes:
        names: Derived from what the author typed.
        kind: A model, or hooks only.
        package: Dotted import package; the plugin's code lies there.
        author: For the metadata and the licence.
        description: One line.
        license: SPDX identifier of the code's licence.
    """

    names: Names
    kind: Kind
    package: str
    author: str
    description: str
    license: str

    @property
    def package_path(self) -> str:
        """The package's folder below ``src/``, with slashes."""
        return self.package.replace(".", "/")

    def values(self, *, runtime: str = __version__) -> dict[str, str]:
        """Return what stands for each placeholder.

        Args:
            runtime: Version of the runtime that the plugin is written for.
        """
        top = self.package.partition(".")[0]
        return {
            "plugin": self.names.plugin,
            "dist": self.names.dist,
            "module": self.names.module,
            "camel": self.names.camel,
            "title": self.names.title,
            "variable": self.names.module.upper(),
            "package": self.package,
            "package_path": self.package_path,
            "top_package": top,
            "first_party": ", ".join(f'"{name}"' for name in dict.fromkeys(("inference_pio", top))),
            "author": self.author,
            "description": self.description,
            "license": self.license,
            # A JSON text is a TOML text too, as long as every character is printable.
            "author_quoted": json.dumps(self.author, ensure_ascii=False),
            "description_quoted": json.dumps(self.description, ensure_ascii=False),
            "host_bounds": version_bounds(__version__),
            "runtime_bounds": version_bounds(runtime),
            "host_api_bounds": f">={HOST_API.partition('.')[0]},<{int(HOST_API.partition('.')[0]) + 1}",
        }


def build_project(
    name: str,
    *,
    kind: Kind = "model",
    package: str | None = None,
    author: str | None = None,
    description: str | None = None,
    license: str = "Apache-2.0",
) -> Project:
    """Fill in what was not given, the same way every time: two renderings of one name are equal.

    Args:
        name: In any spelling; all other names are derived from it.
        kind: A model, or hooks only.
        package: A top-level package of the author's own; default: below ``inference_pio.models`` for a model.
        author: Default: ``<Title> developers``.
        description: One line; default: what was rendered.
        license: One of ``license_names()``.

    Raises:
        InvalidOptionError: A name or a text cannot be used; the message says which and why.
    """
    names = derive_names(name)
    if license not in license_names():
        raise InvalidOptionError(
            f"the text of the licence {license!r} is not at hand; use {', '.join(license_names())}"
        )
    home = f"inference_pio.models.{names.module}" if kind == "model" else f"inference_pio_{names.module}"
    return Project(
        names=names,
        kind=kind,
        package=check_package(package) if package is not None else home,
        author=_one_line("author", author if author is not None else f"{names.title} developers"),
        description=_one_line(
            "description", description if description is not None else _DESCRIPTIONS[kind].format(title=names.title)
        ),
        license=license,
    )


def _one_line(option: str, text: str) -> str:
    if not text.strip() or not text.isprintable():
        raise InvalidOptionError(f"--{option} must be one line of printable characters, not {text!r}")
    return text.strip()


def version_bounds(version: str) -> str:
    """Return the versions that promise to fit what was written for ``version``.

    Up to the next minor version below 1, to the next major one from then on: ``0.3.2`` gives ``>=0.3,<0.4``. A
    pre-release is the lower bound itself, for ``>=0.3`` would refuse ``0.3.dev1``.
    """
    from packaging.version import Version

    parsed = Version(version)
    lowest = parsed.public if parsed.is_prerelease else f"{parsed.major}.{parsed.minor}"
    return f">={lowest},<{f'0.{parsed.minor + 1}' if parsed.major == 0 else parsed.major + 1}"
