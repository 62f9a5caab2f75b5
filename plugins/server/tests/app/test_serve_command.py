"""``inference-pio serve`` as a process of its own, with a model that needs no weights."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import httpx
import pytest

HERE = Path(__file__).parent
HANGS_S = 60


@dataclass
class Serving:
    """A server under way; what it says is read as it comes."""

    process: subprocess.Popen[str]
    said: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        assert self.process.stderr is not None
        self._reader = threading.Thread(target=self._read, args=(self.process.stderr,), daemon=True)
        self._reader.start()

    def _read(self, stream: IO[str]) -> None:
        self.said.extend(stream)

    def ready(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.end()
        found: dict[str, Any] = json.loads(line)
        return found

    def end(self) -> tuple[int, str]:
        """Wait until it has ended; return its exit code and its log."""
        code = self.process.wait(HANGS_S)
        self._reader.join(HANGS_S)
        return code, "".join(self.said)


@dataclass
class CommandLine:
    environment: dict[str, str]
    home: Path

    @contextlib.contextmanager
    def serve(self, *args: str, **environment: str) -> Iterator[Serving]:
        process = subprocess.Popen(
            [sys.executable, "-m", "inference_pio", "serve", *args],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**self.environment, **environment},
            cwd=self.home,
        )
        with process:
            try:
                yield Serving(process)
            finally:
                if process.poll() is None:
                    process.kill()

    def fails(self, *args: str, **environment: str) -> tuple[int, str]:
        with self.serve(*args, **environment) as serving:
            return serving.end()


@pytest.fixture
def cli(tmp_path: Path) -> CommandLine:
    site, home = tmp_path / "site", tmp_path / "home"
    info = site / "acme_talker-1.0.dist-info"
    info.mkdir(parents=True)
    home.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-talker\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[inference_pio.models]\ntalker = talker.plugin:create_talker_plugin\n")
    shutil.copytree(HERE / "talker", site / "talker", ignore=shutil.ignore_patterns("__pycache__"))
    kept = {name: value for name, value in os.environ.items() if not name.startswith("INFERENCE_PIO_")}
    environment = {
        **kept,
        "PYTHONPATH": str(site),
        "HOME": str(home),
        "INFERENCE_PIO_CACHE_DIR": str(tmp_path / "cache"),
        "INFERENCE_PIO_STATE_DIR": str(tmp_path / "state"),
        "INFERENCE_PIO_PLUGINS": "talker,server,history",
        "TALKER_GATE": str(tmp_path / "gate"),
        "TALKER_LEFT": str(tmp_path / "left"),
    }
    return CommandLine(environment, home)


def ask(url: str, text: str, **body: Any) -> httpx.Response:
    messages = [{"role": "user", "content": text}]
    return httpx.post(
        f"{url}/v1/chat/completions", json={"model": "talker", "messages": messages, **body}, timeout=HANGS_S
    )


def test_a_server_says_where_it_is_answers_and_ends_well(cli: CommandLine) -> None:
    with cli.serve("talker", "--port", "0", "--json") as serving:
        ready = serving.ready()
        assert (ready["models"], ready["pid"]) == (["talker"], serving.process.pid)
        said = ask(ready["url"], "good day").json()["choices"][0]["message"]["content"]
        assert said == "good day"
        assert "<html" in httpx.get(f"{ready['url']}/").text
        failed, crashed = ask(ready["url"], "fail"), ask(ready["url"], "crash")
        assert (failed.status_code, crashed.status_code) == (503, 500)
        assert "secret" not in crashed.text
        assert ask(ready["url"], "still there").status_code == 200
        refused = ask(ready["url"], "hi", response_format={"type": "json_object"})
        assert (refused.status_code, "constraint" in refused.text) == (400, True)
        serving.process.send_signal(signal.SIGINT)
        code, log = serving.end()
    assert code == 0
    assert Path(cli.environment["TALKER_LEFT"]).exists()  # the model was put away properly
    assert f"curl {ready['url']}/v1/chat/completions" in log
    assert "good day" not in log
    assert "POST '/v1/chat/completions' 200 ok" in log
    assert not list(Path(cli.environment["INFERENCE_PIO_STATE_DIR"]).rglob("history.db"))  # others' words are not kept


def test_sigterm_lets_what_is_under_way_end(cli: CommandLine) -> None:
    with cli.serve("talker", "--port", "0", "--json") as serving:
        url = serving.ready()["url"]
        with httpx.stream("POST", f"{url}/v1/chat/completions", json=waiting(), timeout=HANGS_S) as response:
            lines = response.iter_lines()
            next(lines)
            serving.process.send_signal(signal.SIGTERM)
            while not refuses(url):
                pass
            Path(cli.environment["TALKER_GATE"]).touch()
            rest = "\n".join(lines)
        assert "[DONE]" in rest
        assert "error" not in rest
        assert serving.end()[0] == 0


@pytest.mark.parametrize("signals", [1, 2])
def test_sigterm_cancels_after_the_time_or_when_it_comes_again(cli: CommandLine, signals: int) -> None:
    seconds = "0" if signals == 1 else "1000"
    with cli.serve("talker", "--port", "0", "--json", "--shutdown-timeout", seconds) as serving:
        url = serving.ready()["url"]
        with httpx.stream("POST", f"{url}/v1/chat/completions", json=waiting(), timeout=HANGS_S) as response:
            lines = response.iter_lines()
            next(lines)
            serving.process.send_signal(signal.SIGTERM)
            if signals == 2:
                while not refuses(url):
                    pass
                serving.process.send_signal(signal.SIGTERM)
            assert "shutting_down" in "\n".join(lines)
        assert serving.end()[0] == 0


def waiting() -> dict[str, Any]:
    return {"model": "talker", "messages": [{"role": "user", "content": "wait"}], "stream": True}


def refuses(url: str) -> bool:
    try:
        httpx.get(f"{url}/health", timeout=HANGS_S)
    except httpx.TransportError:
        return True
    return False


def test_without_a_name_every_model_is_served_and_loaded_when_first_asked_for(cli: CommandLine) -> None:
    with cli.serve("--port", "0", "--json", "--log-json") as serving:
        url = serving.ready()["url"]
        assert httpx.get(f"{url}/v1/models").json()["data"][0]["loaded"] is False
        assert ask(url, "hello").status_code == 200
        assert httpx.get(f"{url}/v1/models").json()["data"][0]["loaded"] is True
        serving.process.send_signal(signal.SIGTERM)
        _, log = serving.end()
    assert f"curl {url}/v1/completions" in log  # nobody knows yet whether the first model can chat
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    (line,) = [line for line in lines if line.get("path") == "/v1/chat/completions"]
    assert {"request_id", "key", "status", "prompt_tokens", "new_tokens", "seconds", "time"} <= set(line)


def test_a_socket_in_the_file_system_serves_too(cli: CommandLine, tmp_path: Path) -> None:
    path = tmp_path / "s"
    with cli.serve("talker", "--unix", str(path), "--json") as serving:
        assert serving.ready()["url"] == f"unix:{path}"
        assert stat.S_ISSOCK(path.stat().st_mode)
        with httpx.Client(transport=httpx.HTTPTransport(uds=str(path))) as client:
            assert client.get("http://localhost/health").json() == {"status": "ok"}


@pytest.mark.parametrize(
    ("args", "environment", "code", "message"),
    [
        (["talkr"], {}, 2, "Did you mean 'talker'"),
        (["talker", "--host", "0.0.0.0"], {}, 2, "no API keys"),
        (["talker", "--no-keys"], {"INFERENCE_PIO_API_KEYS": "a-key-0123456789"}, 2, "contradicts"),
        (["talker", "--api-keys", "missing"], {}, 2, "cannot be read"),
        (["talker", "--port", "99999"], {}, 2, "99999"),
        (["talker", "--port", "0"], {"TALKER_FAILS": "1"}, 1, "the talker has lost its voice"),
        ([], {"INFERENCE_PIO_DISABLE": "talker"}, 2, "no model is installed that is ready"),
    ],
)
def test_what_cannot_be_served_is_told_at_once(
    cli: CommandLine, args: list[str], environment: dict[str, str], code: int, message: str
) -> None:
    ended, log = cli.fails(*args, **environment)
    assert (ended, message in log) == (code, True), log
    assert "Traceback" not in log


def test_a_port_that_is_taken_is_told_before_anything_is_loaded(cli: CommandLine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        code, log = cli.fails("talker", "--port", str(taken.getsockname()[1]), TALKER_FAILS="1")
    assert code == 1
    assert "is taken" in log


def test_help_loads_neither_the_server_nor_a_model() -> None:
    heavy = {"fastapi", "starlette", "uvicorn", "msgspec", "numpy", "prometheus_client"}
    code = (
        f"import sys; from inference_pio.server import hooks; hooks.pio_commands(); print({heavy} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize("command", [["serve", "talker", "--port", "0"], ["batch", "in.jsonl", "out.jsonl"]])
def test_terms_that_nobody_has_agreed_to_are_told_before_anything_is_answered(
    cli: CommandLine, command: list[str]
) -> None:
    path = Path(cli.environment["PYTHONPATH"]) / "talker" / "plugin_manifest.json"
    manifest = json.loads(path.read_text())
    file = {"source": "file:voice.bin", "sha256": "0" * 64, "size_bytes": 1, "format": "gguf"}
    manifest["weights"] = [{"id": "voice", **file, "license": "Terms of the Voice", "consent": True, "default": True}]
    path.write_text(json.dumps(manifest))
    body = {"model": "talker", "messages": [{"role": "user", "content": "good day"}]}
    line = {"custom_id": "1", "method": "POST", "url": "/v1/chat/completions", "body": body}
    (cli.home / "in.jsonl").write_text(json.dumps(line) + "\n")
    done = subprocess.run(
        [sys.executable, "-m", "inference_pio", *command],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=cli.environment,
        cwd=cli.home,
        timeout=HANGS_S,
    )
    assert done.returncode == 1
    assert "Terms of the Voice" in done.stderr
    assert "--accept-license" in done.stderr
    assert all(path.stat().st_size == 0 for path in cli.home.glob("out.jsonl"))
