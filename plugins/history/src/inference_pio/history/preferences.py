"""What the user decided: whether to record, where, and how long to keep. Environment variables win over the file.

The decisions lie beside the database and not in it: whoever deletes the history has not switched it on again.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
from dataclasses import dataclass
from pathlib import Path

from inference_pio import settings
from inference_pio.atomic_files import write_atomically

from .errors import HistoryError

SWITCH = "INFERENCE_PIO_HISTORY"
DATABASE = "INFERENCE_PIO_HISTORY_DB"
DAYS = "INFERENCE_PIO_HISTORY_DAYS"

_ON = frozenset({"1", "on", "true", "yes"})


@dataclass(frozen=True, kw_only=True)
class Preferences:
    """What the user decided.

    Attributes:
        recording: Whether runs and chats are kept.
        days: Conversations that are older go; ``None``: they stay.
        max_mb: The oldest go when the database holds more, megabytes of 1e6 bytes; ``None``: no limit.
    """

    recording: bool = True
    days: float | None = None
    max_mb: float | None = None


def database_path() -> Path:
    """Where the history is."""
    given = os.environ.get(DATABASE, "").strip()
    return Path(given).expanduser() if given else settings.state_dir() / "history.db"


def preferences_path() -> Path:
    """Where the decisions are."""
    return settings.state_dir() / "history.json"


def load_preferences() -> Preferences:
    """Return the decisions, those of the environment put over those of the file.

    Raises:
        HistoryError: One of them cannot be understood. Nothing may be recorded or deleted then: either could be
            against what the user decided.
    """
    kept = load_kept_preferences()
    recording = switch_of_environment()
    return dataclasses.replace(
        kept,
        recording=kept.recording if recording is None else recording,
        days=kept.days if (days := _days_of_environment()) is None else days,
    )


def load_kept_preferences() -> Preferences:
    """Return the decisions of the file.

    Raises:
        HistoryError: It cannot be understood.
    """
    path = preferences_path()
    try:
        data = json.loads(path.read_bytes())
        kept = Preferences(**data)
        _check(kept)
    except FileNotFoundError:
        return Preferences()
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise HistoryError(
            f"{path} cannot be understood ({error}), so nothing is recorded. Mend or delete it"
        ) from error
    return kept


def save_preferences(changed: Preferences) -> None:
    """Keep decisions for all processes from now on.

    Raises:
        HistoryError: They cannot be written.
    """
    path = preferences_path()
    data = json.dumps(dataclasses.asdict(changed), indent=2) + "\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, data.encode())
    except OSError as error:
        raise HistoryError(f"cannot write {path}: {error.strerror or error}") from error


def switch_of_environment() -> bool | None:
    """What ``INFERENCE_PIO_HISTORY`` says; ``None``: nothing. A word that is not a yes is a no."""
    given = os.environ.get(SWITCH, "").strip().lower()
    return given in _ON if given else None


def _days_of_environment() -> float | None:
    given = os.environ.get(DAYS, "").strip()
    if not given:
        return None
    try:
        days = float(given)
        _check(Preferences(days=days))
    except ValueError as error:
        raise HistoryError(f"{DAYS}={given!r} is not a number of days above 0, so nothing is recorded") from error
    return days


def _check(preferences: Preferences) -> None:
    if not isinstance(preferences.recording, bool):
        raise ValueError("recording is neither true nor false")
    for name in ("days", "max_mb"):
        value = getattr(preferences, name)
        if value is not None and not (isinstance(value, (int, float)) and math.isfinite(value) and value > 0):
            raise ValueError(f"{name} is not a number above 0")
