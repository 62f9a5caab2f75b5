"""Conversations as they are shown, exported and continued."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .errors import UnknownConversationError
from .search_index import matching_turns

if TYPE_CHECKING:
    from sqlite_utils import Database

LAST = "last"


@dataclass(frozen=True, kw_only=True)
class Filter:
    """Which conversations to list.

    Attributes:
        model: Only those with a turn of this model.
        since: Only those that something was added to at this moment or later, as ``records.stamp`` writes it.
        text: Only those in which this was said.
        limit: The newest so many; ``None``: all.
    """

    model: str | None = None
    since: str | None = None
    text: str | None = None
    limit: int | None = None


def list_conversations(db: Database, wanted: Filter) -> list[dict[str, Any]]:
    """Return the newest conversations first, each with what a line about it needs."""
    where, values = _conditions(db, wanted)
    sql = f"""
        SELECT c.id, c.started, c.updated, count(*) AS turns,
            (SELECT model FROM turns WHERE conversation_id = c.id ORDER BY number DESC LIMIT 1) AS model,
            (SELECT prompt FROM turns WHERE conversation_id = c.id ORDER BY number LIMIT 1) AS prompt
        FROM conversations AS c JOIN turns AS t ON t.conversation_id = c.id
        {where} GROUP BY c.id ORDER BY c.updated DESC, c.id DESC LIMIT ?
    """
    return list(db.query(sql, [*values, -1 if wanted.limit is None else wanted.limit]))


def read_conversation(db: Database, number: int) -> dict[str, Any]:
    """Return one conversation with its turns.

    Raises:
        UnknownConversationError: There is none.
    """
    row = next(iter(db.query("SELECT id, started, updated FROM conversations WHERE id = ?", [number])), None)
    if row is None:
        raise UnknownConversationError(f"there is no conversation {number}. See: inference-pio logs list")
    turns = db.query("SELECT * FROM turns WHERE conversation_id = ? ORDER BY number", [number])
    return {**row, "turns": [_turn(turn) for turn in turns]}


def find_number(db: Database, said: str) -> int:
    """Return the number that a user means by digits, or by ``last``.

    Raises:
        UnknownConversationError: There is no such conversation.
    """
    if said == LAST:
        row = db.execute("SELECT id FROM conversations ORDER BY updated DESC, id DESC LIMIT 1").fetchone()
        if row is None:
            raise UnknownConversationError("there is no conversation yet; the history is empty")
        return int(row[0])
    if said.isascii() and said.isdigit() and len(said) < 19:  # what SQLite can count to
        row = db.execute("SELECT id FROM conversations WHERE id = ?", [int(said)]).fetchone()
        if row is not None:
            return int(row[0])
    raise UnknownConversationError(f"there is no conversation {said}. See: inference-pio logs list")


def messages_of(conversation: dict[str, Any]) -> list[dict[str, str]]:
    """Return what was said, without the instructions; a turn that was stopped before it said anything is left out."""
    messages: list[dict[str, str]] = []
    for turn in conversation["turns"]:
        if turn["finish_reason"] == "cancelled" and not turn["answer"]:
            continue
        messages += turn["earlier"]
        if turn["prompt"]:
            messages.append({"role": "user", "content": turn["prompt"]})
        messages.append({"role": "assistant", "content": turn["answer"]})
    return messages


def _turn(row: dict[str, Any]) -> dict[str, Any]:
    """A row for readers: JSON columns opened, what only the database needs left out."""
    turn = {name: value for name, value in row.items() if name not in ("id", "conversation_id", "key")}
    for name in ("options", "prompt_ids"):
        turn[name] = json.loads(row[name]) if row[name] else None
    turn["earlier"] = json.loads(row["earlier"]) if row["earlier"] else []
    return turn


def _conditions(db: Database, wanted: Filter) -> tuple[str, list[Any]]:
    conditions: list[str] = []
    values: list[Any] = []
    if wanted.model is not None:
        conditions.append("c.id IN (SELECT conversation_id FROM turns WHERE model = ?)")
        values.append(wanted.model)
    if wanted.since is not None:
        conditions.append("c.updated >= ?")
        values.append(wanted.since)
    if wanted.text is not None:
        conditions.append("c.id IN (SELECT conversation_id FROM turns WHERE id IN (SELECT value FROM json_each(?)))")
        values.append(_json(matching_turns(db, wanted.text)))
    return ("WHERE " + " AND ".join(conditions) if conditions else ""), values


def _json(ids: Sequence[int]) -> str:
    """One value for any number of ids: SQLite limits how many values a statement may have."""
    return json.dumps(list(ids))
