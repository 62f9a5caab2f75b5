from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import importlib_metadata
import pytest

from inference_pio.codes import doctor, states
from inference_pio.discovery import build_index
from inference_pio.doctor import core_findings, hook_findings
from inference_pio.hookspecs import DoctorFinding
from inference_pio.host import Host
from inference_pio.installed import collect

from ..conftest import FakeSite

Findings = list[DoctorFinding]
Examine = Callable[..., Findings]

CODES = {code.name: code for table in (doctor.TABLE, states.TABLE) for code in table.codes}
STATUS_OF = {"info": "ok", "warning": "warning", "error": "error"}
STATE_OF_A_PLUGIN = ("model ", "hooks ")


def host_of(*places: Path) -> Host:
    path = [str(place) for place in places]
    return Host(build_index(collect(importlib_metadata.distributions(path=path)), search_path=path))


def by_name(findings: Findings) -> dict[str, DoctorFinding]:
    return {finding.name: finding for finding in findings}


def with_code(findings: Findings, code: str) -> Findings:
    return [finding for finding in findings if finding.code == code]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("INFERENCE_PIO_CACHE_DIR", str(folder))
    return folder


@pytest.fixture
def examine(site: FakeSite) -> Examine:
    """Return core's findings about some folders, the fake site by default. Each must be as its code's table says."""

    def look(*places: Path) -> Findings:
        places = places or (site.path,)
        return checked(core_findings(host_of(*places), search_path=[str(place) for place in places]))

    return look


@pytest.fixture
def try_hooks(importable: FakeSite) -> Examine:
    """Return what loading the hook plugins of the fake site brings to light."""

    def look(**limits: float) -> Findings:
        return checked(hook_findings(host_of(importable.path), **limits))

    return look


def checked(findings: Findings) -> Findings:
    for finding in findings:
        assert finding.code in CODES, finding
        # A plugin's status follows from its state, of which a code is only the reason.
        if not finding.name.startswith(STATE_OF_A_PLUGIN) and finding.code != "contributed":
            assert finding.status == STATUS_OF[CODES[finding.code].severity], finding
        assert finding.fix or finding.status == "ok", finding
    return findings
