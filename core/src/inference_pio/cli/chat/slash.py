"""The commands inside a chat, those that begin with a slash."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import UsageError
from ...names import nearest_names
from ..terminal import note
from ..units import counted, readable_stats

if TYPE_CHECKING:
    from .reader import Reader
    from .session import Session

HELP = {
    "/help": "this list",
    "/reset": "forget the conversation; the instructions stay",
    "/save FILE": "write the conversation to a JSON file",
    "/load FILE": "go on with a saved conversation",
    "/system [TEXT]": "show the instructions, or set them; - clears them",
    "/stats": "counts and speed of the last answer",
    "/multiline": 'write a message of several lines, up to """',
    "/exit": "leave, as Ctrl-D does",
}
WORDS = tuple(line.split()[0] for line in HELP)


class Leave(Exception):  # noqa: N818 - not an error: it ends the chat
    """The user wants to leave."""


class SlashCommands:
    """Carries out slash commands on a session.

    Args:
        session: The conversation.
        reader: For messages of several lines.
    """

    def __init__(self, session: Session, reader: Reader) -> None:
        self._session = session
        self._reader = reader
        self._actions: dict[str, Callable[[str], str | None]] = {word: getattr(self, f"_{word[1:]}") for word in WORDS}

    def run(self, line: str) -> str | None:
        """Carry out one command.

        Returns:
            A message to send to the model, if the command was about writing one.

        Raises:
            UsageError: There is no such command, or it cannot be done.
            Leave: The chat is over.
        """
        word, _, argument = line.strip().partition(" ")
        action = self._actions.get(word)
        if action is None:
            nearest = nearest_names(word, WORDS, limit=1)
            hint = f"Did you mean {nearest[0]}?" if nearest else "/help lists them."
            raise UsageError(f"there is no command {word}. {hint} To say it to the model, put a space before it.")
        return action(argument.strip())

    def _help(self, argument: str) -> None:
        for usage, meaning in HELP.items():
            note(f"  {usage:<16}{meaning}")
        note('  """ … """       a message of several lines; a backslash at the end of a line goes on, too')
        note("  Ctrl-C          stop the answer; what has come stays in the conversation")

    def _reset(self, argument: str) -> None:
        self._session.reset()
        note("The conversation starts anew.", dim=True)

    def _save(self, argument: str) -> None:
        path = _path("/save", argument)
        self._session.save(path)
        note(f"Saved {len(self._session.messages)} messages to {path}", dim=True)

    def _load(self, argument: str) -> None:
        path = _path("/load", argument)
        model = self._session.load(path)
        note(f"Loaded {len(self._session.messages)} messages from {path}", dim=True)
        if model != self._session.model:
            note(f"They were with {model}; {self._session.model} goes on with them.", dim=True)

    def _system(self, argument: str) -> None:
        if argument:
            self._session.system = None if argument == "-" else argument
        note(f"Instructions: {self._session.system or 'none'}", dim=True)

    def _stats(self, argument: str) -> None:
        session = self._session
        note(readable_stats(session.last) if session.last else "No answer has been finished yet.", dim=True)
        note(f"{counted(session.answers, 'answer')} with {counted(session.new_tokens, 'token')} so far", dim=True)

    def _multiline(self, argument: str) -> str:
        return self._reader.read_fenced()

    def _exit(self, argument: str) -> None:
        raise Leave


def _path(command: str, argument: str) -> Path:
    if not argument:
        raise UsageError(f"{command} needs a file, for example: {command} talk.json")
    return Path(argument).expanduser()
