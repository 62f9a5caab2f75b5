"""What comes back for good requests and bad ones; all in one process."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import pytest

from inference_pio.errors import EngineDeadError, QueueFullError
from inference_pio.server.endpoint_route import _Deadline
from inference_pio.server.model_pool import ModelPool, Offer
from inference_pio.server.options import ServerOptions

from ..fake_model import FakeModel
from .conftest import asked, pool_of, said

if TYPE_CHECKING:
    import httpx

JSON = {"content-type": "application/json"}


def post(content: Any, headers: dict[str, str] = JSON, **more: Any) -> httpx.Response:
    async def talk(client: httpx.AsyncClient) -> httpx.Response:
        return await client.post("/v1/say", content=content, headers=headers)

    return asked(talk, **more)


def error_of(response: httpx.Response) -> dict[str, Any]:
    body = response.json()
    assert set(body) == {"error"}
    assert set(body["error"]) == {"message", "type", "param", "code"}
    found: dict[str, Any] = body["error"]
    return found


def test_an_answer_comes_at_once_or_in_events() -> None:
    whole = asked(said())
    assert (whole.status_code, whole.json()) == (200, {"text": "Hello there.", "caller": ""})
    events = asked(said(stream=True))
    assert events.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert events.headers["x-accel-buffering"] == "no"
    pieces = [json.loads(line.removeprefix("data: ")) for line in events.text.split("\n\n") if line]
    assert "".join(pieces) == "Hello there."


def test_a_request_keeps_the_clients_id_if_it_is_sane() -> None:
    assert asked(said(headers={"x-request-id": "my-id.1"})).headers["x-request-id"] == "my-id.1"
    for insane in ("a b", "x" * 65, "a\tb", '"'):
        assert asked(said(headers={"x-request-id": insane})).headers["x-request-id"].startswith("req-")


@pytest.mark.parametrize(
    "kind", ["", "text/plain", "application/x-www-form-urlencoded", "application/json; charset=utf-16"]
)
def test_only_what_says_that_it_is_json_is_read(kind: str) -> None:
    response = post(b'{"model": "fake"}', {"content-type": kind} if kind else {})
    assert response.status_code == 415
    assert "Content-Type: application/json" in error_of(response)["message"]


@pytest.mark.parametrize(
    "kind", ["application/json", "Application/JSON; charset=UTF-8", 'application/json; charset="utf-8"']
)
def test_json_in_utf_8_is_read_however_it_is_written(kind: str) -> None:
    assert post(b'{"model": "fake"}', {"content-type": kind}).status_code == 200


def test_a_compressed_body_is_refused() -> None:
    assert post(b'{"model": "fake"}', {**JSON, "content-encoding": "gzip"}).status_code == 415


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"nul", b'{"model": 3}', b'{"model": "fake", "what": 1}', b"\xff", b"[" * 9999]
)
def test_what_is_no_request_is_a_400(body: bytes) -> None:
    response = post(body)
    assert (response.status_code, error_of(response)["type"]) == (400, "invalid_request_error")


def test_a_body_may_be_as_long_as_the_limit_and_no_longer() -> None:
    body = b'{"model": "fake"}'
    assert post(body, options=ServerOptions(max_body_bytes=len(body))).status_code == 200
    assert post(body, options=ServerOptions(max_body_bytes=len(body) - 1)).status_code == 413


def test_a_body_without_a_length_is_read_only_up_to_the_limit() -> None:
    sent = []

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(1000):
            sent.append(1)
            yield b" " * 100

    response = post(endless(), options=ServerOptions(max_body_bytes=1000))
    assert (response.status_code, error_of(response)["type"]) == (413, "invalid_request_error")
    assert len(sent) == 11


def test_a_body_that_does_not_come_is_a_408() -> None:
    async def stuck() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    response = post(stuck(), options=ServerOptions(body_timeout_s=0))
    assert response.status_code == 408
    assert response.headers["connection"] == "close"


def test_unknown_paths_and_methods_are_told_in_the_protocols_shape() -> None:
    async def talk(client: httpx.AsyncClient) -> list[httpx.Response]:
        return [await client.get("/v1/nothing"), await client.get("/v1/say"), await client.delete("/v1/models")]

    nothing, wrong, also_wrong = asked(talk)
    assert (nothing.status_code, error_of(nothing)["type"]) == (404, "not_found_error")
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "POST")
    assert "POST" in error_of(wrong)["message"]
    assert also_wrong.status_code == 405


def test_no_page_of_documentation_loads_scripts_from_elsewhere() -> None:
    async def talk(client: httpx.AsyncClient) -> list[int]:
        return [(await client.get(path)).status_code for path in ("/docs", "/redoc")]

    assert asked(talk) == [404, 404]


def test_an_unknown_model_is_a_404_that_names_the_nearest() -> None:
    response = asked(said(model="fakr"))
    assert (response.status_code, error_of(response)["code"]) == (404, "model_not_found")
    assert "'fake'" in error_of(response)["message"]


@pytest.mark.parametrize(("error", "status"), [(QueueFullError("full"), 429), (EngineDeadError("dead"), 503)])
def test_whoever_is_turned_away_learns_when_to_come_back(error: Exception, status: int) -> None:
    response = asked(said(), models=pool_of(FakeModel(error=error)))
    assert (response.status_code, response.headers["retry-after"]) == (status, "1")


def test_a_failure_that_nobody_foresaw_is_a_500_without_details_and_the_next_request_works() -> None:
    async def talk(client: httpx.AsyncClient) -> tuple[httpx.Response, httpx.Response]:
        return await said("divide by zero")(client), await said()(client)

    failed, fine = asked(talk)
    assert (failed.status_code, error_of(failed)["type"]) == (500, "server_error")
    assert "secret" not in failed.text
    assert fine.status_code == 200


def test_a_failure_after_the_first_event_is_an_event() -> None:
    response = asked(said(stream=True), models=pool_of(FakeModel(failure=ZeroDivisionError("the secret"))))
    events = [json.loads(line.removeprefix("data: ")) for line in response.text.split("\n\n") if line]
    assert events[:3] == ["H", "e", "l"]
    assert events[3]["error"]["type"] == "server_error"
    assert "secret" not in response.text


@pytest.mark.parametrize("stream", [False, True])
def test_a_request_that_takes_too_long_is_stopped_and_told_so(stream: bool, fake: FakeModel) -> None:
    fake.step_s = 1000
    response = asked(said(stream=stream), models=pool_of(fake), options=ServerOptions(request_timeout_s=0.01))
    assert response.status_code == (200 if stream else 504)
    assert "request_timeout" in response.text
    assert fake.generations[0].is_cancelled


@pytest.mark.parametrize("turns", range(4))
def test_a_client_that_goes_at_the_moment_of_an_answer_is_noticed(turns: int) -> None:
    async def run() -> None:
        has_ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        async def work() -> str:
            return await has_ended

        async def request() -> None:
            await _Deadline(1000).limit(work())
            await asyncio.sleep(0)  # something to cancel must follow, as sending does

        task = asyncio.ensure_future(request())
        await asyncio.sleep(0.01)
        has_ended.set_result("answer")
        for _ in range(turns):
            await asyncio.sleep(0)
        is_late = task.done()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert task.cancelled() or is_late

    asyncio.run(run())


def test_the_time_of_a_request_runs_while_its_model_is_loaded(fake: FakeModel) -> None:
    loading, done = threading.Event(), threading.Event()

    def load() -> FakeModel:
        loading.set()
        assert done.wait(30)
        return fake

    async def talk(client: httpx.AsyncClient) -> list[int]:
        late = (await said()(client)).status_code
        done.set()
        while pool.places["fake"].model is None:
            await asyncio.sleep(0.001)
        return [late, (await said()(client)).status_code]

    pool = ModelPool([Offer(name="fake", load=load)])
    assert asked(talk, models=pool, options=ServerOptions(request_timeout_s=0.2)) == [504, 200]
    assert loading.is_set()
    assert pool.places["fake"].users == 0


def test_one_key_has_only_so_many_requests_under_way() -> None:
    async def talk(client: httpx.AsyncClient) -> list[httpx.Response]:
        first, second = asyncio.create_task(said("one")(client)), asyncio.create_task(said("two")(client))
        await has_begun.wait()
        third = await said("three")(client)
        let_go.set()
        return [await first, await second, third, await said("four")(client)]

    has_begun, let_go = asyncio.Event(), asyncio.Event()

    class Slow(FakeModel):
        async def step(self) -> None:
            if self.running == 2:
                has_begun.set()
            await let_go.wait()

    responses = asked(talk, models=pool_of(Slow()), options=ServerOptions(max_concurrent_per_key=2))
    assert [response.status_code for response in responses] == [200, 200, 429, 200]
    assert error_of(responses[2])["code"] == "too_many_requests_of_key"
    assert responses[2].headers["retry-after"] == "1"
