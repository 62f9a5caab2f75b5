"""Keyboard, screen readers, colours, small screens, other scripts, and who may ask."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver.common.keys import Keys

from inference_pio.server.keys import parse_keys

from ..fake_model import FakeModel
from .conftest import Open
from .paced_model import PacedModel
from .site import Page, until

AXE = Path(__file__).parents[1] / "vendor" / "axe-core" / "axe.min.js"
MARKDOWN = """A paragraph with `code` and a [link](https://example.org).

## A heading

- one
- two

> quoted

| a | b |
|---|---|
| 1 | 2 |

```python
x = 1  # a comment
```
"""


def violations(page: Page) -> list[Any]:
    """What axe-core finds, by rule, element and reason; run past the policy, as a browser's extension would be."""
    page.browser.execute_cdp_cmd("Runtime.evaluate", {"expression": AXE.read_text(encoding="utf-8")})
    # Without its part that fetches style sheets: the page has none of other hosts.
    found = page.browser.execute_async_script(
        "axe.run(document, {preload: false}).then(arguments[0], e => arguments[0](String(e)))"
    )
    assert isinstance(found, dict), found
    assert len(found["passes"]) > 10
    return [(rule["id"], [node["html"][:120] for node in rule["nodes"]]) for rule in found["violations"]]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing(open_page: Open, theme: str) -> None:
    page = open_page(FakeModel(answer=MARKDOWN))
    choose_theme(page, theme)
    assert violations(page) == []
    page.ask_and_wait("Hi.")
    assert violations(page) == []
    for opener in ("#open-settings", "#open-shortcuts", "#rename"):
        page.click(opener)
        assert violations(page) == [], opener
        page.press(Keys.ESCAPE)


def choose_theme(page: Page, theme: str) -> None:
    for _ in range(3):  # it goes round
        if page.one("#theme").get_attribute("aria-label") != f"Theme: {theme}":
            page.click("#theme")
    assert page.one("#theme").get_attribute("aria-label") == f"Theme: {theme}"


def background(page: Page) -> Any:
    return page.browser.execute_script("return getComputedStyle(document.documentElement).backgroundColor")


def test_dark_and_light_follow_the_system_until_one_is_chosen(open_page: Open) -> None:
    page = open_page(FakeModel())

    def system(theme: str) -> Any:
        features = [{"name": "prefers-color-scheme", "value": theme}]
        page.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        return background(page)

    try:
        light, dark = system("light"), system("dark")
        assert light != dark
        choose_theme(page, "light")
        assert background(page) == light
        page.reload()
        assert background(page) == light
        choose_theme(page, "system")
        assert background(page) == dark
        choose_theme(page, "dark")
        assert system("light") == dark
    finally:
        page.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_everything_can_be_done_from_the_keyboard(open_page: Open) -> None:
    model = PacedModel(answer="One two three.", allowed=7)
    page = open_page(model)
    assert page.focus == "question"
    page.press("First line", Keys.SHIFT, Keys.ENTER)
    page.press("second line", Keys.ENTER)
    until(lambda: page.texts(".answer .text") == ["One two"], "the first words are seen")
    assert page.texts(".question .text") == ["First line\nsecond line"]
    page.press(Keys.ESCAPE)
    until(lambda: model.generations[0].is_cancelled, "Esc stops the work")
    page.wait_for_end()
    page.press(Keys.CONTROL, "/")
    until(lambda: page.all("#shortcuts[open]"), "the list of shortcuts")
    assert "Stop the answer; else go to the question" in page.texts("#shortcuts dd")
    page.press(Keys.ESCAPE)
    until(lambda: page.focus == "question", "the focus comes back")
    page.press(Keys.CONTROL, Keys.SHIFT, "o")
    until(lambda: not page.texts(".question"), "a new conversation")
    page.press(Keys.CONTROL, ",")
    until(lambda: page.all("#settings[open]"), "the settings")
    page.press(Keys.ESCAPE)
    page.press(Keys.CONTROL, Keys.SHIFT, "h")
    until(lambda: not page.one("#history").is_displayed(), "the history is hidden")


def test_nothing_is_sent_by_an_empty_question(open_page: Open) -> None:
    model = FakeModel()
    page = open_page(model)
    page.press("   ", Keys.ENTER)
    page.click("#send")
    assert page.texts(".question") == []
    assert page.ask_and_wait("now") == "Hello there."
    assert len(model.started) == 1


def test_answers_are_read_aloud_in_whole_pieces(open_page: Open) -> None:
    model = PacedModel(answer="One. Two.\n\nThree.\n\n```python\nx\n```", allowed=12)
    page = open_page(model)
    page.ask("Hi.")
    until(lambda: "One. Two." in page.texts(".answer .text")[:1] or page.texts(".answer .text"), "words are seen")
    until(lambda: "T" in "".join(page.texts(".answer .block:nth-child(2)")), "the second paragraph has begun")
    assert page.one("#spoken").get_attribute("aria-live") == "polite"
    until(lambda: spoken(page)[-1] == "One. Two.", "the first paragraph is read")
    model.allowed = None
    page.wait_for_end()
    assert spoken(page)[-4:] == ["One. Two.", "Three.", "Code, python, 1 line.", "The answer is complete."]


def spoken(page: Page) -> list[str]:
    said: list[str] = page.browser.execute_script(
        "return [...document.querySelectorAll('#spoken p')].map(p => p.textContent)"
    )
    return said


def test_controls_and_places_have_names(open_page: Open) -> None:
    page = open_page(FakeModel())
    page.ask_and_wait("Hi.")
    page.browser.execute_cdp_cmd("Accessibility.enable", {})
    nodes = page.browser.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    named = {(node["role"]["value"], node.get("name", {}).get("value", "")) for node in nodes if not node["ignored"]}
    assert {
        ("navigation", "Conversations"),
        ("main", ""),
        ("banner", ""),
        ("region", "Conversation"),
        ("form", "Ask"),
        ("textbox", "Your question"),
        ("combobox", "Model"),
        ("button", "Send"),
        ("button", "New conversation"),
        ("button", "Settings"),
        ("button", "Theme: system"),
        ("button", "Copy the answer"),
        ("heading", "You"),
        ("heading", "fake"),
    } <= named
    assert [
        role for role, name in named if role in ("button", "textbox", "combobox", "link", "spinbutton") and not name
    ] == []


def test_a_server_with_keys_is_asked_with_the_key_that_one_enters(open_page: Open) -> None:
    model = FakeModel()
    page = open_page(model, keys=parse_keys("alice:sesame-open-sesame", "the test"))
    until(lambda: page.focus == "ask-input", "a dialog asks for the key")
    assert page.one("#ask-input").get_attribute("type") == "password"
    page.press("wrong-wrong-wrong", Keys.ENTER)
    until(lambda: "not known here" in page.texts("#ask-text")[0], "it says that the key is wrong")
    page.one("#ask-input").send_keys("sesame-open-sesame", Keys.ENTER)
    until(lambda: page.texts("#model option") == ["fake (not loaded)"], "the models are there")
    assert page.ask_and_wait("Hi.") == "Hello there."
    page.reload()  # the key lives as long as the tab
    assert page.ask_and_wait("Again.") == "Hello there."
    assert "sesame" not in page.browser.execute_script("return JSON.stringify(localStorage)")


def test_it_fits_a_small_screen(open_page: Open) -> None:
    page = open_page(FakeModel(answer=MARKDOWN + "\n" + "long" * 80))
    size = {"width": 360, "height": 640, "deviceScaleFactor": 1, "mobile": False}
    page.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        page.ask_and_wait("Hi.")
        until(lambda: not page.one("#history").is_displayed(), "the history makes room")
        width = (
            "return Math.max(...['body', 'main', '#scroll', '.answer'].map(s => document.querySelector(s).scrollWidth))"
        )
        assert page.browser.execute_script(width) <= size["width"]
        page.click("#toggle-history")
        assert page.focus == "new"
        page.all("#conversations button")[0].click()
        assert not page.one("#history").is_displayed()
    finally:
        page.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_scripts_from_right_to_left_run_so(open_page: Open) -> None:
    page = open_page(FakeModel(answer="مرحبا بك.\n\nAnd English.\n\n```python\nx = 1\n```"))
    page.ask_and_wait("שלום עולם")
    direction = "return [...document.querySelectorAll(arguments[0])].map(e => getComputedStyle(e).direction)"
    assert page.browser.execute_script(direction, ".question .text") == ["rtl"]
    assert page.browser.execute_script(direction, ".answer p") == ["rtl", "ltr"]
    assert page.browser.execute_script(direction, ".answer pre") == ["ltr"]
    assert page.browser.execute_script(direction, "#conversations .name") == ["rtl"]
