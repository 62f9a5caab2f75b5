"""What can be asked of an install beside the plugins' names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

CHECK_TIMEOUT_S = 60.0
"""How long importing a plugin may take when it is checked, seconds; torch alone takes several on a slow disk."""


@dataclass(frozen=True, kw_only=True)
class InstallOptions:
    """Options of ``install``. What is named as one of pip's options is handed to pip.

    Attributes:
        find_links: Folders or pages to look for distributions in.
        no_index: Look nowhere else.
        index_url: Package index; ``None`` leaves it to pip's configuration.
        extra_index_urls: Further ones.
        constraints: Constraints files.
        upgrade: Take the newest version of what is named.
        pre: Take pre-releases too.
        no_deps: Leave requirements alone.
        is_exact: Take names as they are written.
        is_dry_run: Say what would change, and change nothing.
        force: Keep what was installed though it is not ready.
        check_timeout_s: How long the import of one plugin may take, seconds.
    """

    find_links: tuple[str, ...] = ()
    no_index: bool = False
    index_url: str | None = None
    extra_index_urls: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()
    upgrade: bool = False
    pre: bool = False
    no_deps: bool = False
    is_exact: bool = False
    is_dry_run: bool = False
    force: bool = False
    check_timeout_s: float = CHECK_TIMEOUT_S

    def pip_arguments(self) -> Iterator[str]:
        """Yield pip's arguments for all of it."""
        for name, values in (
            ("--find-links", self.find_links),
            ("--extra-index-url", self.extra_index_urls),
            ("--constraint", self.constraints),
            ("--index-url", (self.index_url,) if self.index_url else ()),
        ):
            for value in values:
                yield f"{name}={value}"
        for name, is_given in (
            ("--no-index", self.no_index),
            ("--upgrade", self.upgrade),
            ("--pre", self.pre),
            ("--no-deps", self.no_deps),
        ):
            if is_given:
                yield name
