"""``/health``, ``/metrics``, ``/v1/models``, ``/openapi.json``: how the server is, what it has and what it takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import msgspec
from starlette.responses import Response
from starlette.routing import Route

from .metrics import CONTENT_TYPE
from .request_record import record_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

    from .lifecycle import Lifecycle
    from .metrics import ServerMetrics
    from .model_pool import ModelPool, Place


class Capabilities(msgspec.Struct, frozen=True, kw_only=True):
    """What a model can do; told by the model, so only while it is loaded."""

    chat: bool
    tools: bool
    embeddings: bool


class ModelCard(msgspec.Struct, frozen=True, kw_only=True):
    """A model that can be asked."""

    id: str
    object: Literal["model"] = "model"
    created: int = 0
    owned_by: str
    description: str
    weights: str
    loaded: bool
    context: int | None
    capabilities: Capabilities | None


class ModelList(msgspec.Struct, frozen=True, kw_only=True):
    """All of them."""

    object: Literal["list"] = "list"
    data: list[ModelCard]


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """How the server is. ``ok``; ``loading``: not ready yet; ``stopping``; ``dead``: a model's engine has ended."""

    status: Literal["ok", "loading", "stopping", "dead"]


def state_routes(
    pool: ModelPool, metrics: ServerMetrics, lifecycle: Lifecycle, document: dict[str, Any]
) -> list[Route]:
    """Return the routes.

    Args:
        pool: Whose models are told.
        metrics: What ``/metrics`` tells.
        lifecycle: Whether the server is ready and whether it stops.
        document: What ``/openapi.json`` tells.
    """
    openapi = msgspec.json.encode(document)

    async def live(request: Request) -> Response:
        return _health("dead" if _any_dead(pool) else "ok")

    async def ready(request: Request) -> Response:
        if lifecycle.is_stopping:
            return _health("stopping")
        if not lifecycle.is_ready:
            return _health("loading")
        return await live(request)

    async def figures(request: Request) -> Response:
        return Response(metrics.render(), headers={"content-type": CONTENT_TYPE})

    async def described(request: Request) -> Response:
        return Response(openapi, media_type="application/json")

    async def models(request: Request) -> Response:
        return _json(ModelList(data=[card_of(place) for place in pool.places.values()]))

    async def model(request: Request) -> Response:
        return _json(card_of(pool.find(request.path_params["model"])))

    handlers = {
        "/health": ready,
        "/health/live": live,
        "/health/ready": ready,
        "/metrics": figures,
        "/openapi.json": described,
        "/v1/models": models,
        "/v1/models/{model}": model,
    }
    return [Route(path, _noted(path, handler), methods=["GET"]) for path, handler in handlers.items()]


def card_of(place: Place) -> ModelCard:
    """Describe a model."""
    model = place.model
    return ModelCard(
        id=place.offer.name,
        owned_by=place.offer.owner,
        description=place.offer.description,
        weights=place.offer.weights,
        loaded=model is not None,
        context=None if model is None else model.context,
        capabilities=None
        if model is None
        else Capabilities(chat=model.has_chat_template, tools=model.takes_tools, embeddings=model.can_embed),
    )


def _any_dead(pool: ModelPool) -> bool:
    return any(place.is_dead for place in pool.places.values())


def _health(status: Literal["ok", "loading", "stopping", "dead"]) -> Response:
    return _json(Health(status=status), 200 if status == "ok" else 503)


def _json(body: msgspec.Struct, status: int = 200) -> Response:
    return Response(msgspec.json.encode(body), status, media_type="application/json")


def _noted(path: str, handler: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    async def with_route(request: Request) -> Response:
        record_of(request.scope).route = path
        return await handler(request)

    return with_route
