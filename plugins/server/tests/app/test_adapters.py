"""Plugins without an engine of the runtime, as models that a server can serve."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inference_pio import BaseConfig, Chunk, EmbeddingModelPlugin
from inference_pio.errors import (
    ChatTemplateError,
    ContextLengthError,
    InferencePioError,
    InvalidOptionError,
    NotLoadedError,
    QueueFullError,
    UsageError,
)
from inference_pio.generation import Constraint, SamplingOptions
from inference_pio.interfaces import ModelPlugin
from inference_pio.manifest import parse_manifest
from inference_pio.server.embedding_model import EmbeddingModel
from inference_pio.server.offers import EngineLimits, limit_engine, serve_plugin
from inference_pio.server.served_model import Generation
from inference_pio.server.threaded_model import ThreadedModel

from .serving import until
from .talker.plugin import TalkerPlugin

MESSAGES = ({"role": "user", "content": "good day"},)


class Plugin(TalkerPlugin):
    """Says ``a`` until it is let go or closed."""

    name = "talker"

    def __init__(self) -> None:
        self.gate, self.closed, self.cleaned, self.steps = threading.Event(), 0, 0, 0

    def cleanup(self) -> None:
        self.cleaned += 1

    def stream(self, prompt: Any, *, system: str | None = None, raw: bool = False, **options: Any) -> Iterator[Chunk]:
        try:
            while not self.gate.wait(0.001):
                self.steps += 1
                yield Chunk(text="a", token_ids=(97,))
            yield from super().stream(prompt, raw=raw, **options)
        finally:
            self.closed += 1


async def text_of(generation: Generation) -> tuple[str, str | None]:
    text, reason = "", None
    async for chunk in generation:
        text += chunk.text
        reason = chunk.finish_reason or reason
    return text, reason


def test_a_prompt_and_a_conversation_are_answered_by_the_plugin() -> None:
    async def run() -> None:
        plugin = Plugin()
        plugin.gate.set()
        model = serve_plugin(plugin, EngineLimits())
        assert (model.name, model.context, model.vocab_size, model.has_chat_template) == ("talker", 100, 256, True)
        ids = await model.tokenize("hi you")
        assert await text_of(await model.start(ids, SamplingOptions())) == ("hi you", "stop")
        assert await text_of(await model.start(ids, SamplingOptions(), messages=MESSAGES)) == ("good day", "stop")
        assert await text_of(await model.start(ids, SamplingOptions(max_new_tokens=2))) == ("hi", "stop")
        assert (await model.detokenize(ids), model.token_bytes(104)) == ("hi you", b"h")
        assert model.figures()["new_tokens"] == 16
        await model.close()
        await model.close()
        assert plugin.cleaned == 1
        with pytest.raises(NotLoadedError):
            await model.start(ids, SamplingOptions())

    asyncio.run(run())


@pytest.mark.parametrize(
    "options",
    [
        SamplingOptions(constraint=Constraint(kind="regex", source="a")),
        SamplingOptions(logprobs=0),
        SamplingOptions(prompt_logprobs=1),
        SamplingOptions(max_new_tokens=0),
    ],
)
def test_what_a_plugin_cannot_be_trusted_with_is_refused_by_name(options: SamplingOptions) -> None:
    async def run() -> None:
        model = ThreadedModel(Plugin())
        with pytest.raises(InvalidOptionError, match=r"constraint|logprobs|max_new_tokens"):
            await model.start([1], options)
        with pytest.raises(InvalidOptionError, match="tools"):
            await model.render(MESSAGES, tools=[{}])
        await model.close()

    asyncio.run(run())


def test_requests_take_turns_and_too_many_are_turned_away() -> None:
    async def run() -> None:
        plugin = Plugin()
        model = ThreadedModel(plugin, max_waiting=1)
        first = await model.start([98], SamplingOptions())
        await until(lambda: plugin.steps)
        second = await model.start([99], SamplingOptions())
        assert (model.figures()["running"], model.figures()["waiting"]) == (1, 1)
        with pytest.raises(QueueFullError):
            await model.start([100], SamplingOptions())
        first.cancel()
        assert (await text_of(first))[1] == "cancelled"
        plugin.gate.set()
        assert (await text_of(second))[0].endswith("c")
        assert plugin.closed == 2
        assert model.figures()["running"] == model.figures()["waiting"] == 0
        await model.close()

    asyncio.run(run())


def test_a_request_that_is_cancelled_while_it_waits_computes_nothing() -> None:
    async def run() -> None:
        plugin = Plugin()
        model = ThreadedModel(plugin)
        first, second = [await model.start([98], SamplingOptions()) for _ in range(2)]
        second.cancel()
        first.cancel()
        assert await text_of(second) == ("", "cancelled")
        assert plugin.closed <= 1
        await model.close()

    asyncio.run(run())


def test_closing_ends_what_runs() -> None:
    async def run() -> None:
        plugin = Plugin()
        model = ThreadedModel(plugin)
        generation = await model.start([98], SamplingOptions())
        await until(lambda: plugin.steps)
        await model.close()
        assert (await text_of(generation))[1] == "cancelled"
        assert (plugin.closed, plugin.cleaned) == (1, 1)

    asyncio.run(run())


@pytest.mark.parametrize(
    ("error", "told"),
    [(ContextLengthError(9, 5), "9 tokens"), (ZeroDivisionError("a secret"), "log says how"), (StopIteration(), "log")],
)
def test_a_plugin_that_fails_fails_one_request_and_tells_no_secrets(error: Exception, told: str) -> None:
    class Fails(Plugin):
        def stream(self, prompt: Any, *, system: str | None = None, raw: bool = False, **more: Any) -> Iterator[Chunk]:
            if prompt == [1]:
                raise error
            return super().stream(prompt, raw=raw, **more)

    async def run() -> None:
        plugin = Fails()
        plugin.gate.set()
        model = ThreadedModel(plugin)
        with pytest.raises(InferencePioError, match=told) as caught:
            await text_of(await model.start([1], SamplingOptions()))
        assert "secret" not in str(caught.value)
        assert await text_of(await model.start([98], SamplingOptions())) == ("b", "stop")
        await model.close()

    asyncio.run(run())


class Vectors(EmbeddingModelPlugin):
    """Turns a text into its length."""

    name, context, vocab_size, embedding_width = "vectors", 10, 256, 1
    cleaned = 0

    def supports_config(self, config: Any) -> bool:
        return False

    def create_config(self, **overrides: Any) -> BaseConfig:
        return BaseConfig()

    def load_model(self, options: Any = None, hooks: Any = None) -> None:
        pass

    def infer(self, inputs: Any) -> Any:
        return inputs

    def cleanup(self) -> None:
        self.cleaned += 1

    def tokenize(self, text: str, *, add_special_tokens: bool = True) -> list[int]:
        return list(text.encode())

    def detokenize(self, token_ids: Sequence[int], *, skip_special_tokens: bool = True) -> str:
        return bytes(token_ids).decode()

    def embed(self, inputs: Sequence[Any]) -> Any:
        return np.array([[len(text)] for text in inputs], np.float32)


def test_a_plugin_of_vectors_embeds_and_says_what_it_does_not_do() -> None:
    async def run() -> None:
        plugin = Vectors()
        model = serve_plugin(plugin, EngineLimits())
        assert isinstance(model, EmbeddingModel)
        assert (model.can_embed, model.has_chat_template) == (True, False)
        found = await asyncio.gather(model.embed([[1, 2], [3]]), model.embed([[4]]))
        assert [vectors.tolist() for vectors in found] == [[[2.0], [1.0]], [[1.0]]]
        assert model.figures() == {"running": 0, "waiting": 0, "prompt_tokens": 4, "is_alive": 1}
        with pytest.raises(InvalidOptionError, match="/v1/embeddings"):
            await model.start([1], SamplingOptions())
        with pytest.raises(ChatTemplateError, match="/v1/embeddings"):
            await model.render(MESSAGES)
        await model.close()
        await model.close()
        assert plugin.cleaned == 1
        with pytest.raises(NotLoadedError):
            await model.embed([[1]])

    asyncio.run(run())


class Neither(ModelPlugin):
    name = "neither"
    cleaned = 0
    supports_config = create_config = load_model = infer = Vectors.infer  # type: ignore[assignment]  # never called

    def cleanup(self) -> None:
        self.cleaned += 1


def test_a_plugin_that_does_neither_is_refused_and_cleaned_up() -> None:
    plugin = Neither()
    with pytest.raises(UsageError, match="neither generates nor embeds"):
        serve_plugin(plugin, EngineLimits())
    assert plugin.cleaned == 1


def test_the_limits_reach_the_engine_of_a_plugin_that_has_one() -> None:
    plugin: Any = Plugin()
    limit_engine(plugin, EngineLimits(max_running=3))
    assert not hasattr(plugin, "engine_options")
    plugin.engine_options = {}
    limit_engine(plugin, EngineLimits(max_running=3, prefix_cache_bytes=0))
    assert plugin.engine_options == {
        "slots": 3, "max_waiting": 512, "max_waiting_tokens": 1_000_000, "prefix_cache_bytes": 0
    }  # fmt: skip


def test_the_talkers_manifest_is_sound() -> None:
    text = (Path(__file__).parent / "talker/plugin_manifest.json").read_text(encoding="utf-8")
    assert parse_manifest(text).entry_point.class_name == json.loads(text)["entry_point"]["class"]
