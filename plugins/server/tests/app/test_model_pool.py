"""Loading on demand, and putting away by memory and by time."""

from __future__ import annotations

import asyncio
import itertools
import threading
from dataclasses import dataclass, field

import pytest

from inference_pio.errors import WeightsNotFoundError
from inference_pio.memory import Memory
from inference_pio.server.api_errors import ApiError
from inference_pio.server.model_pool import FAILURE_MEMORY_S, ModelPool, Offer

from ..fake_model import FakeModel
from .serving import until


@dataclass
class Machine:
    """Has so much memory, which loaded models take; its clock stands unless it is set."""

    total: int = 100
    now_s: float = 1000.0
    loaded: list[FakeModel] = field(default_factory=list)
    loads: list[str] = field(default_factory=list)
    error: Exception | None = None
    gate: threading.Event | None = None
    most_at_once: int = 0
    loading: int = 0

    def offer(self, name: str, size: int = 40) -> Offer:
        def load() -> FakeModel:
            self.loading += 1
            self.most_at_once = max(self.most_at_once, self.loading)
            if self.gate is not None:
                assert self.gate.wait(30)
            self.loads.append(name)
            self.loading -= 1
            if self.error is not None:
                raise self.error
            model = FakeModel(name=name)
            self.loaded.append(model)
            return model

        return Offer(name=name, load=load, needed_bytes=size)

    def memory(self) -> Memory:
        return Memory(self.total, self.total - 40 * sum(not model.is_closed for model in self.loaded))

    def pool(self, *names: str, idle_unload_s: float | None = None) -> ModelPool:
        offers = [self.offer(name) for name in names]
        return ModelPool(offers, memory=self.memory, clock=lambda: self.now_s, idle_unload_s=idle_unload_s)


def loaded_in(pool: ModelPool) -> list[str]:
    return [name for name, place in pool.places.items() if place.model is not None]


async def touch(pool: ModelPool, name: str) -> None:
    async with pool.use(name) as model:
        assert model.name == name.lower()


def test_a_model_is_loaded_when_it_is_first_asked_for_and_stays() -> None:
    async def run() -> None:
        machine = Machine()
        pool = machine.pool("a", "b")
        assert loaded_in(pool) == []
        await touch(pool, "a")
        await touch(pool, "A")
        assert machine.loads == ["a"]

    asyncio.run(run())


def test_first_requests_that_come_together_load_once() -> None:
    async def run() -> None:
        machine = Machine(gate=threading.Event())
        pool = machine.pool("a")
        asked = [asyncio.create_task(touch(pool, "a")) for _ in range(5)]
        await until(lambda: machine.loading)
        machine.gate.set()  # type: ignore[union-attr]  # set two lines above
        await asyncio.gather(*asked)
        assert machine.loads == ["a"]

    asyncio.run(run())


def test_one_model_is_loaded_at_a_time() -> None:
    async def run() -> None:
        machine = Machine(gate=threading.Event())
        pool = machine.pool("a", "b")
        asked = [asyncio.create_task(touch(pool, name)) for name in "ab"]
        await until(lambda: machine.loading)
        machine.gate.set()  # type: ignore[union-attr]  # set two lines above
        await asyncio.gather(*asked)
        assert (sorted(machine.loads), machine.most_at_once) == (["a", "b"], 1)

    asyncio.run(run())


def test_a_load_goes_on_for_others_when_the_first_client_has_gone() -> None:
    async def run() -> None:
        machine = Machine(gate=threading.Event())
        pool = machine.pool("a")
        first, second = (asyncio.create_task(touch(pool, "a")) for _ in range(2))
        await until(lambda: machine.loading)
        first.cancel()
        machine.gate.set()  # type: ignore[union-attr]  # set two lines above
        await second
        assert machine.loads == ["a"]
        assert pool.places["a"].users == 0

    asyncio.run(run())


def test_the_least_recently_used_idle_model_makes_room() -> None:
    async def run() -> None:
        machine = Machine()
        pool = machine.pool("a", "b", "c")
        for name in "aba":
            machine.now_s += 1
            await touch(pool, name)
        await touch(pool, "c")
        assert loaded_in(pool) == ["a", "c"]

    asyncio.run(run())


def test_a_model_that_is_used_stays_and_the_other_client_is_told_to_come_back() -> None:
    async def run() -> None:
        machine = Machine(total=50)
        pool = machine.pool("a", "b")
        async with pool.use("a"):
            with pytest.raises(ApiError, match="no other model is idle") as told:
                await touch(pool, "b")
            assert (told.value.status, told.value.retry_after_s) == (503, 1)
            assert loaded_in(pool) == ["a"]
        await touch(pool, "b")  # that it did not fit is no failure to be remembered
        assert loaded_in(pool) == ["b"]

    asyncio.run(run())


