"""Weights are packed once, by one process, and again when anything that decides their bytes has changed."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from inference_pio.native import pack_cache
from inference_pio.native.pack_cache import FOLDER
from inference_pio.native.stored_weights import WeightPlan
from inference_pio.native.weight_packing import WeightPacker
from inference_pio.runtime.batch import TokenBatch
from inference_pio.runtime.weight_map import unpermute_rotary
from inference_pio.runtime.weights.checkpoint import Checkpoint
from inference_pio.settings import cache_dir

from .tiny import HEADS, TinyPlugin, build_program, checkpoint_of, interpreter, load, relative_difference

if TYPE_CHECKING:
    from numpy.typing import NDArray

TEXT = list(range(20))
QUERY = "layers.{n}.self_attn.q_proj.weight"


class Packs:
    """Loads the tiny model and counts what was packed meanwhile."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.plugin = TinyPlugin(build_program())
        self.path = folder / "w.gguf"
        self.packed: list[WeightPlan] = []
        real = WeightPacker.weight

        def counted(own: WeightPacker, plan: WeightPlan) -> NDArray[np.uint8]:
            self.packed.append(plan)
            return real(own, plan)

        monkeypatch.setattr(WeightPacker, "weight", counted)

    def checkpoint(self, seed: int = 0, kind: str = "Q4_1") -> Checkpoint:
        assert self.plugin.program is not None
        return checkpoint_of(self.plugin.program, self.path, lambda name: kind, seed=seed)

    def load(self, checkpoint: Checkpoint, **options: Any) -> tuple[np.ndarray[Any, Any], int]:
        """Return logits, and how many weights were packed for them."""
        self.packed.clear()
        executor = load(checkpoint, self.plugin, **options)
        executor.allocate(1, 64)
        logits = executor.step(TokenBatch.of_sequence(TEXT))
        executor.close()
        return logits, len(self.packed)

    @property
    def files(self) -> list[Path]:
        return sorted((cache_dir() / FOLDER).glob("*.pack"))


@pytest.fixture
def packs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Packs:
    return Packs(tmp_path, monkeypatch)


def test_the_second_load_packs_nothing_and_gives_the_same(packs: Packs) -> None:
    checkpoint = packs.checkpoint()
    first, count = packs.load(checkpoint)
    assert count == 13
    again, count = packs.load(checkpoint)
    assert count == 0
    assert np.array_equal(first, again)
    assert len(packs.files) == 1


@pytest.mark.parametrize("length", [0, 100, 100_000])
def test_a_torn_pack_is_made_anew(packs: Packs, length: int) -> None:
    checkpoint = packs.checkpoint()
    first, _ = packs.load(checkpoint)
    os.truncate(packs.files[0], length)
    again, count = packs.load(checkpoint)
    assert count == 13
    assert np.array_equal(first, again)


def test_other_weights_under_the_same_name_are_packed_anew_and_the_old_pack_goes(packs: Packs) -> None:
    first, _ = packs.load(packs.checkpoint())
    old = packs.files
    other, count = packs.load(packs.checkpoint(seed=1))  # same file, same size, same time
    assert count == 13
    assert not np.array_equal(first, other)
    assert len(packs.files) == 1 != len({*packs.files, *old})


def test_a_file_that_was_written_again_is_packed_anew(packs: Packs) -> None:
    checkpoint = packs.checkpoint()
    packs.load(checkpoint)
    os.utime(packs.path, (time.time() + 5, time.time() + 5))
    assert packs.load(checkpoint)[1] == 13
    assert len(packs.files) == 1


def test_other_layouts_of_one_checkpoint_lie_side_by_side(packs: Packs) -> None:
    checkpoint = packs.checkpoint(kind="F32")
    packs.load(checkpoint)
    packs.load(checkpoint, dtype="w8")
    assert len(packs.files) == 2
    assert packs.load(checkpoint)[1] == packs.load(checkpoint, dtype="w8")[1] == 0


def test_of_many_layouts_the_newest_are_kept(packs: Packs) -> None:
    assert packs.plugin.program is not None
    checkpoint = packs.checkpoint()
    for heads in (1, 2, 4, 8, 16):  # orders that no model has, but every one is a layout of its own
        packs.plugin = TinyPlugin(packs.plugin.program, {QUERY: unpermute_rotary(heads)})
        packs.load(checkpoint)
    assert len(packs.files) == pack_cache.KEPT_PACKS
    assert packs.load(checkpoint)[1] == 0


