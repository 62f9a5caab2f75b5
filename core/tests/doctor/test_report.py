from __future__ import annotations

from typing import get_args

import pytest

from inference_pio.doctor import PluginDefect, Report
from inference_pio.doctor.report import GROUPS
from inference_pio.hookspecs import DoctorFinding, DoctorGroup

OK = DoctorFinding(name="a", status="ok", message="fine")
WARNING = DoctorFinding(name="b", status="warning", message="hm", group="machine")
ERROR = DoctorFinding(name="c", status="error", message="no")
DEFECT = PluginDefect(name="d", status="error", message="no")


@pytest.mark.parametrize(
    ("findings", "code", "strict_code"),
    [
        ((), 0, 0),
        ((OK,), 0, 0),
        ((OK, WARNING), 0, 1),
        ((OK, WARNING, ERROR), 1, 1),
        ((OK, WARNING, DEFECT), 3, 3),
        ((DEFECT, ERROR), 3, 3),
    ],
)
def test_the_exit_code_says_who_must_mend_it(findings: tuple[DoctorFinding, ...], code: int, strict_code: int) -> None:
    assert Report(findings).exit_code() == code
    assert Report(findings).exit_code(strict=True) == strict_code


def test_a_plugin_whose_distribution_is_incomplete_is_not_to_blame() -> None:
    failed = PluginDefect(name="hooks acme", status="error", message="no", data={"dist": "acme"})
    unmet = DoctorFinding(code="requirement-unmet", name="r", status="error", message="no", data={"project": "acme"})
    gone = DoctorFinding(code="editable-gone", name="e", status="error", message="no", data={"project": "other"})
    assert Report((failed, unmet)).exit_code() == 1
    assert Report((failed, gone)).exit_code() == 3
    assert Report((failed, unmet, DEFECT)).exit_code() == 3


def test_the_summary_counts_every_status() -> None:
    assert Report((OK, WARNING, WARNING)).summary == {"ok": 1, "warning": 2, "error": 0}
    assert [Report(findings).status for findings in ((), (OK,), (OK, ERROR, WARNING))] == ["ok", "ok", "error"]


def test_findings_stand_in_their_sections() -> None:
    assert Report((OK, WARNING)).in_group("machine") == [WARNING]
    assert get_args(DoctorGroup) == GROUPS
