"""Ask, stream, stop, reload, switch models: in a real browser, against a real server."""

from __future__ import annotations

import threading

from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.select import Select

from inference_pio.errors import ContextLengthError, QueueFullError
from inference_pio.generation import SamplingOptions

from ..fake_model import BrokenError, FakeModel
from .conftest import Open
from .paced_model import PacedModel
from .site import until


def test_an_answer_appears_while_it_is_written(open_page: Open) -> None:
    model = PacedModel(answer="One two three.", allowed=7)
    page = open_page(model)
    page.ask("Count.")
    until(lambda: page.texts(".answer .text") == ["One two"], "the first words are seen")
    assert page.one("#stop").is_displayed()
    assert not page.one("#send").is_displayed()
    model.allowed = None
    page.wait_for_end()
    assert page.texts(".answer .text") == ["One two three."]
    assert page.texts(".question .text") == ["Count."]
    assert page.texts(".figures")[0].startswith("14 tokens")
    assert [message["content"] for message in model.started[0].messages] == ["Count."]


def test_stop_ends_the_work_on_the_server_and_keeps_what_has_come(open_page: Open) -> None:
    model = PacedModel(answer="One two three.", allowed=7)
    page = open_page(model)
    page.ask("Count.")
    until(lambda: page.texts(".answer .text") == ["One two"], "the first words are seen")
    page.click("#stop")
    until(lambda: model.generations[0].is_cancelled, "the server stops the work")
    page.wait_for_end()
    assert page.texts(".answer .text") == ["One two"]
    assert page.texts(".note") == ["Stopped."]
    model.allowed = None
    assert page.ask_and_wait("Go on.") == "One two three."
    said = [(message["role"], message["content"]) for message in model.started[1].messages]
    assert said == [("user", "Count."), ("assistant", "One two"), ("user", "Go on.")]


def test_history_survives_a_reload(open_page: Open) -> None:
    page = open_page(FakeModel(answer="**Hello** there."))
    page.ask_and_wait("Good morning")
    page.reload()
    assert page.texts(".question .text") == ["Good morning"]
    assert page.texts(".answer .text") == ["Hello there."]
    assert page.texts(".answer strong") == ["Hello"]
    assert page.texts("#conversations button") == ["Good morning"]


def test_a_reload_while_an_answer_comes_stops_it_and_keeps_the_part(open_page: Open) -> None:
    model = PacedModel(answer="One two three.", allowed=7)
    page = open_page(model)
    page.ask("Count.")
    until(lambda: page.texts(".answer .text") == ["One two"], "the first words are seen")
    page.reload()
    until(lambda: model.generations[0].is_cancelled, "the server stops the work")
    assert page.texts(".answer .text") == ["One two"]
    assert page.texts(".note") == ["Stopped."]


def test_regenerate_asks_the_same_again(open_page: Open) -> None:
    answers = iter(["First.", "Second."])
    model = FakeModel(answer=lambda request: next(answers))
    page = open_page(model)
    assert page.ask_and_wait("Say something.") == "First."
    page.browser.find_element(By.XPATH, "//button[normalize-space()='Regenerate']").click()
    until(lambda: page.texts(".answer .text") == ["Second."], "the second answer")
    assert model.started[0].messages == model.started[1].messages
    assert page.focus == "question"


def test_the_last_question_can_be_edited_and_asked_again(open_page: Open) -> None:
    model = FakeModel()
    page = open_page(model)
    page.ask_and_wait("Hwo?")
    page.press(Keys.ARROW_UP)
    field = page.one(".question textarea")
    assert field.get_property("value") == "Hwo?"
    field.clear()
    field.send_keys("How?", Keys.ENTER)
    until(lambda: page.texts(".question .text") == ["How?"], "the new question")
    page.wait_for_end()
    assert [message["content"] for message in model.started[1].messages] == ["How?"]


def test_another_model_can_be_chosen_and_is_remembered(open_page: Open) -> None:
    page = open_page(FakeModel(name="one", answer="I am one."), FakeModel(name="two", answer="I am two."))
    assert page.ask_and_wait("Who?") == "I am one."
    Select(page.one("#model")).select_by_value("two")
    assert page.ask_and_wait("And now?") == "I am two."
    assert page.texts(".answer h2") == ["one", "two"]
    page.reload()
    assert page.one("#model").get_property("value") == "two"


