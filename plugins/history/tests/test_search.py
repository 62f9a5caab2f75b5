"""Search by words and by pieces; with FTS5, and where SQLite lacks it."""

from __future__ import annotations

import pytest

from inference_pio.history import database, search_index
from inference_pio.history.database import open_database
from inference_pio.history.reading import Filter, list_conversations

from .conftest import Book


def found(book: Book, text: str) -> list[str]:
    with open_database(book.path) as db:
        return sorted(line["prompt"] for line in list_conversations(db, Filter(text=text)))


@pytest.fixture(params=["fts5", "plain"])
def filled(request: pytest.FixtureRequest, book: Book, monkeypatch: pytest.MonkeyPatch) -> Book:
    """A history with some talk in it, in both worlds."""
    if request.param == "plain":
        monkeypatch.setattr(search_index, "has_fts5", lambda db: False)
    book.chat("Why is the sky blue?", answer="Rayleigh scattering.")
    book.chat("Wie heißt der Fluß?", answer="Die Spree", system="Answer in German.")
    book.chat("空はなぜ青いのですか", answer='100% sure: don\'t say "AND"')
    book.chat("Blue cheese", answer="A kind of cheese_cake")
    book.written()
    return book


def test_words_are_found_in_prompt_answer_and_instructions_whatever_their_case(filled: Book) -> None:
    assert found(filled, "rayleigh") == ["Why is the sky blue?"]
    assert found(filled, "BLUE") == ["Blue cheese", "Why is the sky blue?"]
    assert found(filled, "german") == ["Wie heißt der Fluß?"]


def test_parts_of_words_and_languages_without_blanks_are_found(filled: Book) -> None:
    assert found(filled, "ayleig") == ["Why is the sky blue?"]
    assert found(filled, "なぜ") == ["空はなぜ青いのですか"]


@pytest.mark.parametrize(
    "text",
    [
        '"', "'", '"unbalanced', "AND", "a OR", "NOT x", "NEAR(", "prompt:blue", "-blue", "(", "*", "%", "_", "\\",
        "^x", "🦜", "\0", "", "   ", "\ud800",
    ],
)  # fmt: skip
def test_no_sign_is_an_operator_or_an_error(filled: Book, text: str) -> None:
    found(filled, text.encode("utf-8", "replace").decode())


def test_signs_are_found_as_they_are(filled: Book) -> None:
    assert found(filled, "100%") == ["空はなぜ青いのですか"]
    assert found(filled, '"AND"') == ["空はなぜ青いのですか"]
    assert found(filled, "cheese_cake") == ["Blue cheese"]
    with open_database(filled.path) as db:
        assert search_index._by_comparison(db, "cheese%cake") == []
    assert found(filled, "") == []


def test_all_words_must_be_there_in_any_order(book: Book) -> None:
    book.chat("Why is the sky blue?")
    book.chat("The sky is grey")
    book.written()
    assert found(book, "blue sky") == ["Why is the sky blue?"]


def test_a_file_moves_between_sqlites_with_and_without_fts5(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    book.chat("first blue")
    book.written()
    with monkeypatch.context() as without:
        without.setattr(search_index, "has_fts5", lambda db: False)
        book.chat("second blue")
        book.written()
        assert found(book, "lue") == ["first blue", "second blue"]
    book.chat("third blue")
    book.written()
    with open_database(book.path) as db:
        assert len(search_index._by_words(db, "blue")) == 3, "the index has caught up"
    assert database.BUSY_S > 0
