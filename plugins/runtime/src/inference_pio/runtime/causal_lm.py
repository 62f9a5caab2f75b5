"""``CausalLMPlugin``: all of ``TextModelPlugin`` for decoder-only models, so that a model only says what it is."""

from __future__ import annotations

import dataclasses
import logging
import threading
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from inference_pio.errors import (
    ArchitectureError,
    ChatTemplateError,
    EmptyPromptError,
    InvalidOptionError,
    NotLoadedError,
    TokenizerError,
)
from inference_pio.generation import (
    Chunk,
    Completion,
    FinishReason,
    GenerationRequest,
    LoadOptions,
    Message,
    Prompt,
    SamplingOptions,
)
from inference_pio.hookspecs import ExecutorRequest
from inference_pio.interfaces import TextModelPlugin
from inference_pio.names import nearest_names

from .sampling import validate_sampling

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from inference_pio.common.config.model_config_base import BaseConfig
    from inference_pio.hooks import HookCaller

    from .chat_templates import ChatTemplate
    from .constraints import GrammarCompiler
    from .engine import Engine
    from .layers import Decoder
    from .optimizations import Optimization
    from .program import DecodeProgram
    from .sampling import TokenConstraint
    from .service import TextService
    from .text_generation import TextGeneration
    from .tokenizers import Tokenizer
    from .weight_map import WeightMap
    from .weights import Checkpoint

logger = logging.getLogger(__name__)


