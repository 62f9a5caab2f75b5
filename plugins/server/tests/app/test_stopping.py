"""A server that is told to stop, under load."""

from __future__ import annotations

import asyncio
import json

import pytest

from .serving import Gated, serving, until


def test_what_is_under_way_may_end_when_the_server_stops() -> None:
    async def run() -> None:
        model = Gated(free_steps=3)
        async with serving(model) as running:
            asked = [asyncio.create_task(running.ask(stream=stream)) for stream in (False, True)]
            await until(lambda: len(model.generations) == 2)
            running.server.stop()
            await until(lambda: not running.server.servers[0].is_serving())
            with pytest.raises(ConnectionRefusedError):
                await running.connect()
            model.gate.set()
            (status, whole), (_, events) = await asyncio.gather(*asked)
            assert (status, json.loads(whole)["text"]) == (200, "Hello there.")
            assert "error" not in events
            await running.task

    asyncio.run(run())


@pytest.mark.parametrize("twice", [False, True])
def test_what_has_not_ended_in_time_or_by_the_second_signal_is_cancelled_and_told_so(twice: bool) -> None:
    async def run() -> None:
        model = Gated(free_steps=3)
        async with serving(model, shutdown_timeout_s=1000 if twice else 0) as running:
            asked = [asyncio.create_task(running.ask(stream=stream)) for stream in (False, True)]
            await until(lambda: len(model.generations) == 2 and model.steps > 3)
            running.server.stop()
            if twice:
                running.server.stop()
            (status, whole), (begun, events) = await asyncio.gather(*asked)
            assert (status, json.loads(whole)["error"]["code"]) == (503, "shutting_down")
            assert begun == 200
            assert "shutting_down" in events
            await running.task
            assert all(generation.is_cancelled for generation in model.generations)

    asyncio.run(run())


def test_a_client_that_hangs_does_not_keep_the_server_from_stopping() -> None:
    async def run() -> None:
        async with serving(Gated(), shutdown_timeout_s=0) as running:
            _, writer = await running.connect()
            writer.write(b"POST /v1/say HTTP/1.1\r\ncontent-length: 100\r\ncontent-type: application/json\r\n\r\n")
            await until(lambda: running.server.server_state.tasks)
            running.server.stop()
            await running.task
            writer.close()

    asyncio.run(run())
