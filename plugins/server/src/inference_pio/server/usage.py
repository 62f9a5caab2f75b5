"""How many tokens a request took."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from inference_pio.generation import GenerationStats


class PromptTokensDetails(msgspec.Struct, frozen=True, kw_only=True):
    """What the prompt's tokens were."""

    cached_tokens: int = 0
    audio_tokens: int = 0


class CompletionTokensDetails(msgspec.Struct, frozen=True, kw_only=True):
    """What the answers' tokens were; models here write text only, and none of it apart from the answer."""

    reasoning_tokens: int = 0
    audio_tokens: int = 0
    accepted_prediction_tokens: int = 0
    rejected_prediction_tokens: int = 0


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens of the prompt, counted once however many answers were asked for, and of all answers."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptTokensDetails
    completion_tokens_details: CompletionTokensDetails


def usage_of(prompts: Sequence[Sequence[GenerationStats]]) -> Usage:
    """Add up what a request took.

    Args:
        prompts: For each prompt of the request the statistics of its answers.
    """
    prompt_tokens = sum(answers[0].prompt_tokens for answers in prompts)
    # The first answer tells what others had computed before; the further ones find the prompt of the first.
    cached_tokens = sum(min(stats.cached_tokens for stats in answers) for answers in prompts)
    completion_tokens = sum(stats.new_tokens for answers in prompts for stats in answers)
    return Usage(
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
        total_tokens=prompt_tokens + completion_tokens,
        prompt_tokens_details=PromptTokensDetails(cached_tokens=cached_tokens),
        completion_tokens_details=CompletionTokensDetails(),
    )
