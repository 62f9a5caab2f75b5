"""Runs llama.cpp's HTTP server, started by ``load.py`` in the Python that has ``xllamacpp``.

    PYTHON_OF_THE_PEER llama_cpp_server.py < task.json

Nothing but the standard library and the peer is imported. The task, one line, holds ``weights`` (a GGUF file),
``threads``, ``slots`` and ``context`` (tokens of each slot); one JSON line with the server's ``url`` comes out. It ends
with its standard input.
"""

from __future__ import annotations

import importlib
import json
import sys
from typing import Any


def main() -> None:
    """Serve until standard input ends."""
    task = json.loads(sys.stdin.readline())
    xllamacpp: Any = importlib.import_module("xllamacpp")
    params = xllamacpp.CommonParams()
    params.model.path = task["weights"]
    params.hostnames, params.port = ["127.0.0.1"], 0
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = task["threads"]
    params.n_parallel, params.n_ctx = task["slots"], task["slots"] * task["context"]
    # Each request has a connection of its own, and one that waits for a thread would count as the model's slowness.
    params.n_threads_http = task["slots"] + 4
    server = xllamacpp.Server(params)
    print(json.dumps({"url": server.listening_address}), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
