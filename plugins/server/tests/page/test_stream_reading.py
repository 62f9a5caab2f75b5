"""How the page reads what servers send: events in any pieces, calls of tools, errors, and ends that come too early."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from ..fake_model import FakeModel
from .conftest import Open
from .site import Page


def answer_with(page: Page, *pieces: str | bytes, status: int = 200, headers: dict[str, str] | None = None) -> None:
    """Let the page's next questions be answered by these pieces of a body."""
    encoded = [base64.b64encode(p.encode() if isinstance(p, str) else p).decode() for p in pieces]
    page.browser.execute_script(
        """
        const [pieces, status, headers] = arguments, real = window.fetch;
        window.fetch = async (path, options) => {
          if (!path.includes("completions")) return real(path, options);
          const body = new ReadableStream({ async start(controller) {
            for (const piece of pieces) controller.enqueue(Uint8Array.from(atob(piece), c => c.charCodeAt(0)));
            controller.close();
          }});
          return new Response(body, { status, headers });
        };
        """,
        encoded,
        status,
        headers or {},
    )


def event(text: str = "", **more: Any) -> str:
    choice = {"index": 0, "delta": {"content": text} if text else {}, "finish_reason": None} | more
    return f"data: {json.dumps({'choices': [choice]})}\n\n"


END = "data: [DONE]\n\n"


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_events_are_read_however_they_are_cut(open_page: Open, newline: str) -> None:
    page = open_page(FakeModel())
    sent = (": a comment\nevent: x\n" + event("Grüße, ") + event("世界 👋") + END).replace("\n", newline).encode()
    answer_with(page, *(sent[place : place + 1] for place in range(len(sent))))
    assert page.ask_and_wait("Hi.") == "Grüße, 世界 👋"
    assert page.texts(".failure") == []


def test_calls_of_tools_are_shown_as_code(open_page: Open) -> None:
    page = open_page(FakeModel())
    calls = [
        {"index": 0, "id": "c", "type": "function", "function": {"name": "weather", "arguments": '{"city": '}},
        {"index": 0, "function": {"arguments": '"<b>Ulm</b>"}'}},
    ]
    events = [event(delta={"tool_calls": [call]}) for call in calls]
    answer_with(page, *events, event(finish_reason="tool_calls"), END)
    page.ask("How is the weather?")
    page.wait_for_end()
    assert page.texts(".calls .caption span")[0] == "tool call: weather"
    assert page.texts(".calls pre") == ['{\n  "city": "<b>Ulm</b>"\n}']


def test_an_end_without_done_is_told(open_page: Open) -> None:
    page = open_page(FakeModel())
    answer_with(page, event("Half an"))
    page.ask("Hi.")
    page.wait_for_end()
    assert page.texts(".answer .text") == ["Half an"]
    assert "The connection was lost before the answer was complete." in page.texts(".failure")[0]


@pytest.mark.parametrize(
    ("status", "error", "words"),
    [
        (404, {"message": "no model here is called 'x'", "code": "model_not_found"}, "Choose another model."),
        (413, {"message": "the body is too long"}, "Shorten the question"),
        (400, {"message": "top_p must be at most 1", "param": "top_p"}, "Change “Top-p” in the settings."),
        (503, {"message": "the server is stopping"}, "Try again in 7 s."),
        (502, None, "The server answered with status 502."),
    ],
)
def test_every_status_says_what_to_do(open_page: Open, status: int, error: Any, words: str) -> None:
    page = open_page(FakeModel())
    body = json.dumps({"error": error}) if error else "<html>Bad gateway</html>"
    answer_with(page, body, status=status, headers={"Retry-After": "7"})
    page.ask("Hi.")
    page.wait_for_end()
    assert words in page.texts(".failure")[0]
