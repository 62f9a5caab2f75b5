"""Conversations in the browser: several, named, exported, deleted; and a browser that has no room."""

from __future__ import annotations

import json
from pathlib import Path

from selenium.webdriver.common.keys import Keys

from ..fake_model import FakeModel
from .conftest import Open
from .paced_model import PacedModel
from .site import Page, until


def fill_in(page: Page, value: str) -> None:
    field = page.one("#ask-input")
    field.clear()
    field.send_keys(value, Keys.ENTER)


def test_conversations_are_apart_and_the_latest_is_first(open_page: Open) -> None:
    model = FakeModel()
    page = open_page(model)
    page.ask_and_wait("About cats")
    page.click("#new")
    assert page.texts(".question .text") == []
    assert page.focus == "question"
    page.ask_and_wait("About dogs")
    assert page.texts("#conversations button") == ["About dogs", "About cats"]
    assert len(model.started[1].messages) == 1
    page.all("#conversations button")[1].click()
    assert page.texts(".question .text") == ["About cats"]
    assert [item.get_attribute("aria-current") for item in page.all("#conversations button")] == [None, "page"]


def test_an_answer_goes_on_while_another_conversation_is_read(open_page: Open) -> None:
    model = PacedModel(answer="One two three.", allowed=7)
    page = open_page(model)
    page.ask("Count.")
    until(lambda: page.texts(".answer .text") == ["One two"], "the first words are seen")
    page.click("#new")
    assert page.one("#send").is_displayed()
    page.all("#conversations button")[0].click()
    assert page.texts(".answer .text") == ["One two"]
    assert page.one("#stop").is_displayed()
    page.click("#new")
    model.allowed = None
    until(lambda: page.stored()[0]["messages"][1]["state"] == "done", "the answer is kept")
    assert page.texts(".answer") == []
    page.all("#conversations button")[0].click()
    assert page.texts(".answer .text") == ["One two three."]


def test_a_conversation_is_renamed_and_deleted(open_page: Open) -> None:
    page = open_page(FakeModel())
    page.ask_and_wait("About cats")
    page.click("#rename")
    fill_in(page, "Cats")
    until(lambda: page.texts("#conversations button") == ["Cats"], "the new name")
    page.reload()
    assert page.texts("#title") == ["Cats"]
    page.click("#delete")
    assert page.focus == "ask-no"
    page.press(Keys.ENTER)
    assert page.texts("#conversations button") == ["Cats"]
    page.click("#delete")
    page.click("#ask-yes")
    until(lambda: page.texts("#conversations button") == [], "it is gone")
    assert page.stored() == []
    page.reload()
    assert page.texts(".question") == []


def test_deleting_what_is_being_answered_stops_it_and_keeps_nothing(open_page: Open) -> None:
    model = PacedModel(answer="One two three.", allowed=7)
    page = open_page(model)
    page.ask("Count.")
    until(lambda: page.texts(".answer .text") == ["One two"], "the first words are seen")
    page.click("#delete")
    page.click("#ask-yes")
    until(lambda: model.generations[0].is_cancelled, "the server stops the work")
    model.allowed = None
    page.ask_and_wait("Something else.")
    assert [kept["title"] for kept in page.stored()] == ["Something else."]


def test_all_conversations_are_exported_and_deleted(open_page: Open, downloads: Path) -> None:
    page = open_page(FakeModel())
    page.ask_and_wait("About cats")
    page.click("#new")
    page.ask_and_wait("About dogs")
    page.click("#open-settings")
    page.click("#export-all")
    until((downloads / "conversations.json").exists, "the file is written")
    exported = json.loads((downloads / "conversations.json").read_text(encoding="utf-8"))
    assert [kept["title"] for kept in exported["conversations"]] == ["About dogs", "About cats"]
    assert [message["content"] for message in exported["conversations"][0]["messages"]] == [
        "About dogs",
        "Hello there.",
    ]
    page.click("#delete-all")
    until(lambda: page.focus == "ask-no", "it asks first")
    page.click("#ask-yes")
    until(lambda: page.stored() == [], "all are gone")


def test_one_conversation_is_exported(open_page: Open, downloads: Path) -> None:
    page = open_page(FakeModel())
    page.ask_and_wait("About cats")
    page.click("#export")
    until((downloads / "conversation.json").exists, "the file is written")
    (exported,) = json.loads((downloads / "conversation.json").read_text(encoding="utf-8"))["conversations"]
    assert exported["title"] == "About cats"


def test_a_browser_without_room_says_so_and_goes_on(open_page: Open) -> None:
    page = open_page(FakeModel())
    page.browser.execute_script(
        "let size = 1 << 22; while (size) { try { localStorage.setItem('x' + size + Math.random(), 'x'.repeat(size)); }"
        "catch { size >>= 1; } }"
    )
    assert page.ask_and_wait("Is there room?") == "Hello there."
    assert "no room for more history" in page.texts("#notice")[0]
    assert page.ask_and_wait("Still there?") == "Hello there."


def test_what_is_not_a_conversation_is_left_alone(open_page: Open) -> None:
    page = open_page(FakeModel())
    page.browser.execute_script(
        "const key = 'inference-pio:conversation:';"
        "localStorage.setItem(key + '1', 'not JSON'); localStorage.setItem(key + '2', '[]');"
        "localStorage.setItem(key + '3', '{\"title\": 1}'); localStorage.setItem('inference-pio:settings', '{{{');"
    )
    page.reload()
    assert page.texts("#conversations button") == []
    assert page.ask_and_wait("Hi.") == "Hello there."


def test_another_tab_sees_a_new_conversation(open_page: Open) -> None:
    page = open_page(FakeModel())
    first = page.browser.current_window_handle
    page.browser.switch_to.new_window("tab")
    page.open()
    page.ask_and_wait("From the second tab")
    page.browser.close()
    page.browser.switch_to.window(first)
    until(lambda: page.texts("#conversations button") == ["From the second tab"], "the first tab sees it")