def test_a_model_that_loads_says_so(open_page: Open) -> None:
    gate = threading.Event()
    page = open_page(FakeModel(name="slow"), gate=gate)
    assert page.texts("#model option") == ["slow (not loaded)"]
    page.ask("Hello?")
    until(lambda: page.texts(".waiting"), "it says that it waits")
    assert page.texts(".waiting") == ["Loading slow. The first question takes longer."]
    gate.set()
    page.wait_for_end()
    until(lambda: page.texts("#model option") == ["slow"], "the list knows that it is loaded")
    assert page.texts("#facts") == ["chats · takes tools · 1,000 tokens of context"]


def test_a_model_that_cannot_chat_continues_the_text(open_page: Open) -> None:
    model = FakeModel(answer=" a time.", has_chat_template=False)
    page = open_page(model)
    assert page.ask_and_wait("Once upon") == "a time."
    assert model.started[0].text == "Once upon"
    assert page.texts("#facts") == ["continues text · takes tools · 1,000 tokens of context"]
    page.ask_and_wait("And")
    assert model.started[1].text == "Once upon\n a time.\nAnd"


def test_settings_are_sent_and_empty_ones_are_not(open_page: Open) -> None:
    model = FakeModel(sampling_defaults=SamplingOptions(temperature=0.25))
    page = open_page(model)
    page.ask_and_wait("Plain.")
    page.click("#open-settings")
    for name, value in {
        "temperature": "0.5",
        "top-p": "7",
        "max-tokens": "5",
        "seed": "3",
        "system": "Be brief.",
    }.items():
        page.one(f"#{name}").send_keys(value)
    assert page.one("#top-p").get_attribute("aria-invalid") == "true"
    page.press(Keys.ESCAPE)
    assert page.ask_and_wait("Hi.") == "Hello"
    plain, set_up = (started.options for started in model.started)
    assert (plain.temperature, plain.top_p, plain.max_new_tokens, plain.seed) == (0.25, None, None, None)
    assert (set_up.temperature, set_up.top_p, set_up.max_new_tokens, set_up.seed) == (0.5, None, 5, 3)
    assert model.started[1].messages[0] == {"role": "system", "content": "Be brief."}
    assert page.texts(".note") == ["Cut short: that was the most tokens an answer may have. The settings say how many."]
    page.reload()
    assert page.one("#seed").get_property("value") == "3"


def test_errors_are_told_in_words_with_what_to_do(open_page: Open) -> None:
    model = FakeModel()
    page = open_page(model)
    page.ask_and_wait("First.")
    for error, words, advice in [
        (QueueFullError("100 requests wait"), "as much to do as it takes on", "Try again in 1 s."),
        (ContextLengthError(2000, 1000), "longer than this model can read", "Start a new conversation"),
        (BrokenError("A cable is loose"), "A cable is loose.", "see the server's log"),
    ]:
        model.error = error
        page.ask("Once more.")
        page.wait_for_end()
        assert words in page.texts(".failure")[-1]
        assert advice in page.texts(".failure")[-1]
    model.error = None
    page.all(".answer .actions button")[-1].click()
    until(lambda: page.texts(".answer .text")[-1] == "Hello there.", "trying again works")
    # Questions that got no answer are no part of the conversation.
    assert [message["content"] for message in model.started[-1].messages] == ["First.", "Hello there.", "Once more."]


def test_an_error_in_the_middle_keeps_what_has_come(open_page: Open) -> None:
    page = open_page(FakeModel(failure=BrokenError("the cable came loose")))
    page.ask("Hello?")
    page.wait_for_end()
    assert page.texts(".answer .text") == ["Hel"]
    assert "The cable came loose." in page.texts(".failure")[0]


def test_a_server_that_went_away_is_noticed(open_page: Open) -> None:
    page = open_page(FakeModel())
    page.server.stop()
    page.ask("Are you there?")
    page.wait_for_end()
    assert "The server cannot be reached." in page.texts(".failure")[0]


def test_a_failed_regeneration_gives_the_former_answer_back(open_page: Open) -> None:
    model = FakeModel()
    page = open_page(model)
    page.ask_and_wait("Hi.")
    model.error = QueueFullError("100 requests wait")
    page.browser.find_element(By.XPATH, "//button[normalize-space()='Regenerate']").click()
    until(lambda: page.texts(".failure"), "it says what is wrong")
    assert page.texts(".answer .text") == ["Hello there."]
    assert page.stored()[0]["messages"][1]["content"] == "Hello there."
