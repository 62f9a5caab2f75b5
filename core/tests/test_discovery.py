from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.request import pathname2url

import importlib_metadata
import pytest

from inference_pio.discovery import Index, build_index
from inference_pio.gates import Environment
from inference_pio.host import Host
from inference_pio.installed import collect
from inference_pio.records import PluginRecord, PluginState

from .conftest import FakeSite, write_manifest

Build = Callable[..., Environment]


@pytest.fixture
def index(site: FakeSite, environment_with: Build) -> Callable[..., Index]:
    def build(*more: Path, environment: Environment | None = None) -> Index:
        search_path = [str(site.path), *map(str, more)]
        installed = collect(importlib_metadata.distributions(path=search_path))
        return build_index(installed, environment=environment or environment_with(), search_path=search_path)

    return build


def only(records: tuple[PluginRecord, ...]) -> PluginRecord:
    (record,) = records
    return record


def code(record: PluginRecord) -> str:
    (reason,) = record.reasons
    assert reason.fix, "every fault says what to do"
    return reason.code


def test_a_sound_plugin_is_ready(site: FakeSite, index: Callable[..., Index], manifest_data: dict[str, Any]) -> None:
    folder = site.add_model("qwen3", version="0.2.0", manifest=manifest_data)
    record = only(index().models)
    assert (record.name, record.dist, record.state) == ("qwen3", "inference-pio-qwen3 0.2.0", PluginState.READY)
    assert record.reasons == ()
    assert record.entry_point == "inference_pio.models.qwen3.plugin:create_model_name_plugin"
    assert record.manifest is not None
    assert record.manifest.name == "ModelName"
    assert record.manifest_path == str(folder / "plugin_manifest.json")


def test_indexing_executes_no_module(
    site: FakeSite, index: Callable[..., Index], manifest_data: dict[str, Any]
) -> None:
    site.add_model("qwen3", manifest=manifest_data)
    site.add_model("other", manifest=manifest_data, package="acme.deep.models.other")
    (site.path / "acme" / "__init__.py").write_text("raise SystemExit('imported')")
    site.add_hooks("watch", "raise SystemExit('imported')")
    found = index()
    assert [r.state for r in (*found.models, *found.hooks)] == [PluginState.READY] * 3
    assert site.executed == []


def test_records_are_sorted_by_name_whatever_the_file_system_says(
    site: FakeSite, index: Callable[..., Index], manifest_data: dict[str, Any]
) -> None:
    for name in ("zeta", "alpha", "mid"):
        site.add_model(name, manifest=manifest_data, dist=f"acme-{name[::-1]}")
    assert [record.name for record in index().models] == ["alpha", "mid", "zeta"]


def test_names_are_canonical(site: FakeSite, index: Callable[..., Index], manifest_data: dict[str, Any]) -> None:
    site.add_model("My_Model", manifest=manifest_data, dist="Acme_Models", package="acme_model")
    record = only(index().models)
    assert (record.name, record.dist_name) == ("my-model", "acme-models")


def test_a_plugin_without_a_manifest_is_invalid(site: FakeSite, index: Callable[..., Index]) -> None:
    site.add_model("qwen3")
    record = only(index().models)
    assert (record.state, code(record)) == (PluginState.INVALID, "manifest-missing")
    assert "inference_pio/models/qwen3" in record.reasons[0].message


@pytest.mark.parametrize("content", ["", "{", "[]", b"\xff\xfe", '{"name": "x"}'])
def test_a_broken_manifest_is_invalid(site: FakeSite, index: Callable[..., Index], content: str | bytes) -> None:
    site.add_model("qwen3", manifest=content)
    record = only(index().models)
    assert (record.state, code(record)) == (PluginState.INVALID, "manifest-broken")
    assert "$" in record.reasons[0].message


def test_an_unknown_key_is_remarked(site: FakeSite, index: Callable[..., Index], manifest_data: dict[str, Any]) -> None:
    site.add_model("qwen3", manifest=manifest_data | {"colour": "red"})
    record = only(index().models)
    assert (record.state, code(record)) == (PluginState.READY, "unknown-key")


