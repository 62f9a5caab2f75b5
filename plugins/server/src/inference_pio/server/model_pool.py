"""``ModelPool``: several models in one server. Loaded when asked for, put away when memory or time says so."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from inference_pio.errors import InferencePioError
from inference_pio.memory import GIGABYTE, machine_memory
from inference_pio.names import canonical_name, nearest_names

from .api_errors import RETRY_AFTER_S, ApiError
from .daemon_thread import in_daemon_thread

if TYPE_CHECKING:
    from inference_pio.memory import Memory

    from .served_model import ServedModel

logger = logging.getLogger(__name__)

FAILURE_MEMORY_S = 30.0
"""How long a model that could not be loaded is not tried again, seconds."""

COUNTS = ("steps", "step_tokens", "prompt_tokens", "cached_tokens", "new_tokens", "preemptions")
"""Figures of a model that only grow; they outlive it."""


@dataclass(frozen=True, kw_only=True)
class Offer:
    """A model that may be asked for.

    Attributes:
        name: Canonical; what clients give.
        load: Makes it ready; called in a thread, and blocks.
        needed_bytes: Memory that must be available to load it; 0: not checked.
        owner: The distribution that brings it.
        weights: Which checkpoint it runs.
        description: For people.
        fetch: Gets what ``load`` would download, while somebody looks: with a bar, and with the question about terms.
    """

    name: str
    load: Callable[[], ServedModel]
    needed_bytes: int = 0
    owner: str = ""
    weights: str = ""
    description: str = ""
    fetch: Callable[[], object] = lambda: None


@dataclass
class Place:
    """One model's place in the pool.

    Attributes:
        offer: What may be loaded here.
        model: What is loaded.
        users: Requests that use it or wait for it; it is not put away meanwhile.
        last_used_s: When the last one ended, on the pool's clock.
        loads: How often it was loaded.
        failures: How often that failed.
        error: What the last failure was; told to whoever runs the server, not to clients.
        past: Counts of models that were here before.
    """

    offer: Offer
    model: ServedModel | None = None
    users: int = 0
    last_used_s: float = 0.0
    loads: int = 0
    failures: int = 0
    error: Exception | None = None
    past: Counter[str] = field(default_factory=Counter)
    loading: asyncio.Task[ApiError | None] | None = None
    failed_until_s: float = -math.inf

    @property
    def is_dead(self) -> bool:
        """Whether what is loaded has ended by an error."""
        return self.model is not None and not self.model.figures().get("is_alive", 1)

    @property
    def figures(self) -> Mapping[str, float]:
        """See ``ServedModel.figures``; counts go on where another object takes the model's place."""
        now = dict(self.model.figures()) if self.model is not None else {}
        return {**now, **{name: now.get(name, 0) + self.past[name] for name in COUNTS}}


