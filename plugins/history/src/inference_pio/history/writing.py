"""Puts a turn where it belongs: behind the one it goes on from, else at the start of a new conversation."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from .database import transaction
from .records import Record, turn_of

if TYPE_CHECKING:
    from sqlite_utils import Database

    from .records import Turn

_LAST_TURNS = """
    SELECT conversation_id FROM turns AS t WHERE key = ? AND NOT EXISTS (
        SELECT 1 FROM turns WHERE conversation_id = t.conversation_id AND number > t.number AND key IS NOT NULL
    ) ORDER BY id DESC LIMIT 50
"""


def add_record(db: Database, record: Record, own: set[int]) -> int:
    """Write one generation.

    Args:
        db: The history.
        record: The generation.
        own: Conversations that this process has written to. When several could be the one that goes on (the same
            question got the same answer twice), it is one of these. The new turn's is added.

    Returns:
        The number of its conversation.
    """
    turn = turn_of(record)
    started, ended = turn.columns["started"], _end_of(record)
    with transaction(db):
        conversation = _find(db, turn, own)
        earlier = turn.later if conversation else turn.earlier
        if conversation is None:
            row = {"started": started, "updated": ended}
            conversation = db.table("conversations").insert(row).last_pk
            assert isinstance(conversation, int), "the table counts its rows"
        else:
            db.table("conversations").update(conversation, {"updated": ended})
        (number,) = db.execute(
            "SELECT coalesce(max(number), 0) + 1 FROM turns WHERE conversation_id = ?", [conversation]
        ).fetchone()
        place = {"conversation_id": conversation, "number": number, "key": turn.key}
        texts = {"earlier": json.dumps(earlier, ensure_ascii=False) if earlier else None}
        db.table("turns").insert({**place, **texts, **turn.columns})
    own.add(conversation)
    return conversation


def _find(db: Database, turn: Turn, own: set[int]) -> int | None:
    """The conversation that a turn goes on with; one that has gone on otherwise is not continued twice."""
    if turn.previous_key is None:
        return None
    found = [int(row[0]) for row in db.execute(_LAST_TURNS, [turn.previous_key]).fetchall()]
    return next((conversation for conversation in found if conversation in own), next(iter(found), None))


def _end_of(record: Record) -> str:
    from datetime import timedelta

    from .records import stamp

    return stamp(record.started + timedelta(seconds=record.duration_s))
