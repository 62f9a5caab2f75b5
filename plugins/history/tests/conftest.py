"""A history of its own for each test, and a command line with a model that needs no weights."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from inference_pio import Completion, SamplingOptions
from inference_pio.generation import FinishReason, GenerationRequest, GenerationStats
from inference_pio.history.database import open_database
from inference_pio.history.reading import Filter, list_conversations, read_conversation
from inference_pio.history.recording import Recorder

collect_ignore = ["parrot"]
HERE = Path(__file__).parent
TIMEOUT_S = 60

Message = dict[str, str]


@pytest.fixture(autouse=True)
def state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Where this test's history and settings are."""
    for name in [name for name in os.environ if name.startswith("INFERENCE_PIO_")]:
        if name != "INFERENCE_PIO_CACHE_DIR":
            monkeypatch.delenv(name)
    folder = tmp_path / "state"
    monkeypatch.setenv("INFERENCE_PIO_STATE_DIR", str(folder))
    return folder


@pytest.fixture
def path(state: Path) -> Path:
    """Where this test's database is."""
    return state / "history.db"


@dataclass
class Book:
    """A recorder, and what it has written so far."""

    path: Path
    recorder: Recorder

    def record(
        self,
        prompt: str | None = None,
        answer: str = "an answer",
        *,
        messages: list[Message] | None = None,
        model: str = "parrot",
        reason: FinishReason = "stop",
        options: SamplingOptions | None = None,
        error: BaseException | None = None,
    ) -> None:
        """Let one generation begin and end; with an error, the end is told while it is on its way up, as models do."""
        request = GenerationRequest(
            plugin_name=model,
            prompt=prompt,
            prompt_ids=(1, 2, 3),
            options=options or SamplingOptions(),
            messages=tuple(messages or ()),
        )
        stats = GenerationStats(prompt_tokens=3, new_tokens=2, first_token_s=0.1, total_s=0.2)
        self.recorder.begin(request)
        completion = Completion(text=answer, token_ids=(4, 5), finish_reason=reason, stats=stats)
        with contextlib.suppress(BaseException):
            try:
                if error is not None:
                    raise error
            finally:
                self.recorder.end(request, completion)

    def chat(self, *said: str, answer: str = "an answer", system: str | None = None, **more: Any) -> list[Message]:
        """Record a turn: what user and assistant said by turns, the user last. Returns the conversation with it."""
        instructions = [{"role": "system", "content": system}] if system else []
        turns = [{"role": ("user", "assistant")[place % 2], "content": text} for place, text in enumerate(said)]
        self.record("<template>", answer, messages=[*instructions, *turns], **more)
        return [*turns, {"role": "assistant", "content": answer}]

    def written(self, text: str | None = None) -> list[dict[str, Any]]:
        """Wait for the thread; return all conversations with their turns, oldest first."""
        self.recorder.close(30)
        with open_database(self.path) as db:
            found = list_conversations(db, Filter(text=text))
            return [read_conversation(db, number) for number in sorted(line["id"] for line in found)]


@pytest.fixture
def book(path: Path) -> Book:
    """An empty history."""
    return Book(path, Recorder())


@dataclass
class CommandLine:
    """Runs ``inference-pio`` in processes of their own, with the parrot installed."""

    environment: dict[str, str]
    home: Path

    def run(self, *args: str, input: str = "", check: bool = True, **environment: str) -> str:
        """Run a command and return its standard output."""
        done = self.start(*args, input=input, **environment)
        assert not check or done.returncode == 0, done.stderr
        return done.stdout

    def start(self, *args: str, input: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command."""
        return self.python("-m", "inference_pio", *args, input=input, **environment)

    def python(self, *args: str, input: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
        """Run Python."""
        return subprocess.run(
            [sys.executable, *args],
            input=input,
            capture_output=True,
            text=True,
            env={**self.environment, **environment},
            cwd=self.home,
            timeout=TIMEOUT_S,
        )

    def json(self, *args: str, **environment: str) -> Any:
        """Run a command with ``--json``."""
        return json.loads(self.start(*args, "--json", **environment).stdout)


@pytest.fixture
def cli(tmp_path: Path, state: Path) -> CommandLine:
    """The command line; only the parrot and the history take part."""
    site, home = tmp_path / "site", tmp_path / "home"
    info = site / "acme_parrot-1.0.dist-info"
    info.mkdir(parents=True)
    home.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-parrot\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[inference_pio.models]\nparrot = parrot.plugin:create_parrot_plugin\n")
    shutil.copytree(HERE / "parrot", site / "parrot", ignore=shutil.ignore_patterns("__pycache__"))
    environment = {
        **os.environ,
        "PYTHONPATH": str(site),
        "HOME": str(home),
        "INFERENCE_PIO_CACHE_DIR": str(tmp_path / "cache"),
        "INFERENCE_PIO_PLUGINS": "parrot,history",
        "COLUMNS": "100",
        "TZ": "UTC",
    }
    return CommandLine(environment, home)
