"""What can be wrong with the history. Only commands raise these: a generation never fails for its record."""

from __future__ import annotations

from inference_pio.errors import InferencePioError, UsageError


class HistoryError(InferencePioError):
    """The database cannot be opened, read or written; the message says what to do."""


class UnknownConversationError(UsageError, LookupError):
    """There is no conversation of this number."""
