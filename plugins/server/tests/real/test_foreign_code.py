"""Hooks and executors of others raise inside a running server: who asked is told, and everybody else is answered."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from .processes import HANGS_S, Serving, serving

pytestmark = pytest.mark.weights

# Tokens of files and issues on GitHub, which no text here has.
FAILS, DIES = 7, 8
HOOKS = f"""\
from inference_pio.hookspecs import hookimpl

def fail(place, request):
    text = request.prompt or ""
    if place in text:
        raise SystemExit(7) if "exit" in text else RuntimeError("broken hook")

@hookimpl
def pio_before_generation(request):
    fail("before", request)

@hookimpl
def pio_after_generation(request, completion):
    fail("after", request)

@hookimpl
def pio_logits_processors(request):
    fail("contribution", request)

    def process(token_ids, logits):
        if len(token_ids) > len(request.prompt_ids):
            fail("processor", request)
        return logits

    return [process]

@hookimpl(tryfirst=True)
def pio_offer_executor(request):
    try:
        from inference_pio.native.hooks import pio_offer_executor as offer
    except ImportError:
        from inference_pio.runtime.hooks import pio_offer_executor as offer
    executor = offer(request)
    compute = executor.step

    def step(batch):
        if {FAILS} in batch.tokens:
            raise RuntimeError("broken executor")
        if {DIES} in batch.tokens:
            raise SystemExit(7)
        return compute(batch)

    executor.step = step
    return executor
"""
PROMPTS = [f"The capital of {country} is" for country in ("France", "Italy", "Spain", "Portugal", "Japan", "Peru")]


@pytest.fixture(scope="module", params=[64, 1], ids=["batched", "one by one"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A server with a plugin that breaks when it is told to; by its name it is asked before the others."""
    site = tmp_path_factory.mktemp("site")
    (site / "a_breaking.py").write_text(HOOKS)
    info = site / "a_breaking-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: a-breaking\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[inference_pio.hooks]\na_breaking = a_breaking\n")
    state = str(tmp_path_factory.mktemp("state"))
    limit = ("--max-running", str(request.param))
    with serving(*limit, PYTHONPATH=str(site), INFERENCE_PIO_STATE_DIR=state) as started:
        yield started
        assert started.stop() == 0


@pytest.fixture(scope="module")
def expected(server: Serving) -> dict[str, str]:
    """What is answered while nothing fails."""
    return {prompt: text_of(ask(server.url, prompt)) for prompt in PROMPTS}


@pytest.fixture(autouse=True)
def _alive(server: Serving, expected: dict[str, str]) -> Iterator[None]:
    """After every fault the next request is answered, and the server calls itself well."""
    yield
    assert text_of(ask(server.url, PROMPTS[0])) == expected[PROMPTS[0]]
    assert httpx.get(f"{server.url}/health").json() == {"status": "ok"}


def ask(url: str, prompt: str | list[int], **body: Any) -> httpx.Response:
    asked = {"model": "smollm2", "prompt": prompt, "max_tokens": 12, "temperature": 0, **body}
    return httpx.post(f"{url}/v1/completions", json=asked, timeout=HANGS_S)


def text_of(answer: httpx.Response) -> str:
    assert answer.status_code == 200, answer.text
    text: str = answer.json()["choices"][0]["text"]
    return text


def ask_together(url: str, prompt: str | list[int], **body: Any) -> tuple[httpx.Response, dict[str, httpx.Response]]:
    """Ask something in the midst of others; return its answer and theirs."""
    with ThreadPoolExecutor(len(PROMPTS) + 1) as threads:
        before = {other: threads.submit(ask, url, other) for other in PROMPTS[:3]}
        broken = threads.submit(ask, url, prompt, **body)
        after = {other: threads.submit(ask, url, other) for other in PROMPTS[3:]}
        return broken.result(), {other: answer.result() for other, answer in (before | after).items()}


@pytest.mark.parametrize("kind", ["raise", "exit"])
@pytest.mark.parametrize("place", ["before", "after", "contribution"])
def test_a_hook_that_only_looks_on_costs_nobody_an_answer(
    server: Serving, expected: dict[str, str], place: str, kind: str
) -> None:
    answer, others = ask_together(server.url, f"{kind} {place}")
    assert text_of(answer)
    assert {prompt: text_of(other) for prompt, other in others.items()} == expected


@pytest.mark.parametrize("kind", ["raise", "exit"])
def test_a_logits_processor_that_raises_ends_the_request_that_it_changes(
    server: Serving, expected: dict[str, str], kind: str
) -> None:
    answer, others = ask_together(server.url, f"{kind} processor")
    assert answer.status_code == 500
    error = answer.json()["error"]
    assert error["type"] == "server_error"
    assert "a-breaking" in error["message"]
    assert {prompt: text_of(other) for prompt, other in others.items()} == expected


def test_a_stream_says_that_a_logits_processor_has_failed(server: Serving) -> None:
    answer = ask(server.url, "raise processor", stream=True)
    assert answer.status_code == 200
    *begun, last = [line for line in answer.text.split("\n\n") if line]
    assert begun
    assert '"server_error"' in last
    assert "[DONE]" not in answer.text


def test_an_executor_that_raises_ends_the_requests_of_its_step(
    server: Serving, expected: dict[str, str], request: pytest.FixtureRequest
) -> None:
    answer, others = ask_together(server.url, [FAILS, 100, 200])
    assert answer.status_code == 500
    assert "broken executor" in answer.json()["error"]["message"]
    for prompt, other in others.items():
        if other.status_code == 500 and request.node.callspec.params["server"] > 1:  # computed in the same step
            assert "broken executor" in other.json()["error"]["message"]
        else:
            assert text_of(other) == expected[prompt]


def test_a_stream_says_that_the_executor_has_failed(server: Serving) -> None:
    answer = ask(server.url, PROMPTS[0], stream=True, echo=True, logit_bias={str(FAILS): 100})
    assert answer.status_code == 200
    begun, last = [line for line in answer.text.split("\n\n") if line]
    assert PROMPTS[0] in begun
    assert "broken executor" in last
    assert '"server_error"' in last


def test_those_who_wait_for_a_failing_step_are_answered(server: Serving, expected: dict[str, str]) -> None:
    with ThreadPoolExecutor(2) as threads:
        broken = threads.submit(ask, server.url, [*range(100, 2100), FAILS])
        assert broken.result().status_code == 500
        assert {prompt: text_of(ask(server.url, prompt)) for prompt in PROMPTS} == expected


def test_a_model_whose_thread_ends_is_loaded_again(server: Serving, expected: dict[str, str]) -> None:
    answer, others = ask_together(server.url, [DIES, 100, 200])
    assert answer.status_code == 503
    assert answer.headers["retry-after"]
    for prompt, other in others.items():
        assert other.status_code in (200, 503), other.text
        if other.status_code == 200:
            assert text_of(other) == expected[prompt]
