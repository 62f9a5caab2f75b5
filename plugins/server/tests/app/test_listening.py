from __future__ import annotations

import socket
from pathlib import Path

import pytest

from inference_pio.errors import InferencePioError
from inference_pio.server.listening import listen, listen_unix, url_of


def test_port_0_is_any_free_port_and_the_url_says_which() -> None:
    with listen("127.0.0.1", 0) as sock:
        port = sock.getsockname()[1]
        assert port
        assert url_of(sock) == f"http://127.0.0.1:{port}"
        with socket.create_connection(("127.0.0.1", port)):
            pass


def test_what_listens_everywhere_is_found_on_this_machine() -> None:
    with listen("0.0.0.0", 0) as sock:
        assert url_of(sock) == f"http://127.0.0.1:{sock.getsockname()[1]}"


@pytest.mark.skipif(not Path("/proc/net/if_inet6").exists(), reason="this machine has no IPv6")
def test_an_address_of_version_6_stands_in_brackets() -> None:
    with listen("::1", 0) as sock:
        assert url_of(sock) == f"http://[::1]:{sock.getsockname()[1]}"


def test_a_port_that_is_taken_is_told_with_the_next_step() -> None:
    with listen("127.0.0.1", 0) as taken, pytest.raises(InferencePioError, match=r"is taken.*--port"):
        listen("127.0.0.1", taken.getsockname()[1])


@pytest.mark.parametrize(("host", "message"), [("no.such.host.invalid", "no address"), ("192.0.2.1", "does not have")])
def test_a_host_that_is_not_here_is_told(host: str, message: str) -> None:
    with pytest.raises(InferencePioError, match=message):
        listen(host, 0)


def test_a_socket_in_the_file_system_is_for_user_and_group(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with listen_unix(path) as sock:
        assert url_of(sock) == f"unix:{path}"
        assert path.stat().st_mode & 0o777 == 0o660
        with pytest.raises(InferencePioError, match="another server"):
            listen_unix(path)
    with listen_unix(path):  # a server that was killed leaves its socket behind
        pass
    (tmp_path / "file").touch()
    with pytest.raises(InferencePioError, match="something else"):
        listen_unix(tmp_path / "file")
    with pytest.raises(InferencePioError, match="No such file"):
        listen_unix(tmp_path / "no" / "folder")
