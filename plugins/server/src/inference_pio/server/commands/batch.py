"""``inference-pio batch``: a file of requests, answered into another file."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
from pathlib import Path
from typing import Any, BinaryIO, TextIO

import click

from inference_pio.cli.command import build_command, option
from inference_pio.cli.completion import complete_plugins
from inference_pio.cli.options import LOADING, as_json, load_options, loading_flags
from inference_pio.cli.terminal import is_terminal, note, write_json

CONCURRENCY = 64
"""As many requests as an engine computes at once."""

EXAMPLES = """
inference-pio batch questions.jsonl answers.jsonl
inference-pio batch questions.jsonl answers.jsonl --json | jq .failed
inference-pio batch questions.jsonl answers.jsonl --model smollm2 --weights hf:…
make-questions | inference-pio batch - - | jq .response.body.usage
"""

EXIT_CODES = """
  0  every line has a result; lines that failed are counted, and their results say why
  1  stopped early, for example by a full disk; the same command goes on
130  stopped by Ctrl-C; the same command goes on (143: by SIGTERM)
"""

URLS = frozenset({"/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/responses"})
"""What a request of a batch may ask."""


@build_command("batch", examples=EXAMPLES, exit_codes=EXIT_CODES)
@click.argument("source", metavar="IN")
@click.argument("target", metavar="OUT")
@option(
    "--concurrency",
    type=click.IntRange(min=1),
    metavar="N",
    default=CONCURRENCY,
    help=f"Requests under way at once. Default: {CONCURRENCY}.",
)
@option(
    "--model",
    "models",
    metavar="NAME",
    multiple=True,
    section=LOADING,
    shell_complete=complete_plugins,
    help="Only this one may be asked; may be repeated.",
)
@loading_flags
@as_json
@click.pass_context
def command(ctx: click.Context, /, source: str, target: str, as_json: bool, **given: Any) -> None:
    """Answer the requests in the file IN and write the results to OUT, in OpenAI's batch format.

    A line of IN: {"custom_id": "1", "method": "POST", "url": "/v1/chat/completions", "body": {…}}. Results are appended
    to OUT as they come, in any order. After a run that was stopped or killed the same command goes on: no line is
    answered twice. For standard input and output give -; from there nothing is resumed.
    """
    from inference_pio.cli.results import results_only
    from inference_pio.settings import trial

    if as_json and target == "-":
        raise click.UsageError("--json and the results would both go to standard output. Give a file for the results")
    if source == "-" and is_terminal(sys.stdin):
        raise click.UsageError("there are no requests: standard input is a terminal. Give a file, or pipe them in")
    requests = sys.stdin.buffer if source == "-" else Path(source)
    # Thousands of answers are no history, and they are kept in the file.
    with results_only() as out, trial():
        stopped_by = _answer(requests, out.buffer if target == "-" else Path(target), given, out if as_json else None)
    if stopped_by is not None:
        note(f"stopped early{'; the same command goes on' if target != '-' else ''}")
        ctx.exit(128 + stopped_by)


def _answer(
    source: Path | BinaryIO, target: Path | BinaryIO, given: dict[str, Any], summary: TextIO | None
) -> int | None:
    """Answer everything and tell what came of it; return the signal that ended it early, if one did."""
    from inference_pio.host import default_host

    from ..api_errors import ApiError
    from ..batch.display import BatchDisplay, tell_totals
    from ..batch.session import open_batch
    from ..endpoints import ENDPOINTS
    from ..model_pool import ModelPool, Offer
    from ..offers import build_offers

    offers = build_offers(default_host(), given["models"], load_options(given), force=given["force"])
    endpoints = {endpoint.path: endpoint for endpoint in ENDPOINTS if endpoint.path in URLS}
    with open_batch(source, target) as batch:
        pool = ModelPool(offers)
        asked: dict[Offer, None] = {}
        for name in given["models"] or batch.models():
            with contextlib.suppress(ApiError):  # there is no such model: its lines get that as an answer
                asked[pool.find(name).offer] = None
        for offer in asked:
            offer.fetch()
        with BatchDisplay(batch.lines) as display:
            totals, stopped_by = batch.answer(endpoints, pool, concurrency=given["concurrency"], report=display)
    tell_totals(totals)
    if summary is not None:
        figures = {**dataclasses.asdict(totals), "tokens_per_s": totals.tokens_per_s}
        write_json({**figures, "is_complete": stopped_by is None}, summary, one_line=True)
    return stopped_by
