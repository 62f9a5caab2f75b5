"""Asks a running server whatever its OpenAPI document allows, and much that it does not; a status of 500 is a failure.

    python plugins/server/tests/fuzz.py smollm2 [OPTIONS OF SCHEMATHESIS]

A request with a made-up model ends at its name, so the document that is tried has the name of the one that is served.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import httpx

CONTEXT = "64"
"""Room for an answer without a limit of its own, tokens: what is tried is the protocol, not the model."""


def name_model(document: Any, name: str) -> None:
    """Let every ``model`` of a document be one name, in place."""
    if isinstance(document, dict):
        if document.get("properties", {}).get("model", {}).get("type") == "string":
            document["properties"]["model"]["enum"] = [name]
        for part in document.values():
            name_model(part, name)
    elif isinstance(document, list):
        for part in document:
            name_model(part, name)


def main() -> int:
    """Start the server, try it, and return the exit code of schemathesis."""
    name, *options = sys.argv[1:]
    command = [sys.executable, "-m", "inference_pio", "serve", name, "--port", "0", "--context", CONTEXT, "--json"]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server,
        tempfile.TemporaryDirectory() as folder,
    ):
        assert server.stdout is not None
        try:
            url = json.loads(server.stdout.readline())["url"]
            document = httpx.get(f"{url}/openapi.json").json()
            name_model(document, name)
            path = Path(folder) / "openapi.json"
            path.write_text(json.dumps(document))
            schemathesis = [str(Path(sys.executable).with_name("schemathesis")), "run", str(path), "--url", url]
            checks = ["--checks", "not_a_server_error", "--request-timeout", "60", "--no-color"]
            code = subprocess.run([*schemathesis, *checks, *options], cwd=folder, check=False).returncode
            # Nothing of it may hang on: the server still answers, and ends when it is told to.
            httpx.get(f"{url}/health", timeout=60).raise_for_status()
        finally:
            server.terminate()
    return code or server.returncode


if __name__ == "__main__":
    raise SystemExit(main())
