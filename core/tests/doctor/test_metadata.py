from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest

from inference_pio.hookspecs import DoctorFinding

from ..conftest import FakeSite
from .conftest import Examine, Findings, with_code

MODELS = "[inference_pio.models]\n{0} = acme_{0}.plugin:create_model_name_plugin\n"
PROBLEMS = (
    "metadata-unreadable",
    "metadata-incomplete",
    "duplicate-metadata",
    "shadowed-install",
    "leftover-egg-info",
    "pip-leftover",
)


@pytest.fixture
def elsewhere(tmp_path: Path) -> FakeSite:
    """Another folder of the search path."""
    made = FakeSite(tmp_path / "elsewhere", tmp_path / "sentinels")
    made.path.mkdir()
    return made


def problems(findings: Findings) -> list[str]:
    return [finding.code for finding in findings if finding.code in PROBLEMS]


def only(findings: Findings, code: str) -> DoctorFinding:
    assert problems(findings) == [code]
    return with_code(findings, code)[0]


def complete(info: Path) -> Path:
    """Add what an installer leaves, beside ``METADATA``."""
    (info / "RECORD").touch()
    (info / "INSTALLER").write_text("pip\n")
    return info


def egg(folder: Path, name: str, entry_points: str = "") -> Path:
    path = folder / name
    path.mkdir(parents=True)
    (path / "PKG-INFO").write_text(f"Metadata-Version: 2.1\nName: {name.partition('.')[0]}\nVersion: 0.9\n")
    (path / "entry_points.txt").write_text(entry_points)
    return path


def test_a_sound_installation_is_counted_and_has_no_other_line(site: FakeSite, examine: Examine) -> None:
    complete(site.add_dist("inference-pio", "1.0"))
    site.add_dist("numpy", "2.0")
    findings = examine()
    assert problems(findings) == []
    assert with_code(findings, "metadata")[0].message == f"2 distributions, in {site.path}"


def test_two_dist_infos_of_one_project_name_the_stale_one(site: FakeSite, examine: Examine) -> None:
    site.add_dist("numpy", "2.0")
    stale = site.add_dist("numpy", "1.9")
    finding = only(examine(), "duplicate-metadata")
    assert "2.0 counts" in finding.message
    assert finding.fix == f"rm -r {stale}; pip install --force-reinstall --no-deps numpy==2.0"
    assert dict(finding.data or {})["stale"] == [str(stale)]


def test_a_duplicate_of_a_plugin_is_reported_once(site: FakeSite, examine: Examine, manifest_data: Any) -> None:
    site.add_model("qwen3", manifest=manifest_data)
    complete(site.path / "inference_pio_qwen3-1.0.dist-info")
    complete(site.add_dist("inference-pio-qwen3", "0.9"))
    findings = examine()
    assert problems(findings) == ["duplicate-metadata"]
    assert [finding for finding in findings if finding.name == "model qwen3"] == []


def test_a_plugin_in_two_folders_hides_the_second(site: FakeSite, elsewhere: FakeSite, examine: Examine) -> None:
    complete(site.add_dist("acme", "1.0", MODELS.format("acme")))
    hidden = complete(elsewhere.add_dist("acme", "1.0", MODELS.format("acme")))
    finding = only(examine(site.path, elsewhere.path), "shadowed-install")
    assert f"acme 1.0 in {site.path} hides 1.0 in {elsewhere.path}" in finding.message
    assert dict(finding.data or {})["hidden"] == [str(hidden)]


@pytest.mark.parametrize(("version", "expected"), [("2.13.0", []), ("2.12.0", ["shadowed-install"])])
def test_a_library_in_two_folders_matters_when_the_versions_differ(
    version: str, expected: list[str], site: FakeSite, elsewhere: FakeSite, examine: Examine
) -> None:
    site.add_dist("torch", "2.13.0")
    elsewhere.add_dist("torch", version)
    for place in (site, elsewhere):
        place.add_dist("numpy", f"1.{len(place.path.name)}")  # nobody's business here
    assert problems(examine(site.path, elsewhere.path)) == expected


def test_a_folder_that_is_a_link_to_another_is_looked_at_once(site: FakeSite, tmp_path: Path, examine: Examine) -> None:
    complete(site.add_dist("acme", "1.0", MODELS.format("acme")))
    link = tmp_path / "lib64"
    link.symlink_to(site.path)
    assert problems(examine(site.path, link)) == []


@pytest.mark.parametrize("name", ["numpy.egg-info", "numpy-1.9-py3.11.egg-info"])
def test_an_egg_info_beside_a_dist_info_is_left_over(name: str, site: FakeSite, examine: Examine) -> None:
    site.add_dist("numpy", "2.0")
    (site.path / name).write_text("Metadata-Version: 1.1\nName: numpy\nVersion: 1.9\n")  # distutils wrote a file
    finding = only(examine(), "leftover-egg-info")
    assert finding.fix == f"rm -r {site.path / name}"