def test_a_model_that_nobody_uses_is_put_away_after_a_time() -> None:
    async def run() -> None:
        machine = Machine()
        pool = machine.pool("a", "b", idle_unload_s=60)
        await touch(pool, "a")
        machine.now_s += 59
        await touch(pool, "b")
        await pool.unload_idle()
        assert loaded_in(pool) == ["a", "b"]
        machine.now_s += 1
        async with pool.use("b"):
            await pool.unload_idle()
            assert loaded_in(pool) == ["b"]
            machine.now_s += 1000
            await pool.unload_idle()
            assert loaded_in(pool) == ["b"]
        assert machine.loaded[0].is_closed
        await pool.close()

    asyncio.run(run())


def test_the_pool_itself_looks_for_idle_models() -> None:
    async def run() -> None:
        machine = Machine()
        pool = machine.pool("a", idle_unload_s=0.001)
        await touch(pool, "a")
        machine.now_s += 1
        await until(lambda: not loaded_in(pool))

    asyncio.run(run())


def test_a_model_whose_clients_went_while_it_was_loaded_is_put_away_as_well() -> None:
    async def run() -> None:
        machine, ticks = Machine(gate=threading.Event()), itertools.count()
        pool = ModelPool([machine.offer("a")], memory=machine.memory, clock=lambda: next(ticks), idle_unload_s=0.001)
        client = asyncio.create_task(touch(pool, "a"))
        await until(lambda: machine.loading)
        client.cancel()
        await asyncio.gather(client, return_exceptions=True)
        await asyncio.sleep(0.01)  # the pool has looked, and found nothing to put away
        machine.gate.set()  # type: ignore[union-attr]  # set some lines above
        await until(lambda: machine.loaded and machine.loaded[0].is_closed)

    asyncio.run(run())


@pytest.mark.parametrize("error", [WeightsNotFoundError("/secret/path"), ZeroDivisionError("/secret/path")])
def test_a_failed_load_is_told_without_details_and_not_tried_again_at_once(error: Exception) -> None:
    async def run() -> None:
        machine = Machine(error=error)
        pool = machine.pool("a", "b")
        for _ in range(3):
            with pytest.raises(ApiError, match="log says why") as told:
                await touch(pool, "a")
            assert (told.value.status, told.value.retry_after_s) == (503, FAILURE_MEMORY_S)
            assert "secret" not in told.value.message
        assert machine.loads == ["a"]
        assert pool.places["a"].error is error
        machine.error = None
        await touch(pool, "b")
        machine.now_s += FAILURE_MEMORY_S
        await touch(pool, "a")
        assert machine.loads == ["a", "b", "a"]

    asyncio.run(run())


def test_a_dead_model_is_replaced_at_the_next_request_and_its_counts_go_on() -> None:
    async def run() -> None:
        machine = Machine()
        pool = machine.pool("a")
        await touch(pool, "a")
        dead = machine.loaded[0]
        dead.steps = 7
        dead.figures = lambda: {"steps": 7, "is_alive": 0}  # type: ignore[method-assign]  # only of this one
        pool.places["a"].users += 1  # a request that was there before it died
        with pytest.raises(ApiError, match="loaded again"):
            await touch(pool, "a")
        pool.places["a"].users -= 1
        await touch(pool, "a")
        assert (machine.loads, dead.is_closed) == (["a", "a"], True)
        assert pool.places["a"].figures["steps"] == 7

    asyncio.run(run())


def test_a_closed_pool_loads_nothing_and_may_be_closed_again() -> None:
    async def run() -> None:
        machine = Machine()
        pool = machine.pool("a", "b")
        await touch(pool, "a")
        await pool.close()
        await pool.close()
        assert machine.loaded[0].is_closed
        with pytest.raises(ApiError, match="stopping"):
            await touch(pool, "b")

    asyncio.run(run())


def test_closing_does_not_wait_for_a_load() -> None:
    async def run() -> None:
        machine = Machine(gate=threading.Event())
        pool = machine.pool("a")
        asked = asyncio.create_task(touch(pool, "a"))
        await until(lambda: machine.loading)
        await pool.close()
        with pytest.raises(asyncio.CancelledError):
            await asked
        machine.gate.set()  # type: ignore[union-attr]  # set five lines above

    asyncio.run(run())


@pytest.mark.parametrize("name", ["", "x" * 100_000, "a\x00", "../a"])
def test_a_strange_name_is_no_model_and_is_not_repeated_at_length(name: str) -> None:
    with pytest.raises(ApiError) as told:
        Machine().pool("a").find(name)
    assert (told.value.status, told.value.param, told.value.code) == (404, "model", "model_not_found")
    assert len(told.value.message) < 400
