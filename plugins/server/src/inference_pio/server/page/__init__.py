"""The page at ``/``: chat in the browser. Static files, no build step, nothing from elsewhere.

``static`` holds the page's own files: ``index.html``, style sheets and one JavaScript module a concept. ``vendor``
holds libraries as their authors publish them; ``manifest.json`` there says which, and ``vendoring.py`` beside the
distribution's ``pyproject.toml`` renews them. ``files`` finds all of it, ``routes`` serves it.
"""

from .files import PageFile, load_files
from .routes import HEADERS, page_routes

__all__ = ["HEADERS", "PageFile", "load_files", "page_routes"]
