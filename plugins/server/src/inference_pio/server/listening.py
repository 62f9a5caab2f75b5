"""Where the server listens: a port of TCP, or a socket in the file system."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
from pathlib import Path

from inference_pio.errors import InferencePioError

BACKLOG = 1024
"""Connections that may wait to be accepted."""


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens.

    Args:
        host: A name or an address, of version 4 or 6.
        port: 0 lets the system choose.

    Raises:
        InferencePioError: The port is taken, not allowed, or there is no such address here.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (socket.gaierror, UnicodeError) as error:
        raise InferencePioError(f"there is no address for the host {host!r}: {error}") from error
    family, kind, protocol, _, address = found[0]
    sock = socket.socket(family, kind, protocol)
    try:
        if os.name == "posix":  # elsewhere it would let two servers share a port
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
        sock.listen(BACKLOG)
    except OSError as error:
        sock.close()
        raise InferencePioError(_reason(error, host, port)) from error
    return sock


def listen_unix(path: Path) -> socket.socket:
    """Return a socket of the file system that listens; the user and the group may connect.

    Raises:
        InferencePioError: Somebody listens there, something else lies there, or the folder cannot be written.
    """
    _remove_left_behind(path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        before = os.umask(0o117)
        try:
            sock.bind(str(path))
        finally:
            os.umask(before)
        sock.listen(BACKLOG)
    except OSError as error:
        sock.close()
        raise InferencePioError(f"cannot listen at {path}: {error.strerror or error}") from error
    return sock


def url_of(sock: socket.socket) -> str:
    """Return where a browser finds the server; ``unix:…`` for a socket of the file system."""
    name = sock.getsockname()
    if sock.family == getattr(socket, "AF_UNIX", None):
        return f"unix:{name}"
    host, port = name[:2]
    # What listens everywhere is found here as well.
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _remove_left_behind(path: Path) -> None:
    """Remove the socket of a server that was killed."""
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise InferencePioError(f"cannot listen at {path}: something else lies there")
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            with contextlib.suppress(FileNotFoundError):
                path.unlink()
        except OSError as error:
            raise InferencePioError(f"cannot listen at {path}: {error.strerror or error}") from error
        else:
            raise InferencePioError(f"cannot listen at {path}: another server does")


def _reason(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} of {host} is taken, perhaps by another server. Choose another: --port N, or 0 for any"
    if error.errno == errno.EACCES:
        return f"port {port} needs rights that this user does not have. Choose one above 1023: --port N"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"this machine does not have the address {host!r}"
    return f"cannot listen on port {port} of {host}: {error.strerror or error}"
