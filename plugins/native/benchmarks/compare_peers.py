"""Our speed beside llama.cpp and OpenVINO GenAI: the same workloads on the same file, in turn, ratios round by round.

    python -m venv llamacpp && llamacpp/bin/pip install xllamacpp
    python -m venv openvino && openvino/bin/pip install openvino openvino-genai
    python plugins/native/benchmarks/compare_peers.py smollm2 \
        --peer llama.cpp=llamacpp/bin/python --peer openvino=openvino/bin/python

Absolute figures move by a fifth and more from hour to hour on a shared machine, so only ratios of one round are taken;
their median is printed, with the least and the greatest. A round takes about two minutes for a small model.
"""

from __future__ import annotations

import argparse
import datetime
import json
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from inference_pio.host import default_host
from inference_pio.runtime.bench.machine import describe_machine
from inference_pio.runtime.bench.workloads import LONG, NEW_TOKENS, QUESTION, STORY

KEYS = {
    "load_s": "load, s",
    "decode_tok_s": "decode, tok/s",
    "prefill_tok_s": "prefill, tok/s",
    "batch_tok_s": "batch, tok/s",
    "peak_rss_mb": "peak memory, MiB",
}
"""What is compared; load and memory are better when lower."""


def main() -> None:
    """Measure in turn and print."""
    options = parse()
    weights = default_host().pull(options.model, None, accept_license=options.accept_license)
    task = {
        "weights": str(weights), "threads": options.threads, "batch": options.batch,
        "new_tokens": NEW_TOKENS, "question": QUESTION, "story": STORY, "long": LONG,
    }  # fmt: skip
    peers = dict(each.split("=", 1) for each in options.peer)
    rounds = []
    for number in range(options.rounds):
        print(f"round {number + 1} of {options.rounds}: ours", file=sys.stderr)
        measured = {"ours": ours(options)}
        for name, python in peers.items():
            print(f"round {number + 1} of {options.rounds}: {name}", file=sys.stderr)
            command = [python, str(Path(__file__).with_name("peers.py")), name]
            measured[name] = last_json(command, json.dumps(task))
        rounds.append(measured)
    if options.json:
        print(json.dumps({"model": options.model, "threads": options.threads, "rounds": rounds}))
    else:
        print(draw(rounds, options))


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("model", help="Name of an installed model whose checkpoint is a GGUF file.")
    parser.add_argument("--peer", action="append", required=True, metavar="NAME=PYTHON", help="llama.cpp, openvino.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--accept-license", action="store_true", help="Agree to the terms of the weights.")
    parser.add_argument("--json", action="store_true", help="Print one JSON line with every figure.")
    return parser.parse_args()


def ours(options: argparse.Namespace) -> dict[str, Any]:
    """Run our own bench in a process of its own, as the peers are."""
    command = [sys.executable, "-m", "inference_pio", "bench", options.model, "--json"]
    command += ["--threads", str(options.threads), "--batch", str(options.batch)]
    return last_json(command + ["--accept-license"] * options.accept_license)


def last_json(command: Sequence[str], task: str = "") -> dict[str, Any]:
    """Run a command and return the last JSON object that it printed.

    Raises:
        SystemExit: It failed; with the end of what it said.
    """
    done = subprocess.run(command, input=task, capture_output=True, text=True, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or not lines:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    result: dict[str, Any] = json.loads(lines[-1])
    return result


def draw(rounds: Sequence[dict[str, dict[str, Any]]], options: argparse.Namespace) -> str:
    """Return the medians of all figures and of the ratios, ours over theirs, 80 columns wide at most."""
    first = rounds[0]["ours"]
    lines = [
        f"{options.model} on {first['executor']}",
        f"{describe_machine()}, {datetime.date.today().isoformat()}, rounds: {len(rounds)}",
    ]
    for peer in [name for name in rounds[0] if name != "ours"]:
        lines += ["", f"{'':<18}{'ours':>11}{peer:>13}{'ours / theirs':>16}{'least':>9}{'greatest':>10}"]
        for key, label in KEYS.items():
            pairs = [(each["ours"][key], each[peer][key]) for each in rounds]
            mine, theirs = (statistics.median(column) for column in zip(*pairs, strict=True))
            ratios = [a / b for a, b in pairs]
            lines.append(
                f"{label:<18}{mine:>11,.2f}{theirs:>13,.2f}{statistics.median(ratios):>16.2f}"
                f"{min(ratios):>9.2f}{max(ratios):>10.2f}"
            )
    if "bytes_per_token" in first:
        shares = [each["ours"]["bandwidth_share"] for each in rounds]
        bandwidths = [each["ours"]["memory_bandwidth_gb_s"] for each in rounds]
        lines += ["", f"decode reads {first['bytes_per_token'] / 1e6:.1f} MB a token"]
        lines.append(
            f"share of the memory's bandwidth {statistics.median(shares):.0%}; it was {min(bandwidths):.1f} to "
            f"{max(bandwidths):.1f} GB/s"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
