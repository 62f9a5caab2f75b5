"""One line a request: when, which, whose, what came of it. Never what was said."""

from __future__ import annotations

import json
import logging
import sys
import time
from datetime import datetime, timezone
from typing import Any

from .request_record import RequestRecord

logger = logging.getLogger("inference_pio.server.access")


def log_request(record: RequestRecord) -> None:
    """Log a request that has ended."""
    seconds = time.perf_counter() - record.started_s
    fields: dict[str, Any] = {
        "request_id": record.request_id,
        "key": record.caller,
        "method": record.method,
        "path": record.path if record.route != "other" else record.path[:200],
        "status": record.status,
        "outcome": record.outcome,
        "prompt_tokens": record.prompt_tokens,
        "cached_tokens": record.cached_tokens,
        "new_tokens": record.new_tokens,
        "seconds": round(seconds, 4),
    }
    logger.info(
        "%s %s %s %r %d %s, tokens %d+%d, %.3f s",
        record.request_id, record.caller or "-", record.method, fields["path"], record.status, record.outcome,
        record.prompt_tokens, record.new_tokens, seconds, extra={"fields": fields},
    )  # fmt: skip


class _Text(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = f"{_stamp(record)} {record.levelname.lower()}: {' '.join(record.getMessage().split())}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        data: dict[str, Any] = {"time": _stamp(record), "level": record.levelname.lower(), "logger": record.name}
        data |= getattr(record, "fields", None) or {"message": record.getMessage()}
        if record.exc_info:
            data["traceback"] = self.formatException(record.exc_info)
        return json.dumps(data)


def _stamp(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, timezone.utc)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def configure_logging(*, as_json: bool, debug: bool) -> None:
    """Send the server's log to standard error, a line a record; what others log only from warnings on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json() if as_json else _Text())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.DEBUG if debug else logging.WARNING)
    logging.getLogger("inference_pio").setLevel(logging.DEBUG if debug else logging.INFO)
    logging.captureWarnings(True)
