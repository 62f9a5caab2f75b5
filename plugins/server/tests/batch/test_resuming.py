from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from inference_pio.errors import InferencePioError, UsageError
from inference_pio.file_lock import file_lock
from inference_pio.server.batch import input_file
from inference_pio.server.batch.session import open_batch

from ..fake_model import FakeModel
from .continuing import request_line, run, say, write_requests

ROOT = Path(__file__).parents[4]
TIMEOUT_S = 120


def answers(path: Path) -> dict[str, Any]:
    """Return what each request was answered; every line must be whole, and no request may have two."""
    found = [json.loads(line) for line in path.read_text().splitlines()]
    by_name = {result["custom_id"]: result["response"]["body"] for result in found}
    assert len(by_name) == len(found)
    return by_name


@contextlib.contextmanager
def batch_process(source: Path, target: Path, step_s: float = 0.002) -> Iterator[subprocess.Popen[str]]:
    """Start a batch in a process of its own that has opened its files."""
    command = [sys.executable, "-m", "plugins.server.tests.batch.continuing", str(source), str(target), str(step_s)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        try:
            yield process
        finally:
            process.kill()


def wait_for_bytes(path: Path, size: int, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while path.stat().st_size < size and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.001)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """200 requests, and their answers by a run that nothing interrupts."""
    folder = tmp_path_factory.mktemp("whole")
    source = write_requests(folder / "in.jsonl", 200)
    run(source, folder / "out.jsonl", FakeModel(answer=say))
    return source, answers(folder / "out.jsonl")


def test_a_run_that_is_killed_again_and_again_loses_and_repeats_nothing(
    tmp_path: Path, whole: tuple[Path, dict[str, Any]]
) -> None:
    source, expected = whole
    target, dice, kills = tmp_path / "out.jsonl", random.Random(5), 0
    target.touch()
    for _ in range(5):
        with batch_process(source, target) as process:
            wait_for_bytes(target, target.stat().st_size + dice.randrange(1, 5000), process)
            process.send_signal(signal.SIGKILL)
            kills += process.wait() == -signal.SIGKILL
    assert kills == 5
    assert len(target.read_bytes().splitlines()) < 200
    with batch_process(source, target, step_s=0) as process:
        assert process.wait(TIMEOUT_S) == 0
    assert answers(target) == expected


def test_ctrl_c_keeps_what_is_done_and_the_same_command_goes_on(
    tmp_path: Path, whole: tuple[Path, dict[str, Any]]
) -> None:
    source, expected = whole
    target = tmp_path / "out.jsonl"
    for number in (signal.SIGINT, signal.SIGTERM):
        with batch_process(source, target) as process:
            wait_for_bytes(target, target.stat().st_size + 1, process)
            process.send_signal(number)
            assert process.wait(TIMEOUT_S) == 128 + number
        assert target.read_bytes().endswith(b"\n")
        assert 0 < len(answers(target)) < 200
    with batch_process(source, target, step_s=0) as process:
        assert process.wait(TIMEOUT_S) == 0
    assert answers(target) == expected


def test_results_may_end_at_any_byte(tmp_path: Path) -> None:
    source, target = write_requests(tmp_path / "in.jsonl", 3), tmp_path / "out.jsonl"
    run(source, target, FakeModel(answer=say), concurrency=1)
    complete, expected = target.read_bytes(), answers(target)
    for end in range(len(complete)):
        target.write_bytes(complete[:end])
        model = FakeModel(answer=say)
        totals = run(source, target, model)
        assert answers(target) == expected
        assert totals.resumed == complete[:end].count(b"\n")
        assert len(model.started) == 3 - totals.resumed
    target.write_bytes(complete[:400] + b"\0" * 100)  # what a power cut may leave
    run(source, target, FakeModel(answer=say))
    assert answers(target) == expected


def test_a_finished_batch_asks_for_nothing_more_and_counts_all(tmp_path: Path) -> None:
    source, target = write_requests(tmp_path / "in.jsonl", 3), tmp_path / "out.jsonl"
    with source.open("a") as file:
        file.write(json.dumps(request_line(4, url="/")) + "\n" + json.dumps(request_line(5, custom_id="id-1")) + "\n")
        file.write(json.dumps(request_line(6, body={"model": "nobody", "prompt": "x"})) + "\n")
    run(source, target, FakeModel())
    before = target.read_bytes()
    model = FakeModel()
    totals = run(source, target, model)
    assert (totals.done, totals.failed, totals.resumed, model.started) == (6, 3, 6, [])
    assert target.read_bytes() == before


def test_a_result_that_was_deleted_is_made_again(tmp_path: Path) -> None:
    source, target = write_requests(tmp_path / "in.jsonl", 5), tmp_path / "out.jsonl"
    run(source, target, FakeModel(answer=say))
    expected = answers(target)
    lines = target.read_bytes().splitlines(keepends=True)
    target.write_bytes(b"".join(line for line in lines if b'"id-2"' not in line))
    model = FakeModel(answer=say)
    run(source, target, model)
    assert answers(target) == expected
    assert [started.text for started in model.started] == ["prompt 2"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"my notes\n", "is no result of a batch"),
        (b"my notes", "something else than results"),
        (b'{"id": "x"}\n', "is no result of a batch"),
        (b'{"id": "x", "response": null, "error": null}\n', "is no result of this program"),
        (b"\0\0\0\n", "is no result of a batch"),
        (b"[" * 100_000 + b"\n", "is no result of a batch"),
    ],
)
def test_a_file_that_is_not_ours_is_refused_and_left_as_it_is(tmp_path: Path, content: bytes, says: str) -> None:
    source, target = write_requests(tmp_path / "in.jsonl", 1), tmp_path / "out.jsonl"
    target.write_bytes(content)
    with pytest.raises(UsageError, match=says):
        run(source, target, FakeModel())
    assert target.read_bytes() == content


