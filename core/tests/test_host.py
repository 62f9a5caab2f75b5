from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import inference_pio
from inference_pio.errors import (
    ConfigError,
    InvalidOptionError,
    ManifestError,
    PluginError,
    PluginLoadError,
    PluginUnavailableError,
    UnknownPluginError,
)
from inference_pio.gates import Environment
from inference_pio.generation import LoadOptions
from inference_pio.host import Host

from .conftest import PLUGIN_SOURCE, FakeSite, HostOf, write_manifest


def states(host: Host) -> dict[str, str]:
    return {record.name: str(record.state) for record in host.records()}


# Finding


def test_any_spelling_of_a_name_finds_the_plugin(add: Callable[..., Path], host: HostOf) -> None:
    add("my_model")
    assert host().record("My-Model").name == "my-model"


def test_an_unknown_name_is_answered_with_the_nearest(add: Callable[..., Path], host: HostOf) -> None:
    add("smollm2")
    add("gemma3")
    with pytest.raises(UnknownPluginError, match=r"no plugin is called 'SmolLM'\. Did you mean 'smollm2'\?") as caught:
        host().record("SmolLM")
    assert caught.value.nearest == ("smollm2",)
    assert caught.value.exit_code == 2


def test_without_any_plugin_the_answer_says_how_to_install_one_that_exists(host: HostOf) -> None:
    with pytest.raises(UnknownPluginError, match=r"pip install inference-pio-smollm2$"):
        host().record("smolm2")


def test_a_plugin_of_hooks_is_no_model_and_said_to_be_there(importable: FakeSite, host: HostOf) -> None:
    importable.add_hooks("journal", "")
    with pytest.raises(
        UnknownPluginError, match=r"no model is called 'Journal'\. It is a plugin of hooks.* info journal"
    ):
        host().record("Journal")


# Loading


def test_a_loaded_plugin_is_named_cached_and_shown_as_loaded(add: Callable[..., Path], host: HostOf) -> None:
    add("my_model")
    here = host()
    plugin = here.plugin("my_model")
    assert plugin.name == "my-model"
    assert here.plugin("MY.MODEL") is plugin
    assert states(here) == {"my-model": "loaded"}


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("1 / 0", "failed to import: ZeroDivisionError: division by zero. Tell its author"),
        ("import sys; sys.exit(3)", "failed to import: it called sys.exit(3)"),
        (
            "import no_such_lib.sub",
            "No module named 'no_such_lib'. Install the distribution that provides 'no_such_lib'",
        ),
        ("import inference_pio.no_such_part", "no_such_part'. Update the host: pip install -U inference-pio"),
        ("import inference_pio.runtime.no_such_part", "Install or update it: pip install -U inference-pio-runtime"),
        (
            'raise ModuleNotFoundError("No module", name="inference_pio.models.no_such")',
            "Install or update it: pip install -U inference-pio-no-such",
        ),
        ('raise ModuleNotFoundError("No module", name="inference_pio.models")', "builds on another model, and none is"),
        ("from acme_bad.gone import x", "No module named 'acme_bad.gone'"),
        ("def create(): pass", "has no 'create_model_name_plugin' in acme_bad.plugin, which its entry point names"),
        ("this is no python", "failed to import: SyntaxError"),
        ("raise AttributeError('deep inside')", "failed to import: AttributeError: deep inside"),
        ("def create_model_name_plugin(needed): pass", "failed in its factory create_model_name_plugin(): TypeError"),
        ("def create_model_name_plugin(): raise SystemExit", "in its factory create_model_name_plugin(): it called"),
        ("create_model_name_plugin = 5", "failed in its factory create_model_name_plugin(): TypeError"),
        ("def create_model_name_plugin(): return None", "returns a NoneType, its manifest promises class 'ModelName_"),
        (
            "class ModelName_Plugin:\n    manifest = 1\n    infer = 5\n    def cleanup(self): pass\n"
            "create_model_name_plugin = ModelName_Plugin",
            "lacks members of ModelPlugin: create_config, infer, load_model, supports_config, __enter__, __exit__",
        ),
        (PLUGIN_SOURCE.replace('manifest = {"any": "thing"}', ""), "lacks members of ModelPlugin: manifest"),
        (PLUGIN_SOURCE.replace("loaded = False\n", "__slots__ = ()\n", 1), "does not let its name be set"),
        (
            PLUGIN_SOURCE.replace("class ModelName", "from inference_pio import hookimpl\nclass ModelName")
            .replace("    loaded = False", "    @hookimpl\n    def pio_afterload(self): pass"),
            "has hooks that do not fit: there is no hook pio_afterload; did you mean pio_after_load?",
        ),
    ],
)  # fmt: skip
def test_a_plugin_that_cannot_be_loaded_says_why(
    add: Callable[..., Path], host: HostOf, source: str, said: str
) -> None:
    add("bad", source=source, version="0.2.0")
    add("good")
    here = host()
    with pytest.raises(PluginLoadError) as caught:
        here.plugin("bad")
    assert str(caught.value).startswith("plugin 'bad' (acme-bad 0.2.0) ")
    assert said in str(caught.value)
    assert caught.value.exit_code == 3
    assert states(here) == {"bad": "failed", "good": "ready"}
    assert here.plugin("good").name == "good"


