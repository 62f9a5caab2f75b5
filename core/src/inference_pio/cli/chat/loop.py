"""The loop of a chat: read, answer, keep."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, TextIO

import click

from ...errors import ContextLengthError, InferencePioError
from ..streaming import stream_to
from ..terminal import echo_error, is_terminal, note
from ..units import readable_stats
from .reader import Reader
from .session import Session
from .slash import WORDS, Leave, SlashCommands

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ...interfaces import TextModelPlugin


class Chat:
    """A conversation at a terminal, or one whose lines come from a pipe.

    Args:
        model: Loaded, with a chat template.
        session: The conversation so far.
        sampling: Options of each answer.
        out: Where answers go.
        stats: Show counts and speed after each answer.
        session_file: Where the conversation is kept after each turn that changed it; ``None``: nowhere.
    """

    def __init__(
        self,
        model: TextModelPlugin,
        session: Session,
        sampling: Mapping[str, Any],
        out: TextIO,
        *,
        stats: bool,
        session_file: Path | None = None,
    ) -> None:
        self._model, self._session, self._sampling, self._out, self._stats = model, session, sampling, out, stats
        self._session_file = session_file
        self._kept = session.snapshot()

    def say(self, text: str) -> None:
        """Say one thing, print the answer, and keep both.

        Raises:
            InferencePioError: There is no answer, or it cannot be kept.
            KeyboardInterrupt: The user stopped it; what came of the answer is not kept, as in a pipe.
        """
        self._answer(text, stop_on_interrupt=True)
        self._keep()

    def run(self) -> None:
        """Talk until the input ends or the user leaves.

        Raises:
            InferencePioError: Something failed and nobody sits there to react: the input is a pipe.
        """
        with Reader(WORDS) as reader:
            if reader.is_interactive:
                note(f"Talking to {self._session.model}. /help lists commands; Ctrl-D leaves.", dim=True)
            commands = SlashCommands(self._session, reader)
            while True:
                try:
                    if not self._turn(reader, commands):
                        return
                    # After each turn, not at the end: a terminal that is closed gives nobody time for an end.
                    self._keep()
                except Leave:
                    return
                except KeyboardInterrupt:
                    if not reader.is_interactive:
                        raise
                    note("\n(Ctrl-D or /exit leaves)", dim=True)
                except InferencePioError as error:
                    if not reader.is_interactive:
                        raise
                    echo_error(_explain(error))

    def _turn(self, reader: Reader, commands: SlashCommands) -> bool:
        """Read one message and answer it; false at the end of the input."""
        text = reader.read()
        if text is None:
            if reader.is_interactive:
                note("")  # the shell's prompt belongs on a line of its own
            return False
        message = commands.run(text) if text.startswith("/") and "\n" not in text else text
        if message and message.strip():
            # In several lines the indentation may matter; around a single one blanks are slips of the thumb.
            message = message if "\n" in message else message.strip()
            self._answer(message, stop_on_interrupt=not reader.is_interactive)
        return True

    def _keep(self) -> None:
        if self._session_file is not None and self._session.snapshot() != self._kept:
            self._session.save(self._session_file)
            self._kept = self._session.snapshot()

    def _answer(self, text: str, *, stop_on_interrupt: bool) -> None:
        """Stream an answer and keep it. An interrupted one is kept as far as it came, so that one can refer to it."""
        answer = stream_to(self._out, self._model.stream_chat(self._session.history(text), **self._sampling))
        if answer.text and not answer.text.endswith("\n"):
            click.echo(file=self._out)
        if answer.is_interrupted and stop_on_interrupt:
            raise KeyboardInterrupt
        if answer.text or not answer.is_interrupted:
            self._session.add(text, answer.text, answer.stats, len(answer.token_ids))
        if answer.is_interrupted:
            note("(stopped)", dim=True)
        elif answer.finish_reason == "length" and is_terminal(sys.stderr):
            note("(cut: --max-new-tokens is reached, or the context is full; /reset makes room)", dim=True)
        if self._stats and answer.stats:
            note(readable_stats(answer.stats), dim=True)


def _explain(error: InferencePioError) -> str:
    if isinstance(error, ContextLengthError):
        return (
            f"the conversation has {error.prompt_tokens} tokens and the context has room for {error.context}. "
            "/reset starts anew; this message was not kept."
        )
    return str(error)
