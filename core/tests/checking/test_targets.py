"""What can be checked: projects of every layout, package folders, wheels, source distributions, installed plugins."""

from __future__ import annotations

import io
import os
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from inference_pio.checking import check_target
from inference_pio.errors import UsageError


def found(report: Any) -> set[str]:
    return {finding.code for finding in report.findings}


@pytest.mark.parametrize("source", ["src", ".", "lib", "code", "packages/python"])
def test_a_project_may_keep_its_packages_in_any_place(source: str, model: Any, tmp_path: Path) -> None:
    report = check_target(str(model.write_project(tmp_path, source=source)))
    assert (report.findings, report.kind, report.plugins) == ((), "folder", ("tiny",))


def test_a_build_tool_may_be_told_of_another_place(model: Any, tmp_path: Path) -> None:
    made = model.write_project(tmp_path, source="code")
    with (made / "pyproject.toml").open("a") as file:
        file.write('[tool.setuptools.packages.find]\nwhere = ["code"]\n')
    assert check_target(str(made)).findings == ()


@pytest.mark.parametrize("place", ["build/lib", ".venv/lib", "a/b/c/d"])
def test_copies_that_are_no_sources_are_not_taken_for_them(place: str, model: Any, tmp_path: Path) -> None:
    assert "module-not-found" in found(check_target(str(model.write_project(tmp_path, source=place))))


def test_a_place_outside_the_project_is_not_looked_at(model: Any, tmp_path: Path) -> None:
    model.write_project(tmp_path, source="code")
    (tmp_path / "project").mkdir()
    text = (tmp_path / "pyproject.toml").read_text() + '[tool.setuptools.packages.find]\nwhere = ["../code"]\n'
    (tmp_path / "project" / "pyproject.toml").write_text(text)
    assert "module-not-found" in found(check_target(str(tmp_path / "project")))


def test_the_package_folder_of_a_project_stands_for_the_project(model: Any, tmp_path: Path) -> None:
    model.write_project(tmp_path)
    report = check_target(str(tmp_path / "src" / model.package))
    assert (report.findings, report.dist) == ((), "inference-pio-tiny")


def test_a_package_without_a_project_is_checked_as_far_as_it_goes(model: Any, tmp_path: Path) -> None:
    model.write_project(tmp_path)
    (tmp_path / "pyproject.toml").unlink()
    folder = tmp_path / "src" / model.package
    report = check_target(str(folder), import_=True)
    assert found(report) == {"metadata-missing"}
    assert report.measured["tiny"]["heavy"] == []
    (folder / "mlp" / "__init__.py").unlink()
    assert found(check_target(str(folder))) == {"metadata-missing", "structure-folder-missing"}


def test_a_source_distribution_is_checked_as_the_project_in_it(model: Any, tmp_path: Path) -> None:
    folder = model.write_project(tmp_path / "inference_pio_tiny-1.0")
    with tarfile.open(tmp_path / "inference_pio_tiny-1.0.tar.gz", "w:gz") as archive:
        archive.add(folder, folder.name)
    report = check_target(str(tmp_path / "inference_pio_tiny-1.0.tar.gz"), import_=True)
    assert (report.findings, report.kind) == ((), "sdist")