def test_results_of_another_input_are_refused_and_left_as_they_are(tmp_path: Path) -> None:
    target = tmp_path / "out.jsonl"
    run(write_requests(tmp_path / "in.jsonl", 3), target, FakeModel())
    before = target.read_bytes()
    with pytest.raises(UsageError, match="another input"):
        run(write_requests(tmp_path / "in.jsonl", 4), target, FakeModel())
    assert target.read_bytes() == before


def test_two_results_for_one_line_are_refused(tmp_path: Path) -> None:
    source, target = write_requests(tmp_path / "in.jsonl", 2), tmp_path / "out.jsonl"
    run(source, target, FakeModel())
    target.write_bytes(target.read_bytes() * 2)
    with pytest.raises(UsageError, match=r"line 3 of .* answers line . once more"):
        run(source, target, FakeModel())


def test_one_file_for_both_ends_is_refused(tmp_path: Path) -> None:
    source = write_requests(tmp_path / "in.jsonl", 1)
    before = source.read_bytes()
    (tmp_path / "link").symlink_to(source)
    for target in (source, tmp_path / "link", tmp_path / "." / "in.jsonl"):
        with pytest.raises(UsageError, match="both what is read and what is written"):
            run(source, target, FakeModel())
    assert source.read_bytes() == before


def test_ends_that_cannot_be_opened_are_refused_with_a_reason(tmp_path: Path) -> None:
    source = write_requests(tmp_path / "in.jsonl", 1)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match=r"cannot read .*nothing"):
        run(tmp_path / "nothing", tmp_path / "out", FakeModel())
    assert not (tmp_path / "out").exists()
    with pytest.raises(UsageError, match="cannot read"):
        run(tmp_path, tmp_path / "out", FakeModel())
    with pytest.raises(UsageError, match="not a regular file"):
        run(source, tmp_path, FakeModel())
    with pytest.raises(UsageError, match="not a regular file"):
        run(source, tmp_path / "pipe", FakeModel())
    with pytest.raises(UsageError, match="cannot write"):
        run(source, tmp_path / "nothing" / "out", FakeModel())


def test_a_pipe_is_no_input_that_can_be_resumed(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=lambda: (tmp_path / "pipe").open("wb").close())
    writer.start()
    with pytest.raises(UsageError, match="not a regular file"):
        run(tmp_path / "pipe", tmp_path / "out", FakeModel())
    writer.join()


def test_two_runs_do_not_write_one_file(tmp_path: Path) -> None:
    source, target = write_requests(tmp_path / "in.jsonl", 1), tmp_path / "out.jsonl"
    with file_lock(target), pytest.raises(UsageError, match="another run writes"):
        run(source, target, FakeModel())
    assert run(source, target, FakeModel()).done == 1


def test_a_full_disk_leaves_whole_lines_and_a_way_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, target = write_requests(tmp_path / "in.jsonl", 20), tmp_path / "out.jsonl"
    room = 700

    def write(descriptor: int, data: bytes) -> int:
        nonlocal room
        part = data[:room]
        if not part:
            raise OSError(28, "No space left on device")
        room -= len(part)
        return real(descriptor, part)

    real = os.write
    with monkeypatch.context() as patched:
        patched.setattr("os.write", write)
        with pytest.raises(InferencePioError, match=r"cannot write .*out.jsonl: No space left on device\. .*goes on"):
            run(source, target, FakeModel(answer=say))
    assert target.read_bytes().endswith(b"}\n")
    assert 0 < len(answers(target)) < 20
    run(source, target, FakeModel(answer=say))
    assert len(answers(target)) == 20


def test_what_is_added_to_the_input_meanwhile_is_left_alone(tmp_path: Path) -> None:
    source, target = write_requests(tmp_path / "in.jsonl", 2), tmp_path / "out.jsonl"
    with open_batch(source, target) as batch:
        with source.open("a") as file:
            file.write(json.dumps(request_line(3)) + "\n")
        assert [number for number, _ in input_file.read_lines(batch.source, batch.size)] == [1, 2]


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    peaks = []
    for count in (300, 2000):
        source, target = tmp_path / f"{count}.jsonl", tmp_path / f"{count}.out"
        body = {"model": "fake", "prompt": "x", "unknown": "x" * 10_000}
        with source.open("w") as file:
            for number in range(count):
                file.write(json.dumps(request_line(number, body=body)) + "\n")
        for _ in range(2):  # the second time everything is there
            tracemalloc.start()
            run(source, target, FakeModel())
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
    assert max(peaks[2:]) < max(peaks[:2]) + 500_000  # the larger file has 20 MB
