"""``--import``: the plugin runs in a process of its own, and whatever it does there, this one goes on."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from inference_pio.checking.bounded_process import run_bounded

PLUGIN = "inference_pio/models/tiny/plugin.py"
START = '"""A plugin."""\n'


def found(report: Any) -> set[str]:
    return {finding.code for finding in report.findings}


def begin(model: Any, code: str) -> None:
    indented = "".join(f"    {line}\n" for line in code.splitlines())
    model.edit(PLUGIN, START, f"{START}def _start():\n{indented}\n_start()\n")


def test_without_being_asked_nothing_is_imported(model: Any, check: Any, tmp_path: Path) -> None:
    begin(model, f"open({str(tmp_path / 'ran')!r}, 'w').close()")
    check(model)
    assert not (tmp_path / "ran").exists()
    check(model, import_=True)
    assert (tmp_path / "ran").exists()


def test_the_target_wins_over_what_is_installed_and_a_standard_module_over_the_target(
    model: Any, check: Any, importable: Any
) -> None:
    importable.add_model("tiny", source="raise SystemExit('the installed one')", manifest=model.manifest)
    model.files["inference_pio/models/tiny/wave.py"] = ""
    model.files["wave.py"] = "raise SystemExit('not the standard module')"
    begin(model, "import wave\nassert wave.open")
    assert found(check(model, import_=True)) == set()


def test_no_bytecode_is_left_in_the_authors_folder(model: Any, check: Any, tmp_path: Path) -> None:
    check(model, import_=True)
    assert list(tmp_path.rglob("*.pyc")) == []


def test_input_is_closed_devices_are_hidden_and_strict_mode_is_off(
    model: Any, check: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INFERENCE_PIO_STRICT", "1")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    begin(model, "import os, sys\nassert sys.stdin.read() == ''\nassert os.environ['CUDA_VISIBLE_DEVICES'] == ''\n"
                 "assert 'INFERENCE_PIO_STRICT' not in os.environ")  # fmt: skip
    assert found(check(model, import_=True)) == set()


def test_a_factory_that_hangs_is_told_from_an_import_that_hangs(model: Any, check: Any) -> None:
    model.edit(PLUGIN, "    return TinyPlugin()\n", "    while True: pass\n    return TinyPlugin()\n")
    (finding,) = check(model, import_=True, timeout_s=5).findings
    assert finding.code == "import-hangs"
    assert finding.message == "calling the factory of inference_pio.models.tiny.plugin did not end within 5 s"


def test_what_was_seen_before_a_crash_is_told(model: Any, check: Any) -> None:
    begin(model, "import os\nos.environ['ACME'] = '1'")
    model.edit(PLUGIN, "    return TinyPlugin()\n", "    import os\n    os.abort()\n    return TinyPlugin()\n")
    assert found(check(model, import_=True)) == {"import-changes-environment", "import-crashes"}


def test_many_effects_are_each_told(model: Any, check: Any) -> None:
    begin(model, "import logging, os, signal\nprint('hi')\nos.chdir('/')\nlogging.disable(logging.ERROR)\n"
                 "signal.signal(signal.SIGTERM, signal.SIG_IGN)")  # fmt: skip
    assert found(check(model, import_=True)) == {
        "import-prints", "import-changes-folder", "import-changes-signals", "import-changes-logging",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("raise KeyboardInterrupt", "import-failed"),
        ("raise BaseException('odd')", "import-failed"),
        ("import os; os.close(1); os.close(2)", None),
        ("import sys; sys.stdout = sys.stderr = None", None),
        ("import os, shutil; shutil.rmtree(os.getcwd())", "import-changes-folder"),
        ("import atexit; atexit.register(__import__('time').sleep, 1000)", None),
    ],
)
def test_hostile_imports_have_an_end(code: str, expected: str | None, model: Any, check: Any) -> None:
    begin(model, code)
    assert found(check(model, import_=True)) == ({expected} if expected else set())


def run(code: str, folder: Path, timeout_s: float = 60) -> Any:
    return run_bounded([sys.executable, "-c", code], folder=folder, environment=os.environ, timeout_s=timeout_s)


def test_endless_output_does_not_fill_the_memory(tmp_path: Path) -> None:
    ended = run("import os\nfor _ in range(2000): os.write(1, b'x' * 100_000)\nos.write(2, b'the end')", tmp_path)
    assert (ended.code, ended.stdout.size, ended.stderr.tail) == (0, 200_000_000, b"the end")
    assert len(ended.stdout.head) + len(ended.stdout.tail) == 8000


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="needs process groups")
def test_nothing_that_the_process_started_outlives_it(tmp_path: Path) -> None:
    sleeper = "[sys.executable, '-c', 'import time; time.sleep(1000)']"
    code = f"import subprocess, sys\nprint(subprocess.Popen({sleeper}).pid)"
    ended = run(code, tmp_path)
    number = int(ended.stdout.head)
    deadline = time.monotonic() + 30
    while is_running(number) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_running(number)


def is_running(number: int) -> bool:
    """Whether a process exists and is no zombie; nobody waits for an orphan in a container without an init."""
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_process_whose_time_is_up_has_no_exit_code(tmp_path: Path) -> None:
    ended = run("print('begun', flush=True)\nwhile True: pass", tmp_path, timeout_s=3)
    assert (ended.code, ended.stdout.head) == (None, b"begun\n")
