"""Level load: the plugin is imported, in fresh processes, and disturbs nobody."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest

from ..records import PluginRecord
from .fresh_process import ProbeFailedError, run_probe
from .installed_plugins import find_plugin, own_package

load = pytest.mark.conformance("load")

TIMED_RUNS = 3
"""Fresh processes whose median is the measured import time; the first may have to write byte code."""


@dataclass
class FreshProcesses:
    """Runs a plugin in fresh processes; what a test has asked for once is kept for the others.

    Attributes:
        record: Of the plugin.
        is_model: Or hooks.
        run: Runs a job and returns its result.
    """

    record: PluginRecord
    is_model: bool
    run: Callable[[dict[str, Any]], dict[str, Any]]

    def __post_init__(self) -> None:
        self._cold: list[dict[str, Any]] = []

    def result(self, mode: str, **more: Any) -> dict[str, Any]:
        """Run one mode in a new process; fails the test when the plugin fails there."""
        job = {"mode": mode, "name": self.record.name, "entry_point": self.record.entry_point, **more}
        try:
            found = self.run({**job, "is_model": self.is_model})
        except ProbeFailedError as error:
            pytest.fail(f"{self.record.name} ({self.record.dist}) {error}", pytrace=False)
        return found

    def cold(self, run: int = 0) -> dict[str, Any]:
        """Return the result of one of the timed runs."""
        while len(self._cold) <= run:
            self._cold.append(self.result("cold"))
        return self._cold[run]

    def warm(self) -> dict[str, Any]:
        """Return the result of an import after that of all dependencies."""
        own = own_package(self.record.entry_point)
        preload = [n for n in self.cold().get("modules", ()) if not f"{n}.".startswith(f"{own}.")]
        return self.result("warm", preload=preload)


class LoadLevel:
    """Tests of level ``load`` that models and hooks share, to be inherited by a class that names its plugin."""

    plugin_name: ClassVar[str]
    import_budget_ms: ClassVar[float] = 500.0
    """Longest time that the import, with the first object, may take beyond the import of the host itself."""
    load_timeout_s: ClassVar[float] = 120.0
    """Seconds after which a fresh process is given up."""

    @pytest.fixture(scope="class")
    @classmethod
    def processes(cls, tmp_path_factory: pytest.TempPathFactory) -> FreshProcesses:
        """Runs the plugin in fresh processes."""
        kind, record = find_plugin(cls.plugin_name)

        def run(job: dict[str, Any]) -> dict[str, Any]:
            return run_probe(job, tmp_path_factory.mktemp(job["mode"]), timeout_s=cls.load_timeout_s)

        return FreshProcesses(record, kind == "model", run)

    @load
    def test_it_loads_in_a_fresh_process(self, processes: FreshProcesses) -> None:
        assert not processes.cold()["error"], processes.cold()["error"]

    @load
    def test_it_loads_in_a_thread(self, processes: FreshProcesses) -> None:
        result = processes.result("thread")
        assert not result["error"], result["error"]

    @load
    def test_its_import_keeps_within_the_budget(
        self, processes: FreshProcesses, record_property: Callable[[str, object], None]
    ) -> None:
        runs = [processes.cold(number) for number in range(TIMED_RUNS)]
        assert all("import_ms" in run for run in runs), runs[0]["error"]
        times = [run["import_ms"] for run in runs]
        median = statistics.median(times)
        record_property("import_ms", median)
        assert median <= self.import_budget_ms, (
            f"importing {self.plugin_name} takes {median:.0f} ms beyond the host (of {times}), its budget is "
            f"{self.import_budget_ms:.0f} ms. Import what is heavy in the function that uses it"
        )

    @load
    def test_neither_torch_nor_transformers_comes_with_it(self, processes: FreshProcesses) -> None:
        result = processes.cold()
        assert "heavy" in result, result["error"]
        heavy = "; ".join(result["heavy"])
        assert not heavy, f"{heavy}: import it in the function that uses it, not where the module starts"

    @load
    def test_it_leaves_alone_what_the_process_shares(self, processes: FreshProcesses) -> None:
        result = processes.warm()
        assert "changes" in result, result["error"]
        assert not result["changes"], "; ".join(result["changes"])

    @load
    def test_it_prints_nothing(self, processes: FreshProcesses) -> None:
        assert processes.cold()["stdout"] == ""

    @load
    def test_it_does_not_touch_the_network(self, processes: FreshProcesses) -> None:
        attempts = processes.cold()["network"]
        assert not attempts, "; ".join(attempts)


class ModelLoadLevel(LoadLevel):
    """Tests of level ``load`` for a model."""

    @load
    def test_its_factory_makes_independent_objects_that_work(self, processes: FreshProcesses) -> None:
        result = processes.cold()
        assert "faults" in result, result["error"]
        assert not result["faults"], "; ".join(result["faults"])

    @load
    def test_the_host_accepts_it(self, processes: FreshProcesses) -> None:
        result = processes.result("host")
        assert not result["error"], result["error"]


class HookLoadLevel(LoadLevel):
    """Tests of level ``load`` for a plugin that brings hooks only."""

    @load
    def test_every_hook_of_it_fits_and_there_is_one(self, processes: FreshProcesses) -> None:
        result = processes.result("host")
        assert not result["error"], result["error"]
        assert result["hooks"], "it implements no hook: does a decorator @hookimpl stand before its functions?"