def test_a_missing_dependency_is_named_as_the_manifest_names_it(
    add: Callable[..., Path],
    host: HostOf,
    manifest_data: dict[str, Any],
    environment_with: Callable[..., Environment],
) -> None:
    add("bad", source="import no_such_lib.sub", manifest=manifest_data | {"dependencies": ["no-such-lib>=1"]})
    with pytest.raises(PluginLoadError, match=r"Install it: pip install no-such-lib$"):
        host(environment_with(**{"no-such-lib": "1.0"})).plugin("bad")


def test_a_failure_costs_once(add: Callable[..., Path], host: HostOf, site: FakeSite) -> None:
    add("bad", source=f"with open({str(site.path / 'tries')!r}, 'a') as file: file.write('x')\n1 / 0")
    here = host()
    errors = []
    for _ in range(3):
        with pytest.raises(PluginLoadError) as caught:
            here.plugin("bad")
        errors.append(caught.value)
    assert (site.path / "tries").read_text() == "x"
    assert len({str(error) for error in errors}) == 1
    assert isinstance(errors[2].__cause__, ZeroDivisionError)


def test_a_failed_plugin_leaves_no_module_behind(add: Callable[..., Path], host: HostOf) -> None:
    folder = add("bad", source="from . import part\n1 / 0")
    (folder / "part.py").touch()
    with pytest.raises(PluginLoadError):
        host().plugin("bad")
    assert [name for name in sys.modules if name.startswith("acme_bad")] == []


def test_a_plugin_gets_the_manifest_that_the_index_read(
    add: Callable[..., Path], host: HostOf, site: FakeSite, manifest_data: dict[str, Any]
) -> None:
    source = PLUGIN_SOURCE.replace('manifest = {"any": "thing"}', "").replace(
        "class ModelName_Plugin:",
        "from inference_pio import ModelPlugin\nclass ModelName_Plugin(ModelPlugin):",
    )
    add("wheel", source=source, manifest=None)
    extra = site.path / "acme_wheel-1.0.dist-info" / "extra_metadata"
    extra.mkdir()
    write_manifest(extra / "plugin_manifest.json", manifest_data)
    assert host().plugin("wheel").manifest.name == "ModelName"


