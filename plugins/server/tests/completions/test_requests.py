"""What ``/v1/completions`` takes, and what it refuses by name."""

from __future__ import annotations

from typing import Any

import pytest

from inference_pio.errors import QueueFullError
from inference_pio.generation import Constraint
from inference_pio.server.completions import Completions

from ..asking import ask, refusal
from ..fake_model import FakeModel, Started

ENDPOINT = Completions()


@pytest.mark.parametrize(
    ("body", "param", "words"),
    [
        ({}, "prompt", "missing"),
        ({"prompt": None}, "prompt", "got `null`"),
        ({"prompt": 5}, "prompt", "got `int`"),
        ({"prompt": []}, "prompt", "empty list"),
        ({"prompt": [[]]}, "prompt[0]", "no tokens"),
        ({"prompt": ["a", ""]}, "prompt[1]", "no tokens"),
        ({"prompt": ""}, "prompt", "no tokens"),
        ({"prompt": [True]}, "prompt[0]", "got `bool`"),
        ({"prompt": [1.0]}, "prompt[0]", "got `float`"),
        ({"prompt": [1, None]}, "prompt[1]", "got `null`"),
        ({"prompt": ["a", 5]}, "prompt[1]", "is a token id, but prompt[0] is a text"),
        ({"prompt": [5, "a"]}, "prompt[1]", "is a text, but prompt[0] is a token id"),
        ({"prompt": [[5], "a"]}, "prompt[1]", "is a text, but prompt[0] is a list of token ids"),
        ({"prompt": [[5], [6, "a"]]}, "prompt[1][1]", "got `str`"),
        ({"prompt": [[5], [[6]]]}, "prompt[1][0]", "got `array`"),
        ({"prompt": [5, -1]}, "prompt[1]", "from 0 to 256"),
        ({"prompt": [5, 257]}, "prompt[1]", "from 0 to 256"),
        ({"prompt": [[5], [5, 10**30]]}, "prompt[1][1]", "from 0 to 256"),
        ({"prompt": ["a"] * 513}, "prompt", "at most 512"),
        ({"prompt": ["a"] * 500, "n": 2}, "n", "more than 512 in all"),
        ({"prompt": ["a", "b" * 1000]}, "prompt[1]", "1000 tokens"),
        ({"prompt": [5] * 1001}, "prompt", "room for 1000"),
        ({"prompt": [[5], [5] * 1001]}, "prompt[1]", "room for 1000"),
        ({"prompt": ["a", "b" * 128_001]}, "prompt[1]", "128001 characters"),
        ({"prompt": "a", "max_tokens": -1}, "max_tokens", ">= 0"),
        ({"prompt": "a", "max_tokens": 0}, "max_tokens", "echo = true"),
        ({"prompt": "a", "max_tokens": 0, "logprobs": 1}, "max_tokens", "echo = true"),
        ({"prompt": "a", "logprobs": 21}, "logprobs", "<= 20"),
        ({"prompt": "a", "logprobs": -1}, "logprobs", ">= 0"),
        ({"prompt": "a", "logprobs": True}, "logprobs", "got `bool`"),
        ({"prompt": "a", "n": 10**9}, "n", "<= 128"),
        ({"prompt": "a", "best_of": 3}, "best_of", "logprobs"),
        ({"prompt": "a", "best_of": 1, "n": 2}, "best_of", "logprobs"),
        ({"prompt": "a", "suffix": "b"}, "suffix", "leave it out"),
        ({"prompt": "a", "stream_options": {"include_usage": True}}, "stream_options", "stream = true"),
        ({"prompt": "a", "max_completion_tokens": 5}, "max_completion_tokens", "max_tokens"),
        ({"prompt": "a", "response_format": {"type": "xml"}}, "response_format.type", "xml"),
        ({"prompt": "a", "echo": 1}, "echo", "got `int`"),
        ({"prompt": "a", "stop_token_ids": [257]}, "stop_token_ids", "from 0 to 256"),
    ],
)
def test_what_cannot_be_is_refused_by_name(model: FakeModel, body: dict[str, Any], param: str, words: str) -> None:
    error = refusal(ENDPOINT, model, **body)
    assert (error.param, words in error.message) == (param, True), error.message
    assert all(generation.is_cancelled for generation in model.generations)


def test_null_is_the_same_as_nothing(model: FakeModel) -> None:
    names = (
        "max_tokens", "echo", "logprobs", "best_of", "suffix", "response_format", "n", "stream", "stream_options",
        "stop", "seed", "temperature", "top_p", "logit_bias", "presence_penalty", "frequency_penalty", "user",
    )  # fmt: skip
    ask(ENDPOINT, model, prompt="a")
    ask(ENDPOINT, model, prompt="a", **dict.fromkeys(names))
    assert model.started[0] == model.started[1]
    assert model.started[0].options.max_new_tokens == 16


def test_fields_that_say_what_is_anyway_are_taken(model: FakeModel) -> None:
    assert len(ask(ENDPOINT, model, prompt="a", n=2, best_of=2, suffix="", user="me")["choices"]) == 2


@pytest.mark.parametrize(
    ("prompt", "ids", "texts"),
    [
        ("ab", [(97, 98)], ["ab"]),
        (["ab", "c"], [(97, 98), (99,)], ["ab", "c"]),
        ([97, 256], [(97, 256)], [None]),
        ([[97, 98], [99]], [(97, 98), (99,)], [None, None]),
    ],
)
def test_a_prompt_is_a_text_or_token_ids_or_several_of_either(
    model: FakeModel, prompt: Any, ids: Any, texts: Any
) -> None:
    ask(ENDPOINT, model, prompt=prompt)
    assert [started.prompt_ids for started in model.started] == ids
    assert [started.text for started in model.started] == texts
    assert {started.cache_salt for started in model.started} == {"alice"}


def test_choices_are_ordered_by_prompt_and_each_has_its_seed(model: FakeModel) -> None:
    def said(started: Started) -> str:
        return f"{started.text}{started.options.seed}"

    model.answer = said
    choices = ask(ENDPOINT, model, prompt=["a", "b"], n=2, seed=7)["choices"]
    assert [(choice["index"], choice["text"]) for choice in choices] == [(0, "a7"), (1, "a8"), (2, "b7"), (3, "b8")]


@pytest.mark.parametrize(
    ("given", "constraint"),
    [
        ({"type": "regex", "regex": "[0-9]+"}, Constraint(kind="regex", source="[0-9]+")),
        ({"type": "json_object"}, Constraint(kind="json_schema", source='{"type": "object"}')),
        ({"type": "text"}, None),
    ],
)
def test_a_response_format_holds_the_answer(model: FakeModel, given: Any, constraint: Constraint | None) -> None:
    ask(ENDPOINT, model, prompt="a", response_format=given)
    assert model.started[0].options.constraint == constraint


def test_a_full_queue_leaves_nothing_of_the_request_running(model: FakeModel, monkeypatch: pytest.MonkeyPatch) -> None:
    start, tries = model.start, 0

    async def sometimes(*args: Any, **named: Any) -> Any:
        nonlocal tries
        tries += 1
        if tries == 3:
            raise QueueFullError("full")
        return await start(*args, **named)

    monkeypatch.setattr(model, "start", sometimes)
    with pytest.raises(QueueFullError):
        ask(ENDPOINT, model, prompt=["a", "b"], n=2)
    assert [generation.is_cancelled for generation in model.generations] == [True, True]
