"""What is rendered: every template, nothing but templates, the same each time, and sound without any tool's help."""

from __future__ import annotations

import ast
import itertools
import json
import re
from importlib.resources import files
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

import inference_pio
from inference_pio import HOST_API, scaffold
from inference_pio.checking import check_target
from inference_pio.errors import InvalidOptionError
from inference_pio.manifest import check_manifest
from inference_pio.scaffold import Kind, build_project, license_names, render_project, write_project
from inference_pio.scaffold.naming import LONGEST_NAME
from inference_pio.scaffold.project import version_bounds
from inference_pio.scaffold.rendering import SUFFIX, substitute

KINDS: tuple[Kind, ...] = ("model", "hooks")
LONGEST_LINE = 120
LONGEST = "Abcdefg_" * (LONGEST_NAME // 8 - 1) + "Abcdefgh"


def templates() -> list[Path]:
    folder = Path(str(files(scaffold))) / "templates"
    return sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())


def rendered(name: str = "My_Model-2", **options: str) -> dict[str, str]:
    return render_project(build_project(name, **options))  # type: ignore[arg-type]  # texts, one of them a Literal


def python_files(kind: str, name: str, package: str | None) -> dict[str, str]:
    options = {"package": package} if package else {}
    return {path: text for path, text in rendered(name, kind=kind, **options).items() if path.endswith(".py")}


every_kind = pytest.mark.parametrize("kind", KINDS)
every_shape = pytest.mark.parametrize(
    ("kind", "name", "package"),
    list(itertools.product(KINDS, ("q", "My_Model-2", LONGEST), (None, "aardvark", "z" * LONGEST_NAME))),
)


@every_kind
def test_every_template_is_rendered(kind: Kind) -> None:
    expected = {
        Path(*path.parts[2:]).as_posix().removesuffix(SUFFIX)
        for path in templates()
        if path.parts[0] in ("shared", kind)
    }
    home = "src/inference_pio/models/my_model_2/" if kind == "model" else "src/inference_pio_my_model_2/"
    assert {path.removeprefix(home) for path in rendered(kind=kind)} == {*expected, "LICENSE"}


def test_nothing_but_templates_lies_among_them() -> None:
    assert [path for path in templates() if path.suffix != SUFFIX] == []


@every_kind
def test_no_placeholder_is_left_and_every_value_is_used(kind: Kind) -> None:
    texts = rendered(kind=kind, author="Somebody Special", description="Something special", license="MIT")
    assert [path for path, text in texts.items() if re.search(r"\{\{|\}\}", text)] == []
    for value in ("Somebody Special", "Something special", "my_model_2", "my-model-2", "My Model 2"):
        assert any(value in text for text in texts.values()), value


@every_kind
def test_two_renderings_of_one_name_are_equal(kind: Kind) -> None:
    assert rendered(kind=kind) == rendered(kind=kind)


@every_shape
def test_every_python_file_parses_and_keeps_to_the_line_length(kind: str, name: str, package: str | None) -> None:
    too_long = []
    for path, text in python_files(kind, name, package).items():
        ast.parse(text, path)
        too_long += [f"{path}: {line}" for line in text.splitlines() if len(line) > LONGEST_LINE]
    assert too_long == []


@every_shape
def test_imports_are_sorted_whatever_the_package_is_called(kind: str, name: str, package: str | None) -> None:
    for path, text in python_files(kind, name, package).items():
        for block in re.findall(r"(?:^from \w[^\n(]*\n)+", text, re.MULTILINE):
            modules = [line.split()[1] for line in block.splitlines()]
            assert modules == sorted(modules), path


@every_kind
def test_every_module_says_what_it_is_and_every_file_ends_with_one_newline(kind: Kind) -> None:
    for path, text in rendered(kind=kind).items():
        assert text == "" or (text.endswith("\n") and not text.endswith("\n\n")), path
        assert not path.endswith(".py") or ast.get_docstring(ast.parse(text)), path


def test_each_folder_of_a_model_says_what_may_differ_and_how_to_change_it() -> None:
    folders = ("architecture", "attention", "fused_layers", "kv_cache", "mlp", "rotary_embeddings")
    home = "src/inference_pio/models/my_model_2/"
    texts = rendered()
    for folder in (*folders, "specific_optimizations", "benchmarks"):
        said = " ".join((ast.get_docstring(ast.parse(texts[f"{home}{folder}/__init__.py"])) or "").split())
        assert "May differ:" in said, folder
        assert "To change it:" in said, folder


@pytest.mark.parametrize("package", [None, "acme"])
@every_kind
def test_the_check_finds_nothing_at_all(kind: Kind, package: str | None, tmp_path: Path) -> None:
    folder = tmp_path / "made"
    write_project(render_project(build_project("My_Model-2", kind=kind, package=package)), folder)
    report = check_target(str(folder))
    assert report.findings == ()
    assert report.plugins == ("my-model-2",)


