"""``create_app``: the server as an ASGI application, made of endpoints and models."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import msgspec
from fastapi import FastAPI
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.routing import Route

from .api_errors import ApiError
from .endpoint_route import EndpointRoute, Slots
from .front import Front
from .key_check import KeyCheck
from .lifecycle import Lifecycle
from .metrics import ServerMetrics
from .openapi import build_document
from .options import ServerOptions
from .state_routes import state_routes

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from .endpoint import Endpoint
    from .model_pool import ModelPool


def create_app(
    endpoints: Sequence[Endpoint[Any]],
    pool: ModelPool,
    options: ServerOptions | None = None,
    *,
    lifecycle: Lifecycle | None = None,
    page: Sequence[BaseRoute] = (),
) -> FastAPI:
    """Build the server.

    Args:
        endpoints: What it answers by POST.
        pool: Its models; not closed by it.
        options: Limits and keys; default: those of ``ServerOptions``.
        lifecycle: Whether it is ready and whether it stops; default: ready.
        page: Routes of the page, ``/`` and what lies below ``/page/``; they need no key.
    """
    options, lifecycle = options or ServerOptions(), lifecycle or Lifecycle()
    metrics, slots = ServerMetrics(pool), Slots(options.max_concurrent_per_key)
    # No pages of documentation: FastAPI's load their scripts from foreign hosts.
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    app.state.metrics = metrics
    document = build_document(endpoints, version=version("inference-pio-server"), has_keys=bool(options.keys))
    for endpoint in endpoints:
        answer = EndpointRoute(endpoint, pool, options, slots, metrics, lifecycle)
        app.router.routes.append(Route(endpoint.path, answer, methods=["POST"]))
    app.router.routes += [*state_routes(pool, metrics, lifecycle, document), *page]
    app.add_exception_handler(HTTPException, _unknown)
    # The last one added is the first that a request passes.
    app.add_middleware(KeyCheck, keys=options.keys)
    if options.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=options.cors_origins,
            allow_methods=["GET", "POST"],
            allow_headers=["*"],
            expose_headers=["retry-after", "x-request-id"],
        )
    app.add_middleware(Front, options=options, metrics=metrics, lifecycle=lifecycle)
    return app


async def _unknown(request: Request, error: Exception) -> Response:
    """Answer a request for what is not here; raised by the router."""
    assert isinstance(error, HTTPException), "registered for it only"
    allowed = Headers(error.headers or {}).get("allow")
    if error.status_code == 405:
        told = ApiError(405, f"{request.url.path[:200]} answers {allowed or 'another method'} only")
    elif error.status_code == 404:
        told = ApiError(404, f"there is nothing at {request.url.path[:200]}. What there is: GET /openapi.json")
    else:
        told = ApiError(error.status_code, str(error.detail))
    headers = {"allow": allowed} if allowed else {}
    return Response(msgspec.json.encode(told.body()), told.status, headers, "application/json")
