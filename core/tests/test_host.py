from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import importlib_metadata
import pytest

import inference_pio
from inference_pio.discovery import build_index
from inference_pio.errors import (
    ConfigError,
    InvalidOptionError,
    LicenseNotAcceptedError,
    ManifestError,
    PluginError,
    PluginLoadError,
    PluginUnavailableError,
    UnknownPluginError,
)
from inference_pio.gates import Environment
from inference_pio.generation import LoadOptions
from inference_pio.hookspecs import WeightsRequest, hookimpl
from inference_pio.host import Host
from inference_pio.installed import collect
from inference_pio.records import PluginState

from .conftest import PLUGIN_SOURCE, FakeSite, write_manifest

HostOf = Callable[..., Host]


@pytest.fixture
def host(importable: FakeSite, environment_with: Callable[..., Environment]) -> HostOf:
    """Build a host that sees the fake site only."""

    def build(environment: Environment | None = None) -> Host:
        search_path = [str(importable.path)]
        installed = collect(importlib_metadata.distributions(path=search_path))
        return Host(build_index(installed, environment=environment or environment_with(), search_path=search_path))

    return build


@pytest.fixture
def add(importable: FakeSite, manifest_data: dict[str, Any]) -> Callable[..., Path]:
    """Add a model plugin with a package of its own, so that tests do not share modules."""

    def build(name: str = "qwen3", **options: Any) -> Path:
        options.setdefault("manifest", manifest_data)
        return importable.add_model(name, package=f"acme_{name}", dist=f"acme-{name}", **options)

    return build


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


def test_without_any_plugin_the_answer_says_how_to_install_one(host: HostOf) -> None:
    with pytest.raises(UnknownPluginError, match="pip install inference-pio-gemma3"):
        host().record("gemma3")


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
        ("import inference_pio.models.no_such", "Install or update it: pip install -U inference-pio-no-such"),
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


# Hook plugins


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
    assert states(here) == {"both": "invalid"}
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


# Pulling weights


class Store:
    """A source of weights whose use is counted."""

    def __init__(self, path: Path, *, present: bool) -> None:
        self.path = path
        self.present = present
        self.requests: list[WeightsRequest] = []

    @hookimpl
    def pio_resolve_weights(self, request: WeightsRequest) -> Path:
        self.requests.append(request)
        return self.path

    @hookimpl
    def pio_weights_present(self) -> bool:
        return self.present


@pytest.fixture
def gated(manifest_data: dict[str, Any]) -> dict[str, Any]:
    entry = {"id": "q4", "source": "s3:q4", "license": "Gemma terms", "license_url": "https://terms", "consent": True}
    return manifest_data | {"weights": [entry, {"id": "free", "source": "s3:free", "license": "MIT"}]}


def test_pull_fetches_without_importing_the_model(
    add: Callable[..., Path], host: HostOf, site: FakeSite, gated: dict[str, Any], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("INFERENCE_PIO_CACHE_DIR", str(tmp_path / "cache"))
    add(manifest=gated)
    here = host()
    store = Store(tmp_path, present=False)
    here.hooks.register(store, "store")
    assert here.pull("qwen3", "free", offline=True) == tmp_path
    (request,) = store.requests
    assert (request.entry.id, request.offline, request.cache_dir) == ("free", True, tmp_path / "cache")
    assert site.executed == []


def test_pull_asks_for_consent_before_a_download_only(
    add: Callable[..., Path], host: HostOf, gated: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(manifest=gated)
    here = host()
    store = Store(tmp_path, present=False)
    here.hooks.register(store, "store")
    with pytest.raises(LicenseNotAcceptedError) as caught:
        here.pull("qwen3")
    said = str(caught.value)
    assert all(part in said for part in ("Gemma terms", "https://terms", "--accept-license", "accept_license=True"))
    assert store.requests == []
    assert here.pull("qwen3", accept_license=True) == tmp_path
    store.present = True
    assert here.pull("qwen3") == tmp_path
    store.present = False
    monkeypatch.setenv("INFERENCE_PIO_ACCEPT_LICENSE", "1")
    assert here.pull("qwen3") == tmp_path


def test_pull_serves_another_machine_too_but_no_broken_or_disabled_plugin(
    add: Callable[..., Path], host: HostOf, importable: FakeSite, gated: dict[str, Any], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("INFERENCE_PIO_DISABLE", "off")
    add("large", manifest=gated | {"required_memory_gb": 10_000})
    add("bad", manifest="{")
    add("off", manifest=gated)
    for dist in ("acme-a", "acme-b"):
        importable.add_model("twin", dist=dist, package=dist.replace("-", "_"), manifest=gated)
    here = host()
    here.hooks.register(Store(tmp_path, present=True), "store")
    assert here.pull("large") == tmp_path
    with pytest.raises(ManifestError):
        here.pull("bad")
    with pytest.raises(ManifestError, match="claimed more than once"):
        here.pull("twin")
    with pytest.raises(PluginUnavailableError):
        here.pull("off")
