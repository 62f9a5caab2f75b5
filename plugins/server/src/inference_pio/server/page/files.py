"""The page's files, by the path under which a browser asks for them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

PREFIX = "/page"
"""Everything but the page itself lies below it."""

_MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".json": "application/json",
}


@dataclass(frozen=True)
class PageFile:
    """One file.

    Attributes:
        content: All of its bytes.
        media_type: What browsers take it for.
        etag: Changes whenever the content does; quoted, as HTTP has it.
    """

    content: bytes
    media_type: str
    etag: str


def load_files() -> Mapping[str, PageFile]:
    """Read the page's files; about 400 kB. ``/`` is ``index.html``, all others are below ``PREFIX``."""
    package = Path(__file__).parent
    found = {f"{PREFIX}/{name}": file for name, file in _read_folder(package / "static").items()}
    found |= {f"{PREFIX}/vendor/{name}": file for name, file in _read_folder(package / "vendor").items()}
    found["/"] = found.pop(f"{PREFIX}/index.html")
    return found


def _read_folder(folder: Path) -> dict[str, PageFile]:
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): _read(path) for path in paths}


def _read(path: Path) -> PageFile:
    content = path.read_bytes()
    media_type = _MEDIA_TYPES.get(path.suffix, "text/plain; charset=utf-8")
    return PageFile(content, media_type, f'"{hashlib.sha256(content).hexdigest()[:32]}"')
