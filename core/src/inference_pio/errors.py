"""Every error that inference-pio raises on purpose.

    InferencePioError                     exit code of the command line: 1
    |-- UsageError                        2  the caller asked for something that cannot be
    |   |-- UnknownPluginError            2  no plugin of that name (also a LookupError)
    |   |-- InvalidOptionError            2  an option's value is out of range (also a ValueError)
    |   |-- EmptyPromptError              2  nothing to continue (also a ValueError)
    |   `-- LockFileError                 2  the lock file is missing, broken or of a newer version (ValueError)
    |-- PluginError                       3  a defect of one plugin; carries its name and distribution
    |   |-- ManifestError                 3  manifest missing, broken, or at odds with its entry point (ValueError)
    |   |-- PluginLoadError               3  import, factory or shape of the plugin object failed (ImportError)
    |   `-- HookError                     3  a hook implementation raised or answered with a wrong type
    |-- PluginUnavailableError            1  sound, but not usable here: versions, memory, disabled
    |-- CheckError                        1  a check of a plugin could not run; says nothing about the plugin
    |-- InstallError                      1  pip or the environment failed; nothing was changed
    |-- ConfigError                       1  a model configuration does not hold together (ValueError)
    |-- WeightsError                      1  anything about a checkpoint
    |   |-- WeightsNotFoundError          1  no such file or source (FileNotFoundError)
    |   |-- LicenseNotAcceptedError       1  the weights' terms need consent first (PermissionError)
    |   |-- DownloadError                 1  network, index or disk failed (OSError)
    |   |-- ChecksumError                 1  the bytes are not the promised ones (ValueError)
    |   |-- CheckpointError               1  the file is truncated or corrupt (ValueError)
    |   |-- ArchitectureError             1  the checkpoint is for another architecture (ValueError)
    |   `-- TensorMismatchError           1  tensors missing, unexpected or of a wrong shape (ValueError)
    |-- TokenizerError                    1  a tokenizer cannot be built or applied (ValueError)
    |-- ChatTemplateError                 1  a chat template is broken, hostile or missing (ValueError)
    |-- ContextLengthError                1  the prompt does not fit the context (ValueError)
    |-- CacheFullError                    1  the KV cache has no place left (RuntimeError)
    |-- QueueFullError                    1  too many requests wait already; try again later (RuntimeError)
    |-- EngineDeadError                   1  what computes has ended and cannot go on (RuntimeError)
    `-- NotLoadedError                    1  a model was used before load_model or after cleanup (RuntimeError)

A message says what happened, to which plugin, and what to do next.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar


class InferencePioError(Exception):
    """Root of the tree; catch it to catch everything that inference-pio raises on purpose."""

    exit_code: ClassVar[int] = 1

    def __reduce__(self) -> tuple[Any, ...]:
        # Not by calling the class again: constructors take other arguments than the message. Workers send errors home.
        return _restored, (type(self), self.args, self.__dict__)


def _restored(kind: type[InferencePioError], args: tuple[Any, ...], state: dict[str, Any]) -> InferencePioError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(state)
    return error


class UsageError(InferencePioError):
    """The caller asked for something that cannot be."""

    exit_code = 2


class UnknownPluginError(UsageError, LookupError):
    """No installed plugin has this name.

    Args:
        name: What was asked for.
        nearest: Names of installed plugins that are spelled similarly, best first.
        installed: Whether any plugin is installed at all.
        hint: Why it may be missing, where that is known.
        wanted: What was looked for; a model where only a model will do.
    """

    def __init__(
        self,
        name: str,
        *,
        nearest: Sequence[str] = (),
        installed: bool = True,
        hint: str | None = None,
        wanted: str = "plugin",
    ) -> None:
        self.name = name
        self.nearest = tuple(nearest)
        if hint:
            pass
        elif self.nearest:
            hint = f"Did you mean {' or '.join(repr(n) for n in self.nearest)}?"
        elif installed:
            hint = "See what is installed: inference-pio list"
        else:
            # A name of our own, not the one that was asked for: a slip of the finger may be somebody's distribution.
            hint = "No model is installed. Install one: pip install inference-pio-smollm2"
        super().__init__(f"no {wanted} is called {name!r}. {hint}")


class InvalidOptionError(UsageError, ValueError):
    """An option's value is out of its range; the message names the option and the range."""


