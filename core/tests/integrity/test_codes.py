from __future__ import annotations

import re
from pathlib import Path

import pytest

from inference_pio import integrity
from inference_pio.codes.integrity import TABLE
from inference_pio.integrity import Finding

SOURCES = [path.read_text() for path in Path(integrity.__file__).parent.glob("*.py")]


def test_every_code_in_the_table_is_reported_somewhere() -> None:
    text = "\n".join(SOURCES)
    assert [code.name for code in TABLE.codes if f'"{code.name}"' not in text] == []


def test_every_code_that_is_reported_is_in_the_table() -> None:
    calls = r"""(?:find|Unread|RecordError|Finding)\(\s*(?:name, "", |"", "", )?"([a-z-]+)\""""
    reported = {code for text in SOURCES for code in re.findall(calls, text)}
    assert len(reported) > 15, "the pattern finds them"
    assert reported <= {code.name for code in TABLE.codes}


def test_a_finding_of_no_known_code_cannot_be_made() -> None:
    with pytest.raises(AssertionError, match="not in the table"):
        Finding("acme", "", "nonsense", "is odd")


def test_what_is_for_information_or_accepted_does_not_count() -> None:
    assert Finding("acme", "a.py", "file-changed", "x").counts
    assert Finding("acme", "a.pyc", "bytecode-unchecked", "x").counts, "a warning counts"
    assert not Finding("acme", "", "installer-differs", "x").counts
    assert not Finding("acme", "", "not-verifiable", "x", is_accepted=True).counts


def test_the_api_is_sorted_and_importable() -> None:
    assert integrity.__all__ == sorted(
        integrity.__all__, key=lambda name: (not name.isupper(), not name[0].isupper(), name)
    )
    assert all(hasattr(integrity, name) for name in integrity.__all__)
