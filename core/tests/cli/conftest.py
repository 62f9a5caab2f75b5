"""A host of its own for each command line that runs: core's dependencies, and only the plugins that a test installs."""

import dataclasses
import fcntl
import functools
import importlib.metadata
import os
import re
import select
import shutil
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

import inference_pio

collect_ignore = ["fake_plugins"]  # run by the command line, where they are installed

FAKES = Path(__file__).parent / "fake_plugins"
TIMEOUT_S = 30


@dataclasses.dataclass
class Site:
    """A folder that serves as site-packages: distributions are written into it the way pip leaves them."""

    folder: Path

    def install(self, dist, entry_points, files=(), version="1.0"):
        """Write a distribution: its .dist-info, and copies of files or folders."""
        info = self.folder / f"{dist.replace('-', '_')}-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {dist}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text("".join(f"[{group}]\n{line}\n" for group, line in entry_points.items()))
        (info / "INSTALLER").write_text("pip\n")
        for file in files:
            target = self.folder / file.name
            shutil.copytree(file, target) if file.is_dir() else shutil.copy(file, target)
        return self

    def install_echo(self, name="echo"):
        return self.install(
            f"inference-pio-{name}",
            {"inference_pio.models": f"{name} = echo_model.plugin:create_echo_plugin"},
            [FAKES / "echo_model"],
        )

    def want_memory(self):
        """Let the installed echo model ask for more memory than there is."""
        manifest = self.folder / "echo_model" / "plugin_manifest.json"
        manifest.write_text(manifest.read_text().replace('"required_memory_gb": 0', '"required_memory_gb": 9999'))

    def install_hooks(self):
        return self.install(
            "inference-pio-echo-hooks", {"inference_pio.hooks": "echo-hooks = echo_hooks"}, [FAKES / "echo_hooks.py"]
        )

    def install_module(self, dist, group, line, name, source):
        """Write a distribution of one module."""
        (self.folder / f"{name}.py").write_text(source)
        return self.install(dist, {group: line})


@dataclasses.dataclass
class CommandLine:
    """Runs ``python -m inference_pio`` with a site, and without whatever else is installed here."""

    search_path: list[Path]
    home: Path

    @property
    def environment(self):
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("INFERENCE_PIO_", "_INFERENCE"))}
        return {
            **kept,
            "PYTHONPATH": os.pathsep.join(map(str, self.search_path)),
            "PYTHONDONTWRITEBYTECODE": "1",
            "HOME": str(self.home),
            "XDG_STATE_HOME": str(self.home / "state"),
            "XDG_CACHE_HOME": str(self.home / "cache"),
            "INFERENCE_PIO_CACHE_DIR": str(self.home / "weights"),
            "COLUMNS": "100",
            "TERM": "xterm",
        }

    def argv(self, *args):
        # -S: no site-packages, so that the plugins of the environment that runs the tests stay out.
        return [sys.executable, "-S", "-m", "inference_pio", *args]

    def run(self, *args, input="", env=None, **kwargs):
        return subprocess.run(
            self.argv(*args),
            input=input.encode() if isinstance(input, str) else input,
            capture_output=True,
            env={**self.environment, **(env or {})},
            cwd=self.home,
            timeout=TIMEOUT_S,
            **kwargs,
        )

    def python(self, code, **env):
        """Run Python code with the same imports."""
        return subprocess.run(
            [sys.executable, "-S", "-c", code],
            capture_output=True,
            env={**self.environment, **env},
            cwd=self.home,
            timeout=TIMEOUT_S,
        )

    def popen(self, *args, env=None, **kwargs):
        return subprocess.Popen(
            self.argv(*args), env={**self.environment, **(env or {})}, cwd=self.home, bufsize=0, **kwargs
        )


class Terminal:
    """A command line that believes a person sits before it.

    Args:
        cli: Whose environment to use.
        args: The command.
        env: More environment.
        stdout: Where standard output goes; default: the terminal.
        stderr: The same for standard error.
    """

    def __init__(self, cli, *args, env=None, stdout=None, stderr=None):
        self.master, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
        self.process = subprocess.Popen(
            cli.argv(*args),
            env={**cli.environment, **(env or {})},
            cwd=cli.home,
            stdin=slave,
            stdout=stdout or slave,
            stderr=stderr or slave,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # so that Ctrl-C becomes a signal
        )
        os.close(slave)
        self.seen, self._expected = "", 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for stream in (self.process.stdout, self.process.stderr):
            if stream:
                stream.close()
        os.close(self.master)

    def type(self, text):
        os.write(self.master, text.encode())
        return self

    def expect(self, text):
        """Wait until ``text`` appears behind what was expected last, and return all up to it."""
        deadline = time.monotonic() + TIMEOUT_S
        while text not in self.seen[self._expected :]:
            assert self._piece(deadline) is not None, f"{text!r} did not appear; seen: {self.seen!r}"
        start = self._expected
        self._expected = self.seen.index(text, start) + len(text)
        return self.seen[start : self._expected]

    def wait(self):
        """Read to the end and return the exit code."""
        deadline = time.monotonic() + TIMEOUT_S
        while self._piece(deadline) is not None:
            pass
        return self.process.wait(TIMEOUT_S)

    def _piece(self, deadline):
        ready, _, _ = select.select([self.master], [], [], max(0, deadline - time.monotonic()))
        try:
            data = os.read(self.master, 4096) if ready else b""
        except OSError:  # how Linux says that the other side is closed
            data = b""
        self.seen += data.decode(errors="replace")
        return data.decode(errors="replace") if data else None


def _link_with_dependencies(folder, names):
    """Link distributions and all they need into a folder, from wherever they are installed."""
    done, wanted = set(), list(names)
    while wanted:
        name = re.split(r"[^\w.-]", wanted.pop())[0]
        if name in done:
            continue
        done.add(name)
        try:
            dist = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # for another Python or system
        wanted += [need for need in dist.requires or () if "extra ==" not in need]
        for top in {file.parts[0] for file in dist.files or () if file.parts[0] not in ("..", "__pycache__")}:
            source, target = Path(str(dist.locate_file(top))), folder / top
            if source.exists() and not target.exists():
                target.symlink_to(source)


@pytest.fixture
def terminal(echo):
    """Start a command in a terminal: ``with terminal("chat", "echo") as screen``."""
    return functools.partial(Terminal, echo)


@pytest.fixture(scope="session")
def host_packages(tmp_path_factory):
    """Core's dependencies and core, without plugins."""
    folder = tmp_path_factory.mktemp("host")
    needs = [need for need in importlib.metadata.requires("inference-pio") or () if "extra ==" not in need]
    _link_with_dependencies(folder, needs)
    (folder / "inference_pio").symlink_to(Path(inference_pio.__file__).parent)
    return folder


@pytest.fixture(scope="session")
def test_packages(tmp_path_factory):
    """pytest and what it needs."""
    folder = tmp_path_factory.mktemp("pytest")
    _link_with_dependencies(folder, ["pytest"])
    return folder


@pytest.fixture
def site(tmp_path):
    """An empty site."""
    folder = tmp_path / "site"
    folder.mkdir()
    return Site(folder)


@pytest.fixture
def cli(tmp_path, site, host_packages):
    """The command line with what ``site`` holds."""
    home = tmp_path / "home"
    home.mkdir()
    return CommandLine([site.folder, host_packages], home)


@pytest.fixture
def echo(site, cli):
    """The command line with the echo model and its hooks installed."""
    site.install_echo().install_hooks()
    return cli
