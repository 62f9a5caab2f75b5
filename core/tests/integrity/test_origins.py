from __future__ import annotations

import json
from typing import Any

import pytest

from inference_pio.integrity.origins import Origin, public_url, read_origin

HASH = "a" * 64


class Metadata:
    metadata = requires = None
    version = "1"

    def __init__(self, text: str | None) -> None:
        self._text = text

    def read_text(self, filename: str) -> str | None:
        return self._text if filename == "direct_url.json" else None


def origin(data: Any) -> Origin:
    return read_origin(Metadata(None if data is None else data if isinstance(data, str) else json.dumps(data)))


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (None, Origin(kind="index")),
        (
            {"url": "https://h/x.whl", "archive_info": {"hash": f"sha256={HASH}", "hashes": {"sha256": HASH}}},
            Origin(kind="archive", url="https://h/x.whl", hash=f"sha256:{HASH}"),
        ),
        ({"url": "https://h/x.whl", "archive_info": {}}, Origin(kind="archive", url="https://h/x.whl")),
        (
            {"url": "https://h/r.git", "vcs_info": {"vcs": "git", "commit_id": "abc", "requested_revision": "main"}},
            Origin(kind="vcs", url="https://h/r.git", vcs="git", commit="abc"),
        ),
        ({"url": "file:///a/b", "dir_info": {}}, Origin(kind="directory", url="file:///a/b")),
        (
            {"url": "file:///a/b", "dir_info": {"editable": True}, "subdirectory": "core"},
            Origin(kind="editable", url="file:///a/b", subdirectory="core"),
        ),
    ],
)
def test_every_kind_of_origin_is_told(data: Any, expected: Origin) -> None:
    assert origin(data) == expected


@pytest.mark.parametrize(
    "data",
    ["{", "[]", "3", "null", '{"url": 3, "dir_info": {}}', '{"dir_info": {}}', '{"url": "https://h"}', "[" * 10_000,
     '{"url": "https://[", "archive_info": {}}', '{"url": "https://h", "vcs_info": {"vcs": "?", "commit_id": "a"}}'],
)  # fmt: skip
def test_a_broken_record_of_origin_is_an_unknown_origin(data: str) -> None:
    assert origin(data) == Origin(kind="unknown")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://ada:s3cret@h.example/x.whl", "https://h.example/x.whl"),
        ("https://s3cret@h.example/x.whl", "https://h.example/x.whl"),
        ("https://h.example/x.whl?token=s3cret#s3cret", "https://h.example/x.whl"),
        ("ssh://git@h.example/r.git", "ssh://git@h.example/r.git"),
        ("ssh://git:s3cret@h.example/r.git", "ssh://h.example/r.git"),
        ("ada:s3cret@h.example:r.git?s3cret", "h.example:r.git"),
        ("https://h.example/@scope/x.whl", "https://h.example/@scope/x.whl"),
    ],
)
def test_nothing_secret_is_left_in_a_url(url: str, shown: str) -> None:
    assert public_url(url) == shown


def test_of_archives_the_hash_counts_and_not_the_place() -> None:
    one = Origin(kind="archive", url="https://h/x.whl", hash=f"sha256:{HASH}")
    assert one.is_same_as(Origin(kind="archive", url="file:///x.whl", hash=f"sha256:{HASH}"))
    assert not one.is_same_as(Origin(kind="archive", url="https://h/x.whl", hash=f"sha256:{'b' * 64}"))
    assert not one.is_same_as(Origin(kind="index"))
