"""What the user asked to be installed: wheels, folders, names."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import UsageError
from ..manifest_rules import parsed_requirement
from ..names import canonical_name
from .held import EXACT, HOST

PREFIX = "inference-pio-"
_ARCHIVES = (".whl", ".tar.gz", ".tar.bz2", ".zip")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://|[a-z]+\+[a-z]+:")


@dataclass(frozen=True)
class Requested:
    """One thing to install.

    Attributes:
        text: As it is handed to pip.
        name: Canonical name of the distribution where the text has one.
        path: The wheel, archive or folder; ``None`` for a name or URL.
        is_editable: Whether the folder is to be used where it lies.
        remark: What a reader of the command line may not have meant.
    """

    text: str
    name: str | None = None
    path: Path | None = None
    is_editable: bool = False
    remark: str = ""

    @property
    def arguments(self) -> tuple[str, ...]:
        """For pip."""
        return ("--editable", self.text) if self.is_editable else (self.text,)


def read_requested(
    texts: Sequence[str], editables: Sequence[str], *, is_exact: bool, plugins: Mapping[str, str]
) -> tuple[Requested, ...]:
    """Read the arguments of ``install``.

    Args:
        texts: Wheels, folders, names with or without specifiers, URLs.
        editables: Folders.
        is_exact: Take every name as it is written.
        plugins: Distributions of the installed plugins, by the plugin's name.

    Raises:
        UsageError: There is no such file, no such requirement, or it is not for this command to install.
    """
    if not texts and not editables:
        raise UsageError("nothing to install. Name a model, a wheel or a folder: inference-pio install smollm2")
    named = [_local(text) if _is_path(text) else _remote(text, is_exact, plugins) for text in texts]
    return (*named, *(_local(text, is_editable=True) for text in editables))


def _is_path(text: str) -> bool:
    """Whether a text is a path, as pip decides it: a bare word never is, whatever lies in the current folder."""
    if _URL.match(text) or " @ " in text:
        return False
    separators = [os.sep, *filter(None, [os.altsep])]
    return text.startswith(".") or text.endswith(_ARCHIVES) or any(separator in text for separator in separators)


def _local(text: str, *, is_editable: bool = False) -> Requested:
    path, bracket, extras = text.partition("[")  # pip takes ./folder[test]
    if Path(text).exists():
        path, bracket, extras = text, "", ""
    place = Path(path).expanduser()
    if not place.exists():
        raise UsageError(f"there is no file or folder {path}")
    if place.is_dir() and not any((place / name).is_file() for name in ("pyproject.toml", "setup.py")):
        raise UsageError(f"{path} is a folder without pyproject.toml, so there is nothing to build")
    if is_editable and not place.is_dir():
        raise UsageError(f"--editable takes a folder with the source, and {path} is a file")
    name = canonical_name(place.name.partition("-")[0]) if place.suffix == ".whl" else None
    return Requested(f"{place.absolute()}{bracket}{extras}", name, place, is_editable)


def _remote(text: str, is_exact: bool, plugins: Mapping[str, str]) -> Requested:
    if _URL.match(text):
        return Requested(text)
    try:
        requirement = parsed_requirement(text)
    except ValueError as error:
        raise UsageError(f"{text!r} is neither a file nor a requirement such as 'smollm2>=0.1': {error}") from error
    name = canonical_name(requirement.name)
    full = name if is_exact else full_name(name, plugins)
    _require_plugin_name(name if name in EXACT else full)
    if full == name:
        return Requested(text, name, remark=_folder_remark(requirement.name))
    # What follows the name (extras, specifier, URL, marker) stays as it is.
    taken = f"{full}{text.strip()[len(requirement.name) :]}"
    remark = f"{text} is taken for {taken} (--exact: as it is written)"
    return Requested(taken, full, remark="; ".join(filter(None, [remark, _folder_remark(requirement.name)])))


def full_name(name: str, plugins: Mapping[str, str]) -> str:
    """Return the distribution that a canonical name stands for.

    A plugin's name is that of its distribution; another single word is short for ``inference-pio-<word>``; whatever has
    a dash is a distribution's name already.
    """
    if name in plugins:
        return plugins[name]
    return name if "-" in name or name in plugins.values() else PREFIX + name


def _require_plugin_name(name: str) -> None:
    if name == HOST:
        raise UsageError("inference-pio is the host itself. Upgrade it with pip: pip install -U inference-pio")
    if name in EXACT:
        raise UsageError(
            f"{name} is a library that models compute with, not a plugin, and which one is yours to choose: "
            f"pip install {name}"
        )


def _folder_remark(name: str) -> str:
    return f"the folder {name} is not meant; that would be ./{name}" if Path(name).is_dir() else ""
