"""Throw-away environments with the host, pip and nothing else; wheels come from folders, never from a network."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

import inference_pio

TIMEOUT_S = 240
"""No command takes this long; a test must end even where one hangs."""


@dataclasses.dataclass
class Venv:
    """One environment.

    Attributes:
        folder: Its prefix.
        wheels: Folder that the tests put wheels into.
    """

    folder: Path
    wheels: Path

    @property
    def python(self) -> str:
        return str(self.folder / "bin" / "python")

    @property
    def site(self) -> Path:
        return Path(sysconfig.get_path("purelib", "posix_prefix", {"base": str(self.folder)}))

    def environment(self, **more: str) -> dict[str, str]:
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("PIP_", "PYTHON"))}
        return {**kept, "PIP_CONFIG_FILE": os.devnull, "PIP_DISABLE_PIP_VERSION_CHECK": "1", **more}

    def run(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run the command line, offline, with the wheels at hand."""
        return self.finish(self.start(*arguments, **more))

    def start(self, command: str, *arguments: str, **more: str) -> subprocess.Popen[str]:
        offline = ["--no-index", f"--find-links={self.wheels}"] if command == "install" else []
        return subprocess.Popen(
            [self.python, "-m", "inference_pio", command, *offline, *arguments],
            env=self.environment(**more), cwd=self.wheels.parent, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def python_process(self, *arguments: str) -> subprocess.Popen[str]:
        """Run the environment's interpreter."""
        return subprocess.Popen(
            [self.python, *arguments], env=self.environment(), cwd=self.wheels.parent, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    @staticmethod
    def finish(process: subprocess.Popen[str], timeout_s: float = TIMEOUT_S) -> subprocess.CompletedProcess[str]:
        try:
            output, errors = process.communicate(timeout=timeout_s)
        finally:
            process.kill()
        return subprocess.CompletedProcess(process.args, process.returncode, output, errors)

    def install(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        return self.run("install", *arguments, **more)

    def must(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command that has to succeed."""
        result = self.run(*arguments)
        assert result.returncode == 0, result.stderr
        return result

    def json(self, *arguments: str) -> Any:
        """Run a command with ``--json`` and return its document, whatever the exit code."""
        return json.loads(self.run(*arguments, "--json").stdout)

    def pip(self, *arguments: str) -> None:
        """Do something with pip that the test needs, past our command."""
        command = [self.python, "-m", "pip", "install", "-q", "--no-index", "--no-deps", *arguments]
        subprocess.run(command, check=True, env=self.environment(), timeout=TIMEOUT_S)

    def state(self) -> dict[str, bytes]:
        """Every file of the environment with its content; bytecode and its folders left out."""
        return {
            str(path.relative_to(self.folder)): path.read_bytes()
            for path in sorted(self.folder.rglob("*"))
            if path.is_file() and path.suffix != ".pyc"
        }

    def versions(self) -> dict[str, str]:
        """What is installed beside the host and what it needs, by name."""
        found = importlib.metadata.distributions(path=[str(self.site)])
        return {dist.name: dist.version for dist in found if dist.name not in HOST_DISTS}

    def plugins(self) -> dict[str, str]:
        """State of every plugin by name."""
        listed = self.json("list", "--all")
        return {record["name"]: record["state"] for record in (*listed["models"], *listed["hooks"])}


def _closure(name: str) -> Iterator[str]:
    yield name
    for text in importlib.metadata.requires(name) or ():
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield from _closure(requirement.name)


HOST_DISTS = {importlib.metadata.distribution(name).name for name in _closure("inference-pio")} | {"pip", "setuptools"}


def _copy_dist(name: str, site: Path) -> None:
    dist = importlib.metadata.distribution(name)
    for file in dist.files or ():
        source = Path(str(dist.locate_file(file)))
        if ".." not in file.parts and file.suffix not in (".pyc", ".pth") and source.is_file():
            target = site / file
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment to copy: made once, for pip takes its time to unpack."""
    folder = tmp_path_factory.mktemp("template") / "venv"
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, timeout=TIMEOUT_S)
    venv = Venv(folder, folder)
    for name in sorted(set(_closure("inference-pio"))):
        _copy_dist(name, venv.site)
    host = venv.site / "inference_pio"
    if not host.is_dir():  # an editable host: its files lie elsewhere
        shutil.copytree(Path(inference_pio.__file__).parent, host, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.fixture
def venv(template: Path, tmp_path: Path) -> Venv:
    """An environment for one test."""
    shutil.copytree(template, tmp_path / "venv", symlinks=True)
    (tmp_path / "wheels").mkdir()
    return Venv(tmp_path / "venv", tmp_path / "wheels")


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    """Wait until a file appears, as long as the process lives."""
    deadline = time.monotonic() + TIMEOUT_S
    while not path.exists():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline, f"{path.name} did not appear"
        time.sleep(0.02)
