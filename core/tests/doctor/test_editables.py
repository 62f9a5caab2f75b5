from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from ..conftest import FakeSite
from .conftest import Examine, with_code

PYPROJECT = """\
[project]
name = "acme"
version = "1.0"

[project.entry-points."inference_pio.models"]
acme = "acme_llama.plugin:create_model_name_plugin"

[project.scripts]
other = "acme_llama:main"
"""


@pytest.fixture
def project(site: FakeSite, tmp_path: Path, manifest_data: dict[str, Any]) -> Path:
    """The sources of an editable install that is up to date."""
    folder = tmp_path / "project"
    package = folder / "src/acme_llama"
    package.mkdir(parents=True)
    (folder / "pyproject.toml").write_text(PYPROJECT)
    (package / "plugin.py").touch()
    (package / "plugin_manifest.json").write_text(json.dumps(manifest_data))
    info = site.add_dist("acme", "1.0", "[inference_pio.models]\nacme = acme_llama.plugin:create_model_name_plugin\n")
    (info / "RECORD").touch()
    (info / "direct_url.json").write_text(json.dumps({"url": folder.as_uri(), "dir_info": {"editable": True}}))
    (info / "extra_metadata").mkdir()
    (info / "extra_metadata/plugin_manifest.json").write_text(json.dumps(manifest_data, indent=2))
    return folder


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def differences(examine: Examine) -> list[str]:
    found = with_code(examine(), "editable-stale")
    assert len(found) <= 1
    return [text for finding in found for text in dict(finding.data or {})["differences"]]


def test_an_editable_that_agrees_with_its_sources_is_no_finding(project: Path, examine: Examine) -> None:
    assert [finding for finding in examine() if finding.code.startswith("editable")] == []


def test_a_renamed_entry_point_is_stale_and_the_fix_reinstalls(project: Path, examine: Examine) -> None:
    edit(project / "pyproject.toml", "acme = ", "acme2 = ")
    function = "acme_llama.plugin:create_model_name_plugin"
    assert differences(examine) == [
        f"entry point acme is nothing, installed is {function}",
        f"entry point acme2 is {function}, installed is nothing",
    ]
    finding = with_code(examine(), "editable-stale")[0]
    assert (finding.status, finding.fix) == ("warning", f"pip install --no-deps -e {project}")


def test_a_hook_entry_point_that_was_added_later_is_stale(project: Path, examine: Examine) -> None:
    with (project / "pyproject.toml").open("a") as file:
        file.write('[project.entry-points."inference_pio.hooks"]\nwatch = "acme_llama.hooks"\n')
    assert differences(examine) == ["entry point watch is acme_llama.hooks, installed is nothing"]


def test_a_new_version_is_stale_and_another_spelling_of_the_same_is_not(project: Path, examine: Examine) -> None:
    edit(project / "pyproject.toml", 'version = "1.0"', 'version = "1.0.0"')
    assert differences(examine) == []
    edit(project / "pyproject.toml", 'version = "1.0.0"', 'version = "1.1"')
    assert differences(examine) == ["version 1.1, installed is 1.0"]


def test_changed_fields_of_the_manifest_are_named(project: Path, examine: Examine) -> None:
    path = project / "src/acme_llama/plugin_manifest.json"
    manifest = json.loads(path.read_text())
    path.write_text(json.dumps(manifest | {"model_size": "9B", "new_field": 1}))
    assert differences(examine) == ["plugin_manifest.json differs from the installed copy in model_size, new_field"]


@pytest.mark.parametrize("text", ["{", "", "\ufeff[]"])
def test_a_manifest_that_is_being_edited_is_not_this_checks_business(
    text: str, project: Path, examine: Examine
) -> None:
    (project / "src/acme_llama/plugin_manifest.json").write_text(text)
    assert differences(examine) == []


@pytest.mark.parametrize(
    "text",
    [
        "not toml [",
        "[build-system]\n",
        '[project]\nname = "acme"\ndynamic = ["version", "entry-points"]\n',
        'project = "a text"\n',
        '[project]\nversion = 3\ndynamic = ["entry-points"]\n',
    ],
)
def test_a_project_that_says_nothing_static_is_not_compared(text: str, project: Path, examine: Examine) -> None:
    (project / "pyproject.toml").write_text(text)
    assert differences(examine) == []


@pytest.mark.parametrize("points", ['"text"', '{"inference_pio.models" = 3}', '{"inference_pio.models" = ["a"]}'])
def test_entry_points_of_a_wrong_type_stop_nothing(points: str, project: Path, examine: Examine) -> None:
    (project / "pyproject.toml").write_text(f"[project]\nname = 'acme'\nentry-points = {points}\n")
    assert differences(examine) == [
        "entry point acme is nothing, installed is acme_llama.plugin:create_model_name_plugin"
    ]


def test_a_source_folder_that_is_gone_is_an_error(project: Path, examine: Examine) -> None:
    shutil.rmtree(project)
    finding = with_code(examine(), "editable-gone")[0]
    assert finding.status == "error"
    assert str(project) in finding.message
    assert finding.fix.startswith("pip uninstall acme")


@pytest.mark.parametrize(
    "origin", ["{", "[]", '{"url": "file:///gone"}', '{"url": "https://host/x.whl", "archive_info": {}}']
)
def test_what_is_no_editable_install_is_not_compared(
    origin: str, project: Path, site: FakeSite, examine: Examine
) -> None:
    (site.path / "acme-1.0.dist-info/direct_url.json").write_text(origin)
    (project / "pyproject.toml").unlink()
    assert [finding for finding in examine() if finding.code.startswith("editable")] == []
