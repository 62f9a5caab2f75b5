"""A model answers on the native path without torch or transformers ever being imported."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from inference_pio.runtime.gpu_traces import may_have_gpu

REPORT = """
import json, sys
{run}
heavy = [name for name in ("torch", "transformers", "gguf", "safetensors") if name in sys.modules]
print(json.dumps({{"heavy": heavy, "name": name, "answer": answer}}))
"""

TINY = """
from pathlib import Path
import numpy as np
import tests.tiny as tiny
from inference_pio.generation import SamplingOptions
from inference_pio.native.hooks import pio_offer_executor
from inference_pio.runtime.engine import Engine
from inference_pio.runtime.hooks import pio_choose_device
plugin = tiny.TinyPlugin(tiny.build_program())
checkpoint = tiny.checkpoint_of(plugin.program, Path(sys.argv[1]), lambda name: "Q4_1")
executor = pio_offer_executor(tiny.request_of(checkpoint, plugin))
engine = Engine(executor)
request = engine.submit([1, 2, 3], SamplingOptions(max_new_tokens=5, temperature=1.0, top_p=0.9, seed=1))
name, answer = executor.name, [event.token_id for event in engine.events(request)]
engine.close()
"""

REAL = """
import inference_pio
with inference_pio.load(sys.argv[1], accept_license=True{options}) as model:
    name = model.engine.executor.name
    answer = model.generate("Hi", max_new_tokens=3, temperature=0).token_ids
    model.infer([1, 2, 3])
"""


def in_a_new_process(code: str, argument: str) -> dict[str, Any]:
    command = [sys.executable, "-c", REPORT.format(run=code), argument]
    done = subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return report


def test_a_tiny_model_answers_without_torch(tmp_path: Path) -> None:
    report = in_a_new_process(TINY, str(tmp_path / "w.gguf"))
    assert report["name"].startswith("native ")
    assert len(report["answer"]) == 5
    assert report["heavy"] == []


@pytest.mark.weights
@pytest.mark.parametrize("name", ["smollm2", "gemma3"])
def test_a_real_model_answers_without_torch(name: str) -> None:
    pytest.importorskip(f"inference_pio.models.{name}", reason="the model is not installed beside the native kernels")
    device = ', device="cpu"' if may_have_gpu() else ""  # whether a GPU is there, only torch can say
    report = in_a_new_process(REAL.format(options=device), name)
    assert report["name"].startswith("native ")
    assert len(report["answer"]) == 3
    assert report["heavy"] == []
