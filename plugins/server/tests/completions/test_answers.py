"""What ``/v1/completions`` answers: whole and piece by piece, with logprobs and echoes that fit the text."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from operator import itemgetter
from typing import Any, ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types import Completion as OpenaiCompletion

from inference_pio.generation import Chunk, TokenLogprob
from inference_pio.server.completions import Completions
from inference_pio.server.event_stream import DONE

from ..asking import answer_of, ask, ask_stream, data_of
from ..fake_model import END, LOGPROB, BrokenError, FakeModel

ENDPOINT = Completions()


def openai_reads(body: dict[str, Any]) -> None:
    """Check a body with the official client's types, which have no ``null`` for the first token of a prompt."""
    choices = [dict(choice) for choice in body["choices"]]
    for choice in choices:
        if choice["logprobs"]:
            choice["logprobs"] = {
                name: [each for each in values if each is not None] for name, values in choice["logprobs"].items()
            }
        choice["finish_reason"] = choice["finish_reason"] or "stop"  # ``null`` in all but the last piece of a stream
    read = OpenaiCompletion.model_validate({**body, "choices": choices}, strict=True)
    assert not read.model_extra


def test_an_answer_is_what_the_protocol_says(model: FakeModel) -> None:
    body = ask(ENDPOINT, model, prompt="hi", max_tokens=5)
    openai_reads(body)
    assert body["id"].startswith("cmpl-")
    assert body["choices"] == [{"index": 0, "text": "Hello", "logprobs": None, "finish_reason": "length"}]
    assert {name: body["usage"][name] for name in ("prompt_tokens", "completion_tokens", "total_tokens")} == {
        "prompt_tokens": 2, "completion_tokens": 5, "total_tokens": 7,
    }  # fmt: skip
    assert (body["object"], body["model"]) == ("text_completion", "fake")


def test_usage_counts_each_prompt_once_and_all_answers(model: FakeModel) -> None:
    usage = ask(ENDPOINT, model, prompt=["ab", "cde"], n=3, max_tokens=4)["usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"]) == (5, 24)


def test_logprobs_have_one_entry_a_token_in_every_list(model: FakeModel) -> None:
    model.answer = "aé"
    logprobs = ask(ENDPOINT, model, prompt="x", logprobs=2)["choices"][0]["logprobs"]
    assert logprobs == {
        "tokens": ["a", "bytes:\\xc3", "bytes:\\xa9"],
        "token_logprobs": [LOGPROB] * 3,
        "top_logprobs": [
            {"a": LOGPROB, "b": LOGPROB - 1},
            {"bytes:\\xc3": LOGPROB, "bytes:\\xc4": LOGPROB - 1},
            {"bytes:\\xa9": LOGPROB, "bytes:\\xaa": LOGPROB - 1},
        ],
        "text_offset": [0, 1, 1],
    }


def test_logprobs_of_0_tell_the_chosen_token(model: FakeModel) -> None:
    logprobs = ask(ENDPOINT, model, prompt="x", logprobs=0, max_tokens=1)["choices"][0]["logprobs"]
    assert (logprobs["token_logprobs"], logprobs["top_logprobs"]) == ([LOGPROB], [{"H": LOGPROB}])
    assert model.started[0].options.prompt_logprobs is None


def test_an_echo_comes_with_the_logprobs_of_the_prompt(model: FakeModel) -> None:
    (choice,) = ask(ENDPOINT, model, prompt="häl", echo=True, logprobs=1, max_tokens=2)["choices"]
    assert choice["text"] == "hälHe"
    assert choice["logprobs"] == {
        "tokens": ["h", "bytes:\\xc3", "bytes:\\xa4", "l", "H", "e"],
        "token_logprobs": [None, *[LOGPROB] * 5],
        "top_logprobs": [
            None, {"bytes:\\xc3": LOGPROB}, {"bytes:\\xa4": LOGPROB}, {"l": LOGPROB}, {"H": LOGPROB}, {"e": LOGPROB},
        ],
        "text_offset": [0, 1, 1, 2, 3, 4],
    }  # fmt: skip


@pytest.mark.parametrize("prompt", ["hé", list("hé".encode())], ids=["text", "token ids"])
@pytest.mark.parametrize("logprobs", [None, 0, 3])
def test_an_answer_of_no_tokens_is_the_prompt_alone(model: FakeModel, prompt: Any, logprobs: int | None) -> None:
    body = ask(ENDPOINT, model, prompt=prompt, echo=True, logprobs=logprobs, max_tokens=0)
    openai_reads(body)
    (choice,) = body["choices"]
    assert (choice["text"], choice["finish_reason"]) == ("hé", "length")
    assert choice["logprobs"] is None if logprobs is None else len(choice["logprobs"]["tokens"]) == 3
    assert body["usage"]["completion_tokens"] == 0
    assert model.started[0].options.max_new_tokens == 0
    assert model.started[0].options.prompt_logprobs == (logprobs or 0)


