"""``StopMatcher``: finds stop texts in a text that arrives in pieces."""

from __future__ import annotations

from typing import TYPE_CHECKING

from inference_pio.errors import InvalidOptionError

if TYPE_CHECKING:
    from collections.abc import Sequence


class StopMatcher:
    """Passes text on until a stop text appears, and holds back what may be the beginning of one.

    The occurrence that starts first in the whole text ends it, however the text was cut into pieces. The stop text
    itself is not passed on.

    Args:
        stops: Texts that end the answer, none of them empty.

    Raises:
        InvalidOptionError: A stop text is empty.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        if not all(stops):
            raise InvalidOptionError("stop holds an empty text, which would end every answer at once. Leave it out")
        self._stops = tuple(stops)
        self._held = ""
        self.stopped = False
        """Whether a stop text was found."""

    def push(self, text: str) -> tuple[str, bool]:
        """Take new text.

        Returns:
            Text that is safe to pass on, and whether a stop text was found; from then on nothing is passed on.
        """
        if self.stopped:
            return "", True
        self._held += text
        found = [place for stop in self._stops if (place := self._held.find(stop)) >= 0]
        end = min(self._first_beginning(), min(found, default=len(self._held)))
        # An unfinished stop text may have begun before the one that was found: then the text ends there or goes on.
        self.stopped = bool(found) and end == min(found)
        emitted, self._held = self._held[:end], "" if self.stopped else self._held[end:]
        return emitted, self.stopped

    def finish(self) -> str:
        """Return what was held back, now that no text follows; a stop text may turn up in it."""
        found = [place for stop in self._stops if (place := self._held.find(stop)) >= 0]
        self.stopped = self.stopped or bool(found)
        rest, self._held = self._held[: min(found, default=len(self._held))], ""
        return rest

    def _first_beginning(self) -> int:
        """Return the first place where the held text ends in the beginning of a stop text."""
        held = self._held
        longest = max(map(len, self._stops), default=0)
        for place in range(max(0, len(held) - longest + 1), len(held)):
            tail = held[place:]
            if any(stop.startswith(tail) and stop != tail for stop in self._stops):
                return place
        return len(held)
