r"""A server under load: clients that stream, prompts of all lengths, every answer compared with the one computed alone.

    python plugins/server/benchmarks/load.py smollm2 --clients 16 64 --seconds 180

starts ``inference-pio serve``, asks every request of a fixed set alone, then lets each client ask one after another for
the given time, and measures. An answer that differs from the one computed alone is an error, and errors end it with
code 1.

    python -m venv llamacpp && llamacpp/bin/pip install xllamacpp
    python plugins/server/benchmarks/load.py smollm2 --clients 16 --seconds 30 --rounds 3 \
        --peer llama.cpp=llamacpp/bin/python

lets llama.cpp's server answer the same requests in turn with ours: the same file, threads, slots and texts. Neither
side may reuse prompts that it has seen (``--prefix-cache-gb 0``, ``cache_prompt: false``), for the set repeats.

Times are those of the client: ``first_token_ms`` from sending to the first piece of text, ``token_ms`` from one token
to the next. ``rss_mb`` is the server's memory after a quarter of the time, at its end, and at most. ``client_cpu`` is
the share of one core that this program took: it shares the machine with the server. One JSON line comes out at the end.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from streaming_client import Reply, ask

from inference_pio.host import default_host
from inference_pio.runtime.bench.machine import describe_machine

PATH = "/v1/completions"
CHAT = "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"
WORDS = ("river", "stone", "quiet", "window", "garden", "letter", "morning", "silver", "engine", "market", "shadow")
PROMPT_WORDS = (8, 40, 120, 300, 600)
NEW_TOKENS = (16, 48, 96)
SLOT_TOKENS = 1024


def requests(count: int, model: str) -> list[dict[str, Any]]:
    """Return requests of mixed lengths, always the same; every second one is greedy, the others are seeded."""
    dice, found = random.Random(7), []
    for number in range(count):
        words = " ".join(dice.choice(WORDS) for _ in range(PROMPT_WORDS[number % len(PROMPT_WORDS)]))
        prompt = CHAT.format(f"Write story number {number} about: {words}.")
        body = {"model": model, "prompt": prompt, "max_tokens": dice.choice(NEW_TOKENS)}
        found.append({**body, **({"temperature": 0} if number % 2 else {"temperature": 0.8, "seed": number})})
    return found


class Watched:
    """A server's process, and what it takes.

    Args:
        pid: Of the process.
        url: Where it listens.
    """

    def __init__(self, pid: int, url: str) -> None:
        self.pid, self.host, self.port = pid, urlsplit(url).hostname or "", urlsplit(url).port or 0
        self.rss_mb: list[float] = []

    async def watch(self) -> None:
        """Note its memory every half second."""
        while True:
            status = Path(f"/proc/{self.pid}/status").read_text()
            self.rss_mb.append(int(status.partition("VmRSS:")[2].split()[0]) / 1024)
            await asyncio.sleep(0.5)

    async def ask(self, body: dict[str, Any]) -> Reply:
        """Ask it."""
        return await ask(self.host, self.port, PATH, body)


@contextlib.contextmanager
def serving(command: Sequence[str], task: str = "") -> Iterator[Watched]:
    """Start a server that prints a JSON line with its ``url`` once it is ready; end it at the end.

    Raises:
        SystemExit: It did not start; with the end of what it said.
    """
    pipe = subprocess.PIPE
    with (
        tempfile.TemporaryFile("w+") as log,
        subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=log, text=True) as p,
    ):
        assert p.stdin is not None
        assert p.stdout is not None
        try:
            p.stdin.write(task + "\n")
            p.stdin.flush()
            line = next((line for line in p.stdout if line.startswith("{")), "")
            if not line:
                log.seek(0)
                raise SystemExit(f"{' '.join(command)} failed:\n{log.read()[-2000:]}")
            yield Watched(p.pid, json.loads(line)["url"])
        finally:
            p.terminate()
            p.stdin.close()


def ours(options: argparse.Namespace) -> contextlib.AbstractContextManager[Watched]:
    """Start our server."""
    command = [sys.executable, "-m", "inference_pio", "serve", options.model, "--port", "0", "--json"]
    command += ["--threads", str(options.threads), "--prefix-cache-gb", "0"]
    return serving(command + ["--dtype", options.dtype] * bool(options.dtype))


def llama_cpp(options: argparse.Namespace, python: str, clients: int) -> contextlib.AbstractContextManager[Watched]:
    """Start llama.cpp's server with a slot for each client."""
    weights = default_host().pull(options.model, None, accept_license=options.accept_license)
    task = {"weights": str(weights), "threads": options.threads, "slots": clients, "context": SLOT_TOKENS}
    return serving([python, str(Path(__file__).with_name("llama_cpp_server.py"))], json.dumps(task))


