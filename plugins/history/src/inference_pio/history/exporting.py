"""Conversations as files: JSON for programs, one line each for streams, Markdown for people."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from .records import moment

FORMAT = "inference-pio-history"
FORMAT_VERSION = 1


def as_json(conversations: Iterable[dict[str, Any]]) -> str:
    """Return one document."""
    document = {"format": FORMAT, "version": FORMAT_VERSION, "conversations": list(conversations)}
    return json.dumps(document, ensure_ascii=False, indent=2) + "\n"


def as_json_lines(conversations: Iterable[dict[str, Any]]) -> str:
    """Return a line for each conversation."""
    return "".join(json.dumps(conversation, ensure_ascii=False) + "\n" for conversation in conversations)


def as_markdown(conversations: Iterable[dict[str, Any]]) -> str:
    """Return a section for each conversation."""
    return "\n".join(map(_section, conversations))


EXPORTERS: dict[str, Callable[[Iterable[dict[str, Any]]], str]] = {
    "json": as_json,
    "jsonl": as_json_lines,
    "markdown": as_markdown,
}


def local_time(stamped: str) -> str:
    """Return a stored moment as a clock on the wall here showed it."""
    return f"{moment(stamped).astimezone():%Y-%m-%d %H:%M}"


def _section(conversation: dict[str, Any]) -> str:
    turns = conversation["turns"]
    models = ", ".join(dict.fromkeys(turn["model"] for turn in turns))
    lines = [f"# Conversation {conversation['id']}", "", f"{local_time(conversation['started'])}, {models}", ""]
    system: str | None = None
    for turn in turns:
        if turn["system"] != system and turn["system"]:
            lines += ["## Instructions", "", turn["system"], ""]
        system = turn["system"]
        for message in turn["earlier"]:
            lines += [f"## {message['role'].capitalize()}", "", message["content"], ""]
        lines += _said(turn)
    return "\n".join(lines)


def _said(turn: dict[str, Any]) -> list[str]:
    lines: list[str] = []
    if turn["kind"] == "tokens":
        lines += ["## Prompt", "", f"{turn['prompt_tokens']} tokens, given by number", ""]
    elif turn["prompt"]:
        lines += ["## User" if turn["kind"] == "chat" else "## Prompt", "", turn["prompt"], ""]
    return [*lines, f"## {turn['model']}", "", turn["answer"] or "(no answer)", "", f"*{_remark(turn)}*", ""]


def _remark(turn: dict[str, Any]) -> str:
    parts = [f"{turn['new_tokens']} tokens in {turn['duration_s']:.1f} s"]
    if turn["error"]:
        parts.append(f"ended by an error: {turn['error']}")
    elif turn["finish_reason"] != "stop":
        parts.append({"cancelled": "stopped", "length": "cut at the longest length"}[turn["finish_reason"]])
    if turn["checkpoint"]:
        parts.append(turn["checkpoint"])
    return ", ".join(parts)
