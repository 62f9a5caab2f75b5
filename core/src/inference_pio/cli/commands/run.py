"""``inference-pio run``: one prompt, one answer."""

from __future__ import annotations

import dataclasses
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from ...errors import EmptyPromptError
from ...generation import Constraint
from ..command import build_command, option
from ..options import ModelFlags, as_json, model_flags, plugin_name
from ..terminal import is_terminal, note, write_json

if TYPE_CHECKING:
    from ...interfaces import TextModelPlugin
    from ..streaming import Answer

EXAMPLES = """
inference-pio run smollm2 "Why is the sky blue?"
inference-pio run smollm2 "Write a poem" --temperature 0.8 --seed 1 --max-new-tokens 200
git diff | inference-pio run smollm2 --system "Write a commit message."
inference-pio run gemma3 "Once upon a time" --accept-license
inference-pio run smollm2 "Three colours:" --json | jq -r .text
inference-pio run smollm2 "Is the sky blue?" --regex "(yes|no)"
"""


@build_command("run", examples=EXAMPLES)
@plugin_name
@click.argument("prompt", required=False)
@model_flags
@option(
    "--json-schema",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    section="Sampling",
    help="The answer is JSON that fulfils this schema.",
)
@option("--regex", metavar="EXPR", section="Sampling", help="The whole answer matches this regular expression.")
@option("--raw", is_flag=True, section="Prompt", help="Continue the text as it stands, without the chat template.")
@as_json
def command(
    name: str,
    prompt: str | None,
    flags: ModelFlags,
    json_schema: Path | None,
    regex: str | None,
    raw: bool,
    as_json: bool,
) -> None:
    """Answer PROMPT with the model NAME.

    The answer is printed as it is generated. Without PROMPT, or with -, the prompt is read from standard input (UTF-8,
    less one line end). Standard output gets the answer and nothing else: byte for byte in a pipe or file, with a line
    end added on a terminal. Everything else goes to standard error. Ctrl-C keeps what has come and ends with code 130.
    """
    from ...host import default_host
    from ..failures import INTERRUPTED
    from ..loading import load_text_model, require_model_name
    from ..results import results_only

    host = default_host()
    # Before the prompt: the name may be the prompt, and standard input a pipe that stays open for long.
    require_model_name(host, name)
    flags = _with_constraint(flags, json_schema, regex)
    text = _read_prompt(name, prompt)
    with results_only() as out:
        started = time.monotonic()
        with load_text_model(host, name, flags) as model:
            load_s = time.monotonic() - started
            answer = _answer(model, text, flags, raw=raw, out=None if as_json else out)
        if as_json:
            write_json(_as_data(model.name, answer, load_s), out, one_line=True)
        elif is_terminal(out) and answer.text and not answer.text.endswith("\n"):
            click.echo(file=out)
        if flags.stats:
            _print_stats(answer, load_s)
    if answer.is_interrupted:
        click.get_current_context().exit(INTERRUPTED)


def _with_constraint(flags: ModelFlags, json_schema: Path | None, regex: str | None) -> ModelFlags:
    if json_schema is not None and regex is not None:
        raise click.UsageError("--json-schema and --regex cannot be given together")
    if regex is not None:
        constraint = Constraint(kind="regex", source=regex)
    elif json_schema is not None:
        try:
            constraint = Constraint(kind="json_schema", source=json_schema.read_text(encoding="utf-8-sig"))
        except (OSError, UnicodeDecodeError) as error:
            raise click.UsageError(f"cannot read the schema {json_schema}: {error}") from error
    else:
        return flags
    return dataclasses.replace(flags, sampling={**flags.sampling, "constraint": constraint})


def _read_prompt(name: str, prompt: str | None) -> str:
    if prompt is None and is_terminal(sys.stdin):
        raise click.UsageError(f'there is no prompt. For example: inference-pio run {name} "Why is the sky blue?"')
    if prompt is None or prompt == "-":
        prompt = _read_standard_input()
    try:
        prompt.encode()
    except UnicodeEncodeError as error:  # bytes that Python could not decode
        raise click.UsageError("the prompt is not valid text in this locale's encoding") from error
    if not prompt:
        raise EmptyPromptError("the prompt is empty, so there is nothing to answer")
    return prompt


def _read_standard_input() -> str:
    data = sys.stdin.buffer.read()
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise click.UsageError(f"standard input is not UTF-8 text: byte {error.start} is wrong") from error
    # Whoever types or echoes a prompt does not mean its line end to be a part of it.
    return text.removesuffix("\n").removesuffix("\r")


def _answer(model: TextModelPlugin, text: str, flags: ModelFlags, *, raw: bool, out: TextIO | None) -> Answer:
    from ..streaming import stream_to

    return stream_to(out, model.stream(text, system=flags.system, raw=raw, **flags.sampling))


def _as_data(name: str, answer: Answer, load_s: float) -> dict[str, Any]:
    stats = None
    if answer.stats:
        stats = {
            **dataclasses.asdict(answer.stats),
            "prefill_tokens_per_s": answer.stats.prefill_tokens_per_s,
            "decode_tokens_per_s": answer.stats.decode_tokens_per_s,
            "acceptance": answer.stats.acceptance,
            "tokens_per_step": answer.stats.tokens_per_step,
            "load_s": load_s,
        }
    return {
        "model": name,
        "text": answer.text,
        "token_ids": answer.token_ids,
        "finish_reason": answer.finish_reason,
        "stats": stats,
    }


def _print_stats(answer: Answer, load_s: float) -> None:
    from ..units import readable_stats

    note(
        readable_stats(answer.stats, load_s) if answer.stats else "(interrupted, so there are no statistics)", dim=True
    )