def test_layouts_of_another_version_are_removed(packs: Packs, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint = packs.checkpoint()
    with monkeypatch.context() as patched:
        patched.setattr(pack_cache, "ABI_VERSION", -1)
        packs.load(checkpoint)
    old = packs.files
    assert packs.load(checkpoint)[1] == 13
    assert len(packs.files) == 1 != len({*packs.files, *old})


def test_a_pack_under_a_wrong_name_is_not_believed(packs: Packs) -> None:
    first, _ = packs.load(packs.checkpoint())
    name = packs.files[0]
    kept = name.read_bytes()
    packs.load(packs.checkpoint(seed=1))
    packs.files[0].write_bytes(kept)  # the first checkpoint's weights, where the second one's belong
    other, count = packs.load(packs.checkpoint(seed=1))
    assert count == 13
    assert not np.array_equal(first, other)


def test_rows_in_another_order_are_moved_and_not_dequantized(packs: Packs) -> None:
    checkpoint = packs.checkpoint()
    plain, _ = packs.load(checkpoint)
    assert packs.plugin.program is not None
    packs.plugin = TinyPlugin(packs.plugin.program, {QUERY: unpermute_rotary(HEADS)})
    moved, count = packs.load(checkpoint)
    assert count == 13  # the order is part of the key
    assert {part.kind for plan in packs.packed for part in plan.parts} == {"Q4_1"}
    expected = interpreter(checkpoint, packs.plugin).step(TokenBatch.of_sequence(TEXT))
    assert relative_difference(moved, expected) < relative_difference(plain, expected) / 4


def test_a_transform_that_computes_is_applied_and_its_result_is_not_kept(packs: Packs) -> None:
    checkpoint = packs.checkpoint()
    assert packs.plugin.program is not None
    packs.plugin = TinyPlugin(packs.plugin.program, {QUERY: lambda weight: weight * 2, "norm.weight": lambda w: w + 1})
    for _ in range(2):
        logits, count = packs.load(checkpoint)
        assert count == 13 + 3  # in float32 now, it is no longer of one kind with key and value
    assert packs.files == []
    expected = interpreter(checkpoint, packs.plugin).step(TokenBatch.of_sequence(TEXT))
    assert relative_difference(logits, expected) < 0.1


def test_where_nothing_can_be_kept_it_is_packed_in_memory(
    packs: Packs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("INFERENCE_PIO_CACHE_DIR", str(tmp_path / "file"))
    checkpoint = packs.checkpoint()
    with caplog.at_level(logging.WARNING):
        first, count = packs.load(checkpoint)
    assert count == 13
    assert "packed weights cannot be kept under" in caplog.text
    assert np.array_equal(first, packs.load(checkpoint)[0])


def test_what_a_dead_process_left_is_removed(packs: Packs) -> None:
    checkpoint = packs.checkpoint()
    packs.load(checkpoint)
    leftover = packs.files[0].with_name(f".{packs.files[0].name}.1.tmp")
    leftover.write_bytes(b"half")
    packs.files[0].unlink()
    packs.load(checkpoint)
    assert not leftover.exists()


def test_progress_ends_at_the_whole(packs: Packs) -> None:
    events: list[Any] = []
    packs.load(packs.checkpoint(), progress=events.append)
    assert {event.stage for event in events} == {"load"}
    assert events[-1].done == events[-1].total
    assert [event.done for event in events] == sorted(event.done for event in events)


PROCESS = """
import sys
from pathlib import Path
import tests.tiny as tiny
from inference_pio.native.weight_packing import WeightPacker

count = 0
real = WeightPacker.weight
def counted(own, plan):
    global count
    count += 1
    return real(own, plan)
WeightPacker.weight = counted
plugin = tiny.TinyPlugin(tiny.build_program())
checkpoint = tiny.checkpoint_of(plugin.program, Path(sys.argv[1]), lambda name: "Q4_1")
tiny.load(checkpoint, plugin).close()
print(count)
"""


def test_of_two_processes_one_packs_and_both_run(packs: Packs) -> None:
    packs.checkpoint()
    folder = Path(__file__).parents[1]
    command = [sys.executable, "-c", PROCESS, str(packs.path)]
    processes = [subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    counts = [int(process.communicate()[0]) for process in processes]
    assert sorted(counts) == [0, 0, 13]
    assert len(packs.files) == 1
