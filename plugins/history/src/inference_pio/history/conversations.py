"""Which turns belong together: a conversation is recognised by what was said, not by who asks.

A chat sends the whole conversation with every message. So the turn before is the one whose messages, and whose
answer, this request begins with. That holds across ``/load``, ``--session`` and ``logs continue``, in any process.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Said = tuple[str, str]
"""A role and what it said."""


@dataclass(frozen=True)
class Split:
    """The messages of one request, by what they are to its conversation.

    Attributes:
        system: The instructions, all of them.
        turns: Everything else, the prompt included.
        before: What a turn before must have ended with; empty when this one begins a conversation.
        earlier: ``turns`` without the prompt.
        later: ``turns`` without ``before`` and the prompt.
        prompt: What the last message says, if the user says it.
    """

    system: str | None
    turns: list[Said]
    before: list[Said]
    earlier: list[Said]
    later: list[Said]
    prompt: str


def split_messages(messages: Sequence[Mapping[str, str]]) -> Split:
    """Sort the messages of a request."""
    said = [(str(message.get("role", "")), _text(message.get("content", ""))) for message in messages]
    instructions = [text for role, text in said if role == "system"]
    turns = [(role, text) for role, text in said if role != "system"]
    answered = max((place for place, (role, _) in enumerate(turns[:-1], 1) if role == "assistant"), default=0)
    has_prompt = bool(turns) and turns[-1][0] == "user"
    end = len(turns) - 1 if has_prompt else len(turns)
    return Split(
        system="\n\n".join(instructions) if instructions else None,
        turns=turns,
        before=turns[:answered],
        earlier=turns[:end],
        later=turns[answered:end],
        prompt=turns[-1][1] if has_prompt else "",
    )


def key_of(turns: Sequence[Said]) -> str:
    """Identify a conversation by what was said; blanks around a message and the instructions do not count."""
    digest = hashlib.sha256()
    for role, text in turns:
        for part in (role, text.strip()):
            data = part.encode("utf-8", "surrogatepass")
            digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()[:32]


def _text(content: object) -> str:
    return content if isinstance(content, str) else str(content)
