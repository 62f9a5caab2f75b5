"""``logs continue``: gives a past conversation to ``inference-pio chat``, through its public option ``--session``."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import click

from inference_pio.cli.command import build_command, option

from .opening import number, opened_history


@build_command(
    "continue",
    examples="""
    inference-pio logs continue last
    inference-pio logs continue 12 "And in French?"
    inference-pio logs continue 12 --model gemma3 --weights ./gemma-3-it.gguf
    inference-pio logs continue last "Shorter." --temperature 0 --max-new-tokens 40
    """,
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
)
@number
@click.argument("text", required=False)
@option("--model", metavar="NAME", help="Go on with another model; default: the one of the last turn.")
@option("--weights", metavar="SOURCE", help="Go on with other weights; default: those of the last turn, if known.")
@click.pass_context
def continue_command(ctx: click.Context, number: str, text: str | None, model: str | None, weights: str | None) -> None:
    """Go on with conversation ID: in a chat, or with one TEXT.

    Takes the options of `inference-pio chat` as well, behind TEXT. The new turns are kept in the same conversation.
    """
    if text is not None and text.startswith("-"):  # an option of `chat` that stands where TEXT would
        ctx.args.insert(0, text)
        text = None
    with opened_history() as db:
        from ..reading import find_number, read_conversation

        conversation = read_conversation(db, find_number(db, number))
    last = conversation["turns"][-1]
    weights = weights or (last["checkpoint"] if model in (None, last["model"]) else None)
    with tempfile.TemporaryDirectory(prefix="inference-pio-") as folder:
        session = Path(folder, f"conversation {conversation['id']}")  # shown by its name
        session.write_text(json.dumps(saved_chat(conversation), ensure_ascii=False), encoding="utf-8")
        more = [*(["--weights", weights] if weights else []), *(["--message", text] if text is not None else [])]
        _chat(ctx, [model or last["model"], "--session", str(session), *more, *ctx.args])


COMMANDS = (continue_command,)


def saved_chat(conversation: dict[str, Any]) -> dict[str, Any]:
    """Return a conversation as ``/save`` writes one.

    Raises:
        UsageError: It is none that a chat can go on with.
    """
    from inference_pio.errors import UsageError

    from ..reading import messages_of

    last = conversation["turns"][-1]
    if last["kind"] != "chat":
        raise UsageError(f"conversation {conversation['id']} is a text that was continued as it was, not a chat")
    messages = messages_of(conversation)
    if [message["role"] for message in messages] != ["user", "assistant"] * (len(messages) // 2):
        raise UsageError(
            f"in conversation {conversation['id']} user and assistant do not take turns, as they do in a chat. "
            f"Take its messages elsewhere: inference-pio logs export {conversation['id']}"
        )
    return {"model": last["model"], "system": last["system"], "messages": messages}


def _chat(ctx: click.Context, arguments: list[str]) -> None:
    """Run ``chat`` as if it had been typed."""
    root = ctx.find_root()
    assert isinstance(root.command, click.Group), "this command is one of a group's"
    chat = root.command.get_command(root, "chat")
    assert chat is not None, "chat is built in"
    with chat.make_context("chat", arguments, parent=root) as chat_context:
        chat.invoke(chat_context)
