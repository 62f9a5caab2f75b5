"""``/tokenize`` and ``/detokenize``."""

from __future__ import annotations

from typing import Any

import pytest

from inference_pio.server.endpoint import Endpoint
from inference_pio.server.tokenizing import Detokenize, Tokenize

from .asking import ask, refusal
from .fake_model import END, FakeModel

HI: list[Any] = [{"role": "user", "content": "hi"}]


class MarkedModel(FakeModel):
    """Puts a mark before each text."""

    async def tokenize(self, text: str, *, add_special_tokens: bool = True) -> list[int]:
        return [END] * add_special_tokens + await super().tokenize(text)


@pytest.mark.parametrize(
    ("body", "tokens"),
    [
        ({"prompt": "ab"}, [END, 97, 98]),
        ({"prompt": "ab", "add_special_tokens": None, "messages": None, "tools": None}, [END, 97, 98]),
        ({"prompt": "ab", "add_special_tokens": False}, [97, 98]),
        ({"prompt": "", "add_special_tokens": False}, []),
        ({"messages": HI}, list(b"<user>hi\n<assistant>")),
        ({"messages": HI, "add_special_tokens": True}, [END, *b"<user>hi\n<assistant>"]),
    ],
)
def test_a_text_or_a_conversation_becomes_tokens(body: dict[str, Any], tokens: list[int]) -> None:
    told = ask(Tokenize(), MarkedModel(), **body)
    assert told == {"tokens": tokens, "count": len(tokens), "max_model_len": 1000}


def test_tools_are_part_of_a_conversation(model: FakeModel) -> None:
    tools = [{"type": "function", "function": {"name": "dig"}}]
    told = ask(Tokenize(), model, messages=HI, tools=tools)
    assert b"dig" in bytes(told["tokens"]).partition(b"<user>")[0]


def test_tokens_become_a_text_again(model: FakeModel) -> None:
    assert ask(Detokenize(), model, tokens=[*"aé".encode(), END]) == {"prompt": "aé<end>"}
    assert ask(Detokenize(), model, tokens=[]) == {"prompt": ""}


@pytest.mark.parametrize(
    ("endpoint", "body", "param", "words"),
    [
        (Tokenize(), {}, "prompt", "missing"),
        (Tokenize(), {"prompt": None}, "prompt", "missing"),
        (Tokenize(), {"prompt": "a", "messages": HI}, "messages", "either"),
        (Tokenize(), {"prompt": "a", "tools": []}, "tools", "belong to messages"),
        (Tokenize(), {"prompt": ["a"]}, "prompt", "got `array`"),
        (Tokenize(), {"messages": []}, "messages", "length >= 1"),
        (Tokenize(), {"messages": [{"role": "user"}]}, "messages[0].content", "missing"),
        (Tokenize(), {"prompt": "a", "return_token_strs": True}, "return_token_strs", "not supported"),
        (Detokenize(), {}, "tokens", "missing"),
        (Detokenize(), {"tokens": "a"}, "tokens", "got `str`"),
        (Detokenize(), {"tokens": [97, 257]}, "tokens[1]", "from 0 to 256"),
        (Detokenize(), {"tokens": [-1]}, "tokens[0]", "from 0 to 256"),
        (Detokenize(), {"tokens": [10**30]}, "tokens[0]", "from 0 to 256"),
        (Detokenize(), {"tokens": [True]}, "tokens[0]", "got `bool`"),
    ],
)
def test_what_cannot_be_is_refused_by_name(
    model: FakeModel, endpoint: Endpoint[Any], body: dict[str, Any], param: str, words: str
) -> None:
    error = refusal(endpoint, model, **body)
    assert (error.param, words in error.message) == (param, True), error.message


def test_a_model_without_a_chat_template_says_so() -> None:
    error = refusal(Tokenize(), FakeModel(has_chat_template=False), messages=HI)
    assert error.param == "messages"
    assert "chat template" in error.message


def test_more_tokens_than_any_text_has_are_refused() -> None:
    error = refusal(Detokenize(), FakeModel(), tokens=[5] * 262_145)
    assert (error.param, "<= 262144" in error.message) == ("tokens", True)


def test_a_token_that_the_tokenizer_does_not_know_is_a_bad_request() -> None:
    assert refusal(Detokenize(), FakeModel(vocab_size=300), tokens=[280]).param == "tokens"
