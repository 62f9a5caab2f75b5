"""``inference-pio serve``: models for many users at once."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from inference_pio.cli.command import State, build_command, option
from inference_pio.cli.completion import complete_plugins
from inference_pio.cli.options import LOADING, OUTPUT, load_options, loading_flags
from inference_pio.cli.terminal import note, write_json

if TYPE_CHECKING:
    from inference_pio.generation import LoadOptions
    from inference_pio.host import Host

    from ..keys import ApiKeys
    from ..model_pool import ModelPool
    from ..options import ServerOptions
    from ..serving import Plan

EXAMPLES = """
inference-pio serve smollm2                     # on this machine only: http://127.0.0.1:8000
inference-pio serve smollm2 --open              # and talk to it in the browser
inference-pio serve                             # every model, each loaded when it is first asked for
inference-pio serve smollm2 --host 0.0.0.0 --api-keys keys.txt
inference-pio serve smollm2 gemma3 --preload --idle-unload 600
inference-pio serve smollm2 --port 0 --json | jq -r .url
"""

LISTENING = "Listening"
PROTECTION = "Protection"
CAPACITY = "Capacity"
_SECONDS = click.FloatRange(min=0, min_open=True)
_COUNT = click.IntRange(min=1)


@build_command("serve", examples=EXAMPLES)
@click.argument("names", metavar="[NAME]...", nargs=-1, shell_complete=complete_plugins)
@option("--host", default="127.0.0.1", metavar="ADDRESS", section=LISTENING, help="Default: this machine only.")
@option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8000,
    metavar="N",
    section=LISTENING,
    help="Default: 8000; 0 is any free one.",
)
@option(
    "--unix",
    type=click.Path(path_type=Path),
    metavar="PATH",
    section=LISTENING,
    help="Listen at a socket in the file system instead.",
)
@option("--open", "open_page", is_flag=True, section=LISTENING, help="Show the page in the browser.")
@option(
    "--api-keys",
    type=click.Path(path_type=Path),
    metavar="FILE",
    section=PROTECTION,
    help="One key a line, NAME:KEY; else those of INFERENCE_PIO_API_KEYS.",
)
@option("--no-keys", is_flag=True, section=PROTECTION, help="Let everybody ask who can reach the address.")
@option(
    "--allowed-host",
    "allowed_hosts",
    multiple=True,
    metavar="NAME",
    section=PROTECTION,
    help="A name of this server, where a proxy passes the Host header on; may be repeated.",
)
@option(
    "--cors-origin",
    "cors_origins",
    multiple=True,
    metavar="ORIGIN",
    section=PROTECTION,
    help="Pages that may ask, https://example.org; may be repeated.",
)
@option(
    "--max-body-mb", type=_SECONDS, default=16.0, metavar="MB", section=PROTECTION, help="Longest body. Default: 16."
)
@option(
    "--max-per-key",
    type=_COUNT,
    metavar="N",
    section=PROTECTION,
    help="Requests of one key at once; without keys: of all.",
)
@option("--request-timeout", type=_SECONDS, metavar="SECONDS", section=PROTECTION, help="Longest request.")
@option(
    "--write-timeout",
    type=_SECONDS,
    default=60.0,
    metavar="SECONDS",
    section=PROTECTION,
    help="Drop clients that read nothing for so long. Default: 60.",
)
@option(
    "--shutdown-timeout",
    type=click.FloatRange(min=0),
    default=30.0,
    metavar="SECONDS",
    section=PROTECTION,
    help="What runs may end within this time when the server stops. Default: 30.",
)
@option(
    "--max-waiting",
    type=_COUNT,
    default=512,
    metavar="N",
    section=CAPACITY,
    help="Requests in a model's queue. Default: 512.",
)
@option(
    "--max-waiting-tokens",
    type=_COUNT,
    default=1_000_000,
    metavar="N",
    section=CAPACITY,
    help="Tokens of prompts in it. Default: 1000000.",
)
@option(
    "--max-running",
    type=_COUNT,
    metavar="N",
    section=CAPACITY,
    help="Requests that a model computes at once. Default: 64.",
)
@option(
    "--cache-gb",
    type=_SECONDS,
    metavar="GB",
    section=CAPACITY,
    help="Memory for the keys and values of what runs, each model.",
)
@option(
    "--prefix-cache-gb",
    type=click.FloatRange(min=0),
    metavar="GB",
    section=CAPACITY,
    help="Memory for prompts that begin alike; 0 keeps none.",
)
@option("--preload", is_flag=True, section=LOADING, help="Load all named models at the start, not only the first.")
@option(
    "--idle-unload",
    type=_SECONDS,
    metavar="SECONDS",
    section=LOADING,
    help="Put a model away that nobody has asked for so long.",
)
@loading_flags
@option("--log-json", is_flag=True, section=OUTPUT, help="Write the log as JSON, one object a line.")
@option("--json", "as_json", is_flag=True, section=OUTPUT, help="Print one line of JSON when the server is ready.")
@click.pass_context
def command(ctx: click.Context, /, names: tuple[str, ...], as_json: bool, log_json: bool, **given: Any) -> None:
    """Serve the models NAME, or all, to every client of the OpenAI protocol.

    The first NAME is loaded before the server is ready, others when they are first asked for. Ctrl-C or SIGTERM stop
    it: what is under way may end; a second one cancels that. Nothing that is said is logged or kept.
    """
    from inference_pio.cli.results import results_only
    from inference_pio.host import default_host
    from inference_pio.settings import trial

    from ..access_log import configure_logging
    from ..keys import load_keys
    from ..listening import listen, listen_unix, url_of
    from ..serving import serve

    keys = load_keys(given["api_keys"])
    require_protection(given, keys)
    plan = _plan(default_host(), names, load_options(given), given, keys)
    with results_only() as out:
        for offer in plan.offers:
            if offer.name in plan.preload:
                offer.fetch()
        sock = listen_unix(given["unix"]) if given["unix"] else listen(given["host"], given["port"])
        url = url_of(sock)
        configure_logging(as_json=log_json, debug=ctx.ensure_object(State).debug)
        # What others say to the models is not this user's history.
        with sock, trial():
            serve(
                plan,
                sock,
                lambda pool: _announce(url, plan, pool, as_json=as_json, open_page=given["open_page"], out=out),
            )


def require_protection(given: dict[str, Any], keys: ApiKeys) -> None:
    """Stop before everybody in the network can ask without a key.

    Raises:
        UsageError: They could, and nobody said that they may.
    """
    from inference_pio.errors import UsageError

    from ..keys import VARIABLE
    from ..origins import is_loopback

    if keys and given["no_keys"]:
        raise UsageError("--no-keys contradicts the API keys that are given")
    if keys or given["no_keys"] or given["unix"] or is_loopback(given["host"]):
        return
    raise UsageError(
        f"at {given['host']} others can reach the server, and there are no API keys. Give some with --api-keys FILE "
        f"or in {VARIABLE}, or let everybody ask: --no-keys"
    )


def _plan(host: Host, names: Sequence[str], options: LoadOptions, given: dict[str, Any], keys: ApiKeys) -> Plan:
    from ..offers import EngineLimits, build_offers
    from ..serving import Plan

    limits = EngineLimits(
        max_running=given["max_running"],
        max_waiting=given["max_waiting"],
        max_waiting_tokens=given["max_waiting_tokens"],
        cache_bytes=_bytes(given["cache_gb"], 1e9),
        prefix_cache_bytes=_bytes(given["prefix_cache_gb"], 1e9),
    )
    offers = build_offers(host, names, options, limits=limits, force=given["force"])
    first = [offer.name for offer in offers[: len(offers) if given["preload"] else 1]]
    return Plan(
        offers=offers,
        preload=first if names or given["preload"] else [],
        options=_server_options(given, keys),
        idle_unload_s=given["idle_unload"],
        shutdown_timeout_s=given["shutdown_timeout"],
    )


def _server_options(given: dict[str, Any], keys: ApiKeys) -> ServerOptions:
    from ..options import ServerOptions
    from ..origins import is_loopback

    allowed = frozenset(name.lower() for name in given["allowed_hosts"])
    if given["unix"] or is_loopback(given["host"]):
        allowed |= {"localhost", given["host"].lower()}
    return ServerOptions(
        keys=keys,
        allowed_hosts=allowed or None,
        cors_origins=given["cors_origins"],
        max_body_bytes=_bytes(given["max_body_mb"], 1e6) or 1,
        request_timeout_s=given["request_timeout"],
        write_timeout_s=given["write_timeout"],
        max_concurrent_per_key=given["max_per_key"],
    )


def _bytes(amount: float | None, unit: float) -> int | None:
    return None if amount is None else int(amount * unit)


def _announce(url: str, plan: Plan, pool: ModelPool, *, as_json: bool, open_page: bool, out: TextIO) -> None:
    names = [offer.name for offer in plan.offers]
    if as_json:
        write_json({"url": url, "models": names, "pid": os.getpid()}, out, one_line=True)
        out.flush()
    note(f"ready: {', '.join(names)} at {url} (Ctrl-C stops)")
    if url.startswith("unix:"):
        return
    path, question = _example(names[0], pool)
    key = ' -H "Authorization: Bearer KEY"' if plan.options.keys else ""
    note(f"  the page  {url}/")
    note(f"  base URL  {url}/v1")
    note(f"  try       curl {url}{path}{key} -H 'Content-Type: application/json' -d '{json.dumps(question)}'")
    if open_page:
        import threading
        import webbrowser

        threading.Thread(target=webbrowser.open, args=(f"{url}/",), daemon=True).start()


def _example(name: str, pool: ModelPool) -> tuple[str, dict[str, Any]]:
    """Return the path and the body of a request that the model can answer."""
    model = pool.find(name).model
    if model is not None and model.has_chat_template:
        return "/v1/chat/completions", {
            "model": name,
            "messages": [{"role": "user", "content": "Why is the sky blue?"}],
        }
    if model is not None and model.can_embed:
        return "/v1/embeddings", {"model": name, "input": "Why is the sky blue?"}
    return "/v1/completions", {"model": name, "prompt": "The sky is blue because", "max_tokens": 24}  # any text model
