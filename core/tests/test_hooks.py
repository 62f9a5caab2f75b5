from __future__ import annotations

import inspect
import logging
import sys
import threading
import types
from pathlib import Path
from typing import Any

import click
import pluggy
import pytest

import inference_pio.hookspecs as specs
from inference_pio.common.config import BaseConfig
from inference_pio.errors import ConfigError, HookError, InferencePioError, PluginLoadError, WeightsNotFoundError
from inference_pio.generation import GenerationRequest, LoadOptions, SamplingOptions
from inference_pio.hooks import HookCaller
from inference_pio.hookspecs import DoctorFinding, ExecutorRequest, WeightsRequest, hookimpl
from inference_pio.manifest import Manifest, WeightsEntry, parse_manifest

ENTRY = WeightsEntry(id="a", source="s3:bucket/a")
REQUEST = GenerationRequest(plugin_name="m", prompt="x", prompt_ids=(1,), options=SamplingOptions())
HOOKS = [name for name in vars(specs) if name.startswith("pio_")]


def plugin(**functions: Any) -> types.SimpleNamespace:
    return types.SimpleNamespace(**{name: hookimpl(function) for name, function in functions.items()})


def check() -> DoctorFinding:
    return DoctorFinding(name="n", status="ok", message="m")


def raising(error: BaseException) -> Any:
    def pio_choose_device() -> None:
        raise error

    return pio_choose_device


@pytest.fixture
def manifest(seed_manifest: str) -> Manifest:
    return parse_manifest(seed_manifest)


@pytest.fixture
def executor_request() -> ExecutorRequest:
    nobody: Any = object()  # nothing here looks at the plugin
    return ExecutorRequest(
        plugin_name="m", plugin=nobody, config=BaseConfig(), checkpoint=None, device="cpu", options=LoadOptions()
    )


@pytest.mark.parametrize("name", HOOKS)
def test_each_hook_is_documented_with_an_example_of_itself(name: str) -> None:
    spec = getattr(specs, name)
    text = inspect.getdoc(spec) or ""
    example = text.partition("Example::")[2]
    arguments = ", ".join(inspect.signature(spec).parameters)
    assert f"@hookimpl\n    def {name}({arguments}):" in example


@pytest.mark.parametrize("name", HOOKS)
def test_each_hook_has_a_method_on_the_caller(name: str) -> None:
    method = getattr(HookCaller, name.removeprefix("pio_"))
    assert method.__doc__


# Decision hooks


def test_the_last_registered_is_asked_first_and_none_passes_on(manifest: Manifest) -> None:
    hooks = HookCaller()
    hooks.register(plugin(pio_choose_device=lambda: "first"), "first")
    hooks.register(plugin(pio_choose_device=lambda: "second"), "second")
    hooks.register(plugin(pio_choose_device=lambda: None), "third")
    assert hooks.choose_device(manifest, None) == "second"


def test_trylast_is_asked_last(manifest: Manifest) -> None:
    hooks = HookCaller()
    hooks.register(plugin(pio_choose_device=lambda: "early"), "early")
    late = types.SimpleNamespace(pio_choose_device=hookimpl(trylast=True)(lambda: "late"))
    hooks.register(late, "late")
    assert hooks.choose_device(manifest, None) == "early"


def test_implementations_get_the_arguments_they_ask_for(manifest: Manifest) -> None:
    hooks = HookCaller()
    hooks.register(plugin(pio_choose_device=lambda requested: f"{requested}:1"), "p")
    assert hooks.choose_device(manifest, "cuda") == "cuda:1"


def test_when_nobody_chooses_a_device_the_request_counts_else_the_cpu(manifest: Manifest) -> None:
    assert HookCaller().choose_device(manifest, None) == "cpu"
    assert HookCaller().choose_device(manifest, "mps") == "mps"


@pytest.mark.parametrize("error", [ValueError("boom"), SystemExit(3), ZeroDivisionError()])
def test_a_decision_that_breaks_names_plugin_distribution_and_hook(manifest: Manifest, error: BaseException) -> None:
    hooks = HookCaller()
    hooks.register(plugin(pio_choose_device=lambda: "cpu"), "good")
    hooks.register(plugin(pio_choose_device=raising(error)), "bad", dist="acme-bad 1.0")
    with pytest.raises(HookError, match=r"plugin 'bad' \(acme-bad 1.0\) failed in hook pio_choose_device") as caught:
        hooks.choose_device(manifest, None)
    assert caught.value.__cause__ is error
    assert caught.value.exit_code == 3


