"""Runs a batch: reads, asks for many answers at once, writes each as it comes."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import dataclass, field

from .answering import Answerer
from .line_request import LineError, LineRequest, parse_line
from .output_file import Output
from .results import Result, no_request
from .seen_ids import SeenIds

SYNC_S = 2.0
"""Results are made safe against a power cut once in so many seconds."""


@dataclass
class Totals:
    """What came of a batch so far.

    Attributes:
        resumed: Lines that an earlier run had answered.
        done: Lines with a result, those included.
        failed: How many of them are errors.
        prompt_tokens: Tokens that were read in this run.
        new_tokens: Tokens that were generated in this run.
        seconds: What this run took.
    """

    resumed: int = 0
    done: int = 0
    failed: int = 0
    prompt_tokens: int = 0
    new_tokens: int = 0
    seconds: float = 0.0

    @property
    def tokens_per_s(self) -> float:
        """Generated tokens a second."""
        return self.new_tokens / self.seconds if self.seconds else 0.0


@dataclass
class BatchRun:
    """One run over a file of requests.

    Args:
        answerer: Answers requests.
        output: Takes results.
        concurrency: Requests under way at once.
        done: Numbers of lines that have a result already.
        totals: Counted further.
        report: Called after each result.
    """

    answerer: Answerer
    output: Output
    concurrency: int
    done: Container[int] = ()
    totals: Totals = field(default_factory=Totals)
    report: Callable[[Totals], None] = lambda totals: None

    async def run(self, lines: Iterable[tuple[int, bytes | None]]) -> None:
        """Answer every line that has no result yet; what is finished when this is cancelled or fails is written.

        Args:
            lines: As ``read_lines`` gives them; read only as far as requests are started.

        Raises:
            InferencePioError: Results cannot be written, or the model is gone.
        """
        started, self._synced = time.monotonic(), time.monotonic()
        self._under_way: set[asyncio.Task[Result]] = set()
        try:
            with contextlib.closing(SeenIds()) as seen:
                for number, item in self._parsed(lines, seen):
                    await asyncio.sleep(0)  # or a signal would wait while lines in a row ask for no answer
                    if number in self.done:
                        continue
                    if isinstance(item, LineError):
                        self._write(no_request(self.answerer.run, number, item))
                    else:
                        await self._room()
                        self._under_way.add(asyncio.ensure_future(self.answerer.answer(number, item)))
            while self._under_way:
                await self._collect()
        finally:
            await self._end()
            self.totals.seconds += time.monotonic() - started

    def _parsed(
        self, lines: Iterable[tuple[int, bytes | None]], seen: SeenIds
    ) -> Iterator[tuple[int, LineRequest | LineError]]:
        for number, data in lines:
            try:
                request = parse_line(data, self.answerer.endpoints)
                first = seen.first_line(request.custom_id, number)
                if first != number:
                    what = f"custom_id {request.custom_id!r} is that of line {first} already"
                    raise LineError("duplicate_custom_id", what, request.custom_id)
                yield number, request
            except LineError as error:
                yield number, error

    async def _room(self) -> None:
        while len(self._under_way) >= self.concurrency:
            await self._collect()

    async def _collect(self) -> None:
        """Wait for at least one answer and write what there is."""
        await asyncio.wait(self._under_way, return_when=asyncio.FIRST_COMPLETED)
        self._write_finished()
        if time.monotonic() - self._synced > SYNC_S:
            await asyncio.to_thread(self.output.sync)
            self._synced = time.monotonic()

    def _write_finished(self) -> None:
        finished = {task for task in self._under_way if task.done()}
        self._under_way -= finished
        errors = [error for task in finished if not task.cancelled() and (error := task.exception())]
        for task in finished:
            if not task.cancelled() and not task.exception():
                self._write(task.result())
        if errors:
            raise errors[0]

    async def _end(self) -> None:
        """Cancel what is under way; write what came to its end all the same."""
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)
        self._write_finished()
        self.output.sync()

    def _write(self, result: Result) -> None:
        self.output.append(result.data)
        self.totals.done += 1
        self.totals.failed += result.is_failed
        self.totals.prompt_tokens += result.prompt_tokens
        self.totals.new_tokens += result.new_tokens
        self.report(self.totals)
