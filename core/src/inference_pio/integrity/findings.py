"""What ``lock`` and ``verify`` find: one value for each thing that is not as it should be."""

from __future__ import annotations

from dataclasses import dataclass

from ..codes import Severity
from ..codes.integrity import TABLE

_CODES = {code.name: code for code in TABLE.codes}


@dataclass(frozen=True, order=True)
class Finding:
    """One difference between what is installed and what was recorded.

    Attributes:
        dist: Canonical name of the distribution; empty for what concerns the environment.
        path: The file as RECORD writes it, relative to the folder of the distribution; empty if it is about no file.
        code: One of ``inference_pio.codes.integrity``.
        message: What is the matter; one sentence without its full stop, which follows the path.
        is_accepted: The caller allows it, so it does not count.
    """

    dist: str
    path: str
    code: str
    message: str
    is_accepted: bool = False

    def __post_init__(self) -> None:
        assert self.code in _CODES, f"the code {self.code} is not in the table"

    @property
    def severity(self) -> Severity:
        """How much it matters; what the caller accepts is for information only."""
        return "info" if self.is_accepted else _CODES[self.code].severity

    @property
    def fix(self) -> str:
        """What to do about it; Markdown."""
        return _CODES[self.code].fix

    @property
    def counts(self) -> bool:
        """Whether the installation is not as it should be because of it."""
        return self.severity != "info"