def test_our_own_errors_pass_through_unchanged(manifest: Manifest) -> None:
    error = ConfigError("no")
    hooks = HookCaller()
    hooks.register(plugin(pio_choose_device=raising(error)), "p")
    with pytest.raises(ConfigError) as caught:
        hooks.choose_device(manifest, None)
    assert caught.value is error


def test_ctrl_c_passes_through(manifest: Manifest) -> None:
    hooks = HookCaller()
    hooks.register(plugin(pio_choose_device=raising(KeyboardInterrupt())), "p")
    with pytest.raises(KeyboardInterrupt):
        hooks.choose_device(manifest, None)


def test_strict_raises_the_original(manifest: Manifest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INFERENCE_PIO_STRICT", "1")
    hooks = HookCaller()
    hooks.register(plugin(pio_choose_device=raising(ZeroDivisionError())), "p")
    with pytest.raises(ZeroDivisionError):
        hooks.choose_device(manifest, None)


@pytest.mark.parametrize("answer", [7, "", b"cpu"])
def test_a_device_must_be_a_name(manifest: Manifest, answer: Any) -> None:
    hooks = HookCaller()
    hooks.register(plugin(pio_choose_device=lambda: answer), "p")
    with pytest.raises(HookError, match="'p' failed in hook pio_choose_device"):
        hooks.choose_device(manifest, None)


def test_weights_resolve_to_an_existing_path(tmp_path: Path) -> None:
    request = WeightsRequest(entry=ENTRY, cache_dir=tmp_path)
    hooks = HookCaller()
    with pytest.raises(WeightsNotFoundError, match=r"s3:bucket/a.*pip install inference-pio-runtime"):
        hooks.resolve_weights(request)
    hooks.register(plugin(pio_resolve_weights=lambda: str(tmp_path)), "text")
    assert hooks.resolve_weights(request) == tmp_path
    hooks.register(plugin(pio_resolve_weights=lambda: tmp_path / "missing"), "missing")
    with pytest.raises(HookError, match="does not exist"):
        hooks.resolve_weights(request)
    hooks.register(plugin(pio_resolve_weights=lambda: 5), "number")
    with pytest.raises(HookError, match="'number'"):
        hooks.resolve_weights(request)


def test_weights_are_absent_unless_somebody_knows_better(tmp_path: Path) -> None:
    hooks = HookCaller()
    assert hooks.weights_present(ENTRY, tmp_path) is False
    hooks.register(plugin(pio_weights_present=lambda: True), "p")
    assert hooks.weights_present(ENTRY, tmp_path) is True
    hooks.register(plugin(pio_weights_present=lambda: False), "q")
    assert hooks.weights_present(ENTRY, tmp_path) is False
    hooks.register(plugin(pio_weights_present=lambda: "yes"), "r")
    with pytest.raises(HookError, match="expected a bool"):
        hooks.weights_present(ENTRY, tmp_path)


def test_an_executor_must_be_offered_by_somebody(executor_request: ExecutorRequest) -> None:
    hooks = HookCaller()
    with pytest.raises(InferencePioError, match=r"'m' on 'cpu'.*pip install inference-pio-runtime"):
        hooks.offer_executor(executor_request)
    executor = object()
    hooks.register(plugin(pio_offer_executor=lambda: executor), "p")
    assert hooks.offer_executor(executor_request) is executor


def test_a_configuration_is_changed_or_left(tmp_path: Path) -> None:
    config = BaseConfig()
    hooks = HookCaller()
    assert hooks.adjust_config("m", config) is config
    hooks.register(plugin(pio_adjust_config=lambda config: BaseConfig(vocab_size=7)), "p")
    assert hooks.adjust_config("m", config).vocab_size == 7
    hooks.register(plugin(pio_adjust_config=lambda: {"vocab_size": 8}), "q")
    with pytest.raises(HookError, match="expected a BaseConfig, got dict"):
        hooks.adjust_config("m", config)


# Contribution hooks


def test_contributions_of_all_count_and_a_failure_is_contained_and_said_once(caplog: pytest.LogCaptureFixture) -> None:
    def first(token_ids: Any, logits: Any) -> Any:
        return logits

    def second(token_ids: Any, logits: Any) -> Any:
        return logits

    hooks = HookCaller()
    hooks.register(plugin(pio_logits_processors=lambda: [first]), "one")
    hooks.register(plugin(pio_logits_processors=lambda: 1 / 0), "bad", dist="acme-bad 1.0")
    hooks.register(plugin(pio_logits_processors=lambda: [second]), "two")
    hooks.register(plugin(pio_logits_processors=lambda: None), "none")
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            assert [owned.function for owned in hooks.logits_processors(REQUEST)] == [second, first]
    (warning,) = caplog.messages
    assert "plugin 'bad' (acme-bad 1.0) failed in hook pio_logits_processors: ZeroDivisionError" in warning


@pytest.mark.parametrize("error", [ZeroDivisionError("oops"), SystemExit("oops")])
def test_an_error_inside_a_logits_processor_names_its_plugin(error: BaseException) -> None:
    def broken(token_ids: Any, logits: Any) -> Any:
        raise error

    hooks = HookCaller()
    hooks.register(plugin(pio_logits_processors=lambda: [broken]), "acme", dist="acme-bias 2.0")
    (owned,) = hooks.logits_processors(REQUEST)
    with pytest.raises(HookError, match=r"'acme' \(acme-bias 2\.0\) .*pio_logits_processors: .*oops"):
        owned([1, 2], None)


@pytest.mark.parametrize("answer", [5, ["not callable"], iter([1])])
def test_a_contribution_of_a_wrong_type_is_left_out(answer: Any, caplog: pytest.LogCaptureFixture) -> None:
    hooks = HookCaller()
    hooks.register(plugin(pio_doctor_checks=lambda: answer), "bad")
    hooks.register(plugin(pio_doctor_checks=lambda: [check]), "good")
    assert hooks.doctor_checks() == [check]
    assert "'bad'" in caplog.text


def test_only_named_click_commands_are_commands(caplog: pytest.LogCaptureFixture) -> None:
    command = click.Command("logs")
    hooks = HookCaller()
    hooks.register(plugin(pio_commands=lambda: [command]), "good")
    hooks.register(plugin(pio_commands=lambda: [click.Command(None)]), "nameless")
    hooks.register(plugin(pio_commands=lambda: [print]), "function")
    assert hooks.commands() == [command]
    assert "'nameless'" in caplog.text
    assert "'function'" in caplog.text


def test_observers_are_told_even_when_one_exits(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[str] = []
    hooks = HookCaller()
    hooks.register(plugin(pio_before_generation=lambda request: seen.append(request.plugin_name)), "one")
    hooks.register(plugin(pio_before_generation=raising(SystemExit(1))), "exits")
    hooks.before_generation(REQUEST)
    assert seen == ["m"]
    assert "'exits'" in caplog.text


def test_strict_raises_failures_of_observers_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INFERENCE_PIO_STRICT", "1")
    hooks = HookCaller()
    hooks.register(plugin(pio_before_generation=raising(ZeroDivisionError())), "p")
    with pytest.raises(ZeroDivisionError):
        hooks.before_generation(REQUEST)


# Registration


def good() -> str:
    return "good"


@pytest.mark.parametrize(
    ("functions", "said"),
    [
        ({"pio_commands": lambda surprise: []}, "fit: pio_commands asks for surprise; the hook has no arguments"),
        (
            {"pio_after_generation": lambda completon, more=1, request=None: None},
            "fit: pio_after_generation asks for completon; the hook has request, completion",
        ),
        ({"pio_chose_device": lambda: "cpu"}, "no hook pio_chose_device; did you mean pio_choose_device?"),
    ],
)
def test_hooks_that_do_not_fit_are_refused_with_all_their_siblings(
    manifest: Manifest, functions: dict[str, Any], said: str
) -> None:
    hooks = HookCaller()
    with pytest.raises(PluginLoadError, match="has hooks that do not fit") as caught:
        hooks.register(plugin(pio_choose_device=good, **functions), "bad", dist="acme-bad 1.0")
    assert said in str(caught.value)
    assert hooks.choose_device(manifest, None) == "cpu"


def test_wrappers_are_refused_with_the_reason() -> None:
    wrapper = types.SimpleNamespace(pio_choose_device=hookimpl(wrapper=True)(lambda: (yield)))
    with pytest.raises(PluginLoadError, match="pio_choose_device is a wrapper"):
        HookCaller().register(wrapper, "p")


def test_one_name_is_registered_once_a_kind() -> None:
    hooks = HookCaller()
    hooks.register(plugin(pio_commands=good), "p", kind="model")
    hooks.register(plugin(pio_commands=good), "p", kind="hooks")
    with pytest.raises(PluginLoadError, match="registered already"):
        hooks.register(plugin(pio_commands=good), "p", kind="hooks")


def test_a_hook_may_be_called_while_another_thread_registers_a_plugin(
    manifest: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    hooks = HookCaller()
    register = pluggy.PluginManager.register
    answers: list[str] = []

    def register_and_call(manager: pluggy.PluginManager, functions: Any, name: str) -> None:
        register(manager, functions, name)
        answers.append(hooks.choose_device(manifest, None))

    monkeypatch.setattr(pluggy.PluginManager, "register", register_and_call)
    hooks.register(plugin(pio_choose_device=good), "p")
    assert answers == ["cpu", "good"], "a rehearsal, then the real thing"


def test_properties_of_a_plugin_are_not_evaluated(manifest: Manifest) -> None:
    class Model:
        @property
        def has_chat_template(self) -> bool:
            raise AssertionError("evaluated")

        @hookimpl
        def pio_choose_device(self, requested: str | None) -> str:
            return f"mine, not {requested}"

    hooks = HookCaller()
    hooks.register(Model(), "m")
    assert hooks.choose_device(manifest, "cpu") == "mine, not cpu"


def test_plugins_without_hooks_do_not_get_into_each_others_way() -> None:
    hooks = HookCaller()
    hooks.register(object(), "one")
    hooks.register(object(), "two")


def test_hook_plugins_are_loaded_once_at_the_first_call(manifest: Manifest) -> None:
    loads: list[str] = []

    def load(hooks: HookCaller) -> list[str]:
        loads.append("load")
        hooks.register(plugin(pio_choose_device=good), "p")
        assert hooks.commands() == [], "a plugin may call hooks while it is loaded"
        return ["q (acme-q 1.0) is disabled"]

    hooks = HookCaller(load)
    assert loads == []
    assert hooks.choose_device(manifest, None) == "good"
    assert hooks.choose_device(manifest, None) == "good"
    assert loads == ["load"]


def test_when_nobody_answers_the_plugins_that_are_not_in_use_are_named(tmp_path: Path) -> None:
    hooks = HookCaller(lambda hooks: ["runtime (inference-pio-runtime 0.1.0) is disabled"])
    with pytest.raises(WeightsNotFoundError, match=r"not in use: runtime \(inference-pio-runtime 0.1.0\) is disabled"):
        hooks.resolve_weights(WeightsRequest(entry=ENTRY, cache_dir=tmp_path))


def test_everybody_is_told_of_the_end_once_and_nobody_holds_it_up(caplog: pytest.LogCaptureFixture) -> None:
    told = []
    hooks = HookCaller()
    hooks.register(plugin(pio_shutdown=lambda: told.append("first")), "first")
    hooks.register(plugin(pio_shutdown=lambda: threading.Event().wait()), "hangs")
    hooks.register(plugin(pio_shutdown=lambda: sys.exit(3)), "exits")
    hooks.register(plugin(pio_shutdown=lambda: told.append("last")), "last")
    hooks.shutdown(limit_s=0.1)
    hooks.shutdown(limit_s=0.1)
    assert told == ["last", "first"]
    assert "'hangs' failed in hook pio_shutdown: TimeoutError" in caplog.text
    assert "'exits' failed in hook pio_shutdown: it called sys.exit(3)" in caplog.text


def test_the_end_loads_no_plugin() -> None:
    hooks = HookCaller(lambda _: pytest.fail("loaded"))
    hooks.shutdown()
