from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from inference_pio.errors import EngineDeadError, InferencePioError, QueueFullError
from inference_pio.server.batch import input_file, line_request
from inference_pio.server.batch.session import open_batch
from inference_pio.server.endpoint import Answer, Call
from inference_pio.server.served_model import ServedModel

from ..fake_model import FakeModel, Started
from .continuing import ENDPOINTS, URL, Continue, Continuing, fake_pool, request_line, run, say, write_requests


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def answer_line(tmp_path: Path, line: str | bytes) -> dict[str, Any]:
    """Return the result of a line that stands between two that are fine."""
    source, target = tmp_path / "in.jsonl", tmp_path / f"{len(list(tmp_path.iterdir()))}.jsonl"
    good = [json.dumps(request_line(number)).encode() for number in (1, 3)]
    source.write_bytes(b"\n".join([good[0], line if isinstance(line, bytes) else line.encode(), good[1]]))
    run(source, target, FakeModel())
    results = {int(result["id"].rpartition("_")[2]): result for result in read(target)}
    assert sorted(results) == [1, 2, 3]
    assert results[1]["response"]["status_code"] == results[3]["response"]["status_code"] == 200
    return results[2]


def test_a_result_has_the_format_of_openai(tmp_path: Path) -> None:
    target = tmp_path / "out.jsonl"
    totals = run(write_requests(tmp_path / "in.jsonl", 1), target, FakeModel(answer="Hello."))
    (result,) = read(target)
    assert set(result) == {"id", "custom_id", "response", "error"}
    assert result["custom_id"] == "id-1"
    assert result["error"] is None
    assert set(result["response"]) == {"status_code", "request_id", "body"}
    assert result["response"]["status_code"] == 200
    assert result["response"]["body"] == {"text": "Hello.", "usage": {"prompt_tokens": 8, "completion_tokens": 6}}
    assert (totals.done, totals.failed, totals.prompt_tokens, totals.new_tokens) == (1, 0, 8, 6)


@pytest.mark.parametrize(
    ("line", "code", "says"),
    [
        ("{", "invalid_json_line", "not JSON"),
        (b'{"custom_id": "\xff"}', "invalid_json_line", "not JSON"),
        (
            '{"custom_id": "\\ud800", "method": "POST", "url": "/v1/completions", "body": {}}',
            "invalid_json_line",
            "JSON",
        ),
        ("[" * 100_000, "invalid_request", "object"),
        ('{"x":' * 100_000, "invalid_request", "`x`"),
        ('{"custom_id": 7, ', "invalid_request", "custom_id"),
        (json.dumps(request_line(2, body=0)).replace("0", "[" * 100_000), "invalid_json_line", "nested too deeply"),
        ("NaN", "invalid_json_line", "not JSON"),
        ("[]", "invalid_request", "object"),
        ("7", "invalid_request", "object"),
        ("{}", "invalid_request", "custom_id"),
        (json.dumps(request_line(2, custom_id=7)), "invalid_request", "custom_id"),
        (json.dumps(request_line(2, custom_id=None)), "invalid_request", "custom_id"),
        (json.dumps(request_line(2, extra=7)), "invalid_request", "extra"),
        (json.dumps(request_line(2, body=7)), "invalid_request", "body"),
        (json.dumps(request_line(2, body=None)), "invalid_request", "body"),
        (json.dumps(request_line(2, method="GET")), "invalid_method", "'GET'"),
        (json.dumps(request_line(2, url="/v1/nothing")), "invalid_url", URL),
        (json.dumps(request_line(2, custom_id="id-1")), "duplicate_custom_id", "line 1"),
        (json.dumps(request_line(2, body={"model": "fake", "stream": True})), "stream_not_supported", "stream"),
    ],
)
def test_a_line_that_is_no_request_becomes_an_error_that_names_it(
    tmp_path: Path, line: str | bytes, code: str, says: str
) -> None:
    result = answer_line(tmp_path, line)
    assert result["response"] is None
    assert result["error"]["code"] == code
    assert result["error"]["message"].startswith("line 2: ")
    assert says in result["error"]["message"]


