"""Whether what a plugin raised speaks against the plugin, or against the machine and whoever sits at it."""

from __future__ import annotations

import errno
import sys
from collections.abc import Iterator

_OF_THE_MACHINE = frozenset(
    getattr(errno, name)
    for name in (
        *("ENOSPC", "EDQUOT", "EROFS", "EIO", "ESTALE"),  # disks
        *("ENOMEM", "EMFILE", "ENFILE"),  # limits
        *("ENETDOWN", "ENETUNREACH", "EHOSTDOWN", "EHOSTUNREACH", "ETIMEDOUT"),  # networks
    )
    if hasattr(errno, name)
)


def is_blameless(error: BaseException) -> bool:
    """Whether a full disk, lacking memory, the network or Ctrl-C is behind an error, however it was wrapped since."""
    return any(
        isinstance(one, (MemoryError, ConnectionError, KeyboardInterrupt))
        or (isinstance(one, OSError) and (one.errno in _OF_THE_MACHINE or _is_about_an_address(one)))
        for one in _chain(error)
    )


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and what led to it, nearest first; chains may be circular."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _is_about_an_address(error: OSError) -> bool:
    module = sys.modules.get("socket")  # who raised such an error has imported it
    return module is not None and isinstance(error, module.gaierror)
