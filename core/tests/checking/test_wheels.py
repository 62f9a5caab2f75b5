"""Wheels: what they hold beside the plugin, and whether RECORD tells the truth."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import importlib_metadata
import pytest

from inference_pio.checking import wheel_content
from inference_pio.checking.wheel_archive import WheelArchive

RECORD = "inference_pio_tiny-1.0.dist-info/RECORD"


def found(report: Any) -> set[str]:
    return {finding.code for finding in report.findings}


def messages(report: Any) -> str:
    return "\n".join(finding.message for finding in report.findings)


Members = dict[str, bytes]
CONFIG = "inference_pio/models/tiny/config.py"


def setting(name: str, content: bytes) -> Callable[[Members], None]:
    return lambda members: members.update({name: content})


def replacing(old: bytes, new: bytes) -> Callable[[Members], None]:
    return lambda members: members.update({RECORD: members[RECORD].replace(old, new)})


@pytest.mark.parametrize(
    ("edit", "what"),
    [
        (lambda members: members.pop("inference_pio/models/tiny/mlp/__init__.py"), "which is not in the wheel"),
        (setting("inference_pio/models/tiny/more.py", b""), "is not in RECORD"),
        (setting(CONFIG, b"SIZE = 2"), "another size"),
        (setting(CONFIG, b'"""Config."""\nSIZE = 2\n'), "another hash"),
        (replacing(b"sha256=", b""), "has no hash in RECORD"),
        (replacing(b"sha256=", b"md0="), "unsupported hash type"),
        (replacing(b"sha256=", "sha256=\u00e9".encode()), "cannot be compared"),
        (setting(RECORD, b"\xff\xff"), "RECORD cannot be read"),
        (setting(RECORD, b'"' * 999), "is not in RECORD"),
    ],
)
def test_every_difference_from_record_is_found(edit: Any, what: str, model: Any, check: Any) -> None:
    report = check(model, wheel=True, change=edit)
    assert "wheel-record-differs" in found(report)
    assert what in messages(report)


def test_what_a_member_claims_to_unpack_to_is_compared_before_it_is_unpacked(
    model: Any, check: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[str] = []
    digest = WheelArchive.digest

    def watched(self: WheelArchive, name: str, algorithm: str) -> bytes:
        hashed.append(name)
        return digest(self, name, algorithm)

    monkeypatch.setattr(WheelArchive, "digest", watched)
    check(model, wheel=True, change=setting("inference_pio/models/tiny/model.py", b"0" * 10**7))
    assert "inference_pio/models/tiny/config.py" in hashed
    assert "inference_pio/models/tiny/model.py" not in hashed


@pytest.mark.parametrize("name", ["README.md", "tests/test_it.py", "inference_pio/other/thing.py"])
def test_files_outside_the_plugins_package_are_found(name: str, model: Any, check: Any) -> None:
    model.extra[name] = ""
    report = check(model, wheel=True)
    assert found(report) == {"stray-file"}
    assert report.is_ok


def test_a_wheel_may_bring_hooks_and_a_model(model: Any, hooks: Any, check: Any) -> None:
    model.files |= hooks.files
    model.entry_points |= hooks.entry_points
    report = check(model, wheel=True, import_=True)
    assert (report.findings, report.plugins) == ((), ("tiny", "acme"))
    assert set(report.measured) == {"tiny", "acme"}


def test_a_manifest_in_the_dist_info_alone_is_enough_to_read_it(model: Any, check: Any) -> None:
    def drop(members: dict[str, bytes]) -> None:
        del members["inference_pio/models/tiny/plugin_manifest.json"]

    assert found(check(model, wheel=True, change=drop)) == {"wheel-record-differs"}


def test_a_wheel_that_would_replace_the_host_is_not_imported(model: Any, check: Any) -> None:
    model.extra["inference_pio/loading.py"] = "raise SystemExit('imported')"
    assert found(check(model, wheel=True, import_=True)) == {"shadows-host", "stray-file", "import-not-tried"}


@pytest.mark.parametrize("name", ["/etc/evil.py", "a/../../evil.py", "C:/evil.py", "..\\evil.py"])
def test_members_that_lead_out_of_the_wheel_are_found(name: str, model: Any, check: Any) -> None:
    model.extra[name] = ""
    assert "member-outside" in found(check(model, wheel=True))


def test_two_dist_info_folders_are_one_too_many(model: Any, check: Any) -> None:
    model.extra["other-1.0.dist-info/METADATA"] = "Name: other\nVersion: 1\n"
    assert "metadata-missing" in found(check(model, wheel=True))


@pytest.mark.parametrize("recorded", [True, False])
def test_what_other_distributions_put_beside_the_hosts_files_is_not_the_hosts(
    recorded: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("loading.py", "runtime/__init__.py", "models/other/__init__.py", "checking/wheel_content.py"):
        (tmp_path / "inference_pio" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "inference_pio" / name).touch()
    record = [
        "inference_pio/loading.py",
        "inference_pio/checking/wheel_content.py",
        "inference_pio-1.0.dist-info/RECORD",
    ]
    files = [importlib_metadata.PackagePath(name) for name in (record if recorded else record[-1:])]
    monkeypatch.setattr(importlib_metadata, "files", lambda name: files)
    monkeypatch.setattr(wheel_content, "__file__", str(tmp_path / "inference_pio" / "checking" / "wheel_content.py"))
    # Without a record of its files the host is an editable one, whose folder nobody else writes to.
    others = set() if recorded else {"runtime"}  # models/ is never the host's
    assert wheel_content.host_names() == {"loading", "checking", *others}