@pytest.mark.parametrize(
    "entry_point",
    [
        "inference_pio.models.qwen3.plugin:create_other_plugin",
        "inference_pio.models.qwen3.model:create_model_name_plugin",
        "plugin:create_model_name_plugin",
    ],
)
def test_an_entry_point_that_disagrees_with_the_manifest_is_invalid(
    site: FakeSite, index: Callable[..., Index], manifest_data: dict[str, Any], entry_point: str
) -> None:
    folder = site.add_model("qwen3", manifest=manifest_data, entry_point=entry_point)
    (folder / "model.py").touch()
    record = only(index().models)
    assert record.state is PluginState.INVALID
    assert code(record) in ("entry-point-mismatch", "manifest-missing")
    if code(record) == "entry-point-mismatch":
        assert entry_point in record.reasons[0].message
        assert "inference_pio.models.qwen3.plugin:create_model_name_plugin" in record.reasons[0].message


@pytest.mark.parametrize("value", ["", "a b:c", "../evil:f", "/etc/passwd:f", "pkg.plugin", "pkg.plugin:", "pkg..x:f"])
def test_an_entry_point_that_names_no_function_is_invalid(
    site: FakeSite, index: Callable[..., Index], value: str
) -> None:
    site.add_model("qwen3", files=False, entry_point=value or " ")
    assert code(only(index().models)) == "entry-point-broken"


def test_extras_of_an_entry_point_do_not_count(
    site: FakeSite, index: Callable[..., Index], manifest_data: dict[str, Any]
) -> None:
    site.add_model(
        "qwen3",
        manifest=manifest_data,
        entry_point="inference_pio.models.qwen3.plugin:create_model_name_plugin [gpu]",
    )
    assert only(index().models).state is PluginState.READY


def test_a_gate_that_fails_makes_it_incompatible(
    site: FakeSite, index: Callable[..., Index], manifest_data: dict[str, Any], environment_with: Build
) -> None:
    manifest_data["compatibility"]["torch_version"] = ">=99"
    site.add_model("qwen3", manifest=manifest_data)
    record = only(index(environment=environment_with(torch="2.13.0")).models)
    assert (record.state, code(record)) == (PluginState.INCOMPATIBLE, "torch-version")
    assert record.manifest is not None


def test_versions_come_from_the_metadata_folders(
    site: FakeSite, index: Callable[..., Index], manifest_data: dict[str, Any]
) -> None:
    manifest_data["compatibility"]["torch_version"] = ">=2.13.0"
    manifest_data["dependencies"] = ["torch", "Some.Tool>=1"]
    site.add_model("qwen3", manifest=manifest_data)
    site.add_dist("torch", "2.13.0+cpu")
    site.add_dist("some-tool", "1.5")
    found = index()
    record = only(build_index(found.installed, search_path=[str(site.path)]).models)
    assert record.state is PluginState.READY


def test_two_distributions_with_one_name_are_both_invalid_and_both_named(
    site: FakeSite, index: Callable[..., Index], manifest_data: dict[str, Any]
) -> None:
    site.add_model("qwen_3", dist="acme-qwen", manifest=manifest_data, package="acme_qwen")
    site.add_model("qwen-3", dist="inference-pio-qwen3", manifest=manifest_data, package="their_qwen")
    records = index().models
    assert [code(record) for record in records] == ["name-collision"] * 2
    for record in records:
        assert record.state is PluginState.INVALID
        assert "acme-qwen 1.0" in record.reasons[0].message
        assert "inference-pio-qwen3 1.0" in record.reasons[0].message


