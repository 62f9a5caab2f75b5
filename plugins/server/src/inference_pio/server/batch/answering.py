"""Answers one request of a batch by the endpoint that a client of the server would have asked."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from inference_pio.errors import EngineDeadError, InferencePioError, NotLoadedError, QueueFullError

from ..api_errors import ApiError, as_api_error
from ..decoding import decode_body
from ..endpoint import Call, Endpoint
from ..model_pool import ModelPool
from .line_request import LineRequest
from .results import Result, answered, refused

RETRY_S = 0.1
"""How long a request that found no room waits before it asks again, seconds."""

GONE = (EngineDeadError, NotLoadedError)
"""No fault of the request: the next one would fail in the same way, and this one may work when the run is resumed."""


class Answerer:
    """Answers requests, any number at once.

    Args:
        endpoints: By their path.
        pool: Where models come from.
        run: As in ``results.id_prefix``.
    """

    def __init__(self, endpoints: Mapping[str, Endpoint[Any]], pool: ModelPool, run: str) -> None:
        self.endpoints, self.run = endpoints, run
        self._pool = pool
        self._asking = 0  # requests that a model computes, or looks at

    async def answer(self, line: int, request: LineRequest) -> Result:
        """Return the result of a request.

        Raises:
            InferencePioError: The model cannot be loaded, or has ended: nothing that belongs to this request.
        """
        call = Call(request_id=f"req_{self.run}_{line}")
        try:
            body = await self._answer(request, call)
        except GONE:
            raise
        except _NoModelError as error:
            raise InferencePioError(str(error)) from error
        except Exception as error:  # noqa: BLE001 - whatever a request comes to, the others go on
            return refused(self.run, line, request.custom_id, call.request_id, as_api_error(error))
        return answered(self.run, line, request.custom_id, call.request_id, body)

    async def _answer(self, request: LineRequest, call: Call) -> Any:
        endpoint = self.endpoints[request.url]
        body = decode_body(bytes(request.body), endpoint.request_type)
        while True:
            self._asking += 1
            try:
                return await self._ask(endpoint, body, call)
            except (QueueFullError, _NoModelError):
                if self._asking == 1:  # there is nobody else whose end would make room
                    raise
            finally:
                self._asking -= 1
            await asyncio.sleep(RETRY_S)

    async def _ask(self, endpoint: Endpoint[Any], body: Any, call: Call) -> Any:
        is_loaded = False
        try:
            async with self._pool.use(body.model) as model:
                is_loaded = True
                answer = await endpoint.answer(body, model, call)
        except ApiError as error:
            if is_loaded or error.status < 500:
                raise
            # Clients of a server are not told what is wrong with a model; whoever runs a batch is.
            raise _NoModelError(str(self._pool.find(body.model).error or error.message)) from error
        assert answer.events is None, "no request of a batch asks for events"
        return answer.body


class _NoModelError(Exception):
    """The pool has the model, but could not load it."""