@pytest.mark.parametrize("name", ["../evil.py", "/evil.py", "a/../../evil.py", "C:\\evil.py"])
def test_a_source_distribution_that_leads_out_of_its_folder_is_not_unpacked(name: str, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "evil-1.0.tar.gz", "w:gz") as archive:
        archive.addfile(tarfile.TarInfo(name), io.BytesIO())
    assert found(check_target(str(tmp_path / "evil-1.0.tar.gz"))) == {"target-unreadable"}


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x03\x04" + b"\0" * 50])
@pytest.mark.parametrize("name", ["broken-1.0-py3-none-any.whl", "broken-1.0.tar.gz"])
def test_an_archive_that_cannot_be_opened_is_a_finding(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    assert found(check_target(str(tmp_path / name), import_=True)) == {"target-unreadable", "import-not-tried"}


def test_a_member_that_is_damaged_is_found_by_its_record(model: Any, tmp_path: Path) -> None:
    path = model.write_wheel(tmp_path)
    data = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        start = archive.getinfo(f"{model.package}/plugin.py").header_offset
    data[start + 80 : start + 100] = bytes(20)
    path.write_bytes(data)
    assert "wheel-record-differs" in found(check_target(str(path)))


def test_an_installed_plugin_is_found_by_its_own_name_and_by_its_distributions(model: Any, importable: Any) -> None:
    with zipfile.ZipFile(model.write_wheel(importable.path.parent)) as archive:
        archive.extractall(importable.path)
    for name in ("tiny", "Tiny", "inference-pio-tiny", "inference_pio_tiny"):
        report = check_target(name, import_=True)
        assert (report.findings, report.kind, report.plugins) == ((), "installed", ("tiny",))
    (importable.path / model.package / "plugin.py").write_text("def create_tiny_plugin(size): return 1\n")
    assert found(check_target("tiny")) == {"class-not-found", "factory-needs-arguments", "factory-returns-other"}


def test_an_installed_single_module_is_found(importable: Any) -> None:
    importable.add_hooks("journal", "from inference_pio import hookimpl\n@hookimpl\ndef pio_after_lod(): pass\n")
    report = check_target("journal")
    assert found(report) == {"hook-unknown", "host-not-required"}
    where = next(f.where for f in report.findings if f.code == "hook-unknown")
    assert where == f"{importable.path / 'hooks_of_journal.py'}:3"


@pytest.mark.parametrize(
    ("target", "what"),
    [
        ("no-such-plugin", "nothing here is called 'no-such-plugin'"),
        ("./no/such.whl", "there is no file or folder ./no/such.whl"),
        ("some.txt", "is neither a wheel"),
        ("empty", "holds neither pyproject.toml nor plugin_manifest.json"),
    ],
)
def test_what_cannot_be_checked_is_refused_with_the_reason(
    target: str, what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    Path("some.txt").touch()
    with pytest.raises(UsageError, match=what):
        check_target(target)


def test_a_folder_of_the_same_name_does_not_hide_an_installed_plugin(
    model: Any, importable: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with zipfile.ZipFile(model.write_wheel(tmp_path)) as archive:
        archive.extractall(importable.path)
    monkeypatch.chdir(tmp_path)
    Path("tiny").mkdir()
    assert check_target("tiny").kind == "installed"


def test_a_name_that_is_nearly_right_is_suggested(model: Any, importable: Any) -> None:
    with zipfile.ZipFile(model.write_wheel(importable.path.parent)) as archive:
        archive.extractall(importable.path)
    with pytest.raises(UsageError, match="Did you mean 'tiny'"):
        check_target("tinny")


def test_the_structure_is_a_rule_in_the_shared_package_and_advice_in_ones_own(model: Any, tmp_path: Path) -> None:
    del model.files[f"{model.package}/config.py"]
    assert not check_target(str(model.write_project(tmp_path / "shared"))).is_ok
    model.files = {
        name.replace("inference_pio/models/tiny", "acme_tiny"): content for name, content in model.files.items()
    }
    model.entry_points = {"inference_pio.models": {"tiny": "acme_tiny.plugin:create_tiny_plugin"}}
    folder = model.write_project(tmp_path / "own")
    (tmp_path / "own/src" / model.package / "plugin_manifest.json").rename(
        tmp_path / "own/src/acme_tiny/plugin_manifest.json"
    )
    report = check_target(str(folder))
    assert [(f.code, f.severity) for f in report.findings] == [("structure-file-missing", "warning")]
    assert report.is_ok


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="needs symbolic links")
def test_a_manifest_that_is_a_link_out_of_its_folder_is_not_read(model: Any, tmp_path: Path) -> None:
    folder = model.write_project(tmp_path / "project")
    manifest = folder / "src" / model.package / "plugin_manifest.json"
    manifest.rename(tmp_path / "elsewhere.json")
    manifest.symlink_to(tmp_path / "elsewhere.json")
    assert found(check_target(str(folder))) == {"manifest-unreadable"}


def test_a_pipe_in_the_place_of_a_module_does_not_make_the_check_wait(model: Any, tmp_path: Path) -> None:
    folder = model.write_project(tmp_path)
    module = folder / "src" / model.package / "config.py"
    module.unlink()
    os.mkfifo(module)
    assert found(check_target(str(folder))) == {"structure-file-missing"}
