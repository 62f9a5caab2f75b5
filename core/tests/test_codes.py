from __future__ import annotations

import re
from typing import get_args

from inference_pio.codes import all_codes, tables
from inference_pio.records import ReasonCode


def test_every_code_is_one_lower_case_word_with_dashes() -> None:
    assert [name for name in all_codes() if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name)] == []


def test_every_code_says_in_sentences_when_it_is_reported_and_what_to_do() -> None:
    texts = {f"{code.name}: {text}" for code in all_codes().values() for text in (code.meaning, code.fix)}
    assert [text for text in texts if not re.search(r": [A-Z0-9`].*[.)`]$", text, re.DOTALL)] == []


def test_every_table_has_a_title_of_its_own() -> None:
    titles = [table.title for table in tables()]
    assert len(set(titles)) == len(titles)


def test_every_reason_of_a_state_has_its_page() -> None:
    (states,) = [table for table in tables() if table.title == "Plugin states"]
    assert {code.name for code in states.codes} == set(get_args(ReasonCode))
