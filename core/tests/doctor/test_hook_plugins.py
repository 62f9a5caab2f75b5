from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from inference_pio.doctor import PluginDefect, Report, hook_findings
from inference_pio.hookspecs import DoctorFinding, hookimpl

from ..conftest import FakeSite
from .conftest import Examine, by_name, checked, host_of

CHECK = """
    from inference_pio import hookimpl
    from inference_pio.hookspecs import DoctorFinding
    @hookimpl
    def pio_doctor_checks():
        return [check]
    def check():
"""
LIMIT_S = 0.2
"""Seconds; what is cut off here would never end, so that a slow machine changes nothing."""
LOADING_LIMIT_S = 1.0
"""Seconds; more, for the sound plugins beside it have to be imported within it."""


@pytest.fixture
def released() -> Iterator[threading.Event]:
    """Ends the threads that a test leaves waiting."""
    event = threading.Event()
    yield event
    event.set()


def findings_of(site: FakeSite, checks: object, **limits: float) -> list[DoctorFinding]:
    class Checks:
        @hookimpl
        def pio_doctor_checks(self) -> Any:
            return checks() if callable(checks) else checks

    host = host_of(site.path)
    host.hooks.register(Checks(), "acme", dist="acme-tools 1.0")
    return checked(hook_findings(host, **limits))


def good() -> DoctorFinding:
    return DoctorFinding(name="bucket", status="ok", message="reachable")


def unusual(**changes: Any) -> DoctorFinding:
    return DoctorFinding(**{"name": "odd", "status": "ok", "message": "odd", **changes})


def raises() -> DoctorFinding:
    raise RuntimeError("no bucket")


def times_out() -> DoctorFinding:
    raise TimeoutError("the bucket does not answer")


def exits() -> DoctorFinding:
    raise SystemExit(1)


@pytest.mark.parametrize(
    ("check", "message"),
    [
        (raises, "raises: RuntimeError: no bucket"),
        (times_out, "TimeoutError: the bucket does not answer"),
        (exits, "exits: it called sys.exit(1)"),
        (lambda: "fine", "expected a DoctorFinding, got str"),
        (lambda: None, "expected a DoctorFinding, got NoneType"),
        (lambda: unusual(status="great"), "a status of ok, warning, error"),
        (lambda: unusual(message=3), "a DoctorFinding has texts"),
        (lambda: unusual(data=[1]), "TypeError"),
        (3, "'int' object is not callable"),
    ],
)
def test_a_check_that_breaks_is_a_defect_and_stops_no_other(site: FakeSite, check: Any, message: str) -> None:
    findings = findings_of(site, [good, check, good])
    assert [finding.name for finding in findings] == ["bucket", "hooks acme", "bucket"]
    broken = findings[1]
    assert (broken.code, broken.status) == ("check-failed", "error")
    assert broken.message.startswith("acme-tools 1.0: the check itself failed, ")
    assert message in broken.message
    assert "inference-pio disable acme" in broken.fix
    assert Report(tuple(findings)).exit_code() == 3


@pytest.mark.parametrize("checks", [exits, raises, 3, lambda: 3])
def test_a_hook_that_breaks_before_there_is_a_check_is_a_defect(site: FakeSite, checks: Any) -> None:
    (finding,) = findings_of(site, checks)
    assert (finding.code, finding.name) == ("check-failed", "hooks acme")
    assert "pio_doctor_checks" in finding.message


@pytest.mark.parametrize("checks", [None, (), lambda: iter(())])
def test_no_checks_are_no_findings(site: FakeSite, checks: Any) -> None:
    assert findings_of(site, checks) == []


def test_a_check_that_never_ends_is_left_behind(site: FakeSite, released: threading.Event) -> None:
    def waits() -> DoctorFinding:
        released.wait()
        return good()

    findings = findings_of(site, [waits, good], check_limit_s=LIMIT_S)
    assert [(finding.name, finding.code) for finding in findings] == [
        ("hooks acme", "check-timeout"),
        ("bucket", "contributed"),
    ]
    assert "had not ended after 0.2 s" in findings[0].message
    assert isinstance(findings[0], PluginDefect)


def test_a_list_of_checks_that_never_ends_is_left_behind(site: FakeSite, released: threading.Event) -> None:
    def endless() -> Iterator[Any]:
        yield good
        released.wait()

    assert [finding.code for finding in findings_of(site, endless, check_limit_s=LIMIT_S)] == ["check-timeout"]


def test_a_contributed_finding_stands_in_the_section_that_it_names(site: FakeSite) -> None:
    findings = findings_of(site, [lambda: unusual(group="storage"), lambda: unusual(group="nowhere")])
    assert [finding.group for finding in findings] == ["storage", "hooks"]


def test_data_that_is_not_json_becomes_text(site: FakeSite) -> None:
    (finding,) = findings_of(site, [lambda: unusual(data={"path": site.path, "n": 3})])
    assert finding.data == {"path": str(site.path), "n": 3}


def test_strict_raises_what_a_check_raises(site: FakeSite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INFERENCE_PIO_STRICT", "1")
    with pytest.raises(RuntimeError, match="no bucket"):
        findings_of(site, [raises])


def test_every_hook_plugin_is_loaded_and_each_failure_is_a_defect(importable: FakeSite, try_hooks: Examine) -> None:
    importable.add_hooks("good", f"{CHECK}        return DoctorFinding(name='bucket', status='ok', message='there')\n")
    importable.add_hooks("bad", "import no_such_lib")
    importable.add_hooks("exits", "raise SystemExit(5)")
    importable.add_hooks("typo", "from inference_pio import hookimpl\n@hookimpl\ndef pio_doctor_check(): return []\n")
    importable.add_hooks(
        "wrong", "from inference_pio import hookimpl\n@hookimpl\ndef pio_doctor_checks(surprise): return []\n"
    )
    findings = try_hooks()
    found = by_name(findings)
    assert found["hooks good"].message == "acme-good 1.0: loaded"
    assert found["bucket"].message == "there"
    for name, text in {
        "bad": "the distribution that provides 'no_such_lib'",
        "exits": "sys.exit(5)",
        "typo": "did you mean pio_doctor_checks?",
        "wrong": "surprise",
    }.items():
        finding = found[f"hooks {name}"]
        assert (finding.code, finding.status) == ("load-failed", "error")
        assert text in f"{finding.message}. {finding.fix}"
        assert f"leave it out: inference-pio disable {name}" in finding.fix
        assert isinstance(finding, PluginDefect)


@pytest.mark.parametrize("loop", ["while True: pass", "import time; time.sleep(600)"])
def test_an_import_that_never_ends_is_broken_off_and_the_others_still_load(
    loop: str, importable: FakeSite, try_hooks: Examine
) -> None:
    importable.add_hooks("alpha", "")
    importable.add_hooks("loops", loop)
    importable.add_hooks("zeta", "")
    found = by_name(try_hooks(loading_limit_s=LOADING_LIMIT_S))
    assert (found["hooks loops"].code, found["hooks loops"].status) == ("load-failed", "error")
    assert "it has not ended after 1 s" in found["hooks loops"].message
    assert [found[f"hooks {name}"].message for name in ("alpha", "zeta")] == [
        "acme-alpha 1.0: loaded",
        "acme-zeta 1.0: loaded",
    ]
