"""The site: what is rendered is whole and always the same, and every page can be reached."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest

from inference_pio import HOST_API
from inference_pio.cli.app import app
from inference_pio.codes import all_codes
from inference_pio.manifest_reference import manifest_schema
from reference_pages import MARK, RENDERERS, render_marks
from reference_pages.hooks import all_hooks
from reference_pages.links import pages_outside, site_links
from reference_pages.tables import plain_pipes

from .layout import DISTS, ROOT

DOCS = ROOT / "docs"
PAGES = sorted(path.relative_to(ROOT).as_posix() for path in DOCS.rglob("*.md"))
HEADING = re.compile(r"^#+ .*\{ #(\S+) \}$", re.MULTILINE)


def site_pages() -> dict[str, str]:
    return {page: page.removeprefix("docs/") for page in PAGES} | pages_outside(ROOT)


@pytest.mark.parametrize("name", sorted(RENDERERS))
def test_a_page_is_rendered_the_same_twice(name: str) -> None:
    assert RENDERERS[name]() == RENDERERS[name]() != ""


def test_everything_that_can_be_rendered_stands_on_one_page() -> None:
    marks = [mark for page in PAGES for mark in MARK.findall((ROOT / page).read_text(encoding="utf-8"))]
    assert sorted(marks) == sorted(RENDERERS)


def test_a_mark_that_nobody_renders_is_an_error() -> None:
    with pytest.raises(KeyError, match="nonsense"):
        render_marks("<!-- render: nonsense -->")


def test_every_code_has_a_heading_with_itself_as_the_anchor() -> None:
    assert sorted(HEADING.findall(RENDERERS["codes"]())) == sorted(all_codes())


def test_every_command_has_a_heading() -> None:
    assert HEADING.findall(RENDERERS["commands"]()) == list(app.builtin)


def test_every_field_of_the_manifest_stands_on_its_page() -> None:
    page = RENDERERS["manifest"]()
    fields = [name for definition in manifest_schema()["$defs"].values() for name in definition["properties"]]
    assert [name for name in fields if f"`{name}`" not in page] == []


def test_every_hook_says_what_it_does_with_an_example_that_can_be_parsed() -> None:
    assert all_hooks()
    for hook in all_hooks():
        assert hook.text, hook.name
        assert f"def {hook.name}(" in hook.example, hook.name
        compile(hook.example, hook.name, "exec")


def test_no_hook_is_newer_than_the_host() -> None:
    def numbers(version: str) -> list[int]:
        return [int(part) for part in version.split(".")]

    assert {hook.name: hook.since for hook in all_hooks() if numbers(hook.since) > numbers(HOST_API)} == {}


def test_the_page_of_versions_names_the_present_one_and_what_it_brought() -> None:
    text = (DOCS / "host-api.md").read_text(encoding="utf-8")
    assert f"now **{HOST_API}**" in text
    (row,) = re.findall(rf"^\| {re.escape(HOST_API)} \|.*$", text, re.MULTILINE)
    assert [hook.name for hook in all_hooks() if hook.since == HOST_API and hook.name not in row] == []


def test_no_rendered_page_names_the_machine_it_was_rendered_on() -> None:
    for name, render in RENDERERS.items():
        assert str(Path.home()) not in render(), name
        assert str(ROOT) not in render(), name


def test_every_package_and_the_contributors_guide_become_pages() -> None:
    outside = pages_outside(ROOT)
    assert sorted(outside) == sorted(
        ["CONTRIBUTING.md", *(f"{dist.folder.relative_to(ROOT).as_posix()}/README.md" for dist in DISTS)]
    )
    assert [source for source in outside if not (ROOT / source).is_file()] == []


@pytest.mark.parametrize("page", sorted(site_pages()))
def test_every_page_is_in_the_navigation(page: str) -> None:
    assert re.search(rf"^ +- (\w+: )?{re.escape(site_pages()[page])}$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE)


def test_links_lead_to_pages_of_the_site_or_become_text() -> None:
    text = (
        "[guide](../CONTRIBUTING.md#checks) [model](../plugins/gemma3) [file](../LICENSE) [next](hooks.md) "
        "[typo](nowhere.md) [away](https://example.org/a.md)\n```\n[in a block](hooks.md)\n```\n"
    )
    rewritten = site_links(text, root=ROOT, source="docs/security.md", page="security.md", pages=site_pages())
    assert rewritten == (
        "[guide](contributing.md#checks) [model](packages/gemma3.md) file [next](hooks.md) "
        "[typo](nowhere.md) [away](https://example.org/a.md)\n```\n[in a block](hooks.md)\n```\n"
    )
    readme = site_links(
        "[how](../../docs/architecture.md)",
        root=ROOT,
        source="plugins/runtime/README.md",
        page="packages/runtime.md",
        pages=site_pages(),
    )
    assert readme == "[how](../architecture.md)"


def test_a_pipe_in_code_in_a_table_loses_its_backslash_and_no_other_does() -> None:
    text = "| `a \\| b` | c \\| d |\n`e \\| f`\n"
    assert plain_pipes(text) == "| `a | b` | c \\| d |\n`e \\| f`\n"


@pytest.mark.parametrize("page", PAGES)
def test_lists_and_tables_stand_apart_from_the_text_before_them(page: str) -> None:
    """Without a blank line MkDocs takes them for more of the paragraph; GitHub does not."""
    lines = re.sub(r"```.*?```", "", (ROOT / page).read_text(encoding="utf-8"), flags=re.DOTALL).splitlines()
    starts = re.compile(r"(- |\d+\. |\|)")
    inside = re.compile(r"\s|- |\d+\. |\||$")
    assert [now for before, now in itertools.pairwise(lines) if starts.match(now) and not inside.match(before)] == []


@pytest.mark.parametrize("page", PAGES)
def test_every_page_says_what_to_do_next(page: str) -> None:
    if page != "docs/README.md":  # the map of all others
        last = (ROOT / page).read_text(encoding="utf-8").rstrip().rpartition("\n\n")
        assert last[2].startswith("Next:") or "## What next" in last[0]


@pytest.mark.parametrize("page", sorted(site_pages()))
def test_what_belongs_to_a_list_is_not_indented_by_less_than_four(page: str) -> None:
    """GitHub takes two spaces for more of the item, MkDocs ends the list there."""
    text = (ROOT / page).read_text(encoding="utf-8")
    assert re.findall(r"^ {1,3}```.*", text, re.MULTILINE) == []
    prose = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    assert re.findall(r"^ {1,3}(?:[-*]|\d+\.) .*", prose, re.MULTILINE) == []


def test_no_page_draws_with_a_script_from_elsewhere() -> None:
    assert [page for page in PAGES if "```mermaid" in (ROOT / page).read_text(encoding="utf-8")] == []
