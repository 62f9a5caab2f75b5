"""``inference-pio chat``: a conversation."""

from __future__ import annotations

import click

from ..command import build_command
from ..completion import complete_plugins
from ..options import ModelFlags, model_flags

DEFAULT_MODEL = "smollm2"

EXAMPLES = """
inference-pio chat
inference-pio chat smollm2 --system "Answer in one sentence." --temperature 0.7
printf 'My name is Ada.\\nWhat is my name?\\n' | inference-pio chat
"""


@build_command("chat", examples=EXAMPLES)
@click.argument("name", metavar="[NAME]", default=DEFAULT_MODEL, required=False, shell_complete=complete_plugins)
@model_flags
def command(name: str, flags: ModelFlags) -> None:
    """Talk to the model NAME, or to smollm2.

    It remembers the conversation. /help lists the commands inside, such as /reset, /save FILE, /load FILE and /system
    TEXT. A message of several lines stands between two lines of three double quotes, or has a backslash at the end of
    each line but the last. Ctrl-C stops an answer, and what has come of it stays in the conversation; Ctrl-D leaves.

    In a pipe each line is one turn. Standard output gets the answers and nothing else, each with a line end, and the
    first error ends the conversation.
    """
    from ...errors import ChatTemplateError
    from ...host import default_host
    from ..chat.loop import Chat
    from ..chat.session import Session
    from ..loading import load_text_model
    from ..results import results_only

    with results_only() as out, load_text_model(default_host(), name, flags) as model:
        if not model.has_chat_template:
            raise ChatTemplateError(
                f"{name} has no chat template: it is a base model, which continues text. Give it a text to continue: "
                f'inference-pio run {name} "Once upon a time"'
            )
        Chat(model, Session(name, flags.system), flags.sampling, out, stats=flags.stats).run()
