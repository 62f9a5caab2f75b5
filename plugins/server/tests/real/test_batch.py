"""``inference-pio batch`` with the real SmolLM2, killed in the middle."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .processes import HANGS_S

pytestmark = pytest.mark.weights

MODEL = "smollm2"


def request_line(name: str, url: str = "/v1/chat/completions", **body: Any) -> str:
    asked = {"custom_id": name, "method": "POST", "url": url, "body": {"model": MODEL, **body}}
    return json.dumps(asked) + "\n"


def question(number: int) -> str:
    text = f"What is {number} plus {number}?"
    greedy = {"temperature": 0} if number % 2 else {"temperature": 0.8, "seed": number}
    if number % 3:
        chat = [{"role": "user", "content": text}]
        return request_line(f"good-{number}", messages=chat, max_completion_tokens=8 + number, **greedy)
    return request_line(f"good-{number}", "/v1/completions", prompt=text, max_tokens=8 + number, **greedy)


BAD: dict[str | None, str] = {
    "no-such-field": request_line("no-such-field", messages=[{"role": "user", "content": "Hi"}], temprature=0),
    "no-such-model": json.dumps(
        {
            "custom_id": "no-such-model",
            "method": "POST",
            "url": "/v1/completions",
            "body": {"model": "x", "prompt": "y"},
        }
    )
    + "\n",
    "too-long": request_line("too-long", "/v1/completions", prompt="word " * 20_000),
    None: '{"custom_id": "torn", "met\n',
    "no-such-token": request_line("no-such-token", "/v1/completions", prompt=[10**9]),
}
GOOD = 24


@pytest.fixture
def source(tmp_path: Path) -> Path:
    lines = [question(number) for number in range(GOOD)]
    for place, line in enumerate(BAD.values()):
        lines.insert(5 * place, line)
    path = tmp_path / "in.jsonl"
    path.write_text("".join(lines))
    return path


@contextlib.contextmanager
def batch(source: Path, target: Path) -> Iterator[subprocess.Popen[str]]:
    """Start a run; what still runs at the end is killed."""
    command = [sys.executable, "-m", "inference_pio", "batch", str(source), str(target), "--concurrency", "4", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def answer_all(source: Path, target: Path) -> dict[str, Any]:
    """Run to the end and return the summary."""
    with batch(source, target) as process:
        out, _ = process.communicate(timeout=HANGS_S)
        assert process.returncode == 0
    summary: dict[str, Any] = json.loads(out)
    assert (summary["done"], summary["failed"], summary["is_complete"]) == (GOOD + len(BAD), len(BAD), True)
    return summary


def answers(target: Path) -> dict[str | None, Any]:
    """Return what each line got, by its name, without what is another in every run: status, answer, error."""
    found: dict[str | None, Any] = {}
    for line in target.read_text().splitlines():
        result = json.loads(line)
        assert result["custom_id"] not in found
        response = result["response"] or {"status_code": None, "body": {"error": result["error"]}}
        body = response["body"]
        found[result["custom_id"]] = (response["status_code"], body.get("choices"), body.get("error"))
    return found


def test_a_run_that_is_killed_goes_on_and_answers_as_if_it_had_not_been(source: Path, tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole.jsonl", tmp_path / "killed.jsonl"
    answer_all(source, whole)
    expected = answers(whole)
    assert {name for name, (status, _, _) in expected.items() if status != 200} == set(BAD)
    assert all(
        choices[0]["finish_reason"] in ("stop", "length") for _, choices, error in expected.values() if not error
    )
    killed.touch()
    deadline = time.monotonic() + HANGS_S
    with batch(source, killed) as process:
        while killed.read_bytes().count(b'"choices"') < 3:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.001)
        process.kill()
        process.wait()
    kept = killed.read_bytes().count(b"\n")
    assert kept < GOOD, "it was killed too late"
    assert answer_all(source, killed)["resumed"] == kept
    assert answers(killed) == expected
