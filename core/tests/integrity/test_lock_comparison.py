"""What ``verify`` finds with a lock."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import msgspec
import pytest

from inference_pio.integrity import Lock, obstacles, render_lock
from inference_pio.integrity.selection import plugin_distributions, with_dependencies

from .conftest import Environment

PLUGIN = "acme_qwen3/plugin.py"


@pytest.fixture
def lock(environment: Environment, qwen3: Path) -> Lock:
    made = environment.lock()
    assert environment.codes(made) == []
    return made


def test_a_file_changed_together_with_record_is_named(environment: Environment, qwen3: Path, lock: Lock) -> None:
    (qwen3 / "plugin.py").write_text("x = 1\n")
    environment.record("acme-qwen3", qwen3)
    assert environment.codes() == [], "RECORD alone does not tell"
    (finding,) = environment.verify(lock)
    assert (finding.code, finding.path) == ("file-changed", PLUGIN)
    assert "RECORD agrees with it, so that was changed too" in finding.message


def test_a_changed_file_is_named_once(environment: Environment, qwen3: Path, lock: Lock) -> None:
    (qwen3 / "plugin.py").write_text("x = 1\n")
    (finding,) = environment.verify(lock)
    assert (finding.code, finding.message) == ("file-changed", "is neither what the lock says nor what RECORD says")


def test_a_missing_file_is_named_once_even_if_record_forgets_it(
    environment: Environment, qwen3: Path, lock: Lock
) -> None:
    (qwen3 / "__init__.py").unlink()
    assert environment.codes(lock) == [("file-missing", "acme_qwen3/__init__.py")]
    environment.record("acme-qwen3", qwen3)
    assert environment.codes(lock) == [("file-missing", "acme_qwen3/__init__.py")]


def test_a_file_added_together_with_record_is_named(environment: Environment, qwen3: Path, lock: Lock) -> None:
    (qwen3 / "evil.py").write_text("")
    environment.record("acme-qwen3", qwen3)
    assert environment.codes(lock) == [("file-not-locked", "acme_qwen3/evil.py")]


def test_another_version_is_one_finding_and_not_one_for_each_file(
    environment: Environment, qwen3: Path, lock: Lock
) -> None:
    shutil.rmtree(environment.infos["acme-qwen3"])
    shutil.rmtree(qwen3)
    environment.manifest["description"] = "newer"
    environment.add(version="1.1")
    (finding,) = environment.verify(lock)
    assert (finding.code, finding.message) == ("version-changed", "is 1.1, locked is 1.0")


def test_another_origin_is_told(environment: Environment, lock: Lock) -> None:
    environment.come_from("acme-qwen3", {"url": "https://u:s3cret@h/x.whl", "archive_info": {}})
    (finding,) = environment.verify(lock)
    assert (finding.code, finding.message) == (
        "origin-changed",
        "came from index when it was locked, now from archive https://h/x.whl",
    )


def test_another_entry_point_is_told(environment: Environment, lock: Lock) -> None:
    path = environment.infos["acme-qwen3"] / "entry_points.txt"
    path.write_text("[inference_pio.models]\nqwen3 = acme_qwen3.plugin:evil\n")
    found = dict(environment.codes(lock))
    assert {"entry-point-changed", "file-changed"} <= set(found)


def test_another_manifest_is_told(environment: Environment, qwen3: Path, lock: Lock) -> None:
    (qwen3 / "plugin_manifest.json").write_text("{}")
    environment.record("acme-qwen3", qwen3)
    assert environment.codes(lock) == [("manifest-changed", ""), ("file-changed", "acme_qwen3/plugin_manifest.json")]


def test_a_plugin_that_was_added_and_one_that_is_gone_are_told(environment: Environment, lock: Lock) -> None:
    environment.add("gemma9")
    assert environment.codes(lock) == [("not-locked", "")]
    shutil.rmtree(environment.infos["acme-qwen3"])
    assert ("not-installed", "") in environment.codes(lock)


def test_another_installer_is_a_remark(environment: Environment, qwen3: Path, lock: Lock) -> None:
    (environment.infos["acme-qwen3"] / "INSTALLER").write_text("uv\n")
    environment.record("acme-qwen3", qwen3)
    (finding,) = environment.verify(lock)
    assert (finding.code, finding.counts) == ("installer-differs", False)


def test_another_python_is_a_remark(environment: Environment, lock: Lock) -> None:
    there = msgspec.structs.replace(lock.python, version="3.7.1", platform="win-arm64")
    (finding,) = environment.verify(msgspec.structs.replace(lock, python=there))
    assert (finding.code, finding.counts) == ("environment-differs", False)
    assert "CPython 3.7 on win-arm64" in finding.message


def test_another_patch_of_python_is_not_worth_a_word(environment: Environment, lock: Lock) -> None:
    minor = ".".join(lock.python.version.split(".")[:2])
    there = msgspec.structs.replace(lock.python, version=f"{minor}.99")
    assert environment.codes(msgspec.structs.replace(lock, python=there)) == []


def test_a_path_in_a_lock_cannot_leave_the_environment(environment: Environment, lock: Lock) -> None:
    data = msgspec.to_builtins(lock)
    for path in ("../../secret", "nul\0byte"):
        data["distributions"][0]["files"].append({"path": path, "sha256": "0" * 64, "size": 1})
    found = environment.codes(msgspec.convert(data, Lock))
    assert sorted(found) == [("file-unreadable", "nul\0byte"), ("path-outside", "../../secret")]


def test_editables_are_locked_without_files_and_stay_not_verifiable(environment: Environment, qwen3: Path) -> None:
    environment.come_from("acme-qwen3", {"url": "file:///src", "dir_info": {"editable": True}})
    lock = environment.lock()
    (dist,) = lock.distributions
    assert (dist.files, dist.not_verifiable) == ([], "is an editable install of file:///src")
    assert environment.codes(lock) == [("not-verifiable", "")]
    assert obstacles(environment.inventory()) == [], "a developer's environment can be locked"


def test_what_was_locked_although_it_differed_is_accepted_as_it_is_and_only_so(
    environment: Environment, qwen3: Path
) -> None:
    (qwen3 / "plugin.py").write_text("x = 1\n")
    (qwen3 / "patch.py").write_text("y = 1\n")
    assert {finding.code for finding in obstacles(environment.inventory())} == {"file-changed", "file-extra"}
    lock = environment.lock()
    assert [f.path for f in lock.distributions[0].files if f.accepted] == ["acme_qwen3/patch.py", PLUGIN]
    assert environment.codes(lock) == []
    (qwen3 / "patch.py").write_text("y = 2\n")
    (qwen3 / "plugin.py").write_text("x = 2\n")
    assert set(environment.codes(lock)) == {("file-changed", "acme_qwen3/patch.py"), ("file-changed", PLUGIN)}


def test_a_lock_makes_up_for_a_hash_that_record_lacks(environment: Environment, qwen3: Path) -> None:
    record = environment.infos["acme-qwen3"] / "RECORD"
    record.write_text(record.read_text().replace(environment.line(qwen3 / "plugin.py"), f"{PLUGIN},,\n"))
    assert obstacles(environment.inventory()) == []
    lock = environment.lock()
    assert environment.codes(lock) == []
    (qwen3 / "plugin.py").write_text("x = 1\n")
    assert environment.codes(lock) == [("file-changed", PLUGIN)]


def test_the_same_environment_gives_the_same_bytes(environment: Environment, qwen3: Path) -> None:
    environment.add("alpha")
    first = render_lock(environment.lock())
    (qwen3 / "__pycache__").mkdir()
    (environment.infos["acme-qwen3"] / "REQUESTED").write_text("")
    (environment.infos["acme-qwen3"] / "plugin.py").touch()
    (environment.infos["acme-qwen3"] / "plugin.py").unlink()
    assert render_lock(environment.lock()) == first
    names = [dist["name"] for dist in json.loads(first)["distributions"]]
    assert names == sorted(names) == ["acme-alpha", "acme-qwen3"]


def test_nothing_secret_of_a_url_is_in_the_lock(environment: Environment, qwen3: Path) -> None:
    url = "https://ada:s3cret@h.example/x.whl?token=s3cret"
    environment.come_from("acme-qwen3", {"url": url, "archive_info": {"hashes": {"sha256": "a" * 64}}})
    text = render_lock(environment.lock()).decode()
    assert "https://h.example/x.whl" in text
    assert not any(word in text for word in ("s3cret", "ada"))


def test_the_default_covers_plugins_and_whatever_is_named_after_the_host(environment: Environment, qwen3: Path) -> None:
    for dist in ("inference-pio-extra", "unrelated"):
        environment.site.add_dist(dist, "1.0")
    assert plugin_distributions(environment.scan()) == ["acme-qwen3", "inference-pio-extra"]


def test_dependencies_are_followed_with_markers_and_extras(environment: Environment) -> None:
    def add(name: str, *requires: str) -> None:
        environment.site.add_dist(name, "1.0", metadata="".join(f"Requires-Dist: {line}\n" for line in requires))

    add("inference-pio-x", "a[fast]>=1", "never; python_version < '3'", "broken ===== 1", "not-there")
    add("a", "b ; extra == 'fast'", "c ; extra == 'slow'", "A")
    add("b", "inference-pio-x")
    for name in ("c", "never", "unrelated"):
        add(name)
    assert with_dependencies(environment.scan(), ["inference-pio-x"]) == ["a", "b", "inference-pio-x"]