class EmptyPromptError(UsageError, ValueError):
    """The prompt has no tokens, so there is nothing to continue."""


class LockFileError(UsageError, ValueError):
    """There is no lock file to compare with, or it cannot be read; the message has the JSON path."""


class PluginError(InferencePioError):
    """A defect of one plugin.

    Args:
        message: What happened and what to do next.
        plugin: Entry point name of the plugin, if known.
        dist: Distribution and version that ships it, for example ``inference-pio-qwen3 0.2.0``.
        fix: What to do next, where the message does not say it; a sentence without its full stop.

    Attributes:
        detail: The message without the plugin's name in front, and without ``fix``.
    """

    exit_code = 3

    def __init__(self, message: str, *, plugin: str | None = None, dist: str | None = None, fix: str = "") -> None:
        self.detail = message
        self.fix = fix
        self.plugin = plugin
        self.dist = dist
        owner = f"plugin {plugin!r}" if plugin else "a plugin"
        if dist:
            owner += f" ({dist})"
        super().__init__(f"{owner} {message}. {fix}" if fix else f"{owner} {message}")


class ManifestError(PluginError, ValueError):
    """The manifest is missing, broken, or disagrees with its entry point."""


class PluginLoadError(PluginError, ImportError):
    """Importing the plugin, calling its factory, or checking its object failed."""


class HookError(PluginError):
    """A hook implementation raised or answered with a wrong type."""


class PluginUnavailableError(InferencePioError):
    """The plugin is sound but cannot be used here; the message lists every reason with its fix."""


class CheckError(InferencePioError):
    """A check could not run here; it says nothing about the plugin."""


class InstallError(InferencePioError):
    """pip or the environment failed while plugins were installed or uninstalled; everything is as it was before."""


class ConfigError(InferencePioError, ValueError):
    """A model configuration has an unknown key, a wrong type, or values that contradict each other."""


class WeightsError(InferencePioError):
    """Anything about a checkpoint."""


class WeightsNotFoundError(WeightsError, FileNotFoundError):
    """No such file, package or source."""


class LicenseNotAcceptedError(WeightsError, PermissionError):
    """The weights' terms need the user's consent before the first download."""


class DownloadError(WeightsError, OSError):
    """The network, the index or the disk failed; nothing was left in the cache."""


class ChecksumError(WeightsError, ValueError):
    """The bytes that arrived are not the ones the manifest promises."""


class CheckpointError(WeightsError, ValueError):
    """The checkpoint file is truncated, corrupt, or of an unknown format."""


class ArchitectureError(WeightsError, ValueError):
    """The checkpoint is for another architecture than the plugin's."""


class TensorMismatchError(WeightsError, ValueError):
    """Tensors are missing, unexpected, or have a wrong shape; the message lists the names."""


class TokenizerError(InferencePioError, ValueError):
    """A tokenizer cannot be built from what the checkpoint says, or cannot be applied."""


class ChatTemplateError(InferencePioError, ValueError):
    """A chat template is missing, broken, or went over its limits."""


class ContextLengthError(InferencePioError, ValueError):
    """The prompt does not fit the context.

    Args:
        prompt_tokens: Length of the prompt in tokens.
        context: Places in the context, in tokens.
    """

    def __init__(self, prompt_tokens: int, context: int) -> None:
        self.prompt_tokens = prompt_tokens
        self.context = context
        super().__init__(
            f"the prompt has {prompt_tokens} tokens and the context has room for {context}, of which one must stay "
            "free for the answer. Shorten the prompt, or load the model with a larger --context (up to its own limit)."
        )


class CacheFullError(InferencePioError, RuntimeError):
    """The KV cache has no free place or no free slot."""


class QueueFullError(InferencePioError, RuntimeError):
    """As many requests wait as may wait; the same request may be accepted later."""


class EngineDeadError(InferencePioError, RuntimeError):
    """The thread that computes has ended by an error that concerns all requests; the model must be loaded again."""


class NotLoadedError(InferencePioError, RuntimeError):
    """A model was used before ``load_model`` or after ``cleanup``."""


def describe_error(error: BaseException) -> str:
    """Say in a few words what foreign code raised."""
    if isinstance(error, SystemExit):
        return f"it called sys.exit({error.code!r})"
    if isinstance(error, ImportError):
        return str(error) or type(error).__name__
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
