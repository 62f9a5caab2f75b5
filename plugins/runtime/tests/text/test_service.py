"""Many requests at once from an event loop: the same answers, and every way in which one can end."""

from __future__ import annotations

import asyncio
import logging
import threading
import types

import pytest

from inference_pio.errors import (
    ChatTemplateError,
    ContextLengthError,
    EmptyPromptError,
    EngineDeadError,
    InferencePioError,
    InvalidOptionError,
    NotLoadedError,
    QueueFullError,
    TokenizerError,
)
from inference_pio.generation import Constraint, SamplingOptions
from inference_pio.hookspecs import hookimpl
from inference_pio.runtime.chat_templates import ChatTemplate
from inference_pio.runtime.service import GRAMMAR_THREADS


class Recorder:
    """A hook plugin that notes the generations it sees, and in which thread."""

    def __init__(self):
        self.told, self.threads, self.raises = [], set(), None

    @hookimpl
    def pio_before_generation(self, request):
        self.threads.add(threading.get_ident())
        self.told.append(("before", request.prompt))
        if self.raises:
            raise self.raises

    @hookimpl
    def pio_after_generation(self, request, completion):
        self.told.append((completion.finish_reason, request.prompt))


@pytest.fixture
def recorder(model):
    return Recorder()


def serve(model, scripts, work, recorder=None, prepare=lambda _executor: None, **options):
    """Run ``work(service)`` in an event loop of its own; the service is closed afterwards."""

    async def run():
        executor = model.start(scripts, **options)
        prepare(executor)
        if recorder is not None:
            model.hooks.register(recorder, "recorder")
        service = model.open_service()
        try:
            return await work(service)
        finally:
            await service.close()
            assert executor.closed
            assert not service._thread.is_alive()

    return asyncio.run(run())


async def start(service, prompt, **options):
    ids = await service.tokenize(prompt)
    return await service.start(ids, SamplingOptions(**options), text=prompt)


async def read(generation):
    return [chunk async for chunk in generation]


async def answer(service, prompt, **options):
    chunks = await read(await start(service, prompt, **options))
    assert [chunk.finish_reason is None for chunk in chunks] == [True] * (len(chunks) - 1) + [False]
    assert chunks[-1].stats is not None
    return "".join(chunk.text for chunk in chunks), chunks[-1].finish_reason


ANSWERS = [
    ("hello", {}),
    ("hello", {"max_new_tokens": 2}),
    ("hello you", {"stop": " y"}),
    ("hello you", {"stop": ["you", "lo y"]}),
    ("ab", {"stop": ["abc", "b"], "max_new_tokens": 2}),
    ("ba", {"stop": "a", "max_new_tokens": 2}),
    ("a\2b", {}),
    ("", {}),
    ("hello", {"logprobs": 1, "temperature": 30.0, "seed": 3}),
    ("hello", {"prompt_logprobs": 1}),
    ("hello", {"prompt_logprobs": 0, "max_new_tokens": 0}),
    ("abababababab", {"speculate": True}),
    ("hello", {"constraint": Constraint(kind="regex", source="[a-h]{3}x?")}),
]


@pytest.mark.parametrize(("script", "options"), ANSWERS)
def test_an_answer_is_the_one_that_generate_gives(model, script, options):
    model.start({"q": script})
    expected = model.generate("q", **options)

    async def work(service):
        return await read(await start(service, "q", **options))

    chunks = serve(model, {"q": script}, work)
    assert "".join(chunk.text for chunk in chunks) == expected.text
    assert sum((chunk.token_ids for chunk in chunks), ()) == expected.token_ids
    assert sum((chunk.logprobs for chunk in chunks), ()) == expected.logprobs
    assert chunks[0].prompt_logprobs == expected.prompt_logprobs
    assert (chunks[-1].finish_reason, chunks[-1].stats.new_tokens) == (expected.finish_reason, len(expected.token_ids))


