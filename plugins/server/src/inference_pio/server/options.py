"""``ServerOptions``: what whoever runs the server decides, apart from the models."""

from __future__ import annotations

from dataclasses import dataclass, field

from .keys import ApiKeys


@dataclass(frozen=True, kw_only=True)
class ServerOptions:
    """Limits and who may ask.

    Attributes:
        keys: Who may ask; without keys everybody may.
        allowed_hosts: Names that a request's Host header may have, without ports; ``None`` allows all. A page of a
            foreign site that has its own name point to this machine is turned away by it.
        cors_origins: Origins of pages that may ask from a browser, ``https://example.org``; ``*`` is every page.
        max_body_bytes: Longest body of a request, bytes.
        body_timeout_s: How long a body may take to arrive, seconds.
        request_timeout_s: How long a request may take in all, seconds; ``None``: as long as it needs.
        head_timeout_s: How long the head of a request may take to arrive, seconds.
        write_timeout_s: A client that has read nothing for so long is gone, seconds.
        max_concurrent_per_key: Requests of one key that may be under way at once; ``None``: any number.
    """

    keys: ApiKeys = field(default_factory=ApiKeys)
    allowed_hosts: frozenset[str] | None = None
    cors_origins: tuple[str, ...] = ()
    max_body_bytes: int = 16 * 1024 * 1024
    body_timeout_s: float = 60.0
    request_timeout_s: float | None = None
    head_timeout_s: float = 30.0
    write_timeout_s: float = 60.0
    max_concurrent_per_key: int | None = None
