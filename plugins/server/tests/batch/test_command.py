from __future__ import annotations

import io
import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from inference_pio.cli.app import run
from inference_pio.errors import EngineDeadError, LicenseNotAcceptedError
from inference_pio.server.model_pool import Offer

from ..fake_model import FakeModel, Started

ANSWERED = 0
WRONG_USAGE = 2


@pytest.fixture(autouse=True)
def model(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeModel:
    """The only model that is installed."""
    model = FakeModel()
    monkeypatch.setattr(
        "inference_pio.server.offers.build_offers", lambda *args, **more: [Offer(name="fake", load=lambda: model)]
    )
    monkeypatch.chdir(tmp_path)
    return model


def chat(number: int, **body: Any) -> str:
    body = {"model": "fake", "messages": [{"role": "user", "content": f"question {number}"}], **body}
    return json.dumps({"custom_id": f"{number}", "method": "POST", "url": "/v1/chat/completions", "body": body}) + "\n"


def write(*lines: str) -> None:
    Path("in.jsonl").write_text("".join(lines))


def results(path: str = "out.jsonl") -> dict[str, Any]:
    return {line["custom_id"]: line for line in map(json.loads, Path(path).read_text().splitlines())}


def test_a_batch_gets_what_a_client_of_the_server_would(capsys: pytest.CaptureFixture[str]) -> None:
    write(chat(1), chat(2, no_such_field=1))
    assert run(["batch", "in.jsonl", "out.jsonl", "--json"]) == ANSWERED
    answer = results()["1"]["response"]["body"]
    assert answer["object"] == "chat.completion"
    assert answer["choices"][0]["message"]["content"] == "Hello there."
    assert results()["2"]["response"]["status_code"] == 400
    assert results()["2"]["response"]["body"]["error"]["param"] == "no_such_field"
    said = capsys.readouterr()
    summary = json.loads(said.out)
    assert (summary["done"], summary["failed"], summary["new_tokens"], summary["is_complete"]) == (2, 1, 12, True)
    assert "2 lines done, 1 failed" in said.err


def test_the_same_command_again_has_nothing_to_do(capsys: pytest.CaptureFixture[str], model: FakeModel) -> None:
    write(chat(1))
    assert run(["batch", "in.jsonl", "out.jsonl"]) == ANSWERED
    assert run(["batch", "in.jsonl", "out.jsonl"]) == ANSWERED
    assert len(model.started) == 1
    assert "1 line done (1 by an earlier run)" in capsys.readouterr().err


def test_requests_and_results_may_be_piped(capfdbinary: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(2):  # and no two results have one id
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO((chat(1) + chat(2)).encode())))
        assert run(["batch", "-", "-"]) == ANSWERED
    lines = [json.loads(line) for line in capfdbinary.readouterr().out.splitlines()]
    assert sorted(line["custom_id"] for line in lines) == ["1", "1", "2", "2"]
    assert len({line["id"] for line in lines}) == 4


def test_results_of_a_file_may_be_piped(capfdbinary: Any) -> None:
    write(chat(1))
    assert run(["batch", "in.jsonl", "-"]) == ANSWERED
    assert json.loads(capfdbinary.readouterr().out)["custom_id"] == "1"


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["nothing.jsonl", "out.jsonl"], "cannot read nothing.jsonl"),
        (["in.jsonl", "in.jsonl"], "both what is read and what is written"),
        (["-", "out.jsonl"], "cannot be resumed"),
        (["in.jsonl", "-", "--json"], "both go to standard output"),
        (["in.jsonl", "out.jsonl", "--concurrency", "0"], "concurrency"),
        (["in.jsonl"], "OUT"),
    ],
)
def test_what_cannot_be_is_wrong_usage(args: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    write(chat(1))
    assert run(["batch", *args]) == WRONG_USAGE
    assert says in capsys.readouterr().err
    assert not Path("out.jsonl").exists()


def test_a_run_that_ends_early_has_an_exit_code_of_its_own(
    capsys: pytest.CaptureFixture[str], model: FakeModel
) -> None:
    def die(started: Started) -> str:
        raise EngineDeadError("the engine has ended")

    write(chat(1))
    model.answer = die
    assert run(["batch", "in.jsonl", "out.jsonl"]) == 1
    assert "the engine has ended" in capsys.readouterr().err
    model.answer = "Hello."
    assert run(["batch", "in.jsonl", "out.jsonl"]) == ANSWERED
    assert results()["1"]["response"]["status_code"] == 200


def test_weights_are_fetched_before_anything_is_answered(
    monkeypatch: pytest.MonkeyPatch, model: FakeModel, capsys: pytest.CaptureFixture[str]
) -> None:
    fetched: list[str] = []

    def offers(*args: object, **more: object) -> list[Offer]:
        def fetch(name: str) -> None:
            assert not model.started
            fetched.append(name)

        return [Offer(name=name, load=lambda: model, fetch=partial(fetch, name)) for name in ("fake", "other")]

    monkeypatch.setattr("inference_pio.server.offers.build_offers", offers)
    write(chat(1), chat(2, model="nobody"), "torn\n", chat(3, model=7), chat(4, model="FAKE"))
    assert run(["batch", "in.jsonl", "out.jsonl"]) == ANSWERED
    assert fetched == ["fake"]
    fetched.clear()
    model.started.clear()
    assert run(["batch", "in.jsonl", "out.jsonl"]) == ANSWERED
    assert not fetched  # nothing is left that would need them
    assert run(["batch", "in.jsonl", "more.jsonl", "--model", "other"]) == ANSWERED
    assert fetched == ["other"]


def test_weights_that_cannot_be_fetched_end_the_run(
    monkeypatch: pytest.MonkeyPatch, model: FakeModel, capsys: pytest.CaptureFixture[str]
) -> None:
    def fetch() -> None:
        raise LicenseNotAcceptedError("nobody has agreed to the terms")

    offers = [Offer(name="fake", load=lambda: model, fetch=fetch)]
    monkeypatch.setattr("inference_pio.server.offers.build_offers", lambda *args, **more: offers)
    write(chat(1))
    assert run(["batch", "in.jsonl", "out.jsonl"]) == 1
    assert "nobody has agreed" in capsys.readouterr().err
    assert not model.started
    assert not results()
