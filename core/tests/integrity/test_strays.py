"""Files that lie where a plugin's files lie and are not its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import Environment


@pytest.mark.parametrize(
    "name", ["evil.py", "plugin.cpython-311-x86_64-linux-gnu.so", "plugin.pyc", "plugin/__init__.py", "data.bin"]
)
def test_a_file_that_nobody_lists_is_named(environment: Environment, qwen3: Path, name: str) -> None:
    (qwen3 / name).parent.mkdir(exist_ok=True)
    (qwen3 / name).write_text("")
    assert environment.codes() == [("file-extra", f"acme_qwen3/{name}")]


def test_a_link_to_a_folder_is_a_package_too(environment: Environment, qwen3: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (qwen3 / "evil").symlink_to(tmp_path / "elsewhere")
    assert environment.codes() == [("file-extra", "acme_qwen3/evil")]


def test_a_package_beside_a_module_of_the_same_name_is_named(environment: Environment) -> None:
    environment.site.add_hooks("timer", "x = 1\n")
    environment.infos["acme-timer"] = environment.site.path / "acme_timer-1.0.dist-info"
    environment.record("acme-timer", environment.site.path / "hooks_of_timer.py")
    (environment.site.path / "hooks_of_timer").mkdir()
    (environment.site.path / "hooks_of_timer" / "__init__.py").write_text("")
    assert environment.codes() == [("file-extra", "hooks_of_timer/__init__.py")]


def test_what_python_and_installers_leave_is_fine(environment: Environment, qwen3: Path) -> None:
    (qwen3 / "__pycache__").mkdir()
    (qwen3 / "__pycache__" / "gone.cpython-311.pyc").write_bytes(b"")
    info = environment.infos["acme-qwen3"]
    (info / "REQUESTED").write_text("")
    (info / "RECORD.jws").write_text("")
    environment.come_from("acme-qwen3", {"url": "https://h/x.whl", "archive_info": {}})
    assert environment.codes() == []


def test_an_entry_point_file_that_was_added_to_a_distribution_is_named(environment: Environment) -> None:
    environment.infos["acme-lib"] = environment.site.add_dist("acme-lib", "1.0")
    environment.record("acme-lib")
    environment.add()
    (environment.infos["acme-lib"] / "entry_points.txt").write_text("[inference_pio.hooks]\nevil = acme_qwen3.evil\n")
    assert ("file-extra", "acme_lib-1.0.dist-info/entry_points.txt") in environment.codes()


def test_distributions_that_share_a_namespace_do_not_accuse_each_other(environment: Environment) -> None:
    first, second = environment.add("one", package="ns.one"), environment.add("two", package="ns.two")
    assert environment.codes() == []
    (second / "evil.py").write_text("")
    (finding,) = environment.verify()
    assert (finding.dist, finding.path) == ("acme-two", "ns/two/evil.py"), "the nearest one is named"
    (first.parent / "evil.py").write_text("")
    assert ("file-extra", "ns/evil.py") in environment.codes()


def test_a_file_of_another_distribution_inside_a_plugins_package_is_named_with_its_owner(
    environment: Environment, qwen3: Path
) -> None:
    (qwen3 / "config").mkdir()
    intruder = qwen3 / "config" / "__init__.py"  # comes before config.py
    intruder.write_text("")
    environment.infos["helpful-fonts"] = environment.site.add_dist("helpful-fonts", "1.0")
    environment.record("helpful-fonts", intruder)
    (finding,) = environment.verify()
    assert (finding.code, finding.path) == ("file-foreign", "acme_qwen3/config/__init__.py")
    assert "helpful-fonts" in finding.message


def test_a_plugin_with_a_broken_neighbour_is_still_looked_at(environment: Environment, qwen3: Path) -> None:
    environment.infos["odd"] = environment.site.add_dist("odd", "1.0")
    (environment.infos["odd"] / "RECORD").write_bytes(b"\xff\xff acme_qwen3")
    (qwen3 / "evil.py").write_text("")
    assert environment.codes() == [("file-extra", "acme_qwen3/evil.py")]