class ModelPool:
    """Models by name; belongs to one event loop.

    Args:
        offers: The models; the first one is what a client gets to see first.
        idle_unload_s: Put a model away that nobody has used for so long, seconds; ``None``: never.
        memory: Measures it.
        clock: Seconds, monotonic.
    """

    def __init__(
        self,
        offers: Sequence[Offer],
        *,
        idle_unload_s: float | None = None,
        memory: Callable[[], Memory] = machine_memory,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.places = {offer.name: Place(offer) for offer in offers}
        self._idle_unload_s, self._memory, self._clock = idle_unload_s, memory, clock
        self._one_at_a_time = asyncio.Lock()
        self._unloading: set[asyncio.Task[None]] = set()
        self._is_closed = False

    @contextlib.asynccontextmanager
    async def use(self, name: str) -> AsyncIterator[ServedModel]:
        """Give a model for the time of a request; loads it first if need be.

        Raises:
            ApiError: 404 there is no such model; 503 it cannot be loaded, or not now.
        """
        place = self.find(name)
        place.users += 1  # from here on: what a request waits for is not put away under its hands
        try:
            yield await self._loaded(place)
        finally:
            place.users -= 1
            place.last_used_s = self._clock()
            self._look_again_later(place)

    def find(self, name: str) -> Place:
        """Return a model's place; any spelling of its name will do.

        Raises:
            ApiError: 404.
        """
        place = self.places.get(name) or self.places.get(canonical_name(name[:200]))
        if place is None:
            near = nearest_names(name[:200], list(self.places), limit=1)
            hint = f"Did you mean {near[0]!r}?" if near else "See what there is: GET /v1/models"
            raise ApiError(
                404, f"no model here is called {name[:200]!r}. {hint}", param="model", code="model_not_found"
            )
        return place

    async def unload_idle(self) -> None:
        """Put away every model that nobody has used for as long as was agreed."""
        if self._idle_unload_s is None:
            return
        async with self._one_at_a_time:
            for place in self.places.values():
                is_idle = place.model is not None and not place.users
                if is_idle and self._clock() - place.last_used_s >= self._idle_unload_s:
                    logger.info("model %r was not used for %g s", place.offer.name, self._idle_unload_s)
                    await self._unload(place)

    async def close(self) -> None:
        """Put all models away; a load that is under way is left to itself. Safe to call twice."""
        self._is_closed = True
        waiting = [place.loading for place in self.places.values() if place.loading is not None]
        for task in (*waiting, *self._unloading):
            task.cancel()
        await asyncio.gather(*waiting, *self._unloading, return_exceptions=True)
        for place in self.places.values():
            await self._unload(place)

    async def _loaded(self, place: Place) -> ServedModel:
        while place.model is None or place.is_dead:
            if self._is_closed:
                raise ApiError(503, "the server is stopping", code="shutting_down", retry_after_s=RETRY_AFTER_S)
            if place.loading is None:
                place.loading = asyncio.ensure_future(self._load(place))
            # Shielded: others wait for the same load when this client goes.
            error = await asyncio.shield(place.loading)
            if error is not None:
                raise ApiError(error.status, error.message, code=error.code, retry_after_s=error.retry_after_s)
        return place.model

    async def _load(self, place: Place) -> ApiError | None:
        """Load a model when it is its turn; what went wrong is returned, for there may be many to tell."""
        try:
            async with self._one_at_a_time:
                if place.is_dead and place.users > 1:
                    return _not_now(f"model {place.offer.name!r} has failed and is loaded again when its requests end")
                await self._unload(place)
                if (wait_s := place.failed_until_s - self._clock()) > 0:
                    return _failed(place.offer.name, wait_s)
                if error := await self._make_room(place):
                    return error
                return await self._try_to_load(place)
        finally:
            place.loading = None

    async def _try_to_load(self, place: Place) -> ApiError | None:
        name = place.offer.name
        logger.info("loading model %r", name)
        try:
            place.model = await in_daemon_thread(place.offer.load)
        except Exception as error:  # a plugin may raise anything; the others go on
            place.failures += 1
            place.error = error
            place.failed_until_s = self._clock() + FAILURE_MEMORY_S
            expected = isinstance(error, InferencePioError)
            logger.error("model %r could not be loaded: %s", name, error, exc_info=None if expected else error)
            return _failed(name, FAILURE_MEMORY_S)
        place.loads += 1
        place.last_used_s = self._clock()
        self._look_again_later(place)  # whoever asked for it may have gone meanwhile
        return None

    async def _make_room(self, place: Place) -> ApiError | None:
        """Put models away, least recently used first, until this one fits."""
        needed = place.offer.needed_bytes
        while needed:
            available = self._memory().available
            if available is None or available >= needed:
                break
            idle = [other for other in self.places.values() if other.model is not None and not other.users]
            if not idle:
                return _not_now(
                    f"model {place.offer.name!r} needs {needed / GIGABYTE:.1f} GB of memory, there are "
                    f"{available / GIGABYTE:.1f}, and no other model is idle"
                )
            oldest = min(idle, key=lambda other: other.last_used_s)
            logger.info("model %r makes room for %r", oldest.offer.name, place.offer.name)
            await self._unload(oldest)
        return None

    async def _unload(self, place: Place) -> None:
        model, place.model = place.model, None
        if model is None:
            return
        counted = model.figures()
        place.past.update({name: counted.get(name, 0) for name in COUNTS})
        try:
            await model.close()
        except Exception as error:  # as above
            logger.error("model %r did not close properly", place.offer.name, exc_info=error)
        logger.info("unloaded model %r", place.offer.name)

    def _look_again_later(self, place: Place) -> None:
        if self._idle_unload_s is None or place.users or self._is_closed:
            return

        def look() -> None:
            task = asyncio.ensure_future(self.unload_idle())
            self._unloading.add(task)
            task.add_done_callback(self._unloading.discard)

        asyncio.get_running_loop().call_later(self._idle_unload_s, look)


def _failed(name: str, wait_s: float) -> ApiError:
    return ApiError(
        503,
        f"model {name!r} could not be loaded; the server's log says why. It is tried again in {math.ceil(wait_s)} s",
        code="model_not_loaded",
        retry_after_s=math.ceil(wait_s),
    )


def _not_now(message: str) -> ApiError:
    return ApiError(503, message, code="model_not_loaded", retry_after_s=RETRY_AFTER_S)
