from __future__ import annotations

import math

import msgspec
from openai.types.chat import ChatCompletionTokenLogprob
from openai.types.completion_usage import CompletionUsage

from inference_pio.generation import GenerationStats, TokenLogprob
from inference_pio.server.token_logprobs import chosen_logprobs
from inference_pio.server.usage import usage_of

from .fake_model import FakeModel


def test_a_part_of_a_character_has_its_bytes(model: FakeModel) -> None:
    token = "ü".encode()[0]
    (told,) = chosen_logprobs([TokenLogprob(token_id=token, logprob=-1, top=((65, -0.5), (token, -math.inf)))], model)
    assert (told.token, told.bytes, told.logprob) == ("\N{REPLACEMENT CHARACTER}", [token], -1)
    assert [(top.token, top.bytes, top.logprob) for top in told.top_logprobs] == [
        ("A", [65], -0.5),
        ("\N{REPLACEMENT CHARACTER}", [token], -9999),
    ]
    ChatCompletionTokenLogprob.model_validate(msgspec.to_builtins(told), strict=True, extra="forbid")


def stats(prompt: int, new: int, cached: int) -> GenerationStats:
    return GenerationStats(prompt_tokens=prompt, new_tokens=new, first_token_s=0, total_s=0, cached_tokens=cached)


def test_a_prompt_counts_once_for_all_its_answers() -> None:
    usage = usage_of([[stats(10, 3, 4), stats(10, 5, 9)], [stats(7, 1, 0)]])
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (17, 9, 26)
    assert usage.prompt_tokens_details.cached_tokens == 4
    CompletionUsage.model_validate(msgspec.to_builtins(usage), strict=True, extra="forbid")
