"""``EndpointRoute``: an ``Endpoint`` over HTTP."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from starlette.datastructures import Headers

from .api_errors import RETRY_AFTER_S, ApiError, as_api_error
from .body import check_content_type, read_body
from .decoding import decode_body
from .disconnects import run_until_gone
from .endpoint import Answer, Call, Endpoint
from .lifecycle import Lifecycle
from .metered_model import MeteredModel
from .request_record import RequestRecord, record_of
from .sending import end_events, send_error_event, send_event, send_json, start_events

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable

    from starlette.types import Receive, Scope, Send

    from .endpoint import RequestBody
    from .metrics import ServerMetrics
    from .model_pool import ModelPool
    from .options import ServerOptions

T = TypeVar("T")


class Slots:
    """How many requests of each key are under way.

    Args:
        limit: How many may be; ``None``: any number.
    """

    def __init__(self, limit: int | None) -> None:
        self._limit, self._taken = limit, Counter[str]()

    @contextlib.contextmanager
    def taken_by(self, caller: str) -> Iterator[None]:
        """Count one more meanwhile.

        Raises:
            ApiError: 429.
        """
        if self._limit is not None and self._taken[caller] >= self._limit:
            raise ApiError(
                429,
                f"{self._limit} requests of this key are under way, and no more may be at once",
                code="too_many_requests_of_key",
                retry_after_s=RETRY_AFTER_S,
            )
        self._taken[caller] += 1
        try:
            yield
        finally:
            self._taken[caller] -= 1
            if not self._taken[caller]:
                del self._taken[caller]


class EndpointRoute:
    """An ASGI application that answers one kind of request. Errors before the answer begins are raised.

    Args:
        endpoint: What answers.
        pool: Where the models are.
        options: Limits.
        slots: Shared by all endpoints.
        metrics: Where figures go.
        lifecycle: Whether the server stops.
    """

    def __init__(
        self,
        endpoint: Endpoint[Any],
        pool: ModelPool,
        options: ServerOptions,
        slots: Slots,
        metrics: ServerMetrics,
        lifecycle: Lifecycle,
    ) -> None:
        self._endpoint, self._pool, self._options, self._lifecycle = endpoint, pool, options, lifecycle
        self._slots, self._metrics = slots, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request.

        Raises:
            ApiError: Nothing has been sent yet; also whatever else an endpoint raises.
            ClientGoneError: The client has gone; its work has been stopped.
        """
        record, headers = record_of(scope), Headers(scope=scope)
        record.route = self._endpoint.path
        check_content_type(headers)
        with self._slots.taken_by(record.caller):
            body = await read_body(
                headers, receive, limit=self._options.max_body_bytes, timeout_s=self._options.body_timeout_s
            )
            request = decode_body(body, self._endpoint.request_type)
            await run_until_gone(self._answer(request, record, send), receive)

    async def _answer(self, request: RequestBody, record: RequestRecord, send: Send) -> None:
        deadline = _Deadline(self._options.request_timeout_s)
        async with contextlib.AsyncExitStack() as stack:
            try:
                # The model may have to be loaded first.
                model = await deadline.limit(stack.enter_async_context(self._pool.use(request.model)))
                metered = MeteredModel(model, record, self._metrics)
                call = Call(record.request_id, record.caller)
                answer: Answer = await deadline.limit(self._endpoint.answer(request, metered, call))
            except asyncio.TimeoutError:
                raise _too_slow(record, self._options) from None
            if answer.events is None:
                await send_json(send, 200, answer.body, answer.headers)
            else:
                await self._stream(answer, record, deadline, send)

    async def _stream(self, answer: Answer, record: RequestRecord, deadline: _Deadline, send: Send) -> None:
        assert answer.events is not None, "asked for by whoever calls this"
        events = answer.events
        try:
            await start_events(send, answer.headers)
            try:
                while (event := await deadline.limit(anext(events, None))) is not None:
                    await send_event(send, event)
                    # Neither need have waited for anything, and somebody else has to see the client go.
                    await asyncio.sleep(0)
            except asyncio.TimeoutError:
                await send_error_event(send, _too_slow(record, self._options))
            except asyncio.CancelledError:
                if self._lifecycle.is_stopping:  # else the client has gone
                    await send_error_event(send, stopping())
                    await end_events(send)
                raise
            except Exception as error:  # noqa: BLE001 - the answer has begun, so it can only be told here
                record.outcome = "error"
                await send_error_event(send, as_api_error(error))
            await end_events(send)
        finally:
            await _close(events)


class _Deadline:
    """Ends what a task waits for when its time is over.

    Not by ``asyncio.wait_for``: until Python 3.12 that swallows a cancellation that comes together with a result, and
    then goes on for a client that has gone.
    """

    def __init__(self, seconds: float | None) -> None:
        loop = asyncio.get_running_loop()
        self._loop, self._end_s = loop, None if seconds is None else loop.time() + seconds

    async def limit(self, work: Awaitable[T]) -> T:
        """Wait for something until the time is over: then it is cancelled, and this raises ``TimeoutError``."""
        if self._end_s is None:
            return await work
        task: Any = asyncio.current_task()
        is_over = False

        def end() -> None:
            nonlocal is_over
            is_over = True
            task.cancel()

        timer = self._loop.call_at(self._end_s, end)
        try:
            return await work
        except asyncio.CancelledError:
            if not is_over:
                raise
            if hasattr(task, "uncancel"):  # from Python 3.11 on
                task.uncancel()
            raise asyncio.TimeoutError from None
        finally:
            timer.cancel()


async def _close(events: AsyncIterator[bytes]) -> None:
    close = getattr(events, "aclose", None)  # an iterator need not be a generator
    if close is not None:
        await close()


def _too_slow(record: RequestRecord, options: ServerOptions) -> ApiError:
    record.outcome = "timeout"
    return ApiError(
        504, f"the request took longer than {options.request_timeout_s:g} s, the most here", code="request_timeout"
    )


def stopping() -> ApiError:
    """Return what is told to requests that a stop cuts off."""
    return ApiError(503, "the server is stopping", code="shutting_down", retry_after_s=RETRY_AFTER_S)
