"""The conversation: messages, instructions, saving and loading. Knows neither the terminal nor a model."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from ...atomic_files import write_atomically
from ...errors import UsageError

if TYPE_CHECKING:
    from ...generation import GenerationStats


class SavedMessage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One turn of a saved conversation."""

    role: Literal["user", "assistant"]
    content: str


class SavedChat(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file that ``/save`` writes."""

    model: str
    system: str | None
    messages: list[SavedMessage]


@dataclass
class Session:
    """A conversation with one model.

    Attributes:
        model: The plugin's name.
        system: Instructions that stand before the first message.
        messages: The turns so far: user and assistant by turns, beginning with the user.
        last: What the last finished answer took.
        answers: Answers so far, those that a reset forgot included.
        new_tokens: Length of all of them, tokens.
    """

    model: str
    system: str | None = None
    messages: list[dict[str, str]] = field(default_factory=list)
    last: GenerationStats | None = None
    answers: int = 0
    new_tokens: int = 0

    def history(self, text: str) -> list[dict[str, str]]:
        """Return what the model gets to see when the user now says ``text``."""
        system = [{"role": "system", "content": self.system}] if self.system else []
        return [*system, *self.messages, {"role": "user", "content": text}]

    def add(self, text: str, answer: str, stats: GenerationStats | None, new_tokens: int) -> None:
        """Keep a turn: what the user said and what came of it."""
        self.messages += [{"role": "user", "content": text}, {"role": "assistant", "content": answer}]
        self.last = stats or self.last  # an interrupted answer has none
        self.answers += 1
        self.new_tokens += new_tokens

    def reset(self) -> None:
        """Forget the turns; the instructions stay."""
        self.messages.clear()

    def snapshot(self) -> tuple[str, str | None, tuple[tuple[str, str], ...]]:
        """Return what ``save`` would write, to tell whether it has changed."""
        return self.model, self.system, tuple((message["role"], message["content"]) for message in self.messages)

    def save(self, path: Path) -> None:
        """Write the conversation as JSON; the file is replaced as a whole or not at all.

        Raises:
            UsageError: The file cannot be written.
        """
        saved = SavedChat(self.model, self.system, [SavedMessage(m["role"], m["content"]) for m in self.messages])  # type: ignore[arg-type]  # add and load keep the roles to these two
        try:
            write_atomically(path, msgspec.json.format(msgspec.json.encode(saved), indent=2) + b"\n")
        except OSError as error:
            raise UsageError(f"cannot save to {path}: {error.strerror or error}") from error

    def load(self, path: Path) -> str:
        """Replace this conversation by a saved one, or leave it as it is.

        Returns:
            The model that the saved conversation was with.

        Raises:
            UsageError: The file cannot be read, or is not a saved conversation.
        """
        try:
            saved = msgspec.json.decode(path.read_bytes(), type=SavedChat)
        except OSError as error:
            raise UsageError(f"cannot load {path}: {error.strerror or error}") from error
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise UsageError(f"{path} is not a saved conversation: {error}") from error
        wanted = ["user", "assistant"] * (len(saved.messages) // 2)
        if [message.role for message in saved.messages] != wanted:
            raise UsageError(f"{path} is not a saved conversation: user and assistant do not take turns")
        self.system = saved.system
        self.messages = [{"role": message.role, "content": message.content} for message in saved.messages]
        return saved.model
