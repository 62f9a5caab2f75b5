"""Hook plugins as the host loads them, and a model's own hooks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import inference_pio
from inference_pio.hookspecs import WeightsRequest
from inference_pio.records import PluginState

from .conftest import PLUGIN_SOURCE, FakeSite, HostOf


def test_hook_plugins_load_at_the_first_hook_in_order_of_names(
    importable: FakeSite, host: HostOf, seed_manifest: str
) -> None:
    source = """
        from inference_pio import hookimpl
        @hookimpl
        def pio_commands():
            import click
            return [click.Command(__name__)]
    """
    importable.add_hooks("beta", source)
    importable.add_hooks("alpha", source)
    here = host()
    assert [str(record.state) for record in here.hook_plugins()] == ["ready", "ready"]
    assert [command.name for command in here.hooks.commands()] == ["hooks_of_alpha", "hooks_of_beta"]
    assert [str(record.state) for record in here.hook_plugins()] == ["loaded", "loaded"]


def test_a_broken_hook_plugin_is_contained_and_shown(
    importable: FakeSite, host: HostOf, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    importable.add_hooks("bad", "import no_such_lib")
    importable.add_hooks(
        "good",
        """
        from inference_pio import hookimpl
        @hookimpl
        def pio_doctor_checks():
            return [pio_doctor_checks]
        """,
    )
    importable.add_hooks(
        "half",
        """
        from inference_pio import hookimpl
        @hookimpl
        def pio_doctor_checks(): return [len]
        @hookimpl
        def pio_commands(surprise): return []
        """,
    )
    here = host()
    assert [check.__module__ for check in here.hooks.doctor_checks()] == ["hooks_of_good"]
    assert {r.name: str(r.state) for r in here.hook_plugins()} == {"bad": "failed", "good": "loaded", "half": "failed"}
    assert "plugin 'bad' (acme-bad 1.0) failed to import: No module named 'no_such_lib'" in caplog.text
    with pytest.raises(inference_pio.InferencePioError, match="'bad'"):
        here.hooks.resolve_weights(WeightsRequest(entry=inference_pio_entry(), cache_dir=tmp_path))


def test_ctrl_c_during_the_first_hook_costs_no_hook_plugin(importable: FakeSite, host: HostOf, tmp_path: Path) -> None:
    source = """
        from inference_pio import hookimpl
        @hookimpl
        def pio_commands():
            import click
            return [click.Command(__name__)]
    """
    importable.add_hooks("alpha", source)
    once = tmp_path / "once"
    importable.add_hooks(
        "beta",
        f"""
        import pathlib
        if not pathlib.Path({str(once)!r}).exists():
            pathlib.Path({str(once)!r}).touch()
            raise KeyboardInterrupt
        """,
    )
    importable.add_hooks("gamma", source)
    importable.add_hooks("omega", "1 / 0")
    here = host()
    with pytest.raises(KeyboardInterrupt):
        here.hooks.commands()
    assert [command.name for command in here.hooks.commands()] == ["hooks_of_alpha", "hooks_of_gamma"]
    assert [str(record.state) for record in here.hook_plugins()] == ["loaded", "loaded", "loaded", "failed"]
    with pytest.raises(inference_pio.InferencePioError, match="'omega'"):
        here.hooks.resolve_weights(WeightsRequest(entry=inference_pio_entry(), cache_dir=tmp_path))


def inference_pio_entry() -> Any:
    from inference_pio.manifest import WeightsEntry

    return WeightsEntry(id="a", source="s3:x")


def test_an_invalid_model_and_failed_hooks_of_one_name_are_kept_apart(
    importable: FakeSite, add: Callable[..., Path], host: HostOf
) -> None:
    add("both", manifest="{")
    importable.add_hooks("both", "1 / 0", dist="acme-both-hooks")
    here = host()
    here.hooks.doctor_checks()
    assert [str(record.state) for record in here.records()] == ["invalid"]
    assert here.hook_plugins()[0].state is PluginState.FAILED


def test_a_models_own_hooks_count_once_it_is_loaded(add: Callable[..., Path], host: HostOf, seed_manifest: str) -> None:
    from inference_pio.manifest import parse_manifest

    hook = "    @hookimpl\n    def pio_choose_device(self): return self.name\n    def cleanup"
    add(source="from inference_pio import hookimpl\n" + PLUGIN_SOURCE.replace("    def cleanup", hook))
    here = host()
    manifest = parse_manifest(seed_manifest)
    assert here.hooks.choose_device(manifest, None) == "cpu"
    here.plugin("qwen3")
    assert here.hooks.choose_device(manifest, None) == "qwen3"
