"""``KeyCheck``: lets nobody pass without a key, where there are keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.datastructures import Headers

from .api_errors import ApiError
from .request_record import record_of

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from .keys import ApiKeys

OPEN_PATHS = frozenset({"/", "/favicon.ico", "/health", "/health/live", "/health/ready"})
"""What everybody may see: whether the server lives, and the page, which asks for a key itself."""

OPEN_FOLDER = "/page/"


class KeyCheck:
    """ASGI middleware.

    Args:
        app: What answers.
        keys: Who may ask.
    """

    def __init__(self, app: ASGIApp, keys: ApiKeys) -> None:
        self._app, self._keys = app, keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on.

        Raises:
            ApiError: 401.
        """
        if scope["type"] == "http" and self._keys and not _is_open(scope["path"]):
            record_of(scope).caller = self._caller(Headers(scope=scope))
        await self._app(scope, receive, send)

    def _caller(self, headers: Headers) -> str:
        scheme, _, key = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not key.strip():
            raise ApiError(401, "an API key is needed: Authorization: Bearer KEY", code="missing_api_key")
        name = self._keys.name_of(key.strip().encode("latin-1"))
        if name is None:
            raise ApiError(401, "this API key is not known here", code="invalid_api_key")
        return name


def _is_open(path: str) -> bool:
    return path in OPEN_PATHS or path.startswith(OPEN_FOLDER)
