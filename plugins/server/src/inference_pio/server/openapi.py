"""The OpenAPI document: made of the types that requests are decoded by, so that it cannot say anything else.

https://spec.openapis.org/oas/v3.1.0
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
from fastapi.openapi.utils import get_openapi

from .state_routes import Health, ModelCard, ModelList

if TYPE_CHECKING:
    from .endpoint import Endpoint

_REF = "#/components/schemas/{name}"


class ErrorDetail(msgspec.Struct, frozen=True, kw_only=True):
    """What went wrong."""

    message: str
    type: str
    param: str | None
    code: str | None


class ErrorBody(msgspec.Struct, frozen=True, kw_only=True):
    """What every answer holds that is not a success."""

    error: ErrorDetail


_ANYWHERE = {
    401: "there are API keys, and the request has none of them",
    403: "the request comes from a page of a site that may not ask",
    421: "the Host header has a name that the server does not go by",
    500: "the server failed at this request; its log says how",
    503: "the server stops",
}
_OF_ENDPOINTS = {
    **_ANYWHERE,
    400: "the request cannot be answered as it is; `param` names the field that is wrong, unknown or not supported",
    404: "there is no such model",
    408: "the body did not arrive in time",
    413: "the body is too long",
    415: "the body does not say that it is JSON",
    429: "the queue is full, or too many requests of this key are under way",
    503: "the model cannot be loaded now, has failed, or the server stops",
    504: "the request took longer than requests may take here",
}
_RETRY = frozenset({429, 503})


def build_document(endpoints: Sequence[Endpoint[Any]], *, version: str, has_keys: bool) -> dict[str, Any]:
    """Return the document as plain data.

    Args:
        endpoints: What is answered by POST.
        version: Of the server.
        has_keys: Whether API keys are asked for.
    """
    types: list[Any] = [ErrorBody, Health, ModelCard, ModelList]
    for endpoint in endpoints:
        types += [endpoint.request_type, endpoint.response_type, *endpoint.event_types]
    _, schemas = msgspec.json.schema_components(types, ref_template=_REF)
    document: dict[str, Any] = get_openapi(
        title="inference-pio",
        version=version,
        description="Language models by the OpenAI protocol. A field that is not described is refused by its name.",
        routes=[],
    )
    document["paths"] = {**_state_paths(), **{each.path: {"post": _operation(each)} for each in endpoints}}
    document["components"] = {
        "schemas": schemas,
        "securitySchemes": {"key": {"type": "http", "scheme": "bearer", "description": "An API key of this server."}},
    }
    document["security"] = [{"key": []}] if has_keys else []
    return document


def _operation(endpoint: Endpoint[Any]) -> dict[str, Any]:
    content: dict[str, Any] = _json(endpoint.response_type)
    if endpoint.event_types:
        names = " or ".join(kind.__name__ for kind in endpoint.event_types)
        content["text/event-stream"] = {
            "schema": {
                "type": "string",
                "description": f"With `stream`: server-sent events. `data` of each is a {names} in JSON; an error that "
                "comes after the first one is an ErrorBody; the last one may be the word [DONE].",
            },
            "x-events": [_ref(kind) for kind in endpoint.event_types],
        }
    return {
        "operationId": endpoint.path.strip("/").replace("/", "_"),
        "summary": _summary(endpoint),
        "requestBody": {"required": True, "content": _json(endpoint.request_type)},
        "responses": {"200": _response("the answer", content), **_errors(_OF_ENDPOINTS)},
    }


def _state_paths() -> dict[str, Any]:
    health = {"get": _get("health", "How the server is", Health, {503: "it is not ready, or an engine has ended"})}
    for path, summary in (("live", "Whether it has to be started anew"), ("ready", "Whether it can be asked")):
        health[path] = _get(f"health_{path}", summary, Health, {503: "no"})
    for operation in health.values():  # everybody may ask, and 503 is an answer as any other
        operation["security"] = []
        operation["responses"]["503"]["content"] = _json(Health)
    name = {"name": "model", "in": "path", "required": True, "schema": {"type": "string"}}
    figures = {"text/plain": {"schema": {"type": "string"}}}
    return {
        "/health": {"get": health["get"]},
        "/health/live": {"get": health["live"]},
        "/health/ready": {"get": health["ready"]},
        "/metrics": {
            "get": {**_get("metrics", "Figures for Prometheus"), "responses": {
                "200": _response("figures", figures), **_errors(_ANYWHERE),
            }},
        },
        "/openapi.json": {"get": _get("openapi", "This document")},
        "/v1/models": {"get": _get("v1_models", "The models", ModelList, _ANYWHERE)},
        "/v1/models/{model}": {
            "get": {
                **_get("v1_model", "A model", ModelCard, {**_ANYWHERE, 404: "there is no such model"}),
                "parameters": [name],
            },
        },
    }  # fmt: skip


def _get(
    name: str, summary: str, kind: type[msgspec.Struct] | None = None, errors: Mapping[int, str] = _ANYWHERE
) -> dict[str, Any]:
    content = {"application/json": {"schema": {"type": "object"}}} if kind is None else _json(kind)
    return {
        "operationId": name,
        "summary": summary,
        "responses": {"200": _response("the answer", content), **_errors(errors)},
    }


def _errors(known: Mapping[int, str]) -> dict[str, Any]:
    found = {}
    for status, text in sorted(known.items()):
        found[str(status)] = _response(text, _json(ErrorBody))
        if status in _RETRY:
            found[str(status)]["headers"]["retry-after"] = {
                "description": "When the same request may work, seconds.",
                "schema": {"type": "integer"},
            }
    return found


def _response(description: str, content: Mapping[str, Any]) -> dict[str, Any]:
    request_id = {"description": "The client's own where it was sane.", "schema": {"type": "string"}}
    return {"description": description, "headers": {"x-request-id": request_id}, "content": dict(content)}


def _json(kind: type[msgspec.Struct]) -> dict[str, Any]:
    return {"application/json": {"schema": _ref(kind)}}


def _ref(kind: type[msgspec.Struct]) -> dict[str, str]:
    return {"$ref": _REF.format(name=kind.__name__)}


def _summary(endpoint: Endpoint[Any]) -> str:
    """Return the first sentence of the module that an endpoint is in, without its path and its marks."""
    text = inspect.getdoc(sys.modules[type(endpoint).__module__]) or endpoint.path
    line = text.split("\n\n")[0].replace("``", "").replace("\n", " ")
    return line.removeprefix(f"{endpoint.path}: ")