async def measure(
    server: Watched, asked: Sequence[dict[str, Any]], clients: int, seconds: float, *, compare: bool
) -> dict[str, Any]:
    """Load a server and return figures.

    Args:
        server: Which.
        asked: The requests; the clients go through them again and again.
        clients: How many ask at once.
        seconds: How long they begin requests.
        compare: Ask all alone first, and expect the same answers.
    """
    alone = [await server.ask(body) for body in asked] if compare else []
    problems = [f"alone: {reply.error}" for reply in alone if reply.error]
    places = itertools.count()
    replies: list[Reply] = []
    watching = asyncio.ensure_future(server.watch())
    started, cpu = time.perf_counter(), time.process_time()

    async def client() -> None:
        while time.perf_counter() - started < seconds:
            place = next(places) % len(asked)
            reply = await server.ask(asked[place])
            replies.append(reply)
            if reply.error:
                problems.append(reply.error)
            elif compare and reply.text != alone[place].text:
                problems.append(f"request {place}: {reply.text[:80]!r} is not {alone[place].text[:80]!r}")

    await asyncio.gather(*(client() for _ in range(clients)))
    took, cpu = time.perf_counter() - started, time.process_time() - cpu
    watching.cancel()
    rss = server.rss_mb
    return {
        "clients": clients,
        "requests": len(replies),
        "errors": len(problems),
        "first_errors": problems[:3],
        "tok_s": sum(reply.new_tokens for reply in replies) / took,
        "prompt_tok_s": sum(reply.prompt_tokens for reply in replies) / took,
        "first_token_ms": spread([1000 * reply.first_token_s for reply in replies if reply.new_tokens]),
        "token_ms": spread([1000 * reply.token_s for reply in replies if reply.new_tokens > 1]),
        "rss_mb": {"quarter": rss[len(rss) // 4], "end": rss[-1], "most": max(rss)},
        "client_cpu": cpu / took,
    }


def spread(values: Sequence[float]) -> dict[str, float]:
    """Return the median and the 95th percentile."""
    if len(values) < 2:
        return dict.fromkeys(("median", "p95"), values[0] if values else 0.0)
    return {"median": statistics.median(values), "p95": statistics.quantiles(values, n=20)[-1]}


def main() -> None:
    """Measure, tell each figure on standard error as it comes, and print all of them."""
    options = parse()
    peers = dict(each.split("=", 1) for each in options.peer)
    asked = requests(options.requests, options.model)
    peer_asked = [{**body, "cache_prompt": False} for body in asked]
    results: list[dict[str, Any]] = []
    for clients, number in itertools.product(options.clients, range(options.rounds)):
        for name in ["ours", *peers]:
            is_ours = name == "ours"
            with ours(options) if is_ours else llama_cpp(options, peers[name], clients) as server:
                body = asked if is_ours else peer_asked
                figures = asyncio.run(measure(server, body, clients, options.seconds, compare=is_ours))
            results.append({"server": name, "round": number, **figures})
            print(json.dumps(results[-1]), file=sys.stderr)
    ratios = {
        f"{name}, {clients} clients": ratio(results, name, clients) for name in peers for clients in options.clients
    }
    settings = {"model": options.model, "threads": options.threads, "seconds": options.seconds}
    print(json.dumps({**settings, "machine": describe_machine(), "ours / theirs": ratios, "results": results}))
    raise SystemExit(any(each["errors"] for each in results))


def ratio(results: Sequence[dict[str, Any]], peer: str, clients: int) -> dict[str, float]:
    """Return our tokens a second over a peer's: of each round, for absolute figures move from hour to hour."""
    rates = {name: [each["tok_s"] for each in results if (each["server"], each["clients"]) == (name, clients)]
             for name in ("ours", peer)}  # fmt: skip
    ratios = [mine / theirs for mine, theirs in zip(rates["ours"], rates[peer], strict=True)]
    return {"median": statistics.median(ratios), "least": min(ratios), "greatest": max(ratios)}


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("model", help="Name of an installed model that can chat in ChatML.")
    parser.add_argument("--clients", type=int, nargs="+", default=[16, 64], metavar="N")
    parser.add_argument("--seconds", type=float, default=180)
    parser.add_argument("--requests", type=int, default=30, help="Different requests that there are.")
    parser.add_argument("--peer", action="append", default=[], metavar="llama.cpp=PYTHON")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--dtype", help="Ours, as for inference-pio serve: float32 is the torch path.")
    parser.add_argument("--accept-license", action="store_true", help="Agree to the terms of the weights.")
    options = parser.parse_args()
    if unknown := [each for each in options.peer if not each.startswith("llama.cpp=")]:
        parser.error(f"--peer {unknown[0]}: must be llama.cpp=PYTHON")
    return options


if __name__ == "__main__":
    main()
