"""Import hygiene: the host never meets torch, listing never pays for it, and no model leans on another."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable

import pytest

from .imports import chain_to, imports_of, parsed_modules
from .layout import CORE, DISTS, MODELS, PLUGINS, Dist, module_name

HEAVY = frozenset({"torch", "transformers"})
ALL_MODULES = {name: path for dist in DISTS for name, path in dist.modules.items()}
PARSED = parsed_modules(ALL_MODULES)
RUNTIME = "inference_pio.runtime"
# What cold start, the tokenizer and a native executor use: neither torch nor transformers may come with them.
LIGHT_PARTS = (
    "batch",
    "causal_lm",
    "chat_templates",
    "engine",
    "executor",
    "hooks",
    "program",
    "rotary_frequencies",
    "sampling",
    "scheduler",
    "sequence_lengths",
    "sources",
    "text_generation",
    "tokenizers",
    "weight_map",
    "weight_matching",
    "weights",
)
LIGHT_MODULES = [
    *CORE.modules,
    *(
        name
        for name in ALL_MODULES
        if name == RUNTIME or (name.startswith(f"{RUNTIME}.") and name.split(".")[2] in LIGHT_PARTS)
    ),
    *(name for name in ALL_MODULES if f"{name}.".startswith("inference_pio.native.")),
    *(
        name
        for model in MODELS
        for name in (
            f"inference_pio.models.{model.word}{part}" for part in ("", ".config", ".plugin", ".fused_layers.program")
        )
        if name in ALL_MODULES
    ),
]


def test_the_host_never_imports_torch_or_transformers_not_even_in_a_function() -> None:
    found = [
        f"{m}:{i.line} {i.name}" for m, path in CORE.modules.items() for i in imports_of(m, path) if i.top in HEAVY
    ]
    assert found == []


@pytest.mark.parametrize("module", LIGHT_MODULES)
def test_importing_a_light_module_does_not_import_torch_or_transformers(module: str) -> None:
    assert " -> ".join(chain_to(module, HEAVY, PARSED)) == ""


def test_every_light_part_of_the_runtime_exists() -> None:
    assert [part for part in LIGHT_PARTS if f"{RUNTIME}.{part}" not in ALL_MODULES] == []


def test_a_distribution_uses_only_those_of_ours_that_it_depends_on(dist: Dist) -> None:
    allowed = dependencies(dist) | {dist.project["name"]}
    found = [
        f"{module}:{i.line} {i.name}"
        for module, path in dist.modules.items()
        for i in imports_of(module, path)
        if i.top == "inference_pio" and owner(i.name).project["name"] not in allowed
    ]
    assert found == []


def test_no_model_depends_on_another_model(model: Dist) -> None:
    assert dependencies(model) & {other.project["name"] for other in MODELS} == set()


def test_what_a_distribution_imports_is_declared_in_its_pyproject(dist: Dist) -> None:
    ours = {other.project["name"]: other for other in DISTS}
    # What a distribution is built with calls its build hook, and is there when it does.
    declared = dependencies(dist) | names(dist.settings["build-system"]["requires"])
    reachable = declared.union(*(dependencies(ours[name]) for name in declared if name in ours))
    found = [
        f"{module}:{i.line} {i.name}"
        for module, path in dist.modules.items()
        for i in imports_of(module, path)
        if i.top not in sys.stdlib_module_names | {"inference_pio"} and i.top.replace("_", "-").lower() not in reachable
    ]
    assert found == []


def dependencies(dist: Dist) -> set[str]:
    """Names of everything a distribution asks pip for, its extras included."""
    extras = dist.project.get("optional-dependencies", {}).values()
    lines = [*dist.project.get("dependencies", []), *(line for extra in extras for line in extra)]
    return names(lines)


def names(requirements: Iterable[str]) -> set[str]:
    """The distributions in a list of requirements."""
    return {re.split(r"[^A-Za-z0-9._-]", line, maxsplit=1)[0].lower() for line in requirements}


def owner(name: str) -> Dist:
    """The distribution that an import of ``inference_pio`` takes something from."""
    packages = {module_name(plugin.folder / "src", plugin.package / "__init__.py"): plugin for plugin in PLUGINS}
    return next((dist for package, dist in packages.items() if f"{name}.".startswith(f"{package}.")), CORE)
