"""SmolLM2 under constraints: its answers parse and fulfil the schema, alone and in a batch."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # it brings no types
import pytest

from inference_pio.errors import UnknownPluginError
from inference_pio.generation import Constraint, LoadOptions, SamplingOptions
from inference_pio.host import default_host
from inference_pio.runtime.causal_lm import CausalLMPlugin

pytestmark = pytest.mark.weights

PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 20},
        "age": {"type": "integer", "minimum": 0, "maximum": 120},
        "colour": {"enum": ["red", "green", "blau", "ciel é"]},
    },
    "required": ["name", "age", "colour"],
    "additionalProperties": False,
}
SCHEMAS: list[dict[str, Any]] = [
    PERSON,
    {"type": "array", "items": {"type": "string", "maxLength": 8}, "minItems": 2, "maxItems": 3},
    {"type": "array", "items": PERSON, "minItems": 1, "maxItems": 1},
    {"anyOf": [{"const": "yes"}, {"const": "no"}]},
    {"type": "object", "properties": {"ok": {"type": "boolean"}, "when": {"type": "string", "format": "date"}},
     "required": ["ok", "when"], "additionalProperties": False},
    {"type": "object", "properties": {"x": {"type": "number", "minimum": -1, "maximum": 1}}, "required": ["x"],
     "additionalProperties": False},
    {"type": "string", "pattern": "^[A-Z][a-z]{2,8}$"},
    {"enum": [1, 2.5, None, "drei", "日本"]},
]  # fmt: skip
PROMPT = "Describe somebody as JSON."
WAYS: list[dict[str, Any]] = [{"temperature": 0.0}, {"temperature": 0.9, "top_p": 0.95, "seed": 5}]


@pytest.fixture
def model() -> Iterator[CausalLMPlugin]:
    host = default_host()
    try:
        plugin = host.plugin("smollm2")
    except UnknownPluginError:
        pytest.skip("smollm2 is not installed beside the native kernels")
    assert isinstance(plugin, CausalLMPlugin)
    plugin.load_model(LoadOptions(device="cpu", dtype="native"), host.hooks)
    yield plugin
    plugin.cleanup()


def constraint_of(schema: dict[str, Any]) -> Constraint:
    return Constraint(kind="json_schema", source=json.dumps(schema, ensure_ascii=False))


@pytest.mark.parametrize("way", WAYS, ids=["greedy", "sampled"])
def test_answers_fulfil_their_schemas_and_are_the_same_in_a_batch(model: CausalLMPlugin, way: dict[str, Any]) -> None:
    alone = []
    for schema in SCHEMAS:
        answer = model.generate(PROMPT, constraint=constraint_of(schema), max_new_tokens=150, **way)
        assert answer.finish_reason == "stop", answer.text
        jsonschema.validate(json.loads(answer.text), schema)
        alone.append((answer.text, answer.token_ids))
    guessed = model.generate(PROMPT, constraint=constraint_of(PERSON), max_new_tokens=150, speculate=True, **way)
    assert (guessed.text, guessed.token_ids) == alone[0]
    assert asyncio.run(served(model, way)) == alone


async def served(model: CausalLMPlugin, way: dict[str, Any]) -> list[tuple[str, tuple[int, ...]]]:
    """All at once, through the service."""
    service = model.open_service()
    text = await service.render([{"role": "user", "content": PROMPT}])
    ids = await service.tokenize(text, add_special_tokens=False)

    async def one(schema: dict[str, Any]) -> tuple[str, tuple[int, ...]]:
        options = SamplingOptions(constraint=constraint_of(schema), max_new_tokens=150, **way)
        chunks = [chunk async for chunk in await service.start(ids, options)]
        return "".join(chunk.text for chunk in chunks), sum((chunk.token_ids for chunk in chunks), ())

    answers = await asyncio.gather(*map(one, SCHEMAS))
    await service.close()
    return list(answers)


def test_an_expression_holds_for_the_whole_answer_and_the_end_token_is_no_text(model: CausalLMPlugin) -> None:
    wanted = Constraint(kind="regex", source=r"[A-Z][a-z]{1,10}( [a-z]{1,10}){0,3}\.")
    answer = model.generate("Say something.", constraint=wanted, max_new_tokens=80)
    assert re.fullmatch(wanted.source, answer.text)
    spelled = model.generate("q", constraint=Constraint(kind="regex", source=r"<\|im_end\|>"), max_new_tokens=20)
    assert (spelled.text, spelled.finish_reason) == ("<|im_end|>", "stop")
