"""Links between documents, for a site that has only some of the files that they lead to.

On disk a page may link to anything in the repository. On the site, documents outside of docs/ become pages of their
own, a link to a folder leads to its README, and a link to a file that is no page becomes plain text.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

_LINK = re.compile(
    r"(?<!!)\[(?P<text>(?:[^\[\]]|\[[^\]]*\])*)\]\((?P<target>(?!https?:|mailto:|#)[^)#\s]+)(?P<anchor>#[^)]*)?\)"
)
_FENCE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)


def pages_outside(root: Path) -> dict[str, str]:
    """Return the documents outside of docs/ that become pages: path from the root to path on the site."""
    readmes = [root / "core" / "README.md", *sorted(root.glob("plugins/*/README.md"))]
    packages = {path.relative_to(root).as_posix(): f"packages/{path.parent.name}.md" for path in readmes}
    return {"CONTRIBUTING.md": "contributing.md", **packages}


def site_links(markdown: str, *, root: Path, source: str, page: str, pages: Mapping[str, str]) -> str:
    """Rewrite a page's links for the site; one that leads nowhere stays as it is, for MkDocs to complain of.

    Args:
        markdown: The page's text.
        root: The repository.
        source: Its path from the root of the repository.
        page: Its path on the site.
        pages: Every page: path from the root to path on the site.
    """

    def rewrite(link: re.Match[str]) -> str:
        target = os.path.normpath(PurePosixPath(source).parent / link["target"]).replace(os.sep, "/")
        found = pages.get(target) or pages.get(f"{target}/README.md")
        if found is None:
            return link["text"] if (root / target).exists() else link[0]
        relative = os.path.relpath(found, PurePosixPath(page).parent).replace(os.sep, "/")
        return f"[{link['text']}]({relative}{link['anchor'] or ''})"

    pieces, last = [], 0
    for fence in _FENCE.finditer(markdown):
        pieces += [_LINK.sub(rewrite, markdown[last : fence.start()]), fence[0]]
        last = fence.end()
    return "".join([*pieces, _LINK.sub(rewrite, markdown[last:])])