def test_an_echo_without_logprobs_does_not_compute_those_of_the_prompt(model: FakeModel) -> None:
    assert ask(ENDPOINT, model, prompt="hi", echo=True, max_tokens=1)["choices"][0]["text"] == "hiH"
    assert model.started[0].options.prompt_logprobs is None


def test_token_ids_are_echoed_byte_for_byte_with_marks(model: FakeModel) -> None:
    (choice,) = ask(ENDPOINT, model, prompt=[END, 0xC3, 104], echo=True, logprobs=0, max_tokens=1)["choices"]
    assert choice["text"] == "<end>\N{REPLACEMENT CHARACTER}hH"
    assert choice["logprobs"]["text_offset"] == [0, 5, 5, 7]


# What lm-eval's local-completions does with an answer (its openai_completions.py, parse_logprobs), word for word.
def lm_eval_parse(out: dict[str, Any], ctxlens: list[int]) -> list[tuple[float, bool]]:
    res = []
    for choice, ctxlen in zip(sorted(out["choices"], key=itemgetter("index")), ctxlens, strict=False):
        logprobs = sum(choice["logprobs"]["token_logprobs"][ctxlen:-1])
        tokens_logprobs = choice["logprobs"]["token_logprobs"][ctxlen:-1]
        top_logprobs = choice["logprobs"]["top_logprobs"][ctxlen:-1]
        is_greedy = True
        for tok, top in zip(tokens_logprobs, top_logprobs, strict=False):
            if tok != max(top.values()):
                is_greedy = False
                break
        res.append((logprobs, is_greedy))
    return res


class TwinModel(FakeModel):
    """Has two tokens of one text, 65 and 66, of which 66 is the less likely; 67 is never the likeliest."""

    LOGPROBS: ClassVar = {65: -0.25, 66: -3.0, 67: -float("inf")}

    def token_bytes(self, token_id: int) -> bytes:
        return b"A" if token_id in (65, 66) else super().token_bytes(token_id)

    async def start(self, *args: Any, **named: Any) -> Any:
        generation = await super().start(*args, **named)
        read = generation.__class__.__anext__

        class Told:
            def __aiter__(self) -> Told:
                return self

            async def __anext__(self) -> Chunk:
                chunk = await read(generation)
                told = [each and self.changed(each) for each in chunk.prompt_logprobs]
                return dataclasses.replace(chunk, prompt_logprobs=tuple(told))

            def changed(self, each: TokenLogprob) -> TokenLogprob:
                logprob = TwinModel.LOGPROBS.get(each.token_id, -0.25)
                likeliest = 65 if each.token_id in TwinModel.LOGPROBS else each.token_id
                return TokenLogprob(token_id=each.token_id, logprob=logprob, top=((likeliest, -0.25),))

            def cancel(self) -> None:
                generation.cancel()

        return Told()


@pytest.mark.parametrize(
    ("asked", "logprob", "is_greedy"),
    [([97, 98], -0.5, True), ([65, 97], -0.5, True), ([66, 97], -3.25, False), ([97, 67], -9999.25, False)],
)
def test_lm_eval_reads_sums_and_whether_greedy(asked: list[int], logprob: float, is_greedy: bool) -> None:
    model = TwinModel()
    prompts = [[97, 97, 97, *asked], [98, *asked]]
    body = ask(ENDPOINT, model, prompt=prompts, temperature=0, max_tokens=1, logprobs=1, seed=1234, echo=True)
    assert lm_eval_parse(body, [3, 1]) == [(logprob, is_greedy)] * 2


def test_a_token_whose_text_another_one_has_keeps_its_place_and_value() -> None:
    body = ask(ENDPOINT, TwinModel(), prompt=[97, 65, 66], echo=True, logprobs=1, max_tokens=0)
    logprobs = body["choices"][0]["logprobs"]
    assert logprobs["tokens"] == ["a", "A", "token_id:66"]
    assert logprobs["top_logprobs"] == [None, {"A": -0.25}, {"A": -0.25, "token_id:66": -3.0}]


def test_a_stream_tells_usage_when_asked_and_ends(model: FakeModel) -> None:
    events = ask_stream(ENDPOINT, model, prompt="a", max_tokens=2, stream_options={"include_usage": True})
    assert events[-1] == DONE
    *pieces, usage = map(data_of, events[:-1])
    assert all(piece["usage"] is None for piece in pieces)
    assert (usage["choices"], usage["usage"]["total_tokens"]) == ([], 3)
    assert all("usage" not in data_of(event) for event in ask_stream(ENDPOINT, model, prompt="a")[:-1])


