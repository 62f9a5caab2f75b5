from __future__ import annotations

import errno
import json
import logging
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from inference_pio import settings
from inference_pio.errors import HookError, PluginLoadError, PluginUnavailableError
from inference_pio.host import Host
from inference_pio.host_state import HostState, PluginKey
from inference_pio.manifest import parse_manifest
from inference_pio.quarantine import FAILURE_LIMIT, attempt, count_the_dead
from inference_pio.records import PluginState

HostOf = Callable[..., Host]
Add = Callable[..., Path]

BROKEN = "raise RuntimeError('broken by design')"


def fail_to_load(host: HostOf, times: int) -> None:
    """As so many processes would: each has a host of its own."""
    for _ in range(times):
        with pytest.raises(PluginLoadError):
            host().plugin("qwen3")


def key_of(host: Host, name: str = "qwen3") -> PluginKey:
    return PluginKey.of("model", host.record(name))


def test_a_plugin_is_put_aside_after_repeated_failures_and_says_why(host: HostOf, add: Add) -> None:
    add(source=BROKEN)
    fail_to_load(host, FAILURE_LIMIT - 1)
    before = host().record("qwen3")
    assert before.state is PluginState.READY
    assert [reason.code for reason in before.reasons] == ["failed-before"]
    fail_to_load(host, 1)
    record = host().record("qwen3")
    assert record.state is PluginState.QUARANTINED
    assert [reason.code for reason in record.reasons] == ["quarantined"]
    assert "broken by design" in record.explanation
    assert "try a newer one" not in record.explanation, "its own advice stands beside it"
    with pytest.raises(PluginUnavailableError, match="inference-pio enable qwen3"):
        host().plugin("qwen3")


def test_the_third_failure_says_that_it_was_the_last(host: HostOf, add: Add, caplog: pytest.LogCaptureFixture) -> None:
    add(source=BROKEN)
    fail_to_load(host, FAILURE_LIMIT - 1)
    assert "put aside" not in caplog.text
    fail_to_load(host, 1)
    assert "is put aside from now on" in caplog.text


def test_one_process_counts_a_failure_once(host: HostOf, add: Add) -> None:
    add(source=BROKEN)
    one = host()
    for _ in range(5):
        with pytest.raises(PluginLoadError):
            one.plugin("qwen3")
    (failure,) = HostState().read().failures
    assert failure.count == 1


def test_a_success_starts_the_count_anew(host: HostOf, add: Add) -> None:
    working = (add() / "plugin.py").read_text()
    plugin = Path(host().record("qwen3").manifest_path or "").parent / "plugin.py"
    plugin.write_text(BROKEN)
    fail_to_load(host, FAILURE_LIMIT - 1)
    plugin.write_text(working)
    host().plugin("qwen3")
    assert HostState().read().failures == []


def test_an_upgrade_a_new_manifest_and_a_new_host_clear_it(
    host: HostOf, add: Add, importable: Any, monkeypatch: pytest.MonkeyPatch, manifest_data: dict[str, Any]
) -> None:
    folder = add(source=BROKEN)
    fail_to_load(host, FAILURE_LIMIT)
    assert host().record("qwen3").state is PluginState.QUARANTINED

    manifest = folder / "plugin_manifest.json"
    old = manifest.read_text()
    manifest.write_text(json.dumps(manifest_data | {"description": "mended"}))
    assert host().record("qwen3").state is PluginState.READY
    manifest.write_text(old)
    assert host().record("qwen3").state is PluginState.QUARANTINED

    info = importable.path / "acme_qwen3-1.0.dist-info"
    newer = info.rename(importable.path / "acme_qwen3-1.1.dist-info")
    assert host().record("qwen3").state is PluginState.READY
    newer.rename(info)
    assert host().record("qwen3").state is PluginState.QUARANTINED

    stored = HostState().read().failures[0].plugin
    monkeypatch.setattr(PluginKey, "of", lambda kind, record: msgspec.structs.replace(stored, host="9"))
    assert host().record("qwen3").state is PluginState.READY


def test_a_hook_that_keeps_raising_is_put_aside_and_counts_at_its_hook(host: HostOf, importable: Any) -> None:
    importable.add_hooks(
        "noisy",
        """
        from inference_pio import hookimpl

        @hookimpl
        def pio_commands():
            raise RuntimeError("every time")

        @hookimpl
        def pio_doctor_checks():
            return []
        """,
    )
    for _ in range(FAILURE_LIMIT):
        one = host()
        assert one.hooks.commands() == []
        assert one.hooks.commands() == []
        assert one.hooks.doctor_checks() == []
    (record,) = host().hook_plugins()
    assert record.state is PluginState.QUARANTINED
    assert "pio_commands" in record.explanation


