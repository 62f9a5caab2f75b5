"""What comes in is checked, and every fault says what it is."""

from __future__ import annotations

import contextlib
import enum
import threading
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest

from inference_pio.errors import ChatTemplateError
from inference_pio.runtime.chat_templates import ChatTemplate

PLAIN = "{% for m in messages %}{{ m.role }}:{{ m.content }};{% endfor %}"


@pytest.mark.parametrize(
    ("messages", "message"),
    [
        ([], "no messages"),
        ((), "no messages"),
        ("Hi", "not str"),
        (None, "not NoneType"),
        ({"role": "user", "content": "x"}, "not dict"),
        (["Hi"], "message 0 is str"),
        ([{"content": "x"}], r"message 0 has no 'role'; it has \['content'\]"),
        ([{"role": "user", "content": "x"}, {"role": "user"}], "message 1 has no 'content'"),
        ([{"role": 1, "content": "x"}], "message 0 has the role 1"),
        ([{"role": "", "content": "x"}], "message 0 has the role ''"),
        ([{"role": "user", "content": 5}], "content of type int"),
        ([{"role": "user", "content": None}], "content of type NoneType"),
        ([{"role": "user", "content": b"x"}], "content of type bytes"),
        ([{"role": "user", "content": "x", "extra": object()}], "plain data, not object"),
    ],
)
def test_malformed_messages_are_named(messages: Any, message: str) -> None:
    with pytest.raises(ChatTemplateError, match=message):
        ChatTemplate(PLAIN).render(messages)


def test_content_may_be_missing_where_tools_are_called() -> None:
    calls: list[dict[str, Any]] = [
        {"role": "assistant", "content": None, "tool_calls": [1]},
        {"role": "assistant", "tool_calls": [1]},
    ]
    assert ChatTemplate(PLAIN).render(calls) == "assistant:None;assistant:;"


def test_mappings_and_subclasses_become_plain_data() -> None:
    class Role(str, enum.Enum):
        USER = "user"

    class Loud(str):
        def __str__(self) -> str:
            return "LOUD"

    message = MappingProxyType({"role": Role.USER, "content": Loud("quiet"), "n": np.float64(0.5)})
    template = ChatTemplate("{{ messages[0].role }} {{ messages[0].content }} {{ messages[0].n }} {{ flag }}")
    assert template.render([message], flag=True) == "user quiet 0.5 True"


def test_data_that_contains_itself_is_refused() -> None:
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(ChatTemplateError, match="contains itself"):
        ChatTemplate(PLAIN).render([{"role": "user", "content": "x"}], extra=loop)


@pytest.mark.parametrize("depth", [100, 300, 400, 450, 490, 600, 900, 5000])
def test_deep_data_is_rendered_or_refused(depth: int) -> None:
    deep: Any = "x"
    for _ in range(depth):
        deep = [deep]
    # Where the limit lies depends on how deep the caller stands; any other error than ours would fail the test.
    with contextlib.suppress(ChatTemplateError):
        assert ChatTemplate(PLAIN).render([{"role": "user", "content": "x"}], extra=deep) == "user:x;"


def test_the_messages_given_are_not_changed() -> None:
    messages = [{"role": "user", "content": [{"type": "text", "text": "x"}]}]
    ChatTemplate("{% set x = messages[0].content + [1] %}{{ x|length }}").render(messages)
    assert messages == [{"role": "user", "content": [{"type": "text", "text": "x"}]}]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("a\n\n{% if %}", "broken in line 3"),
        ("{{ x", "broken in line 1"),
        ("\n{% for x in y %}", "broken in line 2"),
        ("{% nonsense %}", "unknown tag 'nonsense'"),
        ("{{ x|nonsense }}", "No filter named 'nonsense'"),
        ("{{ x is nonsense }}", "No test named 'nonsense'"),
    ],
)
def test_a_broken_template_says_where(source: str, message: str) -> None:
    with pytest.raises(ChatTemplateError, match=message):
        ChatTemplate(source)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("\n\n{{ 1 / 0 }}", "failed in line 3: ZeroDivisionError"),
        ("{{ 'a' + 1 }}", "failed in line 1: TypeError"),
        ("\n{{ nothing.at.all }}", "failed in line 2: UndefinedError: 'nothing' is undefined"),
        ("{{ raise_exception('Only user and assistant roles!') }}", "refuses these messages: Only user and assistant"),
        ("{{ messages[0].missing.more }}", "UndefinedError"),
    ],
)
def test_a_template_that_fails_says_where_and_why(source: str, message: str) -> None:
    with pytest.raises(ChatTemplateError, match=message):
        ChatTemplate(source).render([{"role": "user", "content": "x"}])


def test_one_template_serves_several_threads() -> None:
    template = ChatTemplate(PLAIN)
    texts: dict[int, set[str]] = {}

    def render(n: int) -> None:
        texts[n] = {template.render([{"role": "user", "content": str(n)}]) for _ in range(200)}

    threads = [threading.Thread(target=render, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert texts == {n: {f"user:{n};"} for n in range(4)}


def test_a_long_conversation_is_no_attack() -> None:
    # About 200,000 tokens.
    messages = [{"role": "user", "content": f"{n} " + "word " * 200} for n in range(900)]
    growing = (
        "{% set ns = namespace(x='') %}{% for m in messages %}{% set ns.x = ns.x + m.content %}{% endfor %}{{ ns.x }}"
    )
    for source in (PLAIN, growing, "{{ messages|map(attribute='content')|join('\n')|trim }}"):
        assert len(ChatTemplate(source).render(messages)) > 900_000


def test_the_public_names_are_listed() -> None:
    from inference_pio.runtime import chat_templates

    assert chat_templates.__all__ == ["ChatTemplate"]