def test_an_error_keeps_the_name_that_can_be_read(tmp_path: Path) -> None:
    assert answer_line(tmp_path, json.dumps(request_line(2, method=7)))["custom_id"] == "id-2"
    assert answer_line(tmp_path, json.dumps(request_line(2, url="/")))["custom_id"] == "id-2"
    assert answer_line(tmp_path, "{")["custom_id"] is None


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ({"model": "fake", "prompt": ""}, 400, "prompt"),
        ({"model": "fake", "prompt": 7}, 400, "prompt"),
        ({"model": "fake", "prompt": "x", "unknown": 1}, 400, "unknown"),
        ({"model": "fake", "prompt": "x", "stream": "yes"}, 400, "stream"),
        ({"model": "fake"}, 400, "prompt"),
        ({"prompt": "x"}, 400, "model"),
        ({"model": "nobody", "prompt": "x"}, 404, "model"),
        ({"model": "fake", "prompt": "x" * 2000}, 400, None),
    ],
)
def test_what_the_server_refuses_is_refused_with_its_words(
    tmp_path: Path, body: dict[str, Any], status: int, param: str | None
) -> None:
    result = answer_line(tmp_path, json.dumps(request_line(2, body=body)))
    assert result["error"] is None
    assert result["custom_id"] == "id-2"
    assert result["response"]["status_code"] == status
    assert result["response"]["body"]["error"]["param"] == param


def test_a_request_that_breaks_the_model_costs_itself_only(tmp_path: Path) -> None:
    def break_at_two(started: Started) -> str:
        if started.text == "prompt 2":
            raise ZeroDivisionError("secret")
        return "fine"

    target = tmp_path / "out.jsonl"
    totals = run(write_requests(tmp_path / "in.jsonl", 3), target, FakeModel(answer=break_at_two))
    assert (totals.done, totals.failed) == (3, 1)
    statuses = {result["custom_id"]: result["response"]["status_code"] for result in read(target)}
    assert statuses == {"id-1": 200, "id-2": 500, "id-3": 200}
    assert "secret" not in target.read_text()


def test_blank_lines_a_byte_order_mark_and_other_line_ends_are_no_requests(tmp_path: Path) -> None:
    source, target = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    lines = [json.dumps(request_line(number)).encode() for number in (1, 4)]
    source.write_bytes(b"\xef\xbb\xbf" + lines[0] + b"\r\n\r\n  \n" + lines[1])
    assert run(source, target, FakeModel()).failed == 0
    assert sorted(result["id"].rpartition("_")[2] for result in read(target)) == ["1", "4"]


def test_an_empty_input_has_an_empty_result(tmp_path: Path) -> None:
    source, target = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.touch()
    assert run(source, target, FakeModel()).done == 0
    assert target.read_bytes() == b""


def test_a_line_over_the_limit_is_not_read_and_the_next_one_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (input_file, line_request):
        monkeypatch.setattr(module, "MAX_LINE_BYTES", 200)
    result = answer_line(tmp_path, json.dumps(request_line(2, body={"model": "fake", "prompt": "x" * 1000})))
    assert result["error"]["code"] == "line_too_long"
    assert "200 bytes" in result["error"]["message"]
    assert result["custom_id"] is None


def test_no_more_requests_are_under_way_than_asked_for_and_no_fewer(tmp_path: Path) -> None:
    model = FakeModel(answer=say)
    seen: list[int] = []

    def watch(started: Started) -> str:
        seen.append(model.running + 1)
        return say(started)

    model.answer = watch
    run(write_requests(tmp_path / "in.jsonl", 60), tmp_path / "out.jsonl", model, concurrency=5)
    assert max(seen) == 5
    assert seen.count(5) > 30  # the rest: several of a window may end in one step


