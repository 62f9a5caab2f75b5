"""A batch from its files to its end: what is resumed, what is refused, and what a signal does."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from inference_pio.errors import UsageError

from ..endpoint import Endpoint
from ..model_pool import ModelPool
from .answering import Answerer
from .input_file import open_input, read_lines, survey
from .line_request import asked_model
from .output_file import Output, OutputFile, Stream, open_output
from .running import BatchRun, Totals

RUN_DIGITS = 16


@dataclass(frozen=True)
class Batch:
    """An input that has been looked at, and an output that is ready for its results.

    Attributes:
        run: As in ``results.id_prefix``.
        source: The input, at its beginning.
        size: Of the input, bytes; ``None`` where that is not known.
        lines: Of the input; ``None`` where that is not known.
        output: Takes results.
    """

    run: str
    source: BinaryIO
    size: int | None
    lines: int | None
    output: Output

    def models(self) -> list[str]:
        """Return the models that the lines without a result ask for; none where the input can be read only once."""
        if self.size is None:
            return []
        done = self.output.done if isinstance(self.output, OutputFile) else frozenset[int]()
        lines = (data for number, data in read_lines(self.source, self.size) if number not in done)
        names = dict.fromkeys(filter(None, map(asked_model, lines)))
        self.source.seek(0)
        return list(names)

    def answer(
        self,
        endpoints: Mapping[str, Endpoint[Any]],
        pool: ModelPool,
        *,
        concurrency: int,
        report: Callable[[Totals], None],
    ) -> tuple[Totals, int | None]:
        """Answer what is left.

        Args:
            endpoints: By their path.
            pool: Where models come from; closed at the end.
            concurrency: Requests under way at once.
            report: Called after each result.

        Returns:
            What came of it, and the signal that ended it early, if one did.

        Raises:
            InferencePioError: The results cannot be written, or there is no model.
        """
        totals, done = Totals(), frozenset[int]()
        run = BatchRun(Answerer(endpoints, pool, self.run), self.output, concurrency, done, totals, report)
        if isinstance(self.output, OutputFile):
            run.done = self.output.done
            totals.resumed = totals.done = len(self.output.done)
            totals.failed = self.output.failed

        async def work() -> None:
            try:
                await run.run(read_lines(self.source, self.size))
            finally:
                await pool.close()

        return totals, asyncio.run(_until_signal(work()))


@contextlib.contextmanager
def open_batch(source: Path | BinaryIO, target: Path | BinaryIO) -> Iterator[Batch]:
    """Open both ends.

    Args:
        source: The requests; from a stream they can be read once only.
        target: Where results go; to a stream, nothing is resumed.

    Raises:
        UsageError: They cannot be read or written, are one file, or the results belong to another input.
    """
    if not isinstance(source, Path):
        if isinstance(target, Path):
            raise UsageError("what comes from standard input cannot be resumed: write to - as well, or give a file")
        yield Batch(os.urandom(RUN_DIGITS // 2).hex(), source, None, None, Stream(target))
        return
    with open_input(source) as file:
        if isinstance(target, Path) and target.exists() and target.samefile(source):
            raise UsageError(f"{source} is both what is read and what is written. Name another file for the results")
        found = survey(file)
        file.seek(0)
        run = found.digest[:RUN_DIGITS]
        if isinstance(target, Path):
            with open_output(target, run, found.lines) as output:
                yield Batch(run, file, found.size, found.lines, output)
        else:
            yield Batch(run, file, found.size, found.lines, Stream(target))


async def _until_signal(work: Coroutine[Any, Any, None]) -> int | None:
    """Run something; the first Ctrl-C or SIGTERM cancels it, the second one ends the process as it would without us."""
    task, caught = asyncio.ensure_future(work), list[int]()
    loop = asyncio.get_running_loop()
    signals = (signal.SIGINT, signal.SIGTERM)

    def stop(number: int) -> None:
        caught.append(number)
        for each in signals:
            loop.remove_signal_handler(each)
        task.cancel()

    with contextlib.suppress(NotImplementedError, ValueError):  # not on every system, and in the main thread only
        for number in signals:
            loop.add_signal_handler(number, stop, number)
    try:
        await task
    except asyncio.CancelledError:
        if not caught:
            raise
        return caught[0]
    return None
