"""What would be published: the content and the metadata of the built wheels."""

from __future__ import annotations

import email.message
import email.parser
import zipfile
from pathlib import Path

from packaging.requirements import Requirement

from .layout import CORE, DISTS, Dist

Wheels = dict[str, Path]


def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def metadata(wheel: Path) -> email.message.Message:
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return email.parser.Parser().parsestr(archive.read(name).decode("utf-8"))


def requirements(wheel: Path) -> list[Requirement]:
    return [Requirement(line) for line in metadata(wheel).get_all("Requires-Dist", [])]


def test_a_wheel_holds_every_file_of_its_package(dist: Dist, wheels: Wheels) -> None:
    files = [path for path in dist.package.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    expected = {path.relative_to(dist.folder / "src").as_posix() for path in files}
    assert expected - names(wheels[dist.word]) == set()


def test_a_wheel_holds_nothing_outside_its_package(dist: Dist, wheels: Wheels) -> None:
    package = dist.package.relative_to(dist.folder / "src").as_posix() + "/"
    strays = {n for n in names(wheels[dist.word]) if ".dist-info/" not in n and not n.startswith(package)}
    assert strays == set()


def test_a_wheel_tells_type_checkers_that_it_is_typed(dist: Dist, wheels: Wheels) -> None:
    assert f"{dist.package.relative_to(dist.folder / 'src').as_posix()}/py.typed" in names(wheels[dist.word])


def test_the_manifest_can_be_read_without_an_import(model: Dist, wheels: Wheels) -> None:
    wheel = wheels[model.word]
    source = (model.package / "plugin_manifest.json").read_bytes()
    info = f"inference_pio_{model.word}-{model.project['version']}.dist-info"
    beside = f"inference_pio/models/{model.word}/plugin_manifest.json"
    with zipfile.ZipFile(wheel) as archive:
        for name in (f"{info}/extra_metadata/plugin_manifest.json", beside):
            assert archive.read(name) == source, name


def test_a_model_ships_its_tests_and_benchmarks(model: Dist, wheels: Wheels) -> None:
    package = f"inference_pio/models/{model.word}"
    shipped = names(wheels[model.word])
    assert any(name.startswith(f"{package}/tests/test_") for name in shipped)
    assert any(name.startswith(f"{package}/benchmarks/") and name.endswith(".py") for name in shipped)


def test_published_requirements_are_plain_version_ranges(dist: Dist, wheels: Wheels) -> None:
    ours = {other.project["name"] for other in DISTS}
    for requirement in requirements(wheels[dist.word]):
        operators = {spec.operator for spec in requirement.specifier}
        assert requirement.url is None, requirement
        assert operators <= {">=", "<", "!="}, requirement
        if requirement.name in ours and not requirement.extras:
            assert operators >= {">=", "<"}, f"{requirement}: hosts and plugins move together, so give both ends"


def test_requirements_of_our_own_accept_the_versions_of_this_repository(dist: Dist, wheels: Wheels) -> None:
    versions = {other.project["name"]: other.project["version"] for other in DISTS}
    refused = [r for r in requirements(wheels[dist.word]) if r.name in versions and versions[r.name] not in r.specifier]
    assert refused == []


def test_the_host_needs_neither_torch_nor_numpy(wheels: Wheels) -> None:
    wanted = {r.name for r in requirements(wheels[CORE.word])}
    assert wanted & {"torch", "transformers", "numpy"} == set()


def test_metadata_comes_with_readme_license_and_typed_classifier(dist: Dist, wheels: Wheels) -> None:
    fields = metadata(wheels[dist.word])
    assert fields["License-Expression"] == "Apache-2.0"
    assert fields["Summary"]
    assert fields["Description-Content-Type"] == "text/markdown"
