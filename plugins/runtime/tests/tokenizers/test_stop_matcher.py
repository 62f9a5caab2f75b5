from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference_pio.errors import InvalidOptionError
from inference_pio.runtime.tokenizers import StopMatcher


def passed_on(pieces: list[str], stops: list[str]) -> tuple[str, bool]:
    matcher, text, stopped = StopMatcher(stops), "", False
    for piece in pieces:
        emitted, stopped = matcher.push(piece)
        text += emitted
        if stopped:
            break
    rest = matcher.finish()
    assert not (stopped and rest)
    return text + rest, stopped


def by_definition(text: str, stops: list[str]) -> str:
    """Everything before the first place where any stop text stands."""
    places = [place for place in range(len(text)) if any(text.startswith(stop, place) for stop in stops)]
    return text[: places[0]] if places else text


letters = st.text(alphabet="ab", max_size=6)
stop_texts = st.lists(st.text(alphabet="ab", min_size=1, max_size=5), max_size=4)


@given(st.lists(letters, max_size=8), stop_texts)
def test_the_earliest_stop_text_ends_the_answer_however_it_is_cut(pieces: list[str], stops: list[str]) -> None:
    assert passed_on(pieces, stops)[0] == by_definition("".join(pieces), stops)


@given(letters, stop_texts)
def test_pieces_of_one_character_give_the_same_as_the_whole(text: str, stops: list[str]) -> None:
    assert passed_on(list(text), stops)[0] == passed_on([text], stops)[0]


@given(st.lists(letters, max_size=8), stop_texts)
def test_nothing_is_held_back_that_cannot_begin_a_stop_text(pieces: list[str], stops: list[str]) -> None:
    matcher, received, emitted = StopMatcher(stops), "", ""
    for piece in pieces:
        received += piece
        new, stopped = matcher.push(piece)
        emitted += new
        if stopped:
            return
        held = received[len(emitted) :]
        assert not held or any(stop.startswith(held) or held in stop or held.startswith(stop) for stop in stops)


def test_a_stop_text_over_several_pieces_is_found() -> None:
    matcher = StopMatcher(["\nUser:"])
    assert matcher.push("Hello\n") == ("Hello", False)
    assert matcher.push("Us") == ("", False)
    assert matcher.push("er: x") == ("", True)
    assert matcher.push("more") == ("", True)
    assert matcher.finish() == ""


def test_what_was_held_back_comes_out_when_it_was_no_stop_text() -> None:
    matcher = StopMatcher(["END"])
    assert matcher.push("E") == ("", False)
    assert matcher.push("Nough") == ("ENough", False)
    assert matcher.push("EN") == ("", False)
    assert matcher.finish() == "EN"


def test_a_stop_text_inside_the_beginning_of_another_is_found_at_the_end() -> None:
    matcher = StopMatcher(["abcX", "bc"])
    assert matcher.push("abc") == ("", False)
    assert matcher.finish() == "a"
    assert matcher.stopped


def test_without_stop_texts_everything_passes() -> None:
    assert StopMatcher([]).push("abc") == ("abc", False)


def test_an_empty_stop_text_is_refused() -> None:
    with pytest.raises(InvalidOptionError, match="empty text"):
        StopMatcher(["a", ""])
