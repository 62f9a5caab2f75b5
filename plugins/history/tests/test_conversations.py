"""Turns of one chat belong together, whoever goes on with it; turns of two do not."""

from __future__ import annotations

from inference_pio.history.reading import messages_of
from inference_pio.history.recording import Recorder

from .conftest import Book


def shape(book: Book) -> list[list[str]]:
    """The prompts of each conversation."""
    return [[turn["prompt"] for turn in conversation["turns"]] for conversation in book.written()]


def test_turns_that_go_on_from_one_another_are_one_conversation(book: Book) -> None:
    book.chat("one", answer="1")
    book.chat("one", "1", "two", answer="2")
    book.chat("one", "1", "two", "2", "three", answer="3")
    assert shape(book) == [["one", "two", "three"]]
    (conversation,) = book.written()
    assert [turn["number"] for turn in conversation["turns"]] == [1, 2, 3]
    assert [turn["earlier"] for turn in conversation["turns"]] == [[], [], []], "each message is stored once"
    assert [message["content"] for message in messages_of(conversation)] == ["one", "1", "two", "2", "three", "3"]


def test_a_single_question_is_a_conversation_of_its_own(book: Book) -> None:
    book.chat("one")
    book.chat("one")
    book.record("one")
    assert shape(book) == [["one"], ["one"], ["one"]]


def test_a_conversation_goes_on_in_another_process(book: Book) -> None:
    book.chat("one", answer="1")
    book.written()
    book.recorder = Recorder()
    book.chat("one", "1", "two")
    assert shape(book) == [["one", "two"]]


def test_two_alike_are_told_apart_by_the_process(book: Book) -> None:
    book.chat("hello", answer="hi")
    book.written()
    mine, theirs = book.recorder, Recorder()
    book.recorder = theirs
    book.chat("hello", answer="hi")
    book.written()
    book.recorder = mine
    book.chat("hello", "hi", "mine")
    book.written()
    book.recorder = theirs
    book.chat("hello", "hi", "theirs")
    assert shape(book) == [["hello", "mine"], ["hello", "theirs"]]


def test_instructions_and_blanks_do_not_part_a_conversation(book: Book) -> None:
    book.chat("one", answer="1\n", system="Be brief.")
    book.chat("one", "1", "two", system="Be long.")
    (conversation,) = book.written()
    assert [turn["system"] for turn in conversation["turns"]] == ["Be brief.", "Be long."]


def test_another_model_may_go_on(book: Book) -> None:
    book.chat("one", answer="1", model="parrot")
    book.chat("one", "1", "two", model="crow")
    (conversation,) = book.written()
    assert [turn["model"] for turn in conversation["turns"]] == ["parrot", "crow"]


def test_a_second_way_on_is_a_conversation_of_its_own_and_whole(book: Book) -> None:
    book.chat("one", answer="1")
    book.chat("one", "1", "two", answer="2")
    book.chat("one", "1", "other", answer="3")
    assert shape(book) == [["one", "two"], ["other"]]
    assert [message["content"] for message in messages_of(book.written()[1])] == ["one", "1", "other", "3"]


def test_a_turn_stopped_before_it_said_anything_stands_in_nobodys_way(book: Book) -> None:
    book.chat("one", answer="1")
    book.chat("one", "1", "two", answer="", reason="cancelled")
    book.chat("one", "1", "three", answer="3")
    assert shape(book) == [["one", "two", "three"]]
    assert [message["content"] for message in messages_of(book.written()[0])] == ["one", "1", "three", "3"]


def test_a_stopped_answer_is_gone_on_from_as_far_as_it_came(book: Book) -> None:
    book.chat("one", answer="half an", reason="cancelled")
    book.chat("one", "half an", "go on")
    assert shape(book) == [["one", "go on"]]


def test_messages_of_tools_are_kept_in_their_places(book: Book) -> None:
    said = [
        {"role": "user", "content": "What time is it?"},
        {"role": "assistant", "content": "clock()"},
        {"role": "tool", "content": "12:00"},
    ]
    book.record("t", "clock()", messages=said[:1])
    book.record("t", "Noon.", messages=said)
    (conversation,) = book.written()
    assert messages_of(conversation) == [*said, {"role": "assistant", "content": "Noon."}]
