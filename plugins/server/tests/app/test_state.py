"""``/health``, ``/metrics``, ``/v1/models``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pytest
from prometheus_client.parser import text_string_to_metric_families

from inference_pio.errors import EngineDeadError, QueueFullError
from inference_pio.server.lifecycle import Lifecycle

from ..fake_model import FakeModel
from .conftest import asked, pool_of, said

if TYPE_CHECKING:
    import httpx


def samples(text: str) -> dict[tuple[str, ...], float]:
    """Name and label values, in the order of the labels' names -> value."""
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_models_are_told_before_and_after_they_are_loaded() -> None:
    async def talk(client: httpx.AsyncClient) -> list[httpx.Response]:
        before = await client.get("/v1/models")
        await said()(client)
        return [before, await client.get("/v1/models/fake"), await client.get("/v1/models/nobody")]

    before, after, nobody = asked(talk)
    assert before.json()["object"] == "list"
    (card,) = before.json()["data"]
    assert (card["id"], card["object"], card["owned_by"]) == ("fake", "model", "somebody 1.0")
    assert (card["loaded"], card["context"], card["capabilities"]) == (False, None, None)
    assert after.json()["capabilities"] == {"chat": True, "tools": True, "embeddings": True}
    assert (after.json()["loaded"], after.json()["context"]) == (True, 1000)
    assert (nobody.status_code, nobody.json()["error"]["code"]) == (404, "model_not_found")


@pytest.mark.parametrize(
    ("lifecycle", "live", "ready"),
    [
        (Lifecycle(), (200, "ok"), (200, "ok")),
        (Lifecycle(is_ready=False), (200, "ok"), (503, "loading")),
        (Lifecycle(is_stopping=True), (200, "ok"), (503, "stopping")),
    ],
)
def test_a_server_may_live_and_not_be_ready(
    lifecycle: Lifecycle, live: tuple[int, str], ready: tuple[int, str]
) -> None:
    async def talk(client: httpx.AsyncClient) -> list[tuple[int, str]]:
        answers = [await client.get(path) for path in ("/health/live", "/health/ready", "/health")]
        return [(answer.status_code, answer.json()["status"]) for answer in answers]

    assert asked(talk, lifecycle=lifecycle) == [live, ready, ready]


def test_a_dead_engine_is_a_503_for_whoever_asks_it_and_whoever_asks_for_its_health() -> None:
    async def talk(client: httpx.AsyncClient) -> list[httpx.Response]:
        # What has died is loaded anew at the next request: so the model dies while it answers.
        failed = await said()(client)
        return [failed, await client.get("/health"), await client.get("/health/live")]

    class Dies(FakeModel):
        async def start(self, *args: object, **more: object) -> None:  # type: ignore[override]  # it never answers
            self.figures = lambda: {"is_alive": 0}  # type: ignore[method-assign]  # from now on
            raise EngineDeadError("the engine has ended")

    failed, *health = asked(talk, models=pool_of(Dies()))
    assert (failed.status_code, failed.headers["retry-after"]) == (503, "1")
    assert [(answer.status_code, answer.json()["status"]) for answer in health] == [(503, "dead"), (503, "dead")]


def test_metrics_count_what_happened() -> None:
    async def talk(client: httpx.AsyncClient) -> str:
        await said()(client)
        await said(stream=True)(client)
        await said("divide by zero")(client)
        await said(model="nobody")(client)
        await client.get("/v1/no/such/path/1")
        await client.get("/v1/no/such/path/2")
        return (await client.get("/metrics")).text

    class Counted(FakeModel):
        def figures(self) -> Mapping[str, float]:
            return {**super().figures(), "new_tokens": 24, "step_tokens": 30, "cached_tokens": 2, "preemptions": 1}

    found = samples(asked(talk, models=pool_of(Counted())))
    assert found["inference_pio_requests_total", "POST", "/v1/say", "200"] == 2
    assert found["inference_pio_requests_total", "POST", "/v1/say", "500"] == 1
    assert found["inference_pio_requests_total", "POST", "/v1/say", "404"] == 1
    assert found["inference_pio_requests_total", "GET", "other", "404"] == 2
    assert found["inference_pio_request_duration_seconds_count", "/v1/say", "200"] == 2
    # The fake model says that its first token took 0.25 s, and all 12 of them 0.5 s.
    assert found["inference_pio_time_to_first_token_seconds_count", "fake"] == 2
    assert found["inference_pio_time_to_first_token_seconds_sum", "fake"] == 0.5
    assert found["inference_pio_time_per_output_token_seconds_sum", "fake"] == pytest.approx(2 * 0.25 / 11)
    assert found["inference_pio_generated_tokens_total", "fake"] == 24
    assert found["inference_pio_engine_step_tokens_total", "fake"] == 30
    assert found["inference_pio_prompt_cached_tokens_total", "fake"] == 2
    assert found["inference_pio_preemptions_total", "fake"] == 1
    assert found["inference_pio_model_loads_total", "fake"] == 1
    assert found["inference_pio_model_loaded", "fake"] == 1
    assert found["inference_pio_requests_running", "fake"] == 0
    assert found["inference_pio_engine_alive", "fake"] == 1
    assert found[("inference_pio_http_requests_in_flight",)] == 1  # the one that looks


def test_metrics_count_what_was_turned_away_by_reason() -> None:
    async def talk(client: httpx.AsyncClient) -> str:
        await said()(client)
        await client.post("/v1/say", content=b"{}")
        return (await client.get("/metrics")).text

    found = samples(asked(talk, models=pool_of(FakeModel(error=QueueFullError("full")))))
    assert found["inference_pio_requests_rejected_total", "queue_full"] == 1
    assert found["inference_pio_requests_rejected_total", "http_415"] == 1


def test_no_label_of_a_metric_is_chosen_by_a_client() -> None:
    async def talk(client: httpx.AsyncClient) -> str:
        await client.request("BREW", "/secret-path", headers={"x-request-id": "secret-id"})
        await said(model="secret-model")(client)
        return (await client.get("/metrics")).text

    text = asked(talk)
    assert "secret" not in text
    assert "BREW" not in text
