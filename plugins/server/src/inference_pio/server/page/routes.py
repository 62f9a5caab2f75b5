"""Routes of the page. They need no API key: the page asks for one, and sends it with what it asks of the server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import Response
from starlette.routing import Route

from .files import PageFile, load_files

if TYPE_CHECKING:
    from starlette.requests import Request

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-cache",  # kept, and asked for again: after an upgrade all files are of one version
}
"""Sent with every file. Whatever an answer of a model holds, the browser runs nothing of it and sends nothing away."""


def page_routes() -> list[Route]:
    """Return a route for each of the page's files, which are read now."""
    return [_route(path, file) for path, file in load_files().items()]


def _route(path: str, file: PageFile) -> Route:
    async def serve(request: Request) -> Response:
        headers = {**HEADERS, "ETag": file.etag}
        known = [tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")]
        if file.etag in known:
            return Response(status_code=304, headers=headers)
        return Response(file.content, media_type=file.media_type, headers=headers)

    return Route(path, serve, methods=["GET"], include_in_schema=False)
