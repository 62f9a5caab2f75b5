"""A virtual environment as a user has it: the host from its wheel, and nothing else but what the host needs."""

from __future__ import annotations

import json
import os
import subprocess
import venv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

collect_ignore = ["acme_project"]
HERE = Path(__file__).parent
ROOT = HERE.parents[2]
TIMEOUT_S = 600


@dataclass
class Environment:
    """A virtual environment with the host in it.

    Attributes:
        folder: Where it is.
        home: The folder that commands run in, with what the host remembers.
    """

    folder: Path
    home: Path

    def pip(self, *args: str) -> str:
        """Run its pip."""
        return self._checked("-m", "pip", "--disable-pip-version-check", *args)

    def host(self, *args: str, **environment: str) -> str:
        """Run the command line; it must end well."""
        return self._checked("-m", "inference_pio", *args, **environment)

    def json(self, *args: str, **environment: str) -> Any:
        """Run a command with ``--json``."""
        return json.loads(self.host(*args, "--json", **environment))

    def python(self, code: str, **environment: str) -> str:
        """Run Python code."""
        return self._checked("-c", code, **environment)

    def run(self, *args: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run its interpreter."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("INFERENCE_PIO_", "PYTHON"))}
        places = {"HOME": str(self.home), "INFERENCE_PIO_STATE_DIR": str(self.home / "state"), "COLUMNS": "200"}
        return subprocess.run(
            [str(self.folder / "bin" / "python"), *args],
            env={**kept, **places, **environment},
            cwd=self.home,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
        )

    def build(self, project: Path, wheels: Path) -> Path:
        """Build a project's wheel with pip, which fetches the build backend that the project names."""
        self.pip("wheel", "--quiet", "--no-deps", "--wheel-dir", str(wheels), str(project))
        (wheel,) = wheels.glob("*.whl")
        return wheel

    def _checked(self, *args: str, **environment: str) -> str:
        done = self.run(*args, **environment)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """One environment for all tests here: each installs what it tests, and takes it away again."""
    if not (ROOT / "constraints.txt").is_file():
        pytest.skip("the tests lie outside of the repository, so there is no host to build")
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder / "venv", with_pip=True, symlinks=True)
    made = Environment(folder / "venv", folder / "home")
    made.home.mkdir()
    made.pip("install", "--quiet", "-c", str(ROOT / "constraints.txt"), str(ROOT / "core"))
    return made
