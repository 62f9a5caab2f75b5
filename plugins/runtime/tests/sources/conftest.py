"""Package indexes and a hub in miniature: folders of hand-made wheels, and HTTP servers in threads."""

from __future__ import annotations

import hashlib
import http.server
import json
import os
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from inference_pio.manifest import WeightsEntry

DATA = bytes(range(256)) * 1000

PULL = """
import json, sys, time
from pathlib import Path
from inference_pio.errors import InferencePioError
from inference_pio.hookspecs import WeightsRequest
from inference_pio.manifest import WeightsEntry
from inference_pio.runtime.sources import resolve

def progress(event):
    events.append([event.stage, event.done, event.total])
    if event.stage == stop_at:
        print("stopped", flush=True)
        time.sleep(600)

entry, cache, stop_at, events = WeightsEntry(**json.loads(sys.argv[1])), Path(sys.argv[2]), sys.argv[3], []
try:
    answer = {"path": str(resolve(WeightsRequest(entry=entry, cache_dir=cache, progress=progress)))}
except InferencePioError as error:
    answer = {"error": type(error).__name__, "message": str(error)}
except KeyboardInterrupt:
    answer = {"error": "KeyboardInterrupt"}
print(json.dumps({**answer, "events": events}))
"""


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that is pip's only index."""
    folder = tmp_path / "index"
    folder.mkdir()
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@pytest.fixture
def make_wheel(index: Path) -> Callable[..., Path]:
    """Write a wheel into the index by hand."""

    def make(members: Mapping[str, bytes], dist: str = "weights_pkg", version: str = "1.0") -> Path:
        path = index / f"{dist}-{version}-py3-none-any.whl"
        info = f"{dist}-{version}.dist-info"
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in members.items():
                archive.writestr(name, data)
            archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {dist}\nVersion: {version}\n")
            archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            archive.writestr(f"{info}/RECORD", "")
        return path

    return make


@pytest.fixture
def entry() -> Callable[..., WeightsEntry]:
    """An entry whose size and sum are those of ``data``, unless told otherwise."""

    def make(source: str | list[str] = "pypi:weights-pkg==1.0#pkg/m.gguf", data: bytes = DATA, **fields: Any):
        return WeightsEntry(
            **{"id": "small", "source": source, "sha256": sha256(data), "size_bytes": len(data), **fields}
        )

    return make


class Web:
    """An HTTP server in a thread.

    Attributes:
        answer: ``(method, path, headers) -> (status, headers, body)`` or ``None`` to hang up without an answer.
        cut: Number of answers whose body is still to be cut off in the middle.
        requests: ``(method, path)`` of every request so far, and its headers.
        hang: Set by a test to let answers wait for ever.
    """

    def __init__(self) -> None:
        self.requests: list[tuple[str, str]] = []
        self.headers: list[dict[str, str]] = []
        self.answer: Callable[[str, str, dict[str, str]], tuple[int, dict[str, str], bytes]] | None = None
        self.cut = 0
        self.hang = False
        self.asked = threading.Event()
        self.stop = threading.Event()
        web = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                web._serve(self)

            do_HEAD = do_GET  # noqa: N815 - the name is the library's

            def log_message(self, *args: Any) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def _serve(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        headers = {name.lower(): value for name, value in handler.headers.items()}
        self.requests.append((handler.command, handler.path))
        self.headers.append(headers)
        self.asked.set()
        if self.hang:
            self.stop.wait()
        assert self.answer is not None
        status, answer, body = self.answer(handler.command, handler.path, headers)
        handler.send_response(status)
        answer.setdefault("Content-Length", str(len(body)))
        for name, value in answer.items():
            handler.send_header(name, value)
        handler.end_headers()
        if handler.command == "HEAD":
            return
        if self.cut and len(body) > 1000:
            self.cut -= 1
            body = body[: len(body) // 2]
            handler.close_connection = True
        handler.wfile.write(body)

    def close(self) -> None:
        self.stop.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def web() -> Iterator[Web]:
    server = Web()
    yield server
    server.close()


@pytest.fixture
def web_index(web: Web, index: Path, monkeypatch: pytest.MonkeyPatch) -> Web:
    """The index folder, served over HTTP as the only index."""
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.delenv("PIP_FIND_LINKS")
    monkeypatch.setenv("PIP_INDEX_URL", f"{web.url}/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")

    def answer(method: str, path: str, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        name = path.rsplit("/", 1)[1]
        if name:
            return 200, {"Content-Type": "application/octet-stream"}, (index / name).read_bytes()
        links = "".join(f'<a href="/files/{wheel.name}">{wheel.name}</a>' for wheel in index.iterdir())
        return 200, {"Content-Type": "text/html"}, f"<!DOCTYPE html><html><body>{links}</body></html>".encode()

    web.answer = answer
    return web


@pytest.fixture
def start_pull(cache: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start a process of its own that resolves an entry; ``stop_at`` names a stage at which it stands still."""
    started = []

    def start(entry: WeightsEntry, stop_at: str = "") -> subprocess.Popen[str]:
        fields = {"id": entry.id, "source": entry.source, "sha256": entry.sha256, "size_bytes": entry.size_bytes}
        command = [sys.executable, "-W", "error", "-c", PULL, json.dumps(fields), str(cache), stop_at]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def finish() -> Callable[[subprocess.Popen[str]], dict[str, Any]]:
    """Wait for a process of ``start_pull`` and return its answer."""

    def wait(process: subprocess.Popen[str]) -> dict[str, Any]:
        out, errors = process.communicate(timeout=60)
        assert out.strip(), errors
        answer: dict[str, Any] = json.loads(out.strip().splitlines()[-1])
        answer["stderr"] = errors
        return answer

    return wait


@pytest.fixture
def leftovers(cache: Path) -> Callable[[], list[str]]:
    """Everything in the cache but lock files, by relative name."""

    def find() -> list[str]:
        found = (path for path in cache.rglob("*") if path.is_file() and path.suffix != ".lock")
        return sorted(path.relative_to(cache).as_posix() for path in found)

    return find
