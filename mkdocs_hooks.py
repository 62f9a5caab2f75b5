"""What MkDocs asks of this repository: pages from outside of docs/, links between all of them, rendered parts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mkdocs.structure.files import File, Files

from reference_pages import render_marks
from reference_pages.links import pages_outside, site_links
from reference_pages.tables import plain_pipes

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).parent


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the documents outside of docs/ as pages."""
    for source, page in pages_outside(ROOT).items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / source)))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Render what the page marks, and make its links and tables fit the site."""
    outside = pages_outside(ROOT)
    pages = {f"docs/{file.src_uri}": file.src_uri for file in files.documentation_pages()} | outside
    sources = {place: source for source, place in outside.items()}
    here = page.file.src_uri
    source = sources.get(here, f"docs/{here}")
    linked = site_links(markdown, root=ROOT, source=source, page=here, pages=pages)
    return render_marks(plain_pipes(linked))
