"""Every hook's example is run as a plugin of its own, and does what it is there to show."""

from __future__ import annotations

import collections
import dataclasses
import inspect
import logging
import os
import sys
import textwrap
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from inference_pio import hookspecs
from inference_pio.common.config import BaseConfig
from inference_pio.errors import InferencePioError, WeightsNotFoundError
from inference_pio.generation import Completion, GenerationRequest, GenerationStats, LoadOptions, SamplingOptions
from inference_pio.hooks import HookCaller
from inference_pio.hookspecs import DoctorFinding, ExecutorRequest, WeightsRequest, hookimpl
from inference_pio.manifest import WeightsEntry, parse_manifest

HOOKS = sorted(name for name in vars(hookspecs) if name.startswith("pio_"))
# What the docstring of the module promises to be imported.
IMPORTS: dict[str, Any] = {
    "DoctorFinding": DoctorFinding,
    "Path": Path,
    "click": click,
    "collections": collections,
    "dataclasses": dataclasses,
    "hookimpl": hookimpl,
    "logging": logging,
    "os": os,
}
REQUEST = GenerationRequest(plugin_name="gemma3", prompt="Hi", prompt_ids=(1, 2, 3), options=SamplingOptions())
STATS = GenerationStats(prompt_tokens=3, new_tokens=2, first_token_s=0.1, total_s=0.2)
COMPLETION = Completion(text="Ho", token_ids=(4, 5), finish_reason="stop", stats=STATS)


def example_of(hook: str) -> str:
    """The code of a hook's example."""
    _, heading, code = (inspect.getdoc(getattr(hookspecs, hook)) or "").partition("Example::\n")
    assert heading, f"{hook} has no example"
    return textwrap.dedent(code)


@dataclasses.dataclass
class Example:
    """A hook's example, registered."""

    module: Any
    hooks: HookCaller


@pytest.fixture
def example(request: pytest.FixtureRequest) -> Example:
    """The example of the hook that the test is named after."""
    hook = request.node.originalname.partition("_pio_")[2]
    module = types.ModuleType("example")
    vars(module).update(IMPORTS)
    exec(compile(example_of(f"pio_{hook}"), f"example of pio_{hook}", "exec"), vars(module))
    hooks = HookCaller()
    hooks.register(module, "example")
    return Example(module, hooks)


@pytest.fixture
def share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OFFICE_SHARE", str(tmp_path))
    return tmp_path


def entry(source: str) -> WeightsEntry:
    return WeightsEntry(id="a", source=source)


def test_pio_resolve_weights(example: Example, share: Path) -> None:
    (share / "model.gguf").touch()

    def resolve(source: str) -> Path:
        return example.hooks.resolve_weights(WeightsRequest(entry=entry(source), cache_dir=share / "cache"))

    assert resolve("share:model.gguf") == share / "model.gguf"
    with pytest.raises(WeightsNotFoundError):
        resolve("hf:somebody/model.gguf")


def test_pio_weights_present(example: Example, share: Path) -> None:
    assert not example.hooks.weights_present(entry("share:model.gguf"), share)
    (share / "model.gguf").touch()
    assert example.hooks.weights_present(entry("share:model.gguf"), share)
    assert not example.hooks.weights_present(entry("hf:model.gguf"), share)


def test_pio_choose_device(example: Example, seed_manifest: str) -> None:
    small = parse_manifest(seed_manifest)
    large = parse_manifest(seed_manifest.replace('"required_memory_gb": 8.0', '"required_memory_gb": 16'))
    assert example.hooks.choose_device(large, None) == "cuda:1"
    assert example.hooks.choose_device(large, "cpu") == "cpu"
    assert example.hooks.choose_device(small, None) == "cpu"


def test_pio_offer_executor(example: Example, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[Any, ...]] = []

    class NpuExecutor:
        def __init__(self, *arguments: Any) -> None:
            seen.append(arguments)

    monkeypatch.setitem(sys.modules, "acme_npu", types.SimpleNamespace(NpuExecutor=NpuExecutor))
    plugin: Any = object()
    config, options = BaseConfig(), LoadOptions()

    def offered(device: str) -> Any:
        return example.hooks.offer_executor(
            ExecutorRequest(
                plugin_name="m", plugin=plugin, config=config, checkpoint="file", device=device, options=options
            )
        )

    assert isinstance(offered("npu"), NpuExecutor)
    assert seen == [(plugin, config, "file")]
    with pytest.raises(InferencePioError, match="no installed plugin offers an executor"):
        offered("cpu")


def test_pio_adjust_config(example: Example) -> None:
    @dataclasses.dataclass
    class Config(BaseConfig):
        max_position_embeddings: int = 8192

    assert example.hooks.adjust_config("gemma3", Config()) == Config(max_position_embeddings=2048)
    assert example.hooks.adjust_config("smollm2", Config()) == Config()


def test_pio_after_load(example: Example) -> None:
    calls: list[tuple[Any, ...]] = []
    model: Any = types.SimpleNamespace(generate=lambda *prompt, **options: calls.append((*prompt, options)))
    example.hooks.after_load("gemma3", model)
    assert calls == [("warm up", {"max_new_tokens": 1})]


def test_pio_before_generation(example: Example, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    example.hooks.before_generation(REQUEST)
    assert caplog.messages == ["gemma3: 3 tokens"]


def test_pio_after_generation(example: Example) -> None:
    for _ in range(2):
        example.hooks.after_generation(REQUEST, COMPLETION)
    assert example.module.new_tokens == {"gemma3": 4}


def test_pio_logits_processors(example: Example) -> None:
    (processor,) = example.hooks.logits_processors(REQUEST)
    logits = [0.0] * 50
    assert processor([1, 2], logits) is logits
    assert [place for place, logit in enumerate(logits) if logit == -float("inf")] == [42]


def test_pio_commands(example: Example) -> None:
    (command,) = example.hooks.commands()
    assert command.name == "greet"
    assert CliRunner().invoke(command, ["Ada"]).output == "Hello Ada\n"


def test_pio_doctor_checks(example: Example, share: Path) -> None:
    (check,) = example.hooks.doctor_checks()
    assert check() == DoctorFinding(name="share", status="ok", message=str(share))
    share.rmdir()
    assert (check().status, check().fix) == ("error", f"mount {share}")


def test_pio_shutdown(example: Example) -> None:
    closed: list[str] = []
    for name in ("a", "b"):
        example.module.connections.append(types.SimpleNamespace(close=lambda name=name: closed.append(name)))
    example.hooks.shutdown()
    assert sorted(closed) == ["a", "b"]
    assert example.module.connections == []


def test_every_hook_has_an_example_that_a_test_here_runs() -> None:
    tests: dict[str, Callable[..., None]] = {
        name.removeprefix("test_"): value for name, value in globals().items() if name.startswith("test_pio_")
    }
    assert sorted(tests) == HOOKS
    for hook in HOOKS:
        assert f"def {hook}(" in example_of(hook), hook
