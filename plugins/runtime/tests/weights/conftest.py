"""Builders of checkpoints, byte by byte, so that a test can make any one of them wrong."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

U32, STRING, ARRAY = 4, 8, 9


def text(value: str | bytes) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return struct.pack("<Q", len(data)) + data


class Gguf:
    """The bytes of a small sound file; every part can be replaced before ``build``."""

    def __init__(self) -> None:
        self.magic = b"GGUF"
        self.version = 3
        self.alignment = 32
        self.values: list[tuple[str | bytes, bytes]] = []
        self.tensors: list[tuple[str | bytes, Sequence[int], int, int]] = []
        self.data = b""
        self.n_values: int | None = None
        self.n_tensors: int | None = None
        self.add("general.architecture", STRING, text("llama"))

    def add(self, key: str | bytes, code: int, payload: bytes) -> Gguf:
        self.values.append((key, struct.pack("<I", code) + payload))
        return self

    def add_strings(self, key: str, strings: Sequence[str | bytes]) -> Gguf:
        payload = struct.pack("<IQ", STRING, len(strings)) + b"".join(map(text, strings))
        return self.add(key, ARRAY, payload)

    def add_tensor(self, name: str | bytes, dims: Sequence[int], code: int, data: bytes) -> Gguf:
        """``dims`` in GGUF's order, the row length first."""
        self.tensors.append((name, dims, code, len(self.data)))
        self.data += data + b"\0" * (-len(data) % self.alignment)
        return self

    def build(self) -> bytes:
        n_tensors = len(self.tensors) if self.n_tensors is None else self.n_tensors
        n_values = len(self.values) if self.n_values is None else self.n_values
        out = self.magic + struct.pack("<IQQ", self.version, n_tensors, n_values)
        for key, payload in self.values:
            out += text(key) + payload
        for name, dims, code, offset in self.tensors:
            out += text(name) + struct.pack(f"<I{len(dims)}QIQ", len(dims), *dims, code, offset)
        return out + b"\0" * (-len(out) % self.alignment) + self.data


def safetensors_bytes(header: Any, data: bytes) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


@pytest.fixture(scope="session")
def new_gguf() -> type[Gguf]:
    return Gguf


@pytest.fixture(scope="session")
def build_safetensors() -> Callable[[Any, bytes], bytes]:
    return safetensors_bytes


@pytest.fixture(scope="session")
def small_gguf() -> Gguf:
    """Two tensors, an array of strings, an array of numbers."""
    gguf = Gguf().add_strings("tokenizer.ggml.tokens", ["a", "é", ""]).add("n", U32, struct.pack("<I", 7))
    gguf.add("scores", ARRAY, struct.pack("<IQ3f", 6, 3, 0.5, -1.0, 2.0))
    gguf.add_tensor("a.weight", [4, 2], 0, struct.pack("<8f", *range(8)))
    return gguf.add_tensor("b.weight", [32, 3], 8, b"\x00\x3c" + bytes(range(32)) + b"\x00\x38" + bytes(66))


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, bytes], Path]:
    def write_file(name: str, data: bytes) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path

    return write_file