class CausalLMPlugin(TextModelPlugin):
    """A decoder-only language model. Subclasses say what they are; everything else is here.

    Attributes:
        model_types: ``model_type`` values of ``config.json`` that name this architecture.
        gguf_architectures: ``general.architecture`` values of GGUF files that name it.
        sampling_defaults: What its authors recommend.
    """

    model_types: ClassVar[frozenset[str]] = frozenset()
    gguf_architectures: ClassVar[frozenset[str]] = frozenset()
    sampling_defaults: ClassVar[SamplingOptions] = SamplingOptions()

    def __init__(self) -> None:
        self.config: BaseConfig | None = None
        self.engine: Engine | None = None
        self.tokenizer: Tokenizer | None = None
        self._template: ChatTemplate | None = None
        self._grammars: GrammarCompiler | None = None
        self._grammars_lock = threading.Lock()
        self.hooks: HookCaller | None = None
        self.engine_options: Mapping[str, Any] = {}
        """Limits of the engine that ``load_model`` makes (``max_waiting``, ``cache_bytes`` …), see ``Engine``."""

    # What a model says of itself.

    @abstractmethod
    def config_type(self) -> type[BaseConfig]:
        """The configuration class; imports no torch."""

    @abstractmethod
    def gguf_config(self, checkpoint: Checkpoint) -> BaseConfig:
        """Translate a GGUF file's metadata; imports no torch."""

    @abstractmethod
    def weight_map(self, config: BaseConfig, format: str) -> WeightMap:
        """Names and layouts of a ``gguf`` or ``safetensors`` checkpoint; imports no torch."""

    @abstractmethod
    def build_model(self, config: BaseConfig) -> Decoder:
        """Assemble the torch model, parameters without values."""

    def decode_program(self, config: BaseConfig) -> DecodeProgram | None:
        """Describe the model as a list of operations, for executors that compute all of it in one call.

        ``None`` where nobody has described it: the model then runs on torch alone. Imports no torch.

        Raises:
            MissingOperationError: This configuration needs an operation that decode programs do not have.
        """
        return None

    def optimizations(self) -> Sequence[Optimization]:
        """The named optimizations of ``specific_optimizations/``."""
        return ()

    # ModelPlugin.

    def supports_config(self, config: Mapping[str, Any]) -> bool:
        """See ``ModelPlugin``."""
        return config.get("model_type") in self.model_types

    def create_config(self, **overrides: Any) -> BaseConfig:
        """See ``ModelPlugin``."""
        return self.config_type().from_dict(overrides)

    def read_config(self, checkpoint: Checkpoint) -> BaseConfig:
        """Return the configuration that a checkpoint describes.

        Raises:
            ArchitectureError: The checkpoint is for another architecture.
            ConfigError: A setting is unknown or does not fit.
        """
        known = self.gguf_architectures if checkpoint.format == "gguf" else self.model_types
        if checkpoint.architecture not in known:
            raise ArchitectureError(
                f"{checkpoint.path} holds architecture {checkpoint.architecture!r}; plugin {self.name!r} runs "
                f"{', '.join(sorted(known))}. Find a plugin for it: inference-pio list"
            )
        if checkpoint.format == "gguf":
            return self.gguf_config(checkpoint)
        return self.config_type().from_hugging_face(checkpoint.config or {})

    def load_model(self, options: LoadOptions | None = None, hooks: HookCaller | None = None) -> None:
        """See ``ModelPlugin``."""
        from inference_pio.host import default_host
        from inference_pio.weights_choice import fetch_weights

        from .weights import open_checkpoint

        options = options or LoadOptions()
        _check_load_options(options)
        hooks = hooks or default_host().hooks
        self.cleanup()
        path = fetch_weights(hooks, self.name, self.manifest, options)
        with open_checkpoint(path) as checkpoint:
            try:
                self._prepare(checkpoint, options, hooks)
            except BaseException:
                self.cleanup()
                raise
        hooks.after_load(self.name, self)

    def _prepare(self, checkpoint: Checkpoint, options: LoadOptions, hooks: HookCaller) -> None:
        from .engine import Engine
        from .tokenizers import load_tokenizer

        # All that can be wrong with the small parts comes before the weights are read.
        config = hooks.adjust_config(self.name, self._overridden(self.read_config(checkpoint), options))
        if options.context is not None and not 2 <= options.context <= config.max_position_embeddings:
            raise InvalidOptionError(
                f"context = {options.context}: {self.name} takes 2 to {config.max_position_embeddings} tokens"
            )
        tokenizer = load_tokenizer(checkpoint)
        if tokenizer.vocab_size > config.vocab_size:
            raise TokenizerError(
                f"{checkpoint.path}: the tokenizer has {tokenizer.vocab_size} tokens, the model {config.vocab_size}; "
                "they do not belong together"
            )
        template = _chat_template(tokenizer)
        request = ExecutorRequest(
            plugin_name=self.name,
            plugin=self,
            config=config,
            checkpoint=checkpoint,
            device=hooks.choose_device(self.manifest, options.device),
            options=options,
        )
        executor = hooks.offer_executor(request)
        try:
            self.engine = Engine(executor, context=options.context, **self.engine_options)
        except BaseException:
            executor.close()
            raise
        self.config, self.tokenizer, self._template, self.hooks = config, tokenizer, template, hooks

    def _overridden(self, config: BaseConfig, options: LoadOptions) -> BaseConfig:
        if not options.config_overrides:
            return config
        return self.config_type().from_dict({**config.to_dict(), **options.config_overrides})

    def infer(self, inputs: Sequence[int] | NDArray[np.integer[Any]]) -> NDArray[np.float32]:
        """Return the logits of every position of a text; running generations wait meanwhile.

        Args:
            inputs: Token ids, (T,), at most the context.

        Returns:
            (T, V) float32.

        Raises:
            EmptyPromptError: There are none.
            ContextLengthError: They do not fit the context.
            InvalidOptionError: One of them is not in the vocabulary.
            CacheFullError: As many generations run as the engine has slots.
        """
        return self._loaded()[0].logits(inputs)

    def cleanup(self) -> None:
        """See ``ModelPlugin``."""
        engine = self.engine
        self.config = self.engine = self.tokenizer = self._template = self.hooks = self._grammars = None
        if engine is not None:
            engine.close()

    # TextModelPlugin.

    @property
    def has_chat_template(self) -> bool:
        """See ``TextModelPlugin``."""
        return self._template is not None

    def tokenize(self, text: str, *, add_special_tokens: bool = True) -> list[int]:
        """See ``TextModelPlugin``."""
        return self._loaded()[1].encode(text, add_special_tokens=add_special_tokens)

    def detokenize(self, token_ids: Sequence[int], *, skip_special_tokens: bool = True) -> str:
        """See ``TextModelPlugin``."""
        return self._loaded()[1].decode(token_ids, skip_special_tokens=skip_special_tokens)

    @property
    def takes_tools(self) -> bool:
        """Whether the chat template has a place for tools."""
        return self._template is not None and self._template.takes_tools

    def token_bytes(self, token_id: int) -> bytes:
        """Return the bytes that a token stands for inside a text; see ``Tokenizer.token_bytes``.

        Raises:
            TokenizerError: The token is not in the vocabulary.
        """
        return self._loaded()[1].token_bytes(token_id)

    def apply_chat_template(self, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]] | None = None) -> str:
        """Return the text that asks the model for the next message.

        Args:
            messages: The conversation.
            tools: Functions that the model may call, described as OpenAI has it.

        Raises:
            ChatTemplateError: There is no template, it refuses these messages, or it has no place for tools.
        """
        self._loaded()
        if self._template is None:
            raise ChatTemplateError(
                f"{self.name} brings no chat template: it is a base model, which continues text. "
                f'Try: inference-pio run {self.name} "Once upon a time"'
            )
        if tools and not self.takes_tools:
            raise ChatTemplateError(
                f"the chat template of {self.name} has no place for tools: the model would never hear of them. "
                "Describe them in a message, or use a model that was trained to call tools"
            )
        return self._template.render(messages, tools=list(tools) if tools else None)

    def stream(
        self, prompt: Prompt, *, system: str | None = None, raw: bool = False, **options: Any
    ) -> Iterator[Chunk]:
        """See ``TextModelPlugin``."""
        return self._of_prompt(prompt, system, raw, options).chunks()

    def generate(self, prompt: Prompt, *, system: str | None = None, raw: bool = False, **options: Any) -> Completion:
        """See ``TextModelPlugin``."""
        return _drain(self._of_prompt(prompt, system, raw, options))

    def generate_batch(
        self, prompts: Sequence[Prompt], *, system: str | None = None, raw: bool = False, **options: Any
    ) -> list[Completion]:
        """Continue several prompts at once; each answer is the one it would get alone."""
        generations = [self._of_prompt(prompt, system, raw, options) for prompt in prompts]
        try:
            for generation in generations:
                generation.start()
            return _drain_in_turn(generations)
        finally:  # without effect on those that have ended: one that fails must not leave the others running
            for generation in generations:
                generation.cancel()

    def stream_chat(self, messages: Sequence[Message], **options: Any) -> Iterator[Chunk]:
        """See ``TextModelPlugin``."""
        return self._of_messages(messages, options).chunks()

    def chat(self, messages: Sequence[Message], **options: Any) -> Completion:
        """See ``TextModelPlugin``."""
        return _drain(self._of_messages(messages, options))

    def _of_prompt(self, prompt: Prompt, system: str | None, raw: bool, options: Mapping[str, Any]) -> TextGeneration:
        if isinstance(prompt, str) and not prompt:
            # A template or a beginning-of-text token would make tokens of it, and the model would answer nothing.
            raise EmptyPromptError("the prompt is empty: there is nothing to continue")
        if isinstance(prompt, str) and self.has_chat_template and not raw:
            messages = [{"role": "user", "content": prompt}]
            if system is not None:
                messages.insert(0, {"role": "system", "content": system})
            return self._of_messages(messages, options)
        if system is not None:
            raise InvalidOptionError("system: only a chat template has a place for it, and none is used here")
        if isinstance(prompt, str):
            return self.new_generation(prompt, self.tokenize(prompt), sampling_options(options))
        return self.new_generation(None, prompt, sampling_options(options))

    def _of_messages(self, messages: Sequence[Message], options: Mapping[str, Any]) -> TextGeneration:
        text = self.apply_chat_template(messages)
        # The template writes the special tokens itself.
        ids = self.tokenize(text, add_special_tokens=False)
        return self.new_generation(text, ids, sampling_options(options), messages)

    def new_generation(
        self,
        text: str | None,
        ids: Sequence[int],
        options: SamplingOptions,
        messages: Sequence[Message] = (),
        *,
        cache_salt: str = "",
    ) -> TextGeneration:
        """Check a prompt and its options, and return the generation, not yet started.

        A constraint is compiled here, which may take a moment: not for an event loop's own thread.

        Args:
            text: The prompt's text, where it had one; for hooks.
            ids: The prompt.
            options: What was asked for; ``None`` fields take ``sampling_defaults``.
            messages: The conversation, where it is one; for hooks.
            cache_salt: Only requests of one salt share computed prompts.

        Raises:
            InvalidOptionError: An option is out of range, or a token is not in the vocabulary.
            EmptyPromptError: No tokens.
            ContextLengthError: Prompt and one new token do not fit.
        """
        from .prompt_checks import check_token_ids
        from .text_generation import TextGeneration

        engine, tokenizer = self._loaded()
        config, hooks = self.config, self.hooks
        assert config is not None
        assert hooks is not None
        chosen = options.over(self.sampling_defaults)
        vocab_size = engine.executor.vocab_size
        validate_sampling(chosen, vocab_size)
        places = 0 if chosen.max_new_tokens == 0 else 1
        known = check_token_ids(ids, vocab_size=vocab_size, context=engine.context, new_tokens=places)
        request = GenerationRequest(
            plugin_name=self.name,
            prompt=text,
            prompt_ids=tuple(known.tolist()),
            options=chosen,
            messages=tuple(messages),
        )
        return TextGeneration(
            engine,
            tokenizer,
            hooks,
            request,
            self._end_token_ids(),
            constraint=self._compiled(chosen),
            cache_salt=cache_salt,
        )

    def _compiled(self, options: SamplingOptions) -> TokenConstraint | None:
        """Return what rules out tokens; the vocabulary is prepared when the first request asks for it."""
        if options.constraint is None:
            return None
        from .constraints import GrammarCompiler

        with self._grammars_lock:
            if self._grammars is None:
                self._grammars = GrammarCompiler(self._loaded()[1], self._end_token_ids())
            compiler = self._grammars
        return compiler.compile(options.constraint, may_end=not options.ignore_eos)

    def _end_token_ids(self) -> list[int]:
        """Return the tokens that end an answer, ascending."""
        assert self.config is not None
        assert self.tokenizer is not None
        # The configuration often names only one of them: the end of a text, but not the end of a turn.
        return sorted(self.tokenizer.end_token_ids.union(self.config.eos_token_ids))

    def open_service(self) -> TextService:
        """Hand the loaded model to a service that answers many requests at once, for programs with an event loop.

        The model belongs to the service from now on.

        Raises:
            NotLoadedError: It is not loaded.
        """
        from .service import TextService

        return TextService(self)

    def _loaded(self) -> tuple[Engine, Tokenizer]:
        if self.engine is None or self.tokenizer is None:
            raise NotLoadedError(f"{self.name or type(self).__name__} is not loaded; call load_model() first")
        return self.engine, self.tokenizer


