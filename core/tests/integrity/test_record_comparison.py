"""What ``verify`` finds without a lock: installed files against RECORD."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from .conftest import Environment

PLUGIN = "acme_qwen3/plugin.py"


@pytest.fixture(autouse=True)
def _installed(environment: Environment, qwen3: Path) -> None:
    assert environment.codes() == [], "an untouched installation is fine"


def test_one_changed_byte_is_named(environment: Environment, qwen3: Path) -> None:
    data = bytearray((qwen3 / "plugin.py").read_bytes())
    data[-2] ^= 1
    (qwen3 / "plugin.py").write_bytes(data)
    assert environment.codes() == [("file-changed", PLUGIN)]


def test_a_changed_size_is_named_with_both_sizes(environment: Environment, qwen3: Path) -> None:
    (qwen3 / "plugin.py").write_text("x")
    (finding,) = environment.verify()
    assert finding.message.startswith("has 1 bytes, RECORD says ")
    assert finding.path == PLUGIN


def test_changed_metadata_is_named(environment: Environment) -> None:
    path = environment.infos["acme-qwen3"] / "entry_points.txt"
    path.write_text(path.read_text() + "\n")
    assert ("file-changed", "acme_qwen3-1.0.dist-info/entry_points.txt") in environment.codes()


def test_a_missing_file_is_named(environment: Environment, qwen3: Path) -> None:
    (qwen3 / "__init__.py").unlink()
    assert environment.codes() == [("file-missing", "acme_qwen3/__init__.py")]


@pytest.mark.parametrize("kind", ["folder", "pipe"])
def test_what_is_no_file_is_unreadable_and_nothing_waits_for_it(
    environment: Environment, qwen3: Path, kind: str
) -> None:
    path = qwen3 / "__init__.py"
    path.unlink()
    path.mkdir() if kind == "folder" else os.mkfifo(path)
    assert environment.codes() == [("file-unreadable", "acme_qwen3/__init__.py")]


def test_a_file_without_the_right_to_read_it_is_unreadable(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.open

    def refuse(path: str, *args: int) -> int:
        if str(path).endswith("__init__.py"):
            raise PermissionError(13, "Permission denied")
        return real(path, *args)

    monkeypatch.setattr("inference_pio.integrity.digests.os.open", refuse)  # whoever runs as root may read all
    (finding,) = environment.verify()
    assert (finding.code, finding.message) == ("file-unreadable", "cannot be read: Permission denied")


def test_a_path_that_leads_out_of_the_environment_is_told_and_not_read(environment: Environment, qwen3: Path) -> None:
    secret = environment.site.path.parent / "secret"
    secret.write_text("x")
    environment.record("acme-qwen3", qwen3, extra="../secret,,1\n/etc/hostname,,\n")
    assert environment.codes() == [("path-outside", "../secret"), ("path-outside", "/etc/hostname")]


def test_a_file_replaced_by_a_link_out_of_the_environment_is_told(environment: Environment, qwen3: Path) -> None:
    elsewhere = environment.site.path.parent / "plugin.py"
    (qwen3 / "plugin.py").rename(elsewhere)
    (qwen3 / "plugin.py").symlink_to(elsewhere)
    assert environment.codes() == [("path-outside", PLUGIN)], "although its content is the recorded one"


def test_a_record_that_is_gone_or_broken_is_told(environment: Environment) -> None:
    record = environment.infos["acme-qwen3"] / "RECORD"
    record.write_text("a,b,c,d,e\n")
    assert environment.codes() == [("record-broken", "")]
    record.unlink()
    assert environment.codes() == [("record-missing", "")]


def test_a_file_without_a_hash_is_told(environment: Environment, qwen3: Path) -> None:
    record = environment.infos["acme-qwen3"] / "RECORD"
    line = environment.line(qwen3 / "plugin.py")
    record.write_text(record.read_text().replace(line, f"{PLUGIN},md5=1B2M2Y8AsgTpgAmY7PhCfg,\n"))
    assert environment.codes() == [("hash-missing", PLUGIN)]


def test_longer_hashes_are_compared_too(environment: Environment, qwen3: Path) -> None:
    import base64
    import hashlib

    record = environment.infos["acme-qwen3"] / "RECORD"
    digest = base64.urlsafe_b64encode(hashlib.sha512((qwen3 / "plugin.py").read_bytes()).digest()).rstrip(b"=").decode()
    record.write_text(record.read_text().replace(environment.line(qwen3 / "plugin.py"), f"{PLUGIN},sha512={digest},\n"))
    assert environment.codes() == []
    (qwen3 / "plugin.py").write_text("x = 1\n")
    assert environment.codes() == [("file-changed", PLUGIN)]


def test_an_editable_install_is_not_verifiable_and_not_fine(environment: Environment) -> None:
    environment.come_from("acme-qwen3", {"url": "file:///src/qwen3", "dir_info": {"editable": True}})
    (finding,) = environment.verify()
    assert (finding.code, finding.counts) == ("not-verifiable", True)
    assert finding.message == "is an editable install of file:///src/qwen3"


def test_forged_bytecode_of_a_plugin_is_named(environment: Environment, qwen3: Path) -> None:
    from .test_bytecode import forge

    pyc = forge(qwen3 / "plugin.py", "print('evil')")
    assert environment.codes() == [("bytecode-changed", f"acme_qwen3/__pycache__/{pyc.name}")]


def test_bytecode_that_is_never_compared_is_named(environment: Environment, qwen3: Path) -> None:
    from .test_bytecode import forge

    pyc = forge(qwen3 / "plugin.py", (qwen3 / "plugin.py").read_text(), "unchecked_hash")
    assert environment.codes() == [("bytecode-unchecked", f"acme_qwen3/__pycache__/{pyc.name}")]


def test_no_code_of_a_plugin_runs(environment: Environment) -> None:
    environment.verify(environment.lock())
    assert environment.site.executed == []


def test_a_module_that_another_folder_hides_is_told(environment: Environment) -> None:
    from inference_pio.integrity import take_inventory

    shadow = environment.site.path.parent / "shadow"
    (shadow / "acme_qwen3").mkdir(parents=True)
    for name in ("__init__.py", "plugin.py"):
        (shadow / "acme_qwen3" / name).write_text("print('evil')\n")
    search_path = [str(shadow), str(environment.site.path)]
    found = take_inventory(environment.scan(), ["acme-qwen3"], search_path=search_path).findings
    assert [finding.code for finding in found] == ["module-elsewhere"]
    assert str(shadow / "acme_qwen3") in found[0].message


def test_a_module_that_is_not_there_at_all_is_told(environment: Environment) -> None:
    environment.site.add_model("ghost", package="acme_ghost", dist="acme-ghost", files=False)
    environment.infos["acme-ghost"] = environment.site.path / "acme_ghost-1.0.dist-info"
    environment.record("acme-ghost")
    assert environment.codes() == [("module-elsewhere", "")]


def test_hook_plugins_that_are_single_modules_are_verified(environment: Environment) -> None:
    environment.site.add_hooks("timer", "x = 1\n")
    environment.infos["acme-timer"] = environment.site.path / "acme_timer-1.0.dist-info"
    module = environment.site.path / "hooks_of_timer.py"
    environment.record("acme-timer", module)
    assert environment.codes() == []
    module.write_text("x = 2\n")
    assert environment.codes() == [("file-changed", "hooks_of_timer.py")]
    (environment.site.path / "hooks_of_timer.so").write_text("")  # comes before the source
    assert ("file-extra", "hooks_of_timer.so") in environment.codes()