class Crowded(Continuing):
    """Turns away whoever comes while ``places`` are taken."""

    def __init__(self, places: int) -> None:
        self.places, self.turned_away = places, 0

    async def answer(self, request: Continue, model: ServedModel, call: Call) -> Answer:
        if not self.places:
            self.turned_away += 1
            raise QueueFullError("full")
        self.places -= 1
        try:
            return await super().answer(request, model, call)
        finally:
            self.places += 1


def run_with(endpoint: Continuing, source: Path, target: Path) -> Any:
    with open_batch(source, target) as batch:
        pool = fake_pool(FakeModel(answer=say))
        return batch.answer({URL: endpoint}, pool, concurrency=4, report=lambda totals: None)[0]


def test_a_full_queue_makes_requests_wait_and_none_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inference_pio.server.batch.answering.RETRY_S", 0.001)
    endpoint = Crowded(places=2)
    totals = run_with(endpoint, write_requests(tmp_path / "in.jsonl", 30), tmp_path / "out.jsonl")
    assert (totals.done, totals.failed) == (30, 0)
    assert endpoint.turned_away


def test_a_request_that_no_queue_has_room_for_fails_in_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inference_pio.server.batch.answering.RETRY_S", 0.001)
    totals = run_with(Crowded(places=0), write_requests(tmp_path / "in.jsonl", 6), tmp_path / "out.jsonl")
    assert (totals.done, totals.failed) == (6, 6)
    assert {result["response"]["status_code"] for result in read(tmp_path / "out.jsonl")} == {429}


def test_a_dead_engine_ends_the_run_without_results_that_another_run_could_give(tmp_path: Path) -> None:
    def die_at_three(started: Started) -> str:
        if started.text == "prompt 3":
            raise EngineDeadError("the engine has ended")
        return "fine"

    source, target = write_requests(tmp_path / "in.jsonl", 6), tmp_path / "out.jsonl"
    with pytest.raises(EngineDeadError):
        run(source, target, FakeModel(answer=die_at_three), concurrency=1)
    assert [result["custom_id"] for result in read(target)] == ["id-1", "id-2"]
    assert run(source, target, FakeModel()).failed == 0
    assert sorted(result["custom_id"] for result in read(target)) == [f"id-{number}" for number in range(1, 7)]


def test_a_model_that_cannot_be_loaded_ends_the_run(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    from inference_pio.server.model_pool import ModelPool, Offer

    def fail() -> ServedModel:
        raise InferencePioError("no such file")

    target = tmp_path / "out.jsonl"
    with (
        open_batch(write_requests(tmp_path / "in.jsonl", 6), target) as batch,
        pytest.raises(InferencePioError, match="no such file"),
    ):
        batch.answer(ENDPOINTS, ModelPool([Offer(name="fake", load=fail)]), concurrency=3, report=lambda totals: None)
    assert target.read_bytes() == b""
    assert "no such file" in caplog.text


def test_what_finished_before_a_cancellation_is_written(tmp_path: Path) -> None:
    from inference_pio.server.batch.answering import Answerer
    from inference_pio.server.batch.running import BatchRun

    written: list[bytes] = []

    class Kept:
        def append(self, line: bytes) -> None:
            written.append(line)

        def sync(self) -> None:
            pass

    model = FakeModel(answer=lambda started: "x" if started.text != "prompt 2" else "x" * 100_000)
    lines = [(number, json.dumps(request_line(number)).encode()) for number in (1, 2, 3)]

    async def cancel_in_the_middle() -> None:
        run = BatchRun(Answerer(ENDPOINTS, fake_pool(model), "0" * 16), Kept(), concurrency=3)
        task = asyncio.ensure_future(run.run(lines))
        while len(written) < 2:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancel_in_the_middle())
    assert sorted(json.loads(line)["custom_id"] for line in written) == ["id-1", "id-3"]
