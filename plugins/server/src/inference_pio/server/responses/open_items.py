"""Items of an answer while they come: what is told of them, and what they have come to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ..answer_ids import new_id
from ..chat.tool_call_reader import CallStart
from .events import (
    ContentPartAdded,
    ContentPartDone,
    Event,
    FunctionCallArgumentsDelta,
    FunctionCallArgumentsDone,
    OutputItemAdded,
    OutputItemDone,
    OutputTextDelta,
    OutputTextDone,
)
from .items import OutputCall, OutputItem, OutputMessage, OutputText, Status


class OpenItem:
    """What messages and calls have in common.

    Args:
        output_index: Its place in the answer.
        event: Makes an event of a kind and its fields; counts them.
    """

    prefix: str

    def __init__(self, output_index: int, event: Callable[..., Any]) -> None:
        self.id = new_id(self.prefix)
        self._index, self._event = output_index, event
        self._texts: list[str] = []

    @property
    def text(self) -> str:
        """All that has come: what is said, or arguments."""
        return "".join(self._texts)

    def item(self, status: Status) -> OutputItem:
        """Return it as it is now."""
        raise NotImplementedError

    def begin(self) -> Iterator[Event]:
        """Tell that it begins."""
        yield self._event(OutputItemAdded, output_index=self._index, item=self.item("in_progress"))

    def more(self, text: str) -> Iterator[Event]:
        """Take more of it, and tell it."""
        raise NotImplementedError

    def end(self, status: Status) -> Iterator[Event]:
        """Tell that it has ended."""
        yield self._event(OutputItemDone, output_index=self._index, item=self.item(status))


class OpenMessage(OpenItem):
    """A message."""

    prefix = "msg_"

    def item(self, status: Status) -> OutputMessage:
        """See ``OpenItem``; a message has no content before it has some."""
        content = [] if status == "in_progress" else [OutputText(text=self.text)]
        return OutputMessage(id=self.id, status=status, content=content)

    def begin(self) -> Iterator[Event]:
        """See ``OpenItem``."""
        yield from super().begin()
        yield self._event(ContentPartAdded, item_id=self.id, output_index=self._index, part=OutputText(text=""))

    def more(self, text: str) -> Iterator[Event]:
        """See ``OpenItem``."""
        self._texts.append(text)
        yield self._event(OutputTextDelta, item_id=self.id, output_index=self._index, delta=text)

    def end(self, status: Status) -> Iterator[Event]:
        """See ``OpenItem``."""
        where = {"item_id": self.id, "output_index": self._index}
        yield self._event(OutputTextDone, **where, text=self.text)
        yield self._event(ContentPartDone, **where, part=OutputText(text=self.text))
        yield from super().end(status)


class OpenCall(OpenItem):
    """A call of a function.

    Args:
        output_index: As in ``OpenItem``.
        event: As in ``OpenItem``.
        start: What is called.
    """

    prefix = "fc_"

    def __init__(self, output_index: int, event: Callable[..., Any], start: CallStart) -> None:
        super().__init__(output_index, event)
        self._start = start

    def item(self, status: Status) -> OutputCall:
        """See ``OpenItem``."""
        return OutputCall(id=self.id, call_id=self._start.id, name=self._start.name, arguments=self.text, status=status)

    def more(self, text: str) -> Iterator[Event]:
        """See ``OpenItem``."""
        self._texts.append(text)
        yield self._event(FunctionCallArgumentsDelta, item_id=self.id, output_index=self._index, delta=text)

    def end(self, status: Status) -> Iterator[Event]:
        """See ``OpenItem``."""
        yield self._event(FunctionCallArgumentsDone, item_id=self.id, output_index=self._index, arguments=self.text)
        yield from super().end(status)
