"""Whole-process time and memory of ``list`` and ``info`` beside 100 plugins, against ``llm plugins`` beside one.

    python core/benchmarks/startup.py --rounds 15

Makes two virtual environments and installs into them: this core with 300 distributions, 100 of which are models
(written as installers write them, with manifest, package and RECORD); and simonw/llm with one plugin for local models,
which it imports at each start. The two sides take turns; the medians are printed, as one JSON line with ``--json``.
Ends with an error if any plugin's code was run.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from dataclasses import dataclass
from pathlib import Path

CORE = Path(__file__).resolve().parents[1]
CONSTRAINTS = CORE.parent / "constraints.txt"
PEER = ("llm", "llm-gpt4all")
MODELS = 100
OTHERS = 200

PLUGIN = """\
import os, pathlib
pathlib.Path(os.environ["STARTUP_SENTINELS"], __name__).touch()

class ModelPlugin:
    pass

def create():
    return ModelPlugin()
"""


@dataclass(frozen=True)
class Side:
    """One command that is measured."""

    name: str
    argv: list[str]


def main() -> int:
    """Measure and print; the exit code is 1 when a plugin's code was run."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15, help="Runs of each command; the sides take turns.")
    parser.add_argument("--json", action="store_true", help="Print one JSON line.")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="startup-") as name:
        folder = Path(name)
        sentinels = folder / "sentinels"
        sentinels.mkdir()
        ours = make_environment(folder / "ours", [str(CORE)])
        peer = make_environment(folder / "peer", list(PEER))
        fill(site_packages(folder / "ours"))
        sides = [
            Side("inference-pio list", [str(ours / "inference-pio"), "list"]),
            Side("inference-pio info model0", [str(ours / "inference-pio"), "info", "model0"]),
            Side("inference-pio --version", [str(ours / "inference-pio"), "--version"]),
            Side("llm plugins", [str(peer / "llm"), "plugins"]),
        ]
        environment = {**os.environ, "STARTUP_SENTINELS": str(sentinels), "HOME": name, "LLM_USER_PATH": name}
        report(measure(sides, options.rounds, environment), as_json=options.json)
        run = sorted(path.name for path in sentinels.iterdir())
    if run:
        print(f"plugins were run: {', '.join(run)}", file=sys.stderr)
    return 1 if run else 0


def make_environment(folder: Path, requirements: list[str]) -> Path:
    """Make a virtual environment with some requirements; return the folder of its commands."""
    print(f"installing {' '.join(requirements)} …", file=sys.stderr)
    venv.create(folder, with_pip=True)
    commands = folder / ("Scripts" if os.name == "nt" else "bin")
    pip = [str(commands / "python"), "-m", "pip", "install", "--quiet", "-c", str(CONSTRAINTS)]
    subprocess.run([*pip, *requirements], check=True)
    return commands


def site_packages(folder: Path) -> Path:
    """Return the folder that installers write to."""
    return next(folder.rglob("site-packages"))


def fill(site: Path) -> None:
    """Write distributions as installers do: 100 models, and others with and without entry points."""
    for number in range(MODELS):
        package = f"acme_model{number}"
        (site / package).mkdir()
        (site / package / "__init__.py").write_text("")
        (site / package / "plugin.py").write_text(PLUGIN)
        (site / package / "plugin_manifest.json").write_text(json.dumps(manifest(number)))
        write_metadata(
            site, f"acme-model{number}", f"[inference_pio.models]\nmodel{number} = {package}.plugin:create\n"
        )
    for number in range(OTHERS):
        write_metadata(site, f"other-{number}", "[console_scripts]\nother = other:main\n" if number % 2 else None)


def write_metadata(site: Path, name: str, entry_points: str | None) -> None:
    """Write one ``.dist-info``, with a METADATA of the usual length."""
    info = site / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n\n" + "A readme.\n" * 500)
    (info / "RECORD").write_text("".join(f"{info.name}/{file},,\n" for file in ("METADATA", "RECORD")))
    (info / "INSTALLER").write_text("pip\n")
    if entry_points:
        (info / "entry_points.txt").write_text(entry_points)


def manifest(number: int) -> dict[str, object]:
    """Return a manifest with every required field."""
    return {
        "name": f"Model{number}", "version": "1.0", "author": "Acme", "description": f"Model number {number}",
        "plugin_type": "MODEL_COMPONENT", "dependencies": ["click", "rich"],
        "compatibility": {
            "torch_version": ">=2.0.0", "transformers_version": ">=4.30.0", "python_version": ">=3.8",
            "min_memory_gb": 1.0,
        },
        "model_architecture": "Decoder", "model_size": "1B", "required_memory_gb": 1.0,
        "supported_modalities": ["text"], "license": "MIT", "tags": ["small"], "model_family": "Acme",
        "num_parameters": 1_000_000_000,
        "entry_point": {"module": ".plugin", "class": "ModelPlugin", "factory_function": "create"},
    }  # fmt: skip


def measure(sides: list[Side], rounds: int, environment: dict[str, str]) -> dict[str, dict[str, float]]:
    """Run the sides in turns; return medians of wall time, seconds, and peak memory, MB, by name."""
    figures: dict[str, list[tuple[float, float]]] = {side.name: [] for side in sides}
    for _ in range(rounds + 1):
        for side in sides:
            figures[side.name].append(run_once(side.argv, environment))
    # The first round only wrote bytecode and filled the file system's cache.
    return {
        name: {
            "seconds": round(statistics.median(seconds for seconds, _ in runs[1:]), 4),
            "peak_rss_mb": round(statistics.median(megabytes for _, megabytes in runs[1:]), 1),
        }
        for name, runs in figures.items()
    }


def run_once(argv: list[str], environment: dict[str, str]) -> tuple[float, float]:
    """Run a command; return its wall time, seconds, and peak memory, MB."""
    with tempfile.TemporaryFile() as output:
        started = time.perf_counter()
        redirect = [(os.POSIX_SPAWN_DUP2, output.fileno(), 1), (os.POSIX_SPAWN_DUP2, output.fileno(), 2)]
        process = os.posix_spawn(argv[0], argv, environment, file_actions=redirect)
        # A child's maximum begins at its parent's size, so this script imports nothing large.
        _, status, usage = os.wait4(process, 0)
        seconds = time.perf_counter() - started
        if status != 0:
            output.seek(0)
            raise SystemExit(f"{' '.join(argv)} failed:\n{output.read().decode(errors='replace')}")
    return seconds, usage.ru_maxrss / 1000


def report(figures: dict[str, dict[str, float]], *, as_json: bool) -> None:
    """Print the medians, with ratios to the peer."""
    peer = figures["llm plugins"]
    if as_json:
        print(json.dumps({"models": MODELS, "distributions": MODELS + OTHERS, "figures": figures}))
        return
    print(f"{'':<28}{'ms':>6}{'MB':>8}{'time, peer = 1':>18}")
    for name, figure in figures.items():
        ratio = figure["seconds"] / peer["seconds"]
        print(f"{name:<28}{figure['seconds'] * 1000:>6.0f}{figure['peak_rss_mb']:>8.1f}{ratio:>18.2f}")


if __name__ == "__main__":
    sys.exit(main())