def test_an_egg_info_that_hides_a_dist_info_is_left_over(site: FakeSite, elsewhere: FakeSite, examine: Examine) -> None:
    stale = egg(site.path, "numpy.egg-info")
    elsewhere.add_dist("numpy", "2.0")
    finding = only(examine(site.path, elsewhere.path), "leftover-egg-info")
    assert f"{stale} hides" in finding.message


def test_an_egg_info_behind_a_dist_info_matters_for_plugins_only(
    site: FakeSite, elsewhere: FakeSite, examine: Examine
) -> None:
    site.add_dist("numpy", "2.0")
    egg(elsewhere.path, "numpy.egg-info")
    assert problems(examine(site.path, elsewhere.path)) == []
    complete(site.add_dist("acme", "1.0", MODELS.format("acme")))
    stale = egg(elsewhere.path, "acme.egg-info")
    assert f"{stale} lies behind" in only(examine(site.path, elsewhere.path), "leftover-egg-info").message


def test_an_egg_info_alone_matters_for_plugins_only(site: FakeSite, examine: Examine) -> None:
    egg(site.path, "old_tool-1.0-py3.11.egg-info", "[console_scripts]\nold = old:main\n")
    assert problems(examine()) == []
    stale = egg(site.path, "acme.egg-info", MODELS.format("acme"))
    finding = only(examine(), "leftover-egg-info")
    assert finding.fix == f"rm -r {stale}; pip install --force-reinstall acme"


def test_what_setuptools_writes_into_the_sources_of_an_editable_is_no_finding(
    site: FakeSite, tmp_path: Path, examine: Examine
) -> None:
    project = tmp_path / "project"
    egg(project / "src", "acme.egg-info", MODELS.format("acme"))
    info = complete(site.add_dist("acme", "1.0", MODELS.format("acme")))
    (info / "direct_url.json").write_text(f'{{"url": "{project.as_uri()}", "dir_info": {{"editable": true}}}}')
    assert problems(examine(site.path, project / "src")) == []


def test_what_an_interrupted_pip_left_is_named_with_a_command(site: FakeSite, examine: Examine) -> None:
    names = ["~umpy", "~umpy-1.0.dist-info", "~with space"]
    for name in names:
        (site.path / name).mkdir()
    finding = only(examine(), "pip-leftover")
    assert shlex.split(finding.fix) == ["rm", "-r", *(str(site.path / name) for name in names)]
    assert f"in {site.path}" in finding.message


@pytest.mark.parametrize("missing", ["METADATA", "RECORD"])
def test_a_plugin_without_its_files_is_incomplete(missing: str, site: FakeSite, examine: Examine) -> None:
    info = complete(site.add_dist("acme", "1.0", MODELS.format("acme")))
    (info / missing).unlink()
    finding = only(examine(), "metadata-incomplete")
    assert f"{info} lacks {missing}" in finding.message
    assert finding.fix == f"rm -r {info}; pip install --force-reinstall --no-deps acme==1.0"


def test_a_package_managers_plugin_needs_no_record(site: FakeSite, examine: Examine) -> None:
    info = site.add_dist("acme", "1.0", MODELS.format("acme"))
    (info / "INSTALLER").write_text("debian\n")
    site.add_dist("numpy", "2.0")  # no plugin: pip's business
    assert problems(examine()) == []


def test_unreadable_metadata_is_a_finding(site: FakeSite, examine: Examine) -> None:
    (site.add_dist("unreadable", "1.0") / "entry_points.txt").write_bytes(b"\xff")
    assert "unreadable-1.0.dist-info" in only(examine(), "metadata-unreadable").message


def test_what_a_plugin_requires_is_checked_as_pip_would(site: FakeSite, examine: Examine) -> None:
    complete(
        site.add_dist(
            "acme",
            "1.0",
            MODELS.format("acme"),
            "Requires-Dist: numpy>=2\nRequires-Dist: absent[fast]>1\nRequires-Dist: extra ; extra == 'x'\n"
            "Requires-Dist: torch>=2.0\nRequires-Dist: not a requirement\n",
        )
    )
    site.add_dist("numpy", "1.9")
    site.add_dist("torch", "2.13.0+cpu")
    site.add_dist("other", "1.0", metadata="Requires-Dist: absent\n")
    findings = with_code(examine(), "requirement-unmet")
    assert [finding.name for finding in findings] == ["requirements"]
    assert findings[0].message == "acme 1.0 requires numpy>=2 (installed is 1.9), absent[fast]>1 (not installed)"
    assert findings[0].fix == "pip install 'numpy>=2' 'absent[fast]>1'"
