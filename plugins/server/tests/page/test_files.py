"""What the page is made of, without a browser."""

from __future__ import annotations

import asyncio
import importlib.util
import re
from pathlib import Path
from types import ModuleType

import httpx
import pytest
from starlette.applications import Starlette

from inference_pio.server.page import HEADERS, load_files, page_routes

DIST = Path(__file__).parents[2]
FILES = load_files()
OURS = {path: file.content.decode() for path, file in FILES.items() if "/vendor/" not in path}


def get(path: str, **headers: str) -> httpx.Response:
    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(Starlette(routes=page_routes()))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.get(path, headers=headers)

    return asyncio.run(ask())


@pytest.mark.parametrize("path", FILES)
def test_every_file_is_served_with_its_type_and_the_policy(path: str) -> None:
    answer = get(path)
    assert answer.status_code == 200
    assert answer.content == FILES[path].content
    assert answer.headers["content-type"] == FILES[path].media_type
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS


def test_a_browser_that_has_a_file_is_told_so_until_it_changes() -> None:
    etag = get("/").headers["etag"]
    again = get("/", **{"if-none-match": f'"other", W/{etag}'})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["content-security-policy"] == HEADERS["Content-Security-Policy"]
    assert get("/", **{"if-none-match": '"other"'}).status_code == 200


def test_nothing_but_the_files_is_served() -> None:
    assert [get(path).status_code for path in ("/page/", "/page/index.html", "/page/../files.py", "/page/x.js")] == [
        404
    ] * 4


def test_scripts_and_styles_lie_in_files_of_their_own() -> None:
    page = OURS["/"]
    assert re.findall(r"<script(?![^>]*\bsrc=)[^>]*>|<style|\sstyle=|\son\w+=", page) == []
    named = re.findall(r'(?:src|href)="(/[^"]*)"', page)
    assert named
    assert set(named) <= set(FILES)


@pytest.mark.parametrize("path", OURS)
def test_no_file_names_a_foreign_host(path: str) -> None:
    assert re.findall(r"https?://(?!www\.w3\.org/2000/svg)\S+", OURS[path]) == []


@pytest.mark.parametrize("path", [path for path in OURS if path.endswith(".js")])
def test_modules_import_only_what_is_served(path: str) -> None:
    folder = path.rpartition("/")[0]
    imported = [f"{folder}/{name}" for name in re.findall(r'from "\./([^"]+)"', OURS[path])]
    assert [name for name in imported if name not in FILES] == []
    assert re.findall(r"\b(?:eval|innerHTML|outerHTML|insertAdjacentHTML|document\.write)\b", OURS[path]) == []


@pytest.mark.parametrize("path", [path for path in OURS if not path.endswith(".svg")])
def test_files_can_be_read(path: str) -> None:
    assert OURS[path].count("\n") <= 250


def vendoring() -> ModuleType:
    """The script that renews the libraries; it lies in the repository only."""
    path = DIST / "vendoring.py"
    spec = importlib.util.spec_from_file_location("vendoring", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_libraries_are_as_their_manifests_say() -> None:
    script = vendoring()
    assert {str(folder): script.differences(folder) for folder in script.FOLDERS} == {
        str(folder): [] for folder in script.FOLDERS
    }


def test_every_library_comes_with_its_licence() -> None:
    for folder in vendoring().FOLDERS:
        for package, entry in vendoring().read_manifest(folder).items():
            assert any(name.startswith("LICENSE") for name in entry["files"]), package
            assert entry["license"]


def test_a_changed_missing_or_added_library_file_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text('{"p": {"folder": "p", "files": {"dist/a.js": "00", "dist/b.js": "00"}}}')
    (tmp_path / "p").mkdir()
    for name in ("a.js", "c.js"):
        (tmp_path / "p" / name).write_text("1")
    assert [line.partition(":")[0] for line in vendoring().differences(tmp_path)] == ["p/c.js", "p/b.js", "p/a.js"]
