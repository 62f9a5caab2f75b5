"""Who may ask: keys, hosts, origins."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from inference_pio.errors import UsageError
from inference_pio.server.keys import load_keys, parse_keys
from inference_pio.server.options import ServerOptions

from ..fake_model import FakeModel
from .conftest import asked, pool_of, said

if TYPE_CHECKING:
    import httpx

ALICE, BOB = "alices-key-0123456789", "bobs-key-0123456789"
KEYS = parse_keys(f"alice:{ALICE}\n# a comment\n\nbob: {BOB}\nnameless-key-0123456789", "test")
LOCAL = ServerOptions(allowed_hosts=frozenset({"localhost"}))


def with_key(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


@pytest.mark.parametrize(("key", "name"), [(ALICE, "alice"), (BOB, "bob"), ("nameless-key-0123456789", "key5")])
def test_every_key_has_a_name(key: str, name: str) -> None:
    response = asked(said(headers=with_key(key)), options=ServerOptions(keys=KEYS))
    assert (response.status_code, response.json()["caller"]) == (200, name)


def test_requests_of_one_key_share_computed_prompts_and_those_of_two_do_not() -> None:
    model = FakeModel()
    for key in (ALICE, BOB):
        asked(said(headers=with_key(key)), options=ServerOptions(keys=KEYS), models=pool_of(model))
    assert [started.cache_salt for started in model.started] == ["alice", "bob"]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": ALICE},
        {"authorization": f"Basic {ALICE}"},
        {"authorization": "Bearer "},
        with_key("wrong-key-0123456789"),
        with_key(ALICE[:-1]),
        with_key(ALICE + "x"),
        with_key("\xe9" * 20),
    ],
)
def test_without_a_key_that_is_known_nothing_is_computed(headers: dict[str, str]) -> None:
    model = FakeModel()

    async def talk(client: httpx.AsyncClient) -> list[httpx.Response]:
        encoded = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
        paths = ("/v1/models", "/metrics", "/openapi.json", "/v1/unknown")
        asked = await client.post("/v1/say", json={"model": "fake"}, headers=encoded)
        return [asked, *[await client.get(path, headers=encoded) for path in paths]]

    for response in asked(talk, options=ServerOptions(keys=KEYS), models=pool_of(model)):
        assert (response.status_code, response.headers["www-authenticate"]) == (401, "Bearer")
        assert response.json()["error"]["type"] == "authentication_error"
    assert model.started == []


def test_whether_the_server_lives_may_be_asked_without_a_key() -> None:
    async def talk(client: httpx.AsyncClient) -> list[int]:
        return [(await client.get(path)).status_code for path in ("/health", "/health/live", "/health/ready")]

    assert asked(talk, options=ServerOptions(keys=KEYS)) == [200, 200, 200]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("alice:short", "at least 16 characters"),
        ("al ice:" + ALICE, "a name before the colon"),
        ("alice:" + "ä" * 20, "ASCII"),
        (f"alice:{ALICE}\nalice:{BOB}", "stands there already"),
        (f"alice:{ALICE}\nbob:{ALICE}", "stands there already"),
    ],
)
def test_keys_that_cannot_be_are_refused_by_their_line_and_never_shown(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as told:
        parse_keys(text, "keys.txt")
    assert "keys.txt, line" in str(told.value)
    assert not any(key in str(told.value) for key in (ALICE, BOB, "short"))


def test_keys_come_from_a_file_or_from_the_environment(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "keys.txt"
    file.write_text(f"alice:{ALICE}\n")
    file.chmod(0o600)
    environment = {"INFERENCE_PIO_API_KEYS": f"bob:{BOB},{ALICE}"}
    assert set(load_keys(file, environment).digests) == {"alice"}
    assert set(load_keys(None, environment).digests) == {"bob", "key2"}
    assert not load_keys(None, {})
    assert caplog.messages == []
    file.chmod(0o644)
    load_keys(file)
    assert "chmod 600" in caplog.messages[0]
    file.chmod(0o666)
    with pytest.raises(UsageError, match="may write"):
        load_keys(file)
    file.chmod(0o600)
    file.write_text("# nothing\n")
    with pytest.raises(UsageError, match="holds no API key"):
        load_keys(file)
    with pytest.raises(UsageError, match="cannot be read"):
        load_keys(tmp_path / "missing")


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:8000", "127.0.0.1:1", "127.8.8.8", "[::1]:8000", "LOCALHOST."]
)
def test_a_server_on_this_machine_goes_by_the_names_of_this_machine(host: str) -> None:
    assert asked(said(headers={"host": host}), options=LOCAL).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8000", "localhost.evil.example", "192.168.1.1", "", "[", "a:b:c"]
)
def test_a_name_that_a_foreign_site_has_point_here_is_turned_away(host: str) -> None:
    model = FakeModel()
    response = asked(said(headers={"host": host}), options=LOCAL, models=pool_of(model))
    assert (response.status_code, response.json()["error"]["code"]) == (421, "host_not_allowed")
    assert model.started == []


def test_pages_of_foreign_sites_are_turned_away_and_get_no_cors_headers() -> None:
    for origin in (
        "https://evil.example",
        "null",
        "http://localhost:3000",
        "http://[",
        "http://localhost.evil.example",
    ):
        response = asked(said(headers={"origin": origin}))
        assert (response.status_code, response.json()["error"]["code"]) == (403, "origin_not_allowed"), origin
        assert "access-control-allow-origin" not in response.headers


def test_the_servers_own_page_may_ask_behind_a_proxy_too() -> None:
    own = {"origin": "http://localhost", "host": "localhost"}
    behind = {"origin": "https://ai.example", "host": "ai.example"}
    options = ServerOptions(allowed_hosts=frozenset({"ai.example", "localhost"}))
    assert [asked(said(headers=headers), options=options).status_code for headers in (own, behind)] == [200, 200]


def test_pages_that_were_allowed_may_ask_and_need_a_key_all_the_same() -> None:
    origin = "https://friend.example"
    options = ServerOptions(keys=KEYS, cors_origins=(origin,))

    async def talk(client: httpx.AsyncClient) -> tuple[httpx.Response, ...]:
        asks = {
            "access-control-request-method": "POST",
            "access-control-request-headers": "authorization, content-type",
        }
        foreign = {"origin": "https://evil.example", **asks}
        return (
            await client.options("/v1/say", headers={"origin": origin, **asks}),
            await said(headers={"origin": origin})(client),
            await said(headers={"origin": origin, **with_key(ALICE)})(client),
            await client.options("/v1/say", headers=foreign),
        )

    preflight, without, fine, foreign = asked(talk, options=options)
    assert (preflight.status_code, preflight.headers["access-control-allow-origin"]) == (200, origin)
    assert "authorization" in preflight.headers["access-control-allow-headers"].lower()
    assert without.status_code == 401
    assert (fine.status_code, fine.headers["access-control-allow-origin"]) == (200, origin)
    assert foreign.status_code == 403


def test_every_answer_has_headers_that_protect_whoever_looks_at_it_in_a_browser() -> None:
    async def talk(client: httpx.AsyncClient) -> list[httpx.Response]:
        return [await client.get("/v1/models"), await client.get("/nothing"), await said()(client)]

    for response in asked(talk):
        assert response.headers["x-content-type-options"] == "nosniff"
        assert "frame-ancestors 'none'" in response.headers["content-security-policy"]
        assert "server" not in response.headers


def test_the_log_says_who_asked_and_how_much_but_never_what(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "inference_pio")
    asked(said("a private question", headers=with_key(ALICE)), options=ServerOptions(keys=KEYS))
    asked(said("a private question", headers=with_key("wrong-key-0123456789")), options=ServerOptions(keys=KEYS))
    lines = [message for message in caplog.messages if "/v1/say" in message]
    assert " alice POST '/v1/say' 200 ok, tokens 18+12, " in lines[0]
    assert " - POST '/v1/say' 401 invalid_api_key, tokens 0+0, " in lines[1]
    assert not any(secret in caplog.text for secret in ("private", "Hello", ALICE, "wrong-key"))