def test_a_decision_hook_that_raises_counts_too(host: HostOf, importable: Any, manifest_data: dict[str, Any]) -> None:
    importable.add_hooks(
        "picky",
        """
        from inference_pio import hookimpl

        @hookimpl
        def pio_choose_device(manifest, requested):
            raise RuntimeError("no device today")
        """,
    )
    manifest = parse_manifest(json.dumps(manifest_data))
    for _ in range(FAILURE_LIMIT):
        with pytest.raises(HookError, match="no device today"):
            host().hooks.choose_device(manifest, None)
    assert host().hooks.choose_device(manifest, None) == "cpu"


def test_a_process_that_dies_while_loading_counts(add: Add, host: HostOf, importable: Any) -> None:
    add(source="import os; os._exit(7)")
    for times in range(1, FAILURE_LIMIT + 1):
        died = importable.run("import inference_pio; inference_pio.Host().plugin('qwen3')", check=False)
        assert died.returncode == 7
        count_the_dead(HostState())
        (failure,) = HostState().read().failures
        assert failure.count == times
    assert "os._exit" in failure.message
    assert host().record("qwen3").state is PluginState.QUARANTINED
    assert list((HostState().folder / "loading").iterdir()) == []


def test_a_note_of_a_running_process_is_left_alone(host: HostOf, add: Add) -> None:
    add()
    with attempt(HostState(), key_of(host())):
        count_the_dead(HostState())
        assert HostState().read().failures == []
        assert len(list((HostState().folder / "loading").iterdir())) == 1
    assert list((HostState().folder / "loading").iterdir()) == []


def test_ctrl_c_while_loading_is_not_the_plugins_fault(host: HostOf, add: Add) -> None:
    add(source="raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        host().plugin("qwen3")
    count_the_dead(HostState())
    assert HostState().read().failures == []


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"disabled": 1}', b'{"failures": [{}]}', b"\xff\xfe"])
def test_a_damaged_file_counts_as_empty_and_is_mended_by_the_next_write(
    content: bytes, host: HostOf, add: Add, caplog: pytest.LogCaptureFixture
) -> None:
    add(source=BROKEN)
    state = HostState()
    state.folder.mkdir(parents=True)
    state.path.write_bytes(content)
    fail_to_load(host, 1)
    assert str(state.path) in caplog.text
    assert [failure.count for failure in state.read().failures] == [1]


def test_a_state_folder_that_cannot_be_written_costs_the_memory_only(
    host: HostOf, add: Add, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    add(source=BROKEN)
    in_the_way = tmp_path / "a file"
    in_the_way.touch()
    monkeypatch.setenv("INFERENCE_PIO_STATE_DIR", str(in_the_way))
    fail_to_load(host, FAILURE_LIMIT + 1)
    assert host().record("qwen3").state is PluginState.READY


def test_what_holds_in_one_environment_does_not_hold_in_another(
    host: HostOf, add: Add, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(source=BROKEN)
    fail_to_load(host, FAILURE_LIMIT)
    monkeypatch.setattr("sys.prefix", "/another/environment")
    assert host().record("qwen3").state is PluginState.READY


def test_two_processes_that_count_at_once_lose_nothing(host: HostOf, add: Add, importable: Any) -> None:
    add()
    key = key_of(host())
    folder = str(settings.state_dir())
    code = f"""
        import sys
        from inference_pio.host_state import HostState, PluginKey
        key = PluginKey(kind="model", name={key.name!r}, dist={key.dist!r}, version="1.0", manifest={key.manifest!r})
        for _ in range(20):
            assert HostState().record_failure(key, "load", "one more")
    """
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: importable.run(code, INFERENCE_PIO_STATE_DIR=folder), range(2)))
    (failure,) = HostState().read().failures
    assert failure.count == 40


def test_strict_mode_raises_and_counts_nothing(host: HostOf, add: Add, monkeypatch: pytest.MonkeyPatch) -> None:
    add(source=BROKEN)
    monkeypatch.setenv("INFERENCE_PIO_STRICT", "1")
    with pytest.raises(RuntimeError, match="broken by design"):
        host().plugin("qwen3")
    assert HostState().read().failures == []


def test_a_custom_base_exception_is_contained_as_well(
    host: HostOf, add: Add, importable: Any, caplog: pytest.LogCaptureFixture
) -> None:
    add(source="class Odd(BaseException): pass\nraise Odd('surprise')")
    with pytest.raises(PluginLoadError, match="Odd: surprise"):
        host().plugin("qwen3")
    importable.add_hooks(
        "odd",
        """
        from inference_pio import hookimpl

        class Odd(BaseException): pass

        @hookimpl
        def pio_commands():
            raise Odd("again")
        """,
    )
    with caplog.at_level(logging.WARNING):
        assert host().hooks.commands() == []
    assert "Odd: again" in caplog.text


