"""Every combination of what can be asked for at once: the answer obeys all of it."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    import openai

pytestmark = pytest.mark.weights

WISHES = ("seed", "stop", "schema", "logprobs", "two", "cached", "stream")
SEED = 11
STOP = ","
SCHEMA = {
    "type": "object",
    "properties": {"colour": {"type": "string", "maxLength": 8}, "number": {"type": "integer", "maximum": 99}},
    "required": ["colour", "number"],
    "additionalProperties": False,
}
# Long enough to fill a block of the prefix cache.
TASK = "You are given a task that has to be done with care. Name a colour and a number, such as red and 7. " * 3


@dataclass(frozen=True)
class Choice:
    text: str
    reason: str
    tokens: list[Any]


@dataclass(frozen=True)
class Answer:
    choices: list[Choice]
    cached_tokens: int


COMBINATIONS = [
    frozenset(wishes) for count in range(len(WISHES) + 1) for wishes in itertools.combinations(WISHES, count)
]


@pytest.mark.parametrize("wishes", COMBINATIONS, ids=lambda wishes: "-".join(sorted(wishes)) or "plain")
def test_an_answer_obeys_all_that_was_asked_for(client: openai.OpenAI, wishes: frozenset[str]) -> None:
    wish = {name: name in wishes for name in WISHES}
    # Blocks are shared from the first token on: another beginning shares none.
    prompt = TASK if wish["cached"] else f"{COMBINATIONS.index(wishes)}. {TASK}"
    if wish["cached"]:
        ask(client, TASK, {"max_completion_tokens": 1})
    options = options_of(wish)
    answer = ask(client, prompt, options, stream=wish["stream"])

    assert (answer.cached_tokens > 0) is wish["cached"]
    assert len(answer.choices) == (2 if wish["two"] else 1)
    for choice in answer.choices:
        check_text(choice, wish)
        check_logprobs(choice, wish)
    # Without a seed it is greedy: both say the same whenever they are asked again, in whatever company.
    again = ask(client, prompt, {**options, "logprobs": False, "n": 1, "top_logprobs": None})
    assert again.choices[0].text == answer.choices[0].text
    if wish["two"]:
        seed = {"seed": SEED + 1} if wish["seed"] else {}
        second = ask(client, prompt, {**options, "logprobs": False, "n": 1, "top_logprobs": None, **seed})
        assert second.choices[0].text == answer.choices[1].text


def options_of(wish: dict[str, bool]) -> dict[str, Any]:
    options: dict[str, Any] = {"max_completion_tokens": 40, "temperature": 0}
    if wish["seed"]:
        options |= {"seed": SEED, "temperature": 1.0}
    if wish["stop"]:
        options["stop"] = [STOP]
    if wish["schema"]:
        form = {"name": "answer", "schema": SCHEMA, "strict": True}
        options["response_format"] = {"type": "json_schema", "json_schema": form}
    if wish["logprobs"]:
        options |= {"logprobs": True, "top_logprobs": 2}
    if wish["two"]:
        options["n"] = 2
    return options


def check_text(choice: Choice, wish: dict[str, bool]) -> None:
    assert choice.text
    assert choice.reason in ("stop", "length")
    if wish["stop"]:
        assert STOP not in choice.text
    if not wish["schema"]:
        return
    if wish["stop"]:  # between the two members, at the latest
        assert choice.text.lstrip().startswith("{")
        assert choice.reason == "stop"
    elif choice.reason == "stop":
        answer = json.loads(choice.text)
        assert set(answer) == {"colour", "number"}
        assert len(answer["colour"]) <= 8
        assert answer["number"] <= 99


def check_logprobs(choice: Choice, wish: dict[str, bool]) -> None:
    if not wish["logprobs"]:
        assert choice.tokens == []
        return
    text = b"".join(bytes(token.bytes) for token in choice.tokens).decode(errors="ignore")
    assert text.startswith(choice.text)
    assert all(len(token.top_logprobs) == 2 and token.logprob <= 0 for token in choice.tokens)


def ask(client: openai.OpenAI, prompt: str, options: dict[str, Any], *, stream: bool = False) -> Answer:
    given = {name: value for name, value in options.items() if value is not None}
    messages = [{"role": "user", "content": prompt}]
    create: Any = client.chat.completions.create
    if not stream:
        whole = create(model="smollm2", messages=messages, **given)
        choices = [
            Choice(choice.message.content, choice.finish_reason, choice.logprobs.content if choice.logprobs else [])
            for choice in whole.choices
        ]
        return Answer(choices, whole.usage.prompt_tokens_details.cached_tokens)
    texts: dict[int, str] = {}
    reasons: dict[int, str] = {}
    tokens: dict[int, list[Any]] = {}
    usage = None
    for chunk in create(
        model="smollm2", messages=messages, stream=True, stream_options={"include_usage": True}, **given
    ):
        usage = chunk.usage or usage
        for choice in chunk.choices:
            place = choice.index
            texts[place] = texts.get(place, "") + (choice.delta.content or "")
            tokens.setdefault(place, []).extend(choice.logprobs.content if choice.logprobs else [])
            if choice.finish_reason:
                assert place not in reasons, "a choice ended twice"
                reasons[place] = choice.finish_reason
    assert usage is not None
    choices = [Choice(texts[place], reasons[place], tokens[place]) for place in sorted(texts)]
    return Answer(choices, usage.prompt_tokens_details.cached_tokens)
