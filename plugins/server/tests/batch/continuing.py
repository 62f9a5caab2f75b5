"""An endpoint that continues a prompt; run as a module, a process that answers a batch with it: ``IN OUT STEP_S``."""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path
from typing import Any

import msgspec

from inference_pio.generation import SamplingOptions
from inference_pio.server.api_errors import invalid
from inference_pio.server.batch.running import Totals
from inference_pio.server.batch.session import open_batch
from inference_pio.server.endpoint import Answer, Call, Endpoint, RequestBody
from inference_pio.server.model_pool import ModelPool, Offer
from inference_pio.server.served_model import ServedModel

from ..fake_model import FakeModel, Started

URL = "/v1/completions"


class Continue(RequestBody, frozen=True, kw_only=True, forbid_unknown_fields=True):
    prompt: str
    seed: int = 0
    stream: bool = False


class Continued(msgspec.Struct):
    text: str
    usage: dict[str, int]


class Continuing(Endpoint[Continue]):
    path = URL
    request_type = Continue
    response_type = Continued

    async def answer(self, request: Continue, model: ServedModel, call: Call) -> Answer:
        if not request.prompt:
            raise invalid("prompt", "prompt is empty")
        options = SamplingOptions(seed=request.seed)
        generation = await model.start(await model.tokenize(request.prompt), options, text=request.prompt)
        chunks = [chunk async for chunk in generation]
        stats = chunks[-1].stats
        assert stats is not None
        usage = {"prompt_tokens": stats.prompt_tokens, "completion_tokens": stats.new_tokens}
        return Answer(Continued("".join(chunk.text for chunk in chunks), usage))


ENDPOINTS = {URL: Continuing()}


def request_line(number: int, **changes: Any) -> dict[str, Any]:
    body = {"model": "fake", "prompt": f"prompt {number}", "seed": number}
    return {"custom_id": f"id-{number}", "method": "POST", "url": URL, "body": body, **changes}


def write_requests(path: Path, count: int) -> Path:
    path.write_text("".join(json.dumps(request_line(number)) + "\n" for number in range(1, count + 1)))
    return path


def say(started: Started) -> str:
    """Return an answer that hangs on prompt and seed, of 1 to 12 words."""
    dice = random.Random(f"{started.text} {started.options.seed}")
    return " ".join(str(dice.randrange(1000)) for _ in range(dice.randint(1, 12)))


def fake_pool(model: FakeModel) -> ModelPool:
    return ModelPool([Offer(name="fake", load=lambda: model)])


def run(source: Path, target: Path, model: FakeModel, concurrency: int = 4) -> Totals:
    with open_batch(source, target) as batch:
        totals, stopped_by = batch.answer(
            ENDPOINTS, fake_pool(model), concurrency=concurrency, report=lambda totals: None
        )
    assert stopped_by is None
    return totals


if __name__ == "__main__":
    model = FakeModel(answer=say, step_s=float(sys.argv[3]))
    with open_batch(Path(sys.argv[1]), Path(sys.argv[2])) as opened:
        print("started", flush=True)
        _, stopped = opened.answer(ENDPOINTS, fake_pool(model), concurrency=8, report=lambda totals: None)
    raise SystemExit(128 + stopped if stopped else 0)
