"""What only a fresh interpreter can show: nothing of a plugin runs, and the index is small."""

from __future__ import annotations

import json
from typing import Any

import pytest

from .conftest import PLUGIN_SOURCE, FakeSite

LIMIT_KB = 60_000
"""The product's promise for ``inference-pio list`` with 100 plugins: peak resident memory, kilobytes."""

REPORT = """
    import json, pathlib, re, sys
    from inference_pio.host import Host
    host = Host()
    {work}
    # Not getrusage: its peak survives exec and is that of the test process.
    status = pathlib.Path("/proc/self/status")
    peak_kb = int(re.search(r"VmHWM:\\s*(\\d+) kB", status.read_text())[1]) if status.exists() else 0
    print(json.dumps({{
        "states": sorted({{str(record.state) for record in host.records()}}),
        "names": [record.name for record in host.records()],
        "heavy": sorted({{"torch", "transformers", "rich", "numpy"}} & set(sys.modules)),
        "peak_kb": peak_kb,
    }}))
"""


def report(site: FakeSite, work: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(site.run(REPORT.format(work=work)).stdout)
    return found


@pytest.mark.parametrize(
    "work",
    [
        "host.records()",
        "host.hook_plugins()",
        "from inference_pio.doctor import core_findings; core_findings(host)",
    ],
)
def test_the_index_runs_no_plugin_and_imports_nothing_heavy(
    site: FakeSite, manifest_data: dict[str, Any], work: str
) -> None:
    site.add_model("qwen3", manifest=manifest_data | {"dependencies": ["packaging[extra]>=1; python_version > '3'"]})
    site.add_hooks("watch", "raise SystemExit('imported')")
    found = report(site, work)
    assert "qwen3" in found["names"]
    assert found["heavy"] == []
    assert site.executed == []


def test_a_hundred_plugins_are_indexed_in_little_memory(site: FakeSite, manifest_data: dict[str, Any]) -> None:
    for number in range(100):
        site.add_model(f"model{number:03}", manifest=manifest_data | {"dependencies": ["packaging>=20"]})
    found = report(site, "host.records()")
    assert len([name for name in found["names"] if name.startswith("model")]) == 100
    assert site.executed == []
    assert found["peak_kb"] < LIMIT_KB


def test_a_plugin_below_inference_pio_loads_from_its_own_place(site: FakeSite, manifest_data: dict[str, Any]) -> None:
    site.add_model("qwen3", manifest=manifest_data)
    result = site.run(
        """
        import inference_pio
        with inference_pio.load("qwen3") as model:
            print(model.name, model.loaded)
        print(model.loaded)
        """
    )
    assert result.stdout == "qwen3 True\nFalse\n"
    assert site.executed == ["inference_pio.models.qwen3", "inference_pio.models.qwen3.plugin"]


def test_what_compiled_code_prints_at_import_stays_out_of_the_answer(
    site: FakeSite, manifest_data: dict[str, Any]
) -> None:
    noise = "import ctypes\nctypes.CDLL(None).printf(b'from C\\n')\n"
    site.add_model("noisy", manifest=manifest_data, source=noise + PLUGIN_SOURCE)
    result = site.run("import inference_pio; print(inference_pio.load('noisy').name)")
    assert result.stdout == "noisy\n"
    assert "from C" in result.stderr


def test_a_plugin_that_ends_the_process_at_import_does_not_end_it(
    site: FakeSite, manifest_data: dict[str, Any]
) -> None:
    site.add_model("rude", manifest=manifest_data, source="import sys; print('bye'); sys.exit(7)")
    result = site.run(
        """
        import inference_pio
        try:
            inference_pio.load("rude")
        except inference_pio.InferencePioError as error:
            print(type(error).__name__)
        """
    )
    assert result.stdout == "PluginLoadError\n"
    assert "bye" in result.stderr