HELD = """
    import sys
    from inference_pio.host_state import HostState, PluginKey
    from inference_pio.quarantine import attempt
    key = PluginKey(kind="model", name="qwen3", dist="acme-qwen3", version="1.0", manifest="")
    with attempt(HostState(), key):
        print("loading", flush=True)
        sys.stdin.read()
"""


def test_a_process_whose_number_means_nothing_here_is_alive_while_it_loads() -> None:
    """As in two containers, or on two machines, that share a home: the numbers of processes say nothing."""
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(HELD)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as loading:
        assert loading.stdin is not None
        assert loading.stdout is not None
        loading.stdout.readline()
        (note,) = (HostState().folder / "loading").iterdir()
        elsewhere = note.rename(note.with_name("4194000-0.json"))
        count_the_dead(HostState())
        assert HostState().read().failures == []
        assert elsewhere.exists()
        loading.kill()
    count_the_dead(HostState())
    (failure,) = HostState().read().failures
    assert (failure.plugin.name, failure.count) == ("qwen3", 1)


def test_a_process_that_ended_counts_although_its_number_is_taken_again() -> None:
    dead = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(HELD).replace("sys.stdin.read()", "import os; os._exit(1)")], check=False
    )
    assert dead.returncode == 1
    (note,) = (HostState().folder / "loading").iterdir()
    note.rename(note.with_name(f"{os.getpid()}-0.json"))
    count_the_dead(HostState())
    assert [failure.count for failure in HostState().read().failures] == [1]


@pytest.mark.parametrize(
    "raised",
    [
        "OSError(errno.ENOSPC, 'No space left on device')",
        "OSError(errno.EMFILE, 'Too many open files')",
        "OSError(errno.EROFS, 'Read-only file system')",
        "MemoryError('out of memory')",
    ],
)
def test_what_the_machine_lacks_is_not_counted_against_a_plugin(
    raised: str, host: HostOf, add: Add, importable: Any
) -> None:
    add(source=f"import errno\nraise {raised}")
    importable.add_hooks(
        "writer",
        f"""
        import errno
        from inference_pio import hookimpl

        @hookimpl
        def pio_commands():
            try:
                raise {raised}
            except Exception as error:
                raise RuntimeError("cannot keep it") from error
        """,
    )
    for _ in range(FAILURE_LIMIT):
        fail_to_load(host, 1)
        assert host().hooks.commands() == []
    assert HostState().read().failures == []


def test_ctrl_c_that_a_library_turned_into_another_error_is_not_counted(host: HostOf, add: Add) -> None:
    add(source="try:\n    raise KeyboardInterrupt\nexcept BaseException:\n    raise ImportError('core failed')")
    fail_to_load(host, FAILURE_LIMIT)
    assert HostState().read().failures == []


def test_a_plugin_whose_requirements_are_not_installed_is_not_put_aside(
    host: HostOf, add: Add, importable: Any
) -> None:
    """Installing what is missing mends it, and that changes nothing of its version."""
    add(source="import no_such_library")
    with (importable.path / "acme_qwen3-1.0.dist-info" / "METADATA").open("a") as file:
        file.write("Requires-Dist: no-such-library>=3\n")
    fail_to_load(host, FAILURE_LIMIT)
    assert host().record("qwen3").state is PluginState.READY
    importable.add_dist("no-such-library", "3.1")
    fail_to_load(host, FAILURE_LIMIT)
    assert host().record("qwen3").state is PluginState.QUARANTINED


def test_a_file_that_cannot_be_read_is_not_overwritten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else an error of the disk would switch on what the user switched off."""
    state = HostState()
    with state.changing() as remembered:
        remembered.disabled = ["qwen3"]
    with monkeypatch.context() as broken:
        broken.setattr(Path, "read_bytes", _raise_io_error)
        assert state.record_failure(PLUGIN, "load", "anything") == 0
    assert state.read().disabled == ["qwen3"]


def test_a_damaged_file_is_kept_beside_the_new_one(host: HostOf, add: Add) -> None:
    state = HostState()
    state.folder.mkdir(parents=True)
    state.path.write_bytes(b'{"disabled": ["qwen3"')
    state.record_failure(PLUGIN, "load", "anything")
    assert state.path.with_name("plugins.json.damaged").read_bytes() == b'{"disabled": ["qwen3"'
    assert [failure.count for failure in state.read().failures] == [1]


PLUGIN = PluginKey(kind="model", name="other", dist="acme-other", version="1.0", manifest="")


def _raise_io_error(path: Path) -> bytes:
    raise OSError(errno.EIO, "Input/output error")
