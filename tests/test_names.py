"""One word names folder, distribution, import package and entry point, and the manifest says the same."""

from __future__ import annotations

import ast
import json
import re
from typing import Any

from .layout import HOOK_GROUP, MODEL_GROUP, Dist


def manifest(model: Dist) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((model.package / "plugin_manifest.json").read_text(encoding="utf-8"))
    return data


def test_the_folder_names_the_distribution(plugin: Dist) -> None:
    assert plugin.project["name"] == f"inference-pio-{plugin.word}"


def test_a_plugin_has_an_entry_point_of_its_own_name_and_no_other(plugin: Dist) -> None:
    names = [*plugin.entry_points(MODEL_GROUP), *plugin.entry_points(HOOK_GROUP)]
    assert set(names) == {plugin.word}


def test_the_import_package_lies_where_its_name_says(dist: Dist) -> None:
    source = dist.folder / "src"
    strays = [p for p in source.rglob("*.py") if not p.is_relative_to(dist.package)]
    assert (dist.package / "__init__.py").is_file()
    assert strays == [], "the wheel would add modules that belong to another distribution"


def test_the_entry_point_is_what_the_manifest_says(model: Dist) -> None:
    entry = manifest(model)["entry_point"]
    package = f"inference_pio.models.{model.word}"
    assert model.entry_points(MODEL_GROUP) == {model.word: f"{package}{entry['module']}:{entry['factory_function']}"}


def test_the_manifest_names_the_model_by_the_same_word(model: Dist) -> None:
    assert re.sub(r"[^a-z0-9]", "", manifest(model)["name"].lower()) == model.word


def test_the_manifest_has_the_version_of_its_distribution(model: Dist) -> None:
    assert manifest(model)["version"] == model.project["version"]


def test_the_plugin_module_defines_the_class_and_the_factory_of_the_manifest(model: Dist) -> None:
    entry = manifest(model)["entry_point"]
    tree = ast.parse((model.package / f"{entry['module'].lstrip('.')}.py").read_text(encoding="utf-8"))
    classes = {node.name for node in tree.body if isinstance(node, ast.ClassDef)}
    functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert entry["class"] in classes
    assert entry["factory_function"] in functions


def test_all_distributions_share_name_prefix_license_and_python(dist: Dist) -> None:
    assert dist.project["name"].startswith("inference-pio")
    assert dist.project["license"] == "Apache-2.0"
    assert dist.project["requires-python"] == ">=3.10"