@settings(deadline=None)
@given(
    prompt=st.one_of(
        st.text(min_size=1, max_size=4),
        st.lists(st.text(min_size=1, max_size=3), min_size=1, max_size=3),
        st.lists(st.integers(0, END), min_size=1, max_size=5),
        st.lists(st.lists(st.integers(0, END), min_size=1, max_size=4), min_size=1, max_size=3),
    ),
    said=st.text(max_size=8),
    options=st.fixed_dictionaries(
        {},
        optional={
            "n": st.integers(1, 3),
            "echo": st.booleans(),
            "logprobs": st.integers(0, 3),
            "max_tokens": st.integers(1, 20),
            "stop": st.text(min_size=1, max_size=2),
            "seed": st.integers(0, 5),
        },
    ),
)
def test_the_pieces_of_a_stream_make_up_the_whole_answer(prompt: Any, said: str, options: dict[str, Any]) -> None:
    model = FakeModel(answer=lambda started: f"{said}{started.options.seed}")
    whole = ask(ENDPOINT, model, prompt=prompt, **options)
    openai_reads(whole)
    include = {"stream_options": {"include_usage": True}}
    events = ask_stream(ENDPOINT, model, prompt=prompt, **options, **include)
    assert events[-1] == DONE
    choices: dict[int, dict[str, Any]] = {}
    for event in map(data_of, events[:-1]):
        openai_reads(event)
        for piece in event["choices"]:
            known = choices.setdefault(piece["index"], {**piece, "text": "", "logprobs": None})
            assert known["finish_reason"] is None or known["text"] == "", "nothing follows the end"
            known["text"] += piece["text"]
            known["finish_reason"] = piece["finish_reason"]
            if piece["logprobs"] is not None:
                merged = known["logprobs"] or {name: [] for name in piece["logprobs"]}
                known["logprobs"] = {name: merged[name] + values for name, values in piece["logprobs"].items()}
    assert [choices[index] for index in sorted(choices)] == whole["choices"]
    assert data_of(events[-2])["usage"] == whole["usage"]
    for choice in whole["choices"]:
        assert choice["finish_reason"] in ("stop", "length")
        if choice["logprobs"] is not None:
            assert len({len(values) for values in choice["logprobs"].values()}) == 1
            offsets = choice["logprobs"]["text_offset"]
            assert offsets == sorted(offsets)
            assert all(0 <= offset <= len(choice["text"]) for offset in offsets)


@settings(deadline=None)
@given(text=st.text(min_size=1, max_size=12))
def test_every_token_begins_where_its_offset_says(text: str) -> None:
    (choice,) = ask(ENDPOINT, FakeModel(), prompt=text, echo=True, logprobs=0, max_tokens=0)["choices"]
    for offset, token in zip(choice["logprobs"]["text_offset"], choice["logprobs"]["tokens"], strict=True):
        if not token.startswith("bytes:"):
            assert choice["text"][offset] == token


class MarkedModel(FakeModel):
    """Puts a mark before each text, and a space before its first word, as many tokenizers do."""

    async def tokenize(self, text: str, *, add_special_tokens: bool = True) -> list[int]:
        return [END, 32, *text.encode()]


def test_what_the_tokenizer_added_takes_no_room_in_the_text() -> None:
    (choice,) = ask(ENDPOINT, MarkedModel(), prompt="ab", echo=True, logprobs=0, max_tokens=1)["choices"]
    assert choice["text"] == "abH"
    assert choice["logprobs"]["tokens"] == ["<end>", " ", "a", "b", "H"]
    assert choice["logprobs"]["text_offset"] == [0, 0, 0, 1, 2]


@pytest.mark.parametrize("read", [0, 1, 3])
def test_a_client_that_goes_stops_all_answers(model: FakeModel, read: int) -> None:
    async def leave() -> None:
        answer = await answer_of(ENDPOINT, model, prompt=["a", "b"], n=2, stream=True)
        assert answer.events is not None
        for _ in range(read):
            await anext(answer.events)
        await answer.events.aclose()  # type: ignore[attr-defined]  # an EventStream has it

    asyncio.run(leave())
    assert [generation.is_cancelled for generation in model.generations] == [True] * 4


def test_cancelling_whoever_waits_for_a_whole_answer_stops_all(model: FakeModel) -> None:
    model.step_s = 60

    async def leave() -> None:
        task = asyncio.ensure_future(answer_of(ENDPOINT, model, prompt=["a", "b"], n=2))
        while len(model.generations) < 4:
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    asyncio.run(leave())
    assert [generation.is_cancelled for generation in model.generations] == [True] * 4


def test_a_failure_in_one_answer_is_told_and_stops_the_others(model: FakeModel) -> None:
    model.failure = BrokenError("it broke")
    events = ask_stream(ENDPOINT, model, prompt=["a", "b"])
    assert data_of(events[-1])["error"] == {
        "message": "it broke", "type": "server_error", "param": None, "code": None,
    }  # fmt: skip
    assert all(generation.is_cancelled for generation in model.generations)


def test_an_answer_that_the_server_cuts_off_is_an_error_and_not_half_an_answer(model: FakeModel) -> None:
    async def cut() -> bytes:
        answer = await answer_of(ENDPOINT, model, prompt="a", stream=True)
        assert answer.events is not None
        await anext(answer.events)
        model.generations[0].cancel()
        return [event async for event in answer.events][-1]

    assert data_of(asyncio.run(cut()))["error"]["code"] == "cancelled"