def test_sixty_four_at_once_get_each_their_own_answer_and_the_hooks_hear_of_each_once(model, recorder):
    letters = "abcdefghijklmnopqrstuvwxyz"
    prompts = [letters[n % 26] + letters[n // 26] + "z" for n in range(64)]

    async def work(service):
        return await asyncio.gather(*(answer(service, prompt) for prompt in prompts))

    scripts = {prompt: prompt[:2] * 5 for prompt in prompts}
    answers = serve(model, scripts, work, recorder, slots=9)
    assert answers == [(scripts[prompt], "stop") for prompt in prompts]
    assert sorted(recorder.told) == sorted([("before", p) for p in prompts] + [("stop", p) for p in prompts])
    assert threading.get_ident() not in recorder.threads


def test_a_stop_text_ends_the_computation_too(model):
    is_ahead, is_read = threading.Event(), threading.Event()

    def wait_for_the_reader(executor):
        steps = iter(range(100))

        def on_step():
            if next(steps) >= 5:
                is_ahead.set()
                is_read.wait()

        executor.on_step = on_step

    async def work(service):
        generation = await start(service, "q", stop="bc", max_new_tokens=50)
        assert is_ahead.wait(10)  # in the event loop: nothing is read meanwhile
        chunks = await read(generation)
        is_read.set()
        await asyncio.wait_for(until(lambda: not service._engine._requests), 10)
        return "".join(chunk.text for chunk in chunks), chunks[-1].finish_reason, service.figures()["new_tokens"]

    assert serve(model, {"q": "abc" * 15}, work, prepare=wait_for_the_reader) == ("a", "stop", 6)


async def until(condition):
    while not condition():
        await asyncio.sleep(0.001)


def test_cancelling_ends_one_answer_with_what_was_said_and_no_other(model, recorder):
    is_cancelled = threading.Event()

    def wait(executor):
        steps = iter(range(100))
        executor.on_step = lambda: next(steps) < 3 or is_cancelled.wait()

    async def work(service):
        first, second = await start(service, "q", max_new_tokens=50, ignore_eos=True), await start(service, "r")
        await anext(first)
        first.cancel()
        first.cancel()
        is_cancelled.set()
        rest = await read(first)
        return rest[-1].finish_reason, "".join(chunk.text for chunk in await read(second))

    assert serve(model, {"q": "x" * 40, "r": "other"}, work, recorder, wait) == ("cancelled", "other")
    assert [told for told in recorder.told if told[1] == "q"] == [("before", "q"), ("cancelled", "q")]


def test_nobody_has_to_read(model):
    async def work(service):
        silent = await start(service, "q")
        assert await answer(service, "r") == ("fine", "stop")
        await asyncio.wait_for(until(lambda: not service._open), 10)
        return await read(silent), await read(silent)

    chunks, again = serve(model, {"q": "abcde", "r": "fine"}, work)
    assert "".join(chunk.text for chunk in chunks) == "abcde"
    assert again == []


def test_an_executor_that_fails_ends_its_requests_and_the_next_one_is_answered(model):
    def fail_once(executor):
        def step():
            executor.on_step = lambda: None
            raise ZeroDivisionError("broken")

        executor.on_step = step

    async def work(service):
        generation = await start(service, "q")
        for _ in range(2):
            with pytest.raises(InferencePioError, match="broken"):
                await anext(generation)
        assert service.figures()["is_alive"] == 1
        return await answer(service, "q")

    assert serve(model, {"q": "abc"}, work, prepare=fail_once) == ("abc", "stop")


def test_when_the_engine_dies_everybody_hears_of_it(model, recorder, caplog):
    class Death(BaseException):
        pass

    def die(executor):
        executor.go = threading.Event()

        def step():
            executor.go.wait()
            raise Death("for good")

        executor.on_step = step

    async def work(service):
        generations = [await start(service, "q") for _ in range(3)]
        service._engine.executor.go.set()
        for generation in generations:
            with pytest.raises(EngineDeadError, match="Death: for good"):
                await read(generation)
        assert service.figures()["is_alive"] == 0
        with pytest.raises(EngineDeadError, match="Load the model again"):
            await start(service, "q")

    with caplog.at_level(logging.CRITICAL):
        serve(model, {"q": "abc"}, work, recorder, prepare=die)
    assert sorted(recorder.told) == [("before", "q")] * 3 + [("cancelled", "q")] * 3


def test_closing_ends_what_runs_and_refuses_what_comes(model, recorder):
    go = threading.Event()

    def wait(executor):
        executor.on_step = go.wait

    async def work(service):
        generation = await start(service, "q")
        closing = asyncio.gather(service.close(), service.close())
        with pytest.raises(NotLoadedError, match="unloaded"):
            await read(generation)
        go.set()  # nobody who reads waits for the step that is under way; closing does
        await closing
        with pytest.raises(NotLoadedError, match="unloaded"):
            await service.start([3], SamplingOptions())
        assert service.figures()["is_alive"] == 0

    serve(model, {"q": "abc"}, work, recorder, wait)
    assert recorder.told == [("before", "q"), ("cancelled", "q")]
    with pytest.raises(NotLoadedError):
        model.open_service()


def test_a_hook_that_raises_is_left_out_and_in_strict_mode_ends_its_own_request(model, recorder, monkeypatch, caplog):
    async def one(service):
        return await answer(service, "q")

    recorder.raises = ValueError("bad hook")
    assert serve(model, {"q": "abc"}, one, recorder) == ("abc", "stop")
    monkeypatch.setenv("INFERENCE_PIO_STRICT", "1")

    async def two(service):
        with pytest.raises(ValueError, match="bad hook"):
            await start(service, "q")
        recorder.raises = None
        return await answer(service, "q")

    assert serve(model, {"q": "abc"}, two, recorder) == ("abc", "stop")


def test_a_caller_who_leaves_while_a_hook_runs_is_told_as_cancelled(model, recorder):
    blocked, go = threading.Event(), threading.Event()
    recorder_before = recorder.pio_before_generation

    class Slow(Recorder):
        @hookimpl
        def pio_before_generation(self, request):
            blocked.set()
            go.wait()
            recorder_before(request)

        @hookimpl
        def pio_after_generation(self, request, completion):
            recorder.pio_after_generation(request, completion)

    async def work(service):
        task = asyncio.ensure_future(start(service, "q"))
        await asyncio.to_thread(blocked.wait)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        go.set()

    serve(model, {"q": "abc"}, work, Slow())
    assert recorder.told == [("before", "q"), ("cancelled", "q")]


def test_an_event_loop_that_is_gone_leaves_nothing_behind_and_another_one_may_follow(model):
    executor = model.start({"q": "x" * 40})
    gate = threading.Event()
    executor.on_step = gate.wait
    service = model.open_service()

    async def leave():
        await start(service, "q", ignore_eos=True, max_new_tokens=50)

    asyncio.run(leave())
    gate.set()

    async def come_back():
        await asyncio.wait_for(until(lambda: not service._engine._requests), 10)
        text = await answer(service, "q", max_new_tokens=3)
        await service.close()
        return text

    assert asyncio.run(come_back()) == ("xxx", "length")


def test_what_cannot_be_asked_is_refused_at_once(model):
    async def work(service):
        for ids, options, error in [
            ([], SamplingOptions(), EmptyPromptError),
            ([3] * 60, SamplingOptions(), ContextLengthError),
            ([3, 99], SamplingOptions(), InvalidOptionError),
            ([3], SamplingOptions(top_p=2), InvalidOptionError),
            ([3], SamplingOptions(max_new_tokens=0), InvalidOptionError),
        ]:
            with pytest.raises(error):
                await service.start(ids, options)
        with pytest.raises(InvalidOptionError, match="offers no embeddings"):
            await service.embed([[3]])
        with pytest.raises(ChatTemplateError):
            await service.render([{"role": "user", "content": "q"}])
        assert not service._open
        assert not service.can_embed
        assert (service.name, service.context) == ("letters", 60)

    serve(model, {}, work)


def test_tokens_that_only_the_model_knows_stand_for_no_bytes(model):
    known = model.start({}).vocab_size

    async def work(service):
        assert service.vocab_size == known + 3
        chunks = await read(await start(service, "q", logprobs=service.vocab_size))
        assert [chunk.finish_reason for chunk in chunks][-1] == "stop"
        told = {token for chunk in chunks for each in chunk.logprobs for token, _ in each.top}
        assert told == set(range(known + 3))
        assert [service.token_bytes(token) for token in sorted(told)[known - 1 :]] == [b".", b"", b"", b""]
        for outside in (known + 3, -1, 2**40):
            with pytest.raises(TokenizerError, match=f"token id {outside} is not in the vocabulary"):
                service.token_bytes(outside)

    serve(model, {"q": "hi"}, work, padding=3)


def test_constraints_that_take_long_leave_room_for_others(model, monkeypatch):
    go, at_once, most = threading.Event(), [], []

    def compile_slowly(options):
        if options.constraint is not None:
            at_once.append(options)
            most.append(len(at_once))
            assert go.wait(10)
            at_once.pop()

    monkeypatch.setattr(model, "_compiled", compile_slowly)

    async def work(service):
        slow = [
            asyncio.ensure_future(answer(service, "q", constraint=Constraint(kind="regex", source="a" * (1 + number))))
            for number in range(100)
        ]
        await asyncio.wait_for(until(lambda: most), 10)
        quick = await asyncio.wait_for(answer(service, "q"), 10)
        await asyncio.wait_for(asyncio.to_thread(lambda: None), 10)  # as long texts are tokenized
        for each in slow[50:]:
            each.cancel()
        await asyncio.wait(slow[50:])
        go.set()
        told = await asyncio.gather(*slow, return_exceptions=True)
        return quick, [isinstance(each, BaseException) for each in told]

    quick, failed = serve(model, {"q": "hi"}, work)
    assert quick == ("hi", "stop")
    assert failed == [False] * 50 + [True] * 50
    assert max(most) <= GRAMMAR_THREADS
    assert len(most) <= 50 + GRAMMAR_THREADS


def test_a_full_queue_says_so_and_the_others_go_on(model):
    go = threading.Event()

    def wait(executor):
        executor.on_step = go.wait

    async def work(service):
        first = await start(service, "q")
        with pytest.raises(QueueFullError):
            await asyncio.gather(*(start(service, "q") for _ in range(3)))
        go.set()
        return "".join(chunk.text for chunk in await read(first))

    model.engine_options = {"max_waiting": 1}
    assert serve(model, {"q": "abcabcabc"}, work, prepare=wait, slots=1) == "abcabcabc"


def test_a_token_without_text_ends_its_own_request(model):
    class Stream:
        def push(self, token_id):
            raise TokenizerError(f"token id {token_id} is not in the vocabulary")

        def finish(self):
            return ""

    async def work(service):
        whole = model.tokenizer
        model.tokenizer = types.SimpleNamespace(end_token_ids=frozenset({1}), stream=Stream)
        broken = await service.start(whole.encode("q"), SamplingOptions())
        model.tokenizer = whole
        with pytest.raises(TokenizerError):
            await read(broken)
        return await answer(service, "q")

    assert serve(model, {"q": "abc"}, work) == ("abc", "stop")


def test_lists_of_texts_are_joined_and_other_parts_are_left_to_the_template(model):
    async def work(service):
        model._template = ChatTemplate("{% for m in messages %}{{ m.content }}{% endfor %}")
        text = {"type": "text", "text": "ab"}
        assert await service.render([{"role": "user", "content": [text, text]}]) == "abab"
        assert await service.render([{"role": "user", "content": "x" * 20_000}]) == "x" * 20_000
        image = {"type": "image", "url": "x"}
        assert "image" in await service.render([{"role": "user", "content": [text, image]}])
        assert await service.detokenize([0, 3, 4]) == "\0ab"
        assert len(await service.tokenize("a" * 20_000)) == 20_001

    serve(model, {}, work)
