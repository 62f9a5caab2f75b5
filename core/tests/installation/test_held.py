from __future__ import annotations

from pathlib import Path

import importlib_metadata
import pytest

from inference_pio.installation.held import Held, explain_conflict, explain_requirements, held_libraries
from inference_pio.installed import Installed, collect

TORCH = Held("torch", "2.13.0+cpu", "==2.13.0+cpu")
HOST = Held("inference-pio", "0.1.0", "==0.1.0")


def installed(folder: Path, **versions: str) -> Installed:
    for name, version in versions.items():
        info = folder / f"{name}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    return collect(importlib_metadata.distributions(path=[str(folder)]))


def test_host_and_torch_are_held_where_they_are_and_the_runtime_may_only_go_up(tmp_path: Path) -> None:
    scan = installed(
        tmp_path, torch="2.13.0+cpu", inference_pio="0.1.0", inference_pio_runtime="0.2.dev1+local", numpy="2.0"
    )
    lines = [library.constraint for library in held_libraries(scan, requested=())]
    assert lines == ["inference-pio==0.1.0", "torch==2.13.0+cpu", "inference-pio-runtime>=0.2.dev1"]


def test_what_the_user_asks_for_is_the_users_to_move(tmp_path: Path) -> None:
    scan = installed(tmp_path, inference_pio_runtime="0.2")
    assert held_libraries(scan, requested={"inference-pio-runtime"}) == ()


def test_a_conflict_names_who_wants_what_and_what_is_there() -> None:
    pip_says = (
        "The conflict is caused by:\n    acme 1.0 depends on torch<2\n"
        "    acme 0.9 depends on torch<1.9; python_version > '3'\n"
        "    acme 1.0 depends on numpy>=2\n    The user requested (constraint) torch==2.13.0+cpu\n"
    )
    explained = explain_conflict(pip_says, [TORCH, HOST])
    assert explained is not None
    assert "acme 1.0 wants torch<2, and torch 2.13.0+cpu is installed" in explained
    assert "acme 0.9 wants torch<1.9" in explained
    assert "numpy" not in explained
    assert "environment of its own" in explained


def test_a_conflict_of_others_is_left_to_pip() -> None:
    assert explain_conflict("a 1 depends on b<2\n c 1 depends on torch>=2\nit depends on who asks\n", [TORCH]) is None


@pytest.mark.parametrize(
    ("requirement", "fits"),
    [("torch>=2", True), ("torch==2.13.0", True), ("torch<2; extra == 'old'", True), ("torch<2", False), ("???", True)],
)
def test_requirements_are_compared_with_what_is_held(requirement: str, fits: bool) -> None:
    assert (explain_requirements("acme 1.0", [requirement], [TORCH]) is None) == fits


def test_a_plugin_that_wants_another_host_is_told_to_upgrade_it() -> None:
    explained = explain_requirements("acme 1.0", ["inference-pio>=3"], [HOST])
    assert explained is not None
    assert explained.endswith("pip install -U inference-pio")
