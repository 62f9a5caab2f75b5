from __future__ import annotations

from typing import Any

import pytest

from inference_pio.doctor import PluginDefect, Report
from inference_pio.host import Host
from inference_pio.host_state import HostState, PluginKey
from inference_pio.quarantine import FAILURE_LIMIT

from ..conftest import FakeSite
from .conftest import Examine, by_name, host_of, with_code


def put_aside(host: Host, name: str) -> None:
    key = PluginKey.of("model", host.record(name))
    for _ in range(FAILURE_LIMIT):
        HostState().record_failure(key, "load", "boom")


def test_an_empty_host_says_what_to_install(examine: Examine) -> None:
    found = by_name(examine())
    assert (found["models"].code, found["models"].status) == ("models-none", "warning")
    assert found["models"].fix == "pip install inference-pio-smollm2"


def test_every_plugin_that_is_not_well_has_a_finding_with_a_fix(
    site: FakeSite, examine: Examine, manifest_data: dict[str, Any]
) -> None:
    site.add_model("good", manifest=manifest_data)
    site.add_model("broken", manifest="{")
    site.add_model("later", manifest=manifest_data | {"host_api": ">=9"})
    site.add_model("twin", dist="acme-a", manifest=manifest_data, package="acme_a")
    site.add_model("twin", dist="acme-b", manifest=manifest_data, package="acme_b")
    findings = examine()
    found = by_name(findings)
    assert found["models"].message == "1 incompatible, 3 invalid, 1 ready"
    assert "model good" not in found
    assert {found[f"model {name}"].status for name in ("broken", "twin")} == {"error"}
    assert found["model later"].status == "warning"
    assert "acme-a" in found["model twin"].message
    assert "acme-b" in found["model twin"].message
    assert found["model twin"].code == "name-collision"
    assert dict(found["model later"].data or {})["codes"] == ["host-api"]
    assert site.executed == []


def test_a_remark_on_a_plugin_that_is_ready_is_a_warning(
    site: FakeSite, examine: Examine, manifest_data: dict[str, Any]
) -> None:
    site.add_model("good", manifest=manifest_data | {"surprise": 1})
    finding = by_name(examine())["model good"]
    assert (finding.code, finding.status) == ("unknown-key", "warning")


def test_a_plugin_that_was_put_aside_is_a_defect(
    site: FakeSite, examine: Examine, manifest_data: dict[str, Any]
) -> None:
    site.add_model("good", manifest=manifest_data)
    put_aside(host_of(site.path), "good")
    findings = examine()
    finding = by_name(findings)["model good"]
    assert (finding.code, finding.status) == ("quarantined", "error")
    assert isinstance(finding, PluginDefect)
    assert "inference-pio enable good" in finding.fix
    assert Report(tuple(findings)).exit_code() == 3
    assert by_name(findings)["models"].code == "models-unusable"


def test_a_plugin_that_is_switched_off_is_named_and_no_fault(
    site: FakeSite, examine: Examine, manifest_data: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    site.add_model("good", manifest=manifest_data)
    site.add_model("broken", manifest="{")
    monkeypatch.setenv("INFERENCE_PIO_DISABLE", "Broken")
    finding = by_name(examine())["model broken"]
    assert (finding.code, finding.status) == ("disabled", "ok")
    assert "INFERENCE_PIO_DISABLE" in finding.message


@pytest.mark.parametrize("variable", ["INFERENCE_PIO_PLUGINS", "INFERENCE_PIO_DISABLE"])
def test_a_name_that_means_nobody_is_named_with_the_nearest(
    variable: str,
    site: FakeSite,
    examine: Examine,
    manifest_data: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    site.add_model("smollm2", manifest=manifest_data)
    monkeypatch.setenv(variable, "smolm2, inference-pio-smollm2")
    finding = with_code(examine(), "unknown-plugin-name")[0]
    assert (finding.name, finding.status) == (variable, "warning")
    assert finding.message == "names smolm2, which is not installed"
    assert "Did you mean smollm2" in finding.fix