@pytest.mark.parametrize(("package", "names"), [(None, '"inference_pio"'), ("acme", '"inference_pio", "acme"')])
def test_a_package_of_ones_own_is_named_beside_the_host_and_the_shared_one_once(
    package: str | None, names: str
) -> None:
    text = render_project(build_project("mine", package=package))["pyproject.toml"]
    assert f"known-first-party = [{names}]" in text


TEXT = 'O\'Brien "the author" \\ Größe 模型 {{name}} <a@b.c>'


def test_free_texts_arrive_as_they_were_typed() -> None:
    texts = rendered(author=TEXT, description=TEXT, license="MIT")
    manifest = json.loads(texts["src/inference_pio/models/my_model_2/plugin_manifest.json"])
    assert (manifest["author"], manifest["description"]) == (TEXT, TEXT)
    assert f"Copyright (c) {TEXT}\n" in texts["LICENSE"]
    # A TOML basic string is read like a JSON one; tomllib is not there before Python 3.11.
    quoted = re.search(r'^description = (".*")$', texts["pyproject.toml"], re.MULTILINE)
    assert quoted is not None
    assert json.loads(quoted[1]) == TEXT


@pytest.mark.parametrize("text", ["", " ", "two\nlines", "a\ttab", "bell\a", "half \udcff"])
@pytest.mark.parametrize("option", ["author", "description"])
def test_texts_that_would_break_a_file_are_refused(option: str, text: str) -> None:
    with pytest.raises(InvalidOptionError, match=f"--{option} must be one line"):
        rendered(**{option: text})


def test_a_licence_whose_text_is_not_at_hand_is_refused() -> None:
    with pytest.raises(InvalidOptionError, match=r"'GPL'.*Apache-2\.0, BSD-3-Clause, MIT"):
        rendered(license="GPL")


@pytest.mark.parametrize("license", license_names())
def test_the_licence_is_the_same_in_text_metadata_and_manifest(license: str) -> None:
    texts = rendered(license=license)
    manifest = check_manifest(texts["src/inference_pio/models/my_model_2/plugin_manifest.json"]).manifest
    assert manifest is not None
    assert manifest.license == license
    assert f'license = "{license}"\n' in texts["pyproject.toml"]
    assert {"Apache-2.0": "Apache License", "MIT": "MIT License", "BSD-3-Clause": "BSD 3-Clause"}[license] in texts[
        "LICENSE"
    ][:120]


def test_the_manifest_is_sound_and_names_a_checkpoint_as_an_example() -> None:
    checked = check_manifest(rendered()["src/inference_pio/models/my_model_2/plugin_manifest.json"])
    assert (checked.faults, checked.unknown) == ((), ())
    assert checked.manifest is not None
    default = checked.manifest.default_weights()
    assert default is not None
    assert default.id.startswith("example-")
    assert default.sha256
    assert default.size_bytes
    assert HOST_API in SpecifierSet(checked.manifest.host_api)


@pytest.mark.parametrize(
    ("version", "bounds"),
    [
        ("0.1.0", ">=0.1,<0.2"),
        ("0.12.3", ">=0.12,<0.13"),
        ("1.4.2", ">=1.4,<2"),
        ("0.3.0.dev1", ">=0.3.0.dev1,<0.4"),
        ("2.0rc1+local", ">=2.0rc1,<3"),
    ],
)
def test_bounds_hold_what_they_were_computed_from_and_end_where_promises_do(version: str, bounds: str) -> None:
    assert version_bounds(version) == bounds
    assert SpecifierSet(bounds, prereleases=True).contains(version)


def test_dependencies_are_bounded_around_the_running_host_and_the_installed_runtime() -> None:
    texts = render_project(build_project("mine"), runtime="3.4.5")
    host = version_bounds(inference_pio.__version__)
    assert f'dependencies = ["inference-pio{host}", "inference-pio-runtime>=3.4,<4"]' in texts["pyproject.toml"]
    assert '"inference-pio-runtime>=3.4,<4"' in texts["src/inference_pio/models/mine/plugin_manifest.json"]


def test_a_value_that_looks_like_a_placeholder_stays_as_it_is() -> None:
    assert substitute("{{a}} and {{b}}", {"a": "{{b}}", "b": "2"}) == "{{b}} and 2"


@every_kind
def test_a_rendered_plugin_imports_no_other_model(kind: Kind) -> None:
    texts = "\n".join(rendered(kind=kind).values())
    assert set(re.findall(r"inference_pio\.models\.(\w+)", texts)) <= {"my_model_2"}