def sampling_options(options: Mapping[str, Any]) -> SamplingOptions:
    """Build ``SamplingOptions`` from keyword arguments.

    Raises:
        InvalidOptionError: A name is unknown; the message has the nearest one.
    """
    known = [f.name for f in dataclasses.fields(SamplingOptions)]
    for name in options:
        if name not in known:
            nearest = nearest_names(name, known, limit=1)
            hint = f"did you mean {nearest[0]!r}?" if nearest else f"known: {', '.join(known)}"
            raise InvalidOptionError(f"option {name!r} is unknown; {hint}")
    return SamplingOptions(**options)


def _drain(generation: TextGeneration) -> Completion:
    reason = None
    for chunk in generation.chunks():
        reason = chunk.finish_reason or reason
    return generation.completion(reason or "cancelled")


def _drain_in_turn(generations: Sequence[TextGeneration]) -> list[Completion]:
    """Read all answers side by side: a stop text is found by reading, and ends its own computation only then."""
    reasons: list[FinishReason] = ["cancelled"] * len(generations)
    live = [(number, generation.chunks()) for number, generation in enumerate(generations)]
    while live:
        still_live = []
        for number, chunks in live:
            if (chunk := next(chunks, None)) is not None:
                reasons[number] = chunk.finish_reason or reasons[number]
                still_live.append((number, chunks))
        live = still_live
    return [generation.completion(reason) for generation, reason in zip(generations, reasons, strict=True)]


def _check_load_options(options: LoadOptions) -> None:
    """Refuse numbers that no checkpoint could make right, before anything is downloaded."""
    for name, least in (("threads", 1), ("context", 2)):
        value = getattr(options, name)
        if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < least):
            raise InvalidOptionError(f"{name} = {value!r}: must be a whole number of at least {least}")


def _chat_template(tokenizer: Tokenizer) -> ChatTemplate | None:
    from .chat_templates import ChatTemplate

    if not tokenizer.chat_template:
        return None
    return ChatTemplate(
        tokenizer.chat_template,
        bos_token=_token_text(tokenizer, tokenizer.bos_token_id),
        eos_token=_token_text(tokenizer, tokenizer.eos_token_id),
    )


def _token_text(tokenizer: Tokenizer, token_id: int | None) -> str:
    return "" if token_id is None else tokenizer.token(token_id)
