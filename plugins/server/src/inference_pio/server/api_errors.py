"""Errors in the protocol's words: ``{"error": {"message", "type", "param", "code"}}`` with a status of HTTP."""

from __future__ import annotations

import logging
from typing import Any

from inference_pio.errors import (
    CacheFullError,
    ChatTemplateError,
    ContextLengthError,
    EngineDeadError,
    InferencePioError,
    NotLoadedError,
    PluginUnavailableError,
    QueueFullError,
    TokenizerError,
    UnknownPluginError,
    UsageError,
    WeightsError,
)

logger = logging.getLogger(__name__)

RETRY_AFTER_S = 1
"""When a client that was turned away may ask again, seconds."""

_TYPES = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error"}


class ApiError(Exception):
    """What the client is told.

    Args:
        status: Of HTTP.
        message: What is wrong and what to do next.
        param: The field of the request that is wrong, ``messages[0].content``.
        code: A word for programs, ``model_not_found``.
        retry_after_s: When the same request may work, seconds.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.param, self.code = status, message, param, code
        self.retry_after_s = retry_after_s

    @property
    def type(self) -> str:
        """The protocol's class of errors that the status belongs to."""
        return _TYPES.get(self.status, "invalid_request_error" if self.status < 500 else "server_error")

    def body(self) -> dict[str, Any]:
        """Return what the client gets as JSON."""
        error = {"message": self.message, "type": self.type, "param": self.param, "code": self.code}
        return {"error": error}


def invalid(param: str, message: str, *, code: str | None = None) -> ApiError:
    """Return the error for a field whose value cannot be."""
    return ApiError(400, message, param=param, code=code)


def as_api_error(error: BaseException) -> ApiError:
    """Say in the protocol's words what was raised; what nobody foresaw is logged and told without its details."""
    if isinstance(error, ApiError):
        return error
    message = str(error)
    if isinstance(error, UnknownPluginError):
        return ApiError(404, message, param="model", code="model_not_found")
    if isinstance(error, ContextLengthError):
        return ApiError(400, message, code="context_length_exceeded")
    if isinstance(error, (UsageError, ChatTemplateError, TokenizerError)):
        return ApiError(400, message)
    if isinstance(error, QueueFullError):
        return ApiError(429, message, code="queue_full", retry_after_s=RETRY_AFTER_S)
    if isinstance(error, (CacheFullError, EngineDeadError, NotLoadedError, PluginUnavailableError, WeightsError)):
        return ApiError(503, message, retry_after_s=RETRY_AFTER_S)
    logger.error("a request failed: %s", type(error).__name__, exc_info=error)
    if isinstance(error, InferencePioError):
        return ApiError(500, message)
    return ApiError(500, "the server failed at this request; its log says how")
