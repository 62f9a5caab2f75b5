"""What can be wrong with a decode program."""

from __future__ import annotations

from inference_pio.errors import ConfigError


class ProgramError(ConfigError):
    """A decode program contradicts itself; the message says which operation, and in what."""


class MissingOperationError(ProgramError):
    """A model computes something that no operation of a decode program can express; it runs on torch instead.

    Args:
        operation: What is missing, in a few words: ``mixture of experts``.
        where: The model or layer that needs it.
    """

    def __init__(self, operation: str, *, where: str) -> None:
        self.operation = operation
        self.where = where
        super().__init__(f"{where} needs {operation}, which decode programs do not have")
