"""Where a distribution came from, as its installer recorded it (PEP 610), with nothing in it that is secret."""

from __future__ import annotations

import json
import re
from typing import Any, Literal
from urllib.parse import urlsplit, urlunsplit

from msgspec import Struct

from ..installed import Metadata

OriginKind = Literal["index", "archive", "vcs", "directory", "editable", "unknown"]
_COMMIT = re.compile(r"[0-9A-Za-z._-]{1,128}")
_HASH = re.compile(r"[a-z0-9]{1,16}:[0-9a-f]{1,256}")


class Origin(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Where a distribution came from.

    Attributes:
        kind: ``index``: no URL was given to the installer, so it came from an index or a folder of wheels; ``unknown``:
            the record is broken.
        url: Without user, password, query and fragment.
        hash: ``algorithm:hex`` of an archive, where the installer knew it.
        vcs: ``git``, ``hg`` …
        commit: Of a VCS.
        subdirectory: Of the project in the archive or repository.
    """

    kind: OriginKind
    url: str = ""
    hash: str = ""
    vcs: str = ""
    commit: str = ""
    subdirectory: str = ""

    def is_same_as(self, other: Origin) -> bool:
        """Whether both name the same source. The hash of an archive says more than the place it was taken from."""
        if self.kind == other.kind == "archive" and self.hash and other.hash:
            return (self.hash, self.subdirectory) == (other.hash, other.subdirectory)
        return self == other

    def __str__(self) -> str:
        where = f" {self.url}" if self.url else ""
        which = self.commit or self.hash
        return f"{self.kind}{where}{f' ({which})' if which else ''}"


def read_origin(metadata: Metadata) -> Origin:
    """Read the ``direct_url.json`` of a distribution; whatever it holds, the answer is an origin."""
    try:
        text = metadata.read_text("direct_url.json")
        return Origin(kind="index") if text is None else _parse(json.loads(text))
    except (ValueError, KeyError, TypeError, AttributeError, OSError, RecursionError):  # in whatever way it is broken
        return Origin(kind="unknown")


def _parse(data: Any) -> Origin:
    url, subdirectory = public_url(data["url"]), str(data.get("subdirectory", ""))
    if "dir_info" in data:
        editable = data["dir_info"].get("editable", False) is True
        return Origin(kind="editable" if editable else "directory", url=url, subdirectory=subdirectory)
    if "vcs_info" in data:
        vcs = data["vcs_info"]
        commit = vcs["commit_id"] if _COMMIT.fullmatch(vcs["commit_id"]) else ""
        return Origin(kind="vcs", url=url, vcs=_COMMIT.match(vcs["vcs"])[0], commit=commit, subdirectory=subdirectory)  # type: ignore[index]  # no match is a TypeError, and the origin unknown
    return Origin(kind="archive", url=url, hash=_archive_hash(data["archive_info"]), subdirectory=subdirectory)


def _archive_hash(info: Any) -> str:
    """The strongest-named hash: ``hashes`` of today, else the single ``hash`` of before."""
    hashes = {f"{name}:{value}" for name, value in (info.get("hashes") or {}).items()}
    hashes |= {str(info["hash"]).replace("=", ":", 1)} if info.get("hash") else set()
    usable = sorted((text for text in hashes if _HASH.fullmatch(text)), key=lambda text: ("sha256" in text, text))
    return usable[-1] if usable else ""


def public_url(url: str) -> str:
    """Return a URL without what may be secret: user and password, and query and fragment, which hold tokens.

    The user ``git`` stays: it is the name that every SSH server has, and the URL is not one without it.
    """
    parts = urlsplit(url)
    if not parts.scheme or (not parts.netloc and "@" in parts.path):  # such as user:password@host:path
        return url.rpartition("@")[2].partition("?")[0].partition("#")[0]
    user, _, host = parts.netloc.rpartition("@")
    netloc = f"git@{host}" if user == "git" else host
    return urlunsplit((parts.scheme, netloc, parts.path, "", ""))
