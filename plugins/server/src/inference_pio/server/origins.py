"""Turns away what a browser was made to send by a page of a foreign site."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from .api_errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.datastructures import Headers


def check_host(headers: Headers, allowed: frozenset[str] | None) -> None:
    """Refuse a request that was meant for another name than this server has: so comes DNS rebinding.

    Args:
        headers: Of the request.
        allowed: Names, lower case, without ports; where ``localhost`` is one, so are all addresses of this machine
            itself. ``None`` allows all.

    Raises:
        ApiError: 421.
    """
    if allowed is None:
        return
    name = host_name(headers.get("host", ""))
    if name in allowed or ("localhost" in allowed and is_loopback(name)):
        return
    raise ApiError(
        421,
        "this server does not go by the name in the Host header. Whoever runs it can allow it: --allowed-host",
        code="host_not_allowed",
    )


def check_origin(headers: Headers, allowed: Sequence[str]) -> None:
    """Refuse a request of a page that is neither ours nor allowed. Programs send no Origin header.

    Raises:
        ApiError: 403.
    """
    origin = headers.get("origin")
    if origin is None or "*" in allowed or origin in allowed:
        return
    # The scheme is not compared: before a proxy it is https, behind it http.
    if origin != "null" and _authority(origin) == headers.get("host", "").lower():
        return
    raise ApiError(
        403,
        "pages of this origin may not ask here. Whoever runs the server can allow it: --cors-origin",
        code="origin_not_allowed",
    )


def host_name(host: str) -> str:
    """Return the name in a Host header, lower case, without its port and brackets."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower().rstrip(".")


def is_loopback(name: str) -> bool:
    """Whether a name stands for this machine itself."""
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _authority(origin: str) -> str:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""
