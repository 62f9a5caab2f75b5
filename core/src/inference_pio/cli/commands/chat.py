"""``inference-pio chat``: a conversation."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..command import build_command, option
from ..completion import complete_plugins
from ..options import PROMPT, ModelFlags, model_flags

if TYPE_CHECKING:
    from ..chat.session import Session

DEFAULT_MODEL = "smollm2"

EXAMPLES = """
inference-pio chat
inference-pio chat smollm2 --system "Answer in one sentence." --temperature 0.7
printf 'My name is Ada.\\nWhat is my name?\\n' | inference-pio chat
inference-pio chat --session talk.json                    # go on with it tomorrow
inference-pio chat --session talk.json --message "And in French?"
"""


@build_command("chat", examples=EXAMPLES)
@click.argument("name", metavar="[NAME]", required=False, shell_complete=complete_plugins)
@option(
    "--session",
    "session_file",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    section=PROMPT,
    help="Go on with the conversation in FILE, if there is one, and keep this one there.",
)
@option("--message", metavar="TEXT", section=PROMPT, help="Say this, print the answer, and leave.")
@model_flags
def command(name: str | None, session_file: Path | None, message: str | None, flags: ModelFlags) -> None:
    """Talk to the model NAME, or to smollm2.

    Without NAME a session goes on with its own model. The chat remembers the conversation. /help lists the commands
    inside, such as /reset, /save FILE, /load FILE and /system TEXT. A message of several lines stands between two lines
    of three double quotes, or has a backslash at the end of each line but the last. Ctrl-C stops an answer, and what
    has come of it stays in the conversation; Ctrl-D leaves.

    In a pipe each line is one turn. Standard output gets the answers and nothing else, each with a line end, and the
    first error ends the conversation.

    --session FILE names a file as /save writes it. It is read at the start, and written after each turn.
    """
    from ...errors import ChatTemplateError, EmptyPromptError
    from ...host import default_host
    from ..chat.loop import Chat
    from ..loading import load_text_model
    from ..results import results_only

    if message is not None and not message.strip():
        raise EmptyPromptError("the message is empty, so there is nothing to answer")
    # Before the model: a session that cannot be read should not cost the time to load one.
    session = _open_session(name, session_file, flags.system)
    with results_only() as out, load_text_model(default_host(), session.model, flags) as model:
        if not model.has_chat_template:
            raise ChatTemplateError(
                f"{session.model} has no chat template: it is a base model, which continues text. Give it a text to "
                f'continue: inference-pio run {session.model} "Once upon a time"'
            )
        chat = Chat(model, session, flags.sampling, out, stats=flags.stats, session_file=session_file)
        if message is None:
            chat.run()
        else:
            chat.say(message)


def _open_session(name: str | None, path: Path | None, system: str | None) -> Session:
    """Start a conversation, from the file if there is one; what the command line says wins."""
    from ...errors import UsageError
    from ..chat.session import Session
    from ..terminal import note

    if path is not None and not path.parent.is_dir():
        raise UsageError(f"cannot keep the conversation in {path}: there is no folder {path.parent}")
    session = Session(name or DEFAULT_MODEL)
    if path is not None and path.exists():
        model = session.load(path)
        session.model = name or model
        note(f"Going on with {len(session.messages)} messages from {path.name}", dim=True)
        if session.model != model:
            note(f"They were with {model}; {session.model} goes on with them.", dim=True)
    session.system = system if system is not None else session.system
    return session