def test_strict_raises_the_original(add: Callable[..., Path], host: HostOf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INFERENCE_PIO_STRICT", "1")
    add("bad", source="1 / 0")
    with pytest.raises(ZeroDivisionError):
        host().plugin("bad")


def test_ctrl_c_during_an_import_passes_through_and_is_no_failure(add: Callable[..., Path], host: HostOf) -> None:
    add("bad", source="raise KeyboardInterrupt")
    here = host()
    with pytest.raises(KeyboardInterrupt):
        here.plugin("bad")
    assert states(here) == {"bad": "ready"}


def test_what_a_plugin_prints_goes_to_standard_error(
    add: Callable[..., Path], host: HostOf, capfd: pytest.CaptureFixture[str]
) -> None:
    noise = "import os\nprint('printed')\nos.write(1, b'written')\n"
    add("noisy", source=noise + PLUGIN_SOURCE.replace("return ModelName", "print('made')\n    return ModelName"))
    host().plugin("noisy")
    print("answer")
    out, err = capfd.readouterr()
    assert out == "answer\n"
    assert all(word in err for word in ("printed", "written", "made"))


def test_a_plugin_that_sleeps_at_import_is_named_with_its_seconds(
    add: Callable[..., Path], host: HostOf, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inference_pio.loading.SLOW_IMPORT_S", 0.05)
    add("slow", source="import time; time.sleep(0.1)\n" + PLUGIN_SOURCE)
    with caplog.at_level(logging.WARNING):
        host().plugin("slow")
    assert "plugin 'slow' (acme-slow 1.0) took 0.1 s to import" in caplog.text


def test_two_threads_load_a_plugin_once(add: Callable[..., Path], host: HostOf) -> None:
    add("slow", source="import time; time.sleep(0.1)\n" + PLUGIN_SOURCE)
    here = host()
    found: list[Any] = []
    threads = [threading.Thread(target=lambda: found.append(here.plugin("slow"))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 3
    assert found[0] is found[1] is found[2]


# States that stand in the way


def test_an_invalid_plugin_is_a_manifest_error(add: Callable[..., Path], host: HostOf) -> None:
    add("bad", manifest="{")
    with pytest.raises(ManifestError, match=r"plugin 'bad' \(acme-bad 1.0\) has a broken plugin_manifest.json: \$"):
        host().plugin("bad")


def test_an_incompatible_plugin_says_every_reason_and_fix(
    add: Callable[..., Path], host: HostOf, manifest_data: dict[str, Any]
) -> None:
    manifest_data["compatibility"]["python_version"] = ">=4"
    manifest_data["dependencies"] = ["no-such-dist>=2"]
    add("picky", manifest=manifest_data)
    with pytest.raises(PluginUnavailableError) as caught:
        host().plugin("picky", force=True)
    assert "plugin 'picky' (acme-picky 1.0) cannot be used here" in str(caught.value)
    assert "needs Python >=4" in str(caught.value)
    assert "pip install 'no-such-dist>=2'" in str(caught.value)


def test_force_overrides_memory_and_nothing_else(
    add: Callable[..., Path],
    host: HostOf,
    manifest_data: dict[str, Any],
    environment_with: Callable[..., Environment],
) -> None:
    manifest_data["required_memory_gb"] = 8
    add("large", manifest=manifest_data)
    manifest_data["host_api"] = ">=2"
    add("both", manifest=manifest_data)
    here = host(environment_with(available_gb=1))
    with pytest.raises(PluginUnavailableError, match="8 GB"):
        here.plugin("large")
    with pytest.raises(PluginUnavailableError, match="host API"):
        here.plugin("both", force=True)
    assert here.plugin("large", force=True).name == "large"
    assert states(here) == {"large": "loaded", "both": "incompatible"}


def test_a_disabled_plugin_cannot_be_forced(
    add: Callable[..., Path], host: HostOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INFERENCE_PIO_DISABLE", "qwen3")
    add()
    with pytest.raises(PluginUnavailableError, match="disabled by INFERENCE_PIO_DISABLE"):
        host().plugin("qwen3", force=True)


def test_the_disabled_owner_of_a_shared_name_stays_disabled(
    importable: FakeSite, host: HostOf, manifest_data: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in (1, 2):
        importable.add_model("twin", dist=f"acme-{number}", package=f"acme_twin{number}", manifest=manifest_data)
        importable.add_hooks("twin", "", dist=f"acme-hooks-{number}")
    monkeypatch.setenv("INFERENCE_PIO_DISABLE", "acme-1,acme-hooks-1")
    here = host()
    here.plugin("twin")
    here.hooks.commands()
    for records in (here.records(), here.hook_plugins()):
        assert [(record.dist_name[-1], str(record.state)) for record in records] == [("2", "loaded"), ("1", "disabled")]


# Loading a model


LOADING = PLUGIN_SOURCE.replace(
    "def load_model(self, options=None, hooks=None): self.loaded = True",
    "def load_model(self, options=None, hooks=None):\n"
    "        self.got = options, hooks\n"
    "        self.loaded = True\n"
    "        if options.device: raise eval(options.device)\n",
)


def test_load_hands_over_options_and_hooks(add: Callable[..., Path], host: HostOf) -> None:
    add(source=LOADING)
    here = host()
    options = LoadOptions(threads=2)
    model: Any = here.load("qwen3", options)
    assert model.got == (options, here.hooks)
    model.cleanup()


def test_load_lets_a_model_be_prepared_before_its_weights_come(add: Callable[..., Path], host: HostOf) -> None:
    add(source=LOADING)
    seen = []
    model = host().load("qwen3", prepare=lambda model: seen.append((model.name, hasattr(model, "got"))))
    assert seen == [("qwen3", False)]
    model.cleanup()


def test_each_load_returns_a_model_of_its_own(add: Callable[..., Path], host: HostOf) -> None:
    add(source=LOADING)
    here = host()
    first: Any = here.load("qwen3", LoadOptions(weights="a"))
    with here.load("qwen3") as second:
        assert second is not first
        assert second.name == "qwen3"
    assert first.loaded is True
    assert first.got[0].weights == "a"


def test_a_model_that_fails_to_load_is_cleaned_up_and_named(add: Callable[..., Path], host: HostOf) -> None:
    add(source=LOADING)
    here = host()
    with pytest.raises(
        PluginError, match=r"plugin 'qwen3' \(acme-qwen3 1.0\) failed to load its model: ValueError: no"
    ):
        here.load("qwen3", LoadOptions(device="ValueError('no')"))
    model: Any = here.plugin("qwen3")
    assert model.loaded is False
    assert states(here) == {"qwen3": "loaded"}, "the plugin's code is sound; another checkpoint may do"


def test_a_model_that_exits_while_it_loads_or_is_cleaned_up_does_not_end_the_program(
    add: Callable[..., Path], host: HostOf
) -> None:
    add(source=LOADING.replace("def cleanup(self): self.loaded = False", "def cleanup(self): raise SystemExit(4)"))
    with pytest.raises(PluginError, match=r"failed to load its model: it called sys\.exit\(3\)"):
        host().load("qwen3", LoadOptions(device="SystemExit(3)"))


def test_our_own_errors_of_a_load_pass_through(
    add: Callable[..., Path], host: HostOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("builtins.ConfigErrorForTest", ConfigError, raising=False)
    add(source=LOADING)
    with pytest.raises(ConfigError, match="own"):
        host().load("qwen3", LoadOptions(device="ConfigErrorForTest('own')"))


def test_an_unknown_load_option_is_answered_with_the_nearest() -> None:
    with pytest.raises(InvalidOptionError, match=r"no option 'thread'\. Did you mean 'threads'\?"):
        inference_pio.load("anything", thread=2)
