"""Which models run on the native kernels, which on torch, and what is said about it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from inference_pio.errors import InvalidOptionError, TensorMismatchError
from inference_pio.native import doctor, hooks, library, offering
from inference_pio.native.executor import NativeExecutor
from inference_pio.native.structures import Isa
from inference_pio.runtime.optimizations import Optimization
from inference_pio.runtime.program import DecodeProgram, MissingOperationError
from inference_pio.runtime.weights.checkpoint import Checkpoint

from .tiny import TinyPlugin, build_program, checkpoint_of, load, request_of


@pytest.fixture(autouse=True)
def _nothing_was_said() -> None:
    offering._warn_once.cache_clear()


@pytest.fixture
def plugin() -> TinyPlugin:
    return TinyPlugin(build_program())


@pytest.fixture
def checkpoint(tmp_path: Path, plugin: TinyPlugin) -> Checkpoint:
    assert plugin.program is not None
    return checkpoint_of(plugin.program, tmp_path / "w.gguf")


def offered(checkpoint: Checkpoint, plugin: TinyPlugin, **options: Any) -> NativeExecutor | None:
    return hooks.pio_offer_executor(request_of(checkpoint, plugin, **options))


@pytest.mark.parametrize("dtype", [None, "auto", "native", "w8", "w4"])
def test_a_model_on_the_cpu_is_run_unless_other_numbers_are_asked_for(
    checkpoint: Checkpoint, plugin: TinyPlugin, dtype: str | None
) -> None:
    executor = offered(checkpoint, plugin, dtype=dtype)
    assert isinstance(executor, NativeExecutor)
    executor.close()


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16", "int3"])
def test_other_numbers_are_left_to_others(checkpoint: Checkpoint, plugin: TinyPlugin, dtype: str) -> None:
    assert offered(checkpoint, plugin, dtype=dtype) is None


def test_other_devices_are_left_to_others_unless_native_is_demanded(checkpoint: Checkpoint, plugin: TinyPlugin) -> None:
    assert offered(checkpoint, plugin, device="cuda") is None
    with pytest.raises(InvalidOptionError, match=r"'w8' cannot be had here: .* not on 'cuda'"):
        offered(checkpoint, plugin, device="cuda", dtype="w8")


class Undescribable(TinyPlugin):
    def decode_program(self, config: Any) -> DecodeProgram:
        raise MissingOperationError("a mixture of experts", where="tiny, layer 3")


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (Undescribable, "tiny, layer 3 needs a mixture of experts, which decode programs do not have"),
        (lambda program: TinyPlugin(None), "plugin 'tiny' does not describe its layers as a decode program"),
        (lambda program: TinyPlugin(build_program(head=24)), "no kernel for attention heads of width 24"),
    ],
    ids=["missing operation", "no program", "no kernel"],
)
def test_what_cannot_be_run_is_left_to_torch_and_the_reason_is_said_once(
    checkpoint: Checkpoint, tmp_path: Path, caplog: pytest.LogCaptureFixture, kind: Any, said: str
) -> None:
    plugin = kind(build_program())
    if plugin.program is not None:
        checkpoint = checkpoint_of(plugin.program, tmp_path / "w.gguf")
    with caplog.at_level(logging.WARNING):
        assert offered(checkpoint, plugin) is None
        assert offered(checkpoint, plugin) is None
    assert len([record for record in caplog.records if said in record.getMessage()]) == 1
    assert "tiny runs on torch" in caplog.text
    with pytest.raises(InvalidOptionError, match="dtype 'native' cannot be had here"):
        offered(checkpoint, plugin, dtype="native")


def test_a_checkpoint_of_other_tensors_is_an_error_as_on_torch(tmp_path: Path, plugin: TinyPlugin) -> None:
    other = build_program(bias=False)
    with pytest.raises(TensorMismatchError, match=r"missing: .*q_proj\.bias"):
        offered(checkpoint_of(other, tmp_path / "w.gguf"), plugin)


def test_an_unknown_optimization_is_refused_as_on_torch(checkpoint: Checkpoint, plugin: TinyPlugin) -> None:
    class Optimized(TinyPlugin):
        def optimizations(self) -> list[Optimization]:
            told: Any = {"summary": "", "precondition": "", "measured_gain": "", "applies": None, "switch": None}
            return [Optimization(name="fused-products", **told)]

    own = Optimized(plugin.program)
    with pytest.raises(InvalidOptionError, match="'warp-drive' is unknown; this model has: fused-products"):
        offered(checkpoint, own, disabled_optimizations=("warp-drive",))
    executor = offered(checkpoint, own, disabled_optimizations=("fused-products",))
    assert executor is not None
    executor.close()


@pytest.fixture
def no_library(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.setattr(library, "LIBRARY", tmp_path / "_kernels.so")
    library.load_library.cache_clear()  # type: ignore[attr-defined]  # of functools.cache
    yield
    library.load_library.cache_clear()  # type: ignore[attr-defined]  # as above


@pytest.mark.usefixtures("no_library")
def test_without_compiled_kernels_torch_runs_and_doctor_says_what_it_costs(
    checkpoint: Checkpoint, plugin: TinyPlugin, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert offered(checkpoint, plugin) is None
    assert not caplog.records  # not at every start: doctor says it
    with pytest.raises(InvalidOptionError, match=r"_kernels\.so is missing"):
        offered(checkpoint, plugin, dtype="native")
    finding = doctor.check_kernels()
    assert (finding.status, finding.code) == ("warning", "native-kernels-unusable")
    assert "slower and in more memory" in finding.message
    assert "pip install --no-cache-dir" in finding.fix


@pytest.mark.usefixtures("no_library")
def test_a_library_that_is_none_says_so(tmp_path: Path) -> None:
    (tmp_path / "_kernels.so").write_bytes(b"\x7fELF and nothing else")
    assert "cannot be loaded" in doctor.check_kernels().message


def test_doctor_does_not_blame_the_installation_for_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INFERENCE_PIO_NATIVE_ISA", "mmx")
    finding = doctor.check_kernels()
    assert (finding.status, finding.fix) == ("warning", "unset INFERENCE_PIO_NATIVE_ISA")
    assert "mmx names no instruction set" in finding.message


def test_doctor_names_the_instructions_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INFERENCE_PIO_NATIVE_ISA", "plain")
    finding = doctor.check_kernels()
    assert (finding.status, finding.data) == ("warning", {"isa": "plain"})
    monkeypatch.delenv("INFERENCE_PIO_NATIVE_ISA")
    finding = doctor.check_kernels()
    assert finding.data is not None
    assert finding.data["isa"] in {isa.name.lower() for isa in Isa}


def test_doctor_says_what_packed_weights_take(checkpoint: Checkpoint, plugin: TinyPlugin) -> None:
    assert doctor.check_packs().message == "none"
    load(checkpoint, plugin).close()
    finding = doctor.check_packs()
    assert finding.data is not None
    assert (finding.status, finding.data["files"], finding.data["orphans"]) == ("ok", 1, [])
    assert finding.data["bytes"] > 1_000_000


def test_doctor_names_packs_whose_checkpoint_is_gone(checkpoint: Checkpoint, plugin: TinyPlugin) -> None:
    load(checkpoint, plugin).close()
    checkpoint.path.unlink()
    finding = doctor.check_packs()
    assert (finding.status, finding.code) == ("warning", "packed-weights-orphaned")
    assert finding.data is not None
    assert [Path(path).suffix for path in finding.data["orphans"]] == [".pack"]
    assert finding.data["orphans"][0] in finding.fix


def test_its_checks_are_offered() -> None:
    assert [check().group for check in hooks.pio_doctor_checks()] == ["libraries", "storage"]
