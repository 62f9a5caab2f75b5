"""The picture: what is refused before measuring, what it says, and that a failure leaves no half of it."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from inference_pio import atomic_files
from inference_pio.errors import InferencePioError, InvalidOptionError
from inference_pio.runtime.bench.plot import check_plot, draw_plot, render

CONTEXT = [
    {"tokens": 64, "prefill_tok_s": 1500.0, "decode_tok_s": 230.5},
    {"tokens": 128, "prefill_tok_s": 1750.0, "decode_tok_s": 9.25},
]
RESULT: dict[str, Any] = {
    "model": "smollm2",
    "executor": "native avx2 cpu 2 threads",
    "machine": "A CPU, 2 cores",
    "date": "2026-11-24",
    "curves": {"context": CONTEXT, "batch": [{"prompts": 1, "tok_s": 300.0}, {"prompts": 2, "tok_s": 450.0}]},
}


@pytest.mark.parametrize("name", ["speed.pdf", "speed", "svg"])
def test_a_name_that_says_no_known_format_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidOptionError, match=r"must end in \.png or \.svg"):
        check_plot(tmp_path / name)


def test_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "plots.svg").mkdir()
    with pytest.raises(InvalidOptionError, match="is a folder"):
        check_plot(tmp_path / "plots.svg")


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidOptionError, match=r"there is no folder .*plots"):
        check_plot(tmp_path / "plots" / "speed.svg")


def test_a_folder_that_cannot_be_written_to_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: (path, mode) != (tmp_path, os.W_OK))
    with pytest.raises(InvalidOptionError, match="nothing can be written"):
        check_plot(tmp_path / "speed.svg")


def test_without_matplotlib_the_command_to_install_it_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InferencePioError, match=r"pip install 'inference-pio-runtime\[plot\]'"):
        check_plot(tmp_path / "speed.svg")


def test_a_file_in_the_folder_at_hand_is_accepted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    check_plot(Path("speed.PNG"))


def test_the_picture_names_model_executor_machine_and_date_and_every_axis() -> None:
    text = render(RESULT, "svg").decode()
    for word in ("smollm2 on native avx2 cpu 2 threads", "A CPU, 2 cores, 2026-11-24", "Decode", "Prefill"):
        assert word in text
    assert text.count("tokens a second") == 3
    for word in ("tokens in the context", "tokens of the prompt", "prompts at once"):
        assert word in text


def test_every_measured_speed_stands_beside_its_point() -> None:
    text = render(RESULT, "svg").decode()
    assert all(f">{label}<" in text for label in ("1,500", "1,750", "230", "9.2", "300", "450"))


def test_one_result_gives_one_picture() -> None:
    assert render(RESULT, "svg") == render(RESULT, "svg")


def test_a_curve_of_one_point_can_be_drawn() -> None:
    lone = {**RESULT, "curves": {"context": CONTEXT[:1], "batch": RESULT["curves"]["batch"][:1]}}
    assert b"230" in render(lone, "svg")


def test_the_name_says_the_format(tmp_path: Path) -> None:
    draw_plot(tmp_path / "speed.png", RESULT)
    draw_plot(tmp_path / "speed.SVG", RESULT)
    assert (tmp_path / "speed.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "speed.SVG").read_bytes().startswith(b"<?xml")


def test_a_write_that_fails_leaves_the_old_picture_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "speed.svg").write_text("old")

    def fail(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(atomic_files.os, "fsync", fail)  # type: ignore[attr-defined]  # its import of os is no interface
    with pytest.raises(InferencePioError, match="No space left"):
        draw_plot(tmp_path / "speed.svg", RESULT)
    assert [path.name for path in tmp_path.iterdir()] == ["speed.svg"]
    assert (tmp_path / "speed.svg").read_text() == "old"


def test_drawing_asks_for_no_window(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    assert render(RESULT, "png")
