from __future__ import annotations

from pathlib import Path
from typing import Any

import importlib_metadata
import pytest

from inference_pio.discovery import build_index
from inference_pio.doctor import core_findings, hook_findings
from inference_pio.hookspecs import DoctorFinding, hookimpl
from inference_pio.host import Host
from inference_pio.installed import collect

from .conftest import FakeSite


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("INFERENCE_PIO_CACHE_DIR", str(folder))
    return folder


def host_of(site: FakeSite) -> Host:
    installed = collect(importlib_metadata.distributions(path=[str(site.path)]))
    return Host(build_index(installed, search_path=[str(site.path)]))


def by_name(findings: list[DoctorFinding]) -> dict[str, DoctorFinding]:
    return {finding.name: finding for finding in findings}


def test_an_empty_host_says_what_to_install(site: FakeSite, cache: Path) -> None:
    found = by_name(core_findings(host_of(site)))
    assert found["models"].status == "warning"
    assert found["models"].fix == "Install one: pip install inference-pio-smollm2"
    assert found["torch"].status == "warning"
    assert found["python"].status == "ok"


def test_the_cache_is_measured(site: FakeSite, cache: Path) -> None:
    (cache / "deep").mkdir(parents=True)
    (cache / "deep" / "weights").write_bytes(b"x" * 1500)
    found = by_name(core_findings(host_of(site)))["cache"]
    assert (found.status, dict(found.data or {})["bytes"]) == ("ok", 1500)


def test_a_cache_that_is_no_folder_is_an_error(site: FakeSite, cache: Path) -> None:
    cache.write_text("a file")
    found = by_name(core_findings(host_of(site)))["cache"]
    assert found.status == "error"
    assert "INFERENCE_PIO_CACHE_DIR" in found.fix


def test_a_cache_whose_name_is_too_long_is_an_error(
    site: FakeSite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INFERENCE_PIO_CACHE_DIR", str(tmp_path / ("x" * 300)))
    finding = by_name(core_findings(host_of(site)))["cache"]
    assert finding.status == "error"
    assert "INFERENCE_PIO_CACHE_DIR" in finding.fix


def test_every_plugin_that_is_not_well_has_a_finding_with_a_fix(
    site: FakeSite, cache: Path, manifest_data: dict[str, Any]
) -> None:
    site.add_model("good", manifest=manifest_data)
    site.add_model("broken", manifest="{")
    site.add_model("later", manifest=manifest_data | {"host_api": ">=9"})
    site.add_model("twin", dist="acme-a", manifest=manifest_data, package="acme_a")
    site.add_model("twin", dist="acme-b", manifest=manifest_data, package="acme_b")
    (site.add_dist("unreadable", "1.0") / "entry_points.txt").write_bytes(b"\xff")
    site.add_dist("torch", "2.13.0+cpu")
    findings = core_findings(host_of(site))
    found = by_name(findings)
    assert found["models"].message == "1 incompatible, 3 invalid, 1 ready"
    assert "model good" not in found
    assert {found[f"model {name}"].status for name in ("broken", "twin")} == {"error"}
    assert found["model later"].status == "warning"
    assert "acme-a" in found["model twin"].message
    assert "acme-b" in found["model twin"].message
    assert dict(found["model later"].data or {})["codes"] == ["host-api"]
    assert "unreadable-1.0.dist-info" in found["metadata"].message
    assert (found["torch"].status, found["torch"].message) == ("ok", "2.13.0+cpu")
    assert all(finding.fix for finding in findings if finding.status == "error")
    assert site.executed == []


def test_a_check_that_breaks_is_a_finding_and_stops_no_other(site: FakeSite, cache: Path) -> None:
    def good() -> DoctorFinding:
        return DoctorFinding(name="bucket", status="ok", message="reachable")

    def raises() -> DoctorFinding:
        raise SystemExit(1)

    class Checks:
        @hookimpl
        def pio_doctor_checks(self) -> list[Any]:
            return [good, raises, lambda: "fine"]

    host = host_of(site)
    host.hooks.register(Checks(), "checks")
    found = by_name(hook_findings(host))
    assert found["bucket"].message == "reachable"
    broken = [finding for finding in found.values() if "check itself failed" in finding.message]
    assert [finding.status for finding in broken] == ["error", "error"]


def test_a_hook_plugin_that_does_not_load_is_an_error(importable: FakeSite, cache: Path) -> None:
    importable.add_hooks("good", "")
    importable.add_hooks("bad", "import no_such_lib")
    found = by_name(hook_findings(host_of(importable)))
    assert found["hooks good"].message == "acme-good 1.0: loaded"
    assert found["hooks bad"].status == "error"
    assert "the distribution that provides 'no_such_lib'" in found["hooks bad"].message
