"""The interpreter and the memory."""

from __future__ import annotations

import platform
import sys

from ..hookspecs import DoctorFinding
from ..memory import GIGABYTE, group_limit, machine_memory


def interpreter() -> DoctorFinding:
    """Which Python this is, and whether it is an environment of its own."""
    version = platform.python_version()
    is_venv = sys.prefix != sys.base_prefix
    where = f"virtual environment {sys.prefix}" if is_venv else f"{sys.executable}, no virtual environment"
    return DoctorFinding(
        code="interpreter",
        group="machine",
        name="python",
        status="ok",
        message=f"{platform.python_implementation()} {version} on {platform.platform()}, {where}",
        data={
            "version": version,
            "platform": platform.platform(),
            "executable": sys.executable,
            "prefix": sys.prefix,
            "is_venv": is_venv,
        },
    )


def memory() -> DoctorFinding:
    """How much memory this process may use, and whether a container says so."""
    found, limit = machine_memory(), group_limit()
    data = {"total_bytes": found.total, "available_bytes": found.available, "limit_bytes": limit}
    if found.total is None or found.available is None:
        known = f"{found.total / GIGABYTE:.1f} GB, " if found.total is not None else ""
        return DoctorFinding(
            code="machine-memory-unknown",
            group="machine",
            name="memory",
            status="warning",
            message=f"{known}how much of it is free cannot be told here",
            fix="Memory gates are skipped; keep an eye on it yourself",
            data=data,
        )
    of = f"{found.available / GIGABYTE:.1f} of {found.total / GIGABYTE:.1f} GB available"
    is_limited = limit is not None and limit <= found.total
    return DoctorFinding(
        code="machine-memory",
        group="machine",
        name="memory",
        status="ok",
        message=f"{of}, the limit of the control group" if is_limited else of,
        data=data,
    )
