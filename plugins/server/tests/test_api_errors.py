from __future__ import annotations

import pytest

from inference_pio.errors import (
    CacheFullError,
    ContextLengthError,
    EngineDeadError,
    InferencePioError,
    InvalidOptionError,
    QueueFullError,
    UnknownPluginError,
)
from inference_pio.server.api_errors import ApiError, as_api_error, invalid


@pytest.mark.parametrize(
    ("error", "status", "kind", "code"),
    [
        (UnknownPluginError("x"), 404, "not_found_error", "model_not_found"),
        (ContextLengthError(20, 10), 400, "invalid_request_error", "context_length_exceeded"),
        (InvalidOptionError("top_p"), 400, "invalid_request_error", None),
        (QueueFullError("full"), 429, "rate_limit_error", "queue_full"),
        (EngineDeadError("dead"), 503, "server_error", None),
        (CacheFullError("full"), 503, "server_error", None),
        (InferencePioError("what"), 500, "server_error", None),
        (ZeroDivisionError("secret"), 500, "server_error", None),
    ],
)
def test_every_error_has_a_status_a_type_and_a_code(error: Exception, status: int, kind: str, code: str | None) -> None:
    told = as_api_error(error)
    assert (told.status, told.type, told.code) == (status, kind, code)
    assert told.body()["error"]["type"] == kind
    assert ("secret" in told.message) is False


def test_whoever_is_turned_away_learns_when_to_come_back() -> None:
    assert as_api_error(QueueFullError("full")).retry_after_s == 1
    assert as_api_error(InvalidOptionError("top_p")).retry_after_s is None


def test_an_error_of_the_protocol_stays_what_it_is() -> None:
    error = invalid("n", "n must be at least 1")
    assert as_api_error(error) is error
    assert error.body() == {
        "error": {"message": "n must be at least 1", "type": "invalid_request_error", "param": "n", "code": None}
    }
    assert isinstance(error, ApiError)
