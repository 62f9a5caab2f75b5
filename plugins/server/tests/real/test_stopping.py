"""SIGTERM while many read streams of the real model."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import httpx
import pytest

from .processes import HANGS_S, Serving, serving

pytestmark = pytest.mark.weights

CLIENTS = 16


def read_stream(url: str, number: int, tokens: int, under_way: Barrier) -> tuple[list[str], bool]:
    """Read a stream that nothing but its length ends; return its events and whether the connection was cut.

    Args:
        url: Of the server.
        number: Of the client.
        tokens: Length of the answer.
        under_way: Passed once the answer has begun.
    """
    body = {"model": "smollm2", "prompt": f"Story {number}:", "max_tokens": tokens, "stream": True, "ignore_eos": True}
    events: list[str] = []
    try:
        with httpx.stream("POST", f"{url}/v1/completions", json=body, timeout=HANGS_S) as answer:
            assert answer.status_code == 200, answer.read()
            for line in answer.iter_lines():
                if line:
                    events.append(line.removeprefix("data: "))
                    if len(events) == 1:
                        under_way.wait(HANGS_S)
    except httpx.RemoteProtocolError:
        return events, True
    return events, False


def stop_under_load(server: Serving, tokens: int) -> tuple[int, list[tuple[list[str], bool]]]:
    """Send SIGTERM once all clients read; return the exit code and what each of them got."""
    under_way = Barrier(CLIENTS + 1)
    with ThreadPoolExecutor(CLIENTS) as threads:
        streams = [threads.submit(read_stream, server.url, i, tokens, under_way) for i in range(CLIENTS)]
        under_way.wait(HANGS_S)
        code = server.stop()
        return code, [stream.result() for stream in streams]


def test_all_streams_end_properly_within_the_time_they_have() -> None:
    with serving("--shutdown-timeout", str(HANGS_S)) as server:
        code, streams = stop_under_load(server, tokens=64)
    assert code == 0
    for events, was_cut in streams:
        assert not was_cut
        assert events[-1] == "[DONE]"
        assert [choice["finish_reason"] for choice in json.loads(events[-2])["choices"]] == ["length"]


def test_streams_that_take_longer_are_told_so_and_nothing_hangs() -> None:
    with serving("--shutdown-timeout", "0.2") as server:
        code, streams = stop_under_load(server, tokens=4000)
    assert code == 0
    for events, was_cut in streams:
        assert "[DONE]" not in events
        assert was_cut or json.loads(events[-1])["error"]["code"] == "shutting_down"
    assert any(not was_cut for _, was_cut in streams)
