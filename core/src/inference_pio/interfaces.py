"""The interfaces that a model plugin implements and that callers use."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Any

from .manifest import Manifest, manifest_of_module

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from typing_extensions import Self

    from .common.config.model_config_base import BaseConfig
    from .generation import Chunk, Completion, LoadOptions, Message, Prompt
    from .hooks import HookCaller


class ModelPlugin(ABC):
    """One model architecture. Creating it is cheap; ``load_model`` does the work, ``cleanup`` gives memory back."""

    name: str = ""
    """Entry point name; set by the host when it loads the plugin."""

    @cached_property
    def manifest(self) -> Manifest:
        """The manifest that lies next to the module that defines this class."""
        return manifest_of_module(type(self).__module__)

    @abstractmethod
    def supports_config(self, config: Mapping[str, Any]) -> bool:
        """Whether a checkpoint's configuration (as in ``config.json``) names this architecture."""

    @abstractmethod
    def create_config(self, **overrides: Any) -> BaseConfig:
        """Return this architecture's configuration with some fields replaced.

        Raises:
            ConfigError: An override is unknown or its value does not fit.
        """

    @abstractmethod
    def load_model(self, options: LoadOptions | None = None, hooks: HookCaller | None = None) -> None:
        """Fetch the weights if need be and make the model ready.

        Args:
            options: How to load; default: ``LoadOptions()``.
            hooks: Where to call hooks; default: those of the default host.
        """

    @abstractmethod
    def infer(self, inputs: Any) -> Any:
        """Run the model once on its native input; each plugin documents what that is."""

    @abstractmethod
    def cleanup(self) -> None:
        """Give back memory and threads. Safe to call twice; ``load_model`` works again afterwards."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cleanup()


class TextModelPlugin(ModelPlugin):
    """A model that continues text.

    A ``str`` prompt is put into the model's chat template when it has one; ``raw=True`` continues the text as it is,
    and so does a sequence of token ids. ``options`` are the fields of ``SamplingOptions``.
    """

    @property
    @abstractmethod
    def has_chat_template(self) -> bool:
        """Whether the loaded checkpoint brings a chat template."""

    @abstractmethod
    def tokenize(self, text: str, *, add_special_tokens: bool = True) -> list[int]:
        """Return the text's token ids, with the model's beginning-of-text token if it uses one."""

    @abstractmethod
    def detokenize(self, token_ids: Sequence[int], *, skip_special_tokens: bool = True) -> str:
        """Return the text of token ids."""

    @abstractmethod
    def stream(
        self, prompt: Prompt, *, system: str | None = None, raw: bool = False, **options: Any
    ) -> Iterator[Chunk]:
        """Continue a prompt and yield the answer as it is generated.

        Raises:
            EmptyPromptError: The prompt has no tokens.
            ContextLengthError: The prompt does not fit the context.
            InvalidOptionError: An option is unknown or out of range.
        """

    @abstractmethod
    def generate(self, prompt: Prompt, *, system: str | None = None, raw: bool = False, **options: Any) -> Completion:
        """Like ``stream``, but return the whole answer."""

    @abstractmethod
    def stream_chat(self, messages: Sequence[Message], **options: Any) -> Iterator[Chunk]:
        """Answer the last of ``messages`` (each with ``role`` and ``content``) and yield the answer as it is generated.

        Raises:
            ChatTemplateError: The model has no chat template, or it refuses these messages.
        """

    @abstractmethod
    def chat(self, messages: Sequence[Message], **options: Any) -> Completion:
        """Like ``stream_chat``, but return the whole answer."""


class EmbeddingModelPlugin(ModelPlugin):
    """A model that turns texts into vectors. A plugin that also continues texts inherits from ``TextModelPlugin`` too.

    Programs recognise one by its members ``embed`` and ``embedding_width``: a plugin need not inherit from this class.
    """

    @property
    @abstractmethod
    def context(self) -> int:
        """Longest text of the loaded checkpoint, tokens."""

    @property
    @abstractmethod
    def vocab_size(self) -> int:
        """Token ids of the loaded checkpoint are below this."""

    @property
    @abstractmethod
    def embedding_width(self) -> int:
        """Numbers in a vector of the loaded checkpoint."""

    @abstractmethod
    def tokenize(self, text: str, *, add_special_tokens: bool = True) -> list[int]:
        """Return the text's token ids, with what the model expects at the beginning and the end."""

    @abstractmethod
    def detokenize(self, token_ids: Sequence[int], *, skip_special_tokens: bool = True) -> str:
        """Return the text of token ids."""

    @abstractmethod
    def embed(self, inputs: Sequence[Prompt]) -> NDArray[np.float32]:
        """Return one vector a text. May be called from any thread, by one at a time.

        Args:
            inputs: N texts, or their token ids as ``tokenize`` returns them.

        Returns:
            (N, ``embedding_width``) float32, each row of length 1, so that a dot product is the cosine of two texts.

        Raises:
            EmptyPromptError: A text has no tokens.
            ContextLengthError: A text is longer than ``context``.
            InvalidOptionError: A token id is not in the vocabulary.
        """