def test_disabling_one_owner_ends_a_collision(
    site: FakeSite,
    index: Callable[..., Index],
    manifest_data: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    site.add_model("qwen3", dist="acme-qwen", manifest=manifest_data, package="acme_qwen")
    site.add_model("qwen3", dist="inference-pio-qwen3", manifest=manifest_data, package="their_qwen")
    monkeypatch.setenv("INFERENCE_PIO_DISABLE", "acme_qwen")
    states = {record.dist_name: record.state for record in index().models}
    assert states == {"acme-qwen": PluginState.DISABLED, "inference-pio-qwen3": PluginState.READY}
    assert Host(index()).record("qwen3").dist_name == "inference-pio-qwen3"


def test_two_leftovers_of_one_distribution_are_one_plugin_of_the_newest_version(
    site: FakeSite, index: Callable[..., Index], manifest_data: dict[str, Any]
) -> None:
    site.add_model("qwen3", version="0.9.0", manifest=manifest_data)
    site.add_model("qwen3", version="0.10.0", manifest=manifest_data)
    record = only(index().models)
    assert (record.dist_version, record.state) == ("0.10.0", PluginState.READY)
    assert code(record) == "duplicate-metadata"


def test_a_leftover_folder_without_metadata_does_not_win(
    site: FakeSite, index: Callable[..., Index], manifest_data: dict[str, Any]
) -> None:
    site.add_model("qwen3", version="0.1.0", manifest=manifest_data)
    (site.path / "inference_pio_qwen3-0.2.0.dist-info").mkdir()
    assert only(index().models).dist_version == "0.1.0"


def test_of_two_places_the_first_on_the_path_counts(
    site: FakeSite, index: Callable[..., Index], manifest_data: dict[str, Any], tmp_path: Path
) -> None:
    second = FakeSite(tmp_path / "second", site.sentinels)
    second.path.mkdir()
    site.add_model("qwen3", version="0.1.0", manifest=manifest_data)
    second.add_model("qwen3", version="0.2.0", manifest=manifest_data)
    record = only(index(second.path, second.path).models)
    assert (record.dist_version, record.reasons) == ("0.1.0", ())


def test_unreadable_metadata_is_a_problem_and_hides_nothing(
    site: FakeSite, index: Callable[..., Index], manifest_data: dict[str, Any]
) -> None:
    site.add_model("qwen3", manifest=manifest_data)
    broken = site.add_dist("broken", "1.0")
    (broken / "entry_points.txt").write_bytes(b"[inference_pio.models]\n\xff\xfe = x:y\n")
    nameless = site.path / "nameless.dist-info"
    nameless.mkdir()
    (nameless / "METADATA").write_text("Metadata-Version: 2.1\n")
    (site.path / "~inference_pio-0.1.dist-info").mkdir()
    found = index()
    assert only(found.models).state is PluginState.READY
    assert {Path(where).name for where, _ in found.problems} == {"broken-1.0.dist-info", "nameless.dist-info"}


def test_other_groups_and_comments_are_not_ours(
    site: FakeSite, index: Callable[..., Index], manifest_data: dict[str, Any]
) -> None:
    site.add_model("qwen3", manifest=manifest_data)
    site.add_dist(
        "other",
        "1.0",
        "# inference_pio.models\n[console_scripts]\nx = y:z\n\n[inference_pio.models.extra]\nno = y:z\n"
        "[ inference_pio.hooks ]\n; commented = out\n# also = out\nwatch=acme_watch\n",
    )
    found = index()
    assert [record.name for record in found.models] == ["qwen3"]
    assert [(record.name, record.entry_point) for record in found.hooks] == [("watch", "acme_watch")]


# Where the manifest lies


def test_a_manifest_in_the_dist_info_serves_a_package_that_has_none(
    site: FakeSite, index: Callable[..., Index], manifest_data: dict[str, Any]
) -> None:
    site.add_model("qwen3")
    extra = site.path / "inference_pio_qwen3-1.0.dist-info" / "extra_metadata"
    extra.mkdir()
    write_manifest(extra / "plugin_manifest.json", manifest_data)
    record = only(index().models)
    assert record.state is PluginState.READY
    assert record.manifest_path == str(extra / "plugin_manifest.json")


def test_the_manifest_beside_the_module_wins(
    site: FakeSite, index: Callable[..., Index], manifest_data: dict[str, Any]
) -> None:
    site.add_model("qwen3", manifest=manifest_data | {"description": "beside"})
    extra = site.path / "inference_pio_qwen3-1.0.dist-info" / "extra_metadata"
    extra.mkdir()
    write_manifest(extra / "plugin_manifest.json", manifest_data | {"description": "copy"})
    record = only(index().models)
    assert record.manifest is not None
    assert record.manifest.description == "beside"


def test_an_editable_install_is_found_through_a_path_entry(
    site: FakeSite, index: Callable[..., Index], manifest_data: dict[str, Any], tmp_path: Path
) -> None:
    sources = FakeSite(tmp_path / "project" / "src", site.sentinels)
    sources.path.mkdir(parents=True)
    folder = sources.add_model("qwen3", manifest=manifest_data)
    info = next(sources.path.glob("*.dist-info"))
    info.rename(site.path / info.name)
    site.add_model("other", manifest=manifest_data)  # shares the namespace from another place
    records = index(sources.path).models
    assert [record.state for record in records] == [PluginState.READY] * 2
    assert records[1].manifest_path == str(folder / "plugin_manifest.json")


@pytest.mark.parametrize("layout", ["src", "."])
def test_an_editable_install_without_a_path_entry_is_found_by_its_direct_url(
    site: FakeSite, index: Callable[..., Index], manifest_data: dict[str, Any], tmp_path: Path, layout: str
) -> None:
    project = tmp_path / "a project"
    sources = FakeSite(project / layout, site.sentinels)
    sources.path.mkdir(parents=True)
    folder = sources.add_model("qwen3", manifest=manifest_data, package="acme_qwen3")
    info = next(sources.path.glob("*.dist-info")).rename(site.path / "inference_pio_qwen3-1.0.dist-info")
    url = "file://" + pathname2url(str(project))
    (info / "direct_url.json").write_text(json.dumps({"url": url, "dir_info": {"editable": True}}))
    record = only(index().models)
    assert record.manifest_path == str(folder / "plugin_manifest.json")


@pytest.mark.parametrize(
    "content", ["", "[]", "{", '{"url": 3}', '{"url": "https://x/y", "dir_info": {"editable": true}}']
)
def test_a_direct_url_that_is_no_editable_is_ignored(site: FakeSite, index: Callable[..., Index], content: str) -> None:
    site.add_model("qwen3", files=False)
    (site.path / "inference_pio_qwen3-1.0.dist-info" / "direct_url.json").write_text(content)
    assert code(only(index().models)) == "manifest-missing"


def test_a_manifest_that_leads_out_of_its_folder_is_invalid(
    site: FakeSite, index: Callable[..., Index], manifest_data: dict[str, Any], tmp_path: Path
) -> None:
    folder = site.add_model("qwen3")
    write_manifest(tmp_path / "elsewhere.json", manifest_data)
    (folder / "plugin_manifest.json").symlink_to(tmp_path / "elsewhere.json")
    assert code(only(index().models)) == "manifest-outside"


def test_a_manifest_that_is_no_file_or_too_large_is_invalid(site: FakeSite, index: Callable[..., Index]) -> None:
    os.mkfifo(site.add_model("pipe") / "plugin_manifest.json")
    (site.add_model("folder") / "plugin_manifest.json").mkdir()
    (site.add_model("huge") / "plugin_manifest.json").write_bytes(b" " * 1_000_001)
    assert [code(record) for record in index().models] == ["manifest-broken"] * 3


def test_a_regular_package_hides_namespaces_of_the_same_name(
    site: FakeSite, index: Callable[..., Index], manifest_data: dict[str, Any], tmp_path: Path
) -> None:
    # As in an import: the manifest must be that of the code that would run.
    stray = tmp_path / "stray" / "acme_qwen3"
    stray.mkdir(parents=True)
    (stray / "plugin.py").touch()
    write_manifest(stray / "plugin_manifest.json", manifest_data | {"description": "stray"})
    site.add_model("qwen3", manifest=manifest_data, package="acme_qwen3")
    installed = collect(importlib_metadata.distributions(path=[str(site.path)]))
    record = only(build_index(installed, search_path=[str(stray.parent), str(site.path)]).models)
    assert record.manifest is not None
    assert record.manifest.description != "stray"


# What the user says


def test_disabled_plugins_are_disabled_by_plugin_or_distribution_name(
    site: FakeSite, index: Callable[..., Index], manifest_data: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "two", "three"):
        site.add_model(name, manifest=manifest_data)
    site.add_hooks("watch", "")
    monkeypatch.setenv("INFERENCE_PIO_DISABLE", " One, inference_pio_two ,watch")
    found = index()
    states = {record.name: record.state for record in (*found.models, *found.hooks)}
    assert states["three"] is PluginState.READY
    assert {states["one"], states["two"], states["watch"]} == {PluginState.DISABLED}
    assert code(found.hooks[0]) == "disabled"


def test_an_allow_list_disables_everything_else(
    site: FakeSite, index: Callable[..., Index], manifest_data: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "two"):
        site.add_model(name, manifest=manifest_data)
    site.add_hooks("watch", "")
    monkeypatch.setenv("INFERENCE_PIO_PLUGINS", "one")
    found = index()
    assert [record.state for record in found.models] == [PluginState.READY, PluginState.DISABLED]
    assert code(found.models[1]) == "not-allowed"
    assert code(found.hooks[0]) == "not-allowed"


def test_a_broken_plugin_that_is_disabled_shows_as_disabled(
    site: FakeSite, index: Callable[..., Index], monkeypatch: pytest.MonkeyPatch
) -> None:
    site.add_model("qwen3", manifest="{")
    monkeypatch.setenv("INFERENCE_PIO_DISABLE", "qwen3")
    assert code(only(index().models)) == "disabled"
