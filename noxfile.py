"""Every check of this repository: `nox` runs the default sessions, and so does CI; `nox --list` names them all.

Nothing is listed by hand: a folder below plugins/ that holds a pyproject.toml takes part at once. Tests run against
built wheels, so that what is tested is what would be published; pip resolves their dependencies as a user's pip would.
"""

from __future__ import annotations

import functools
import json
import os
import re
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import nox
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parent
CONSTRAINTS = ROOT / "constraints.txt"
PLUGINS = {path.parent.name: path.parent for path in sorted(ROOT.glob("plugins/*/pyproject.toml"))}
DISTS = {"core": ROOT / "core", **PLUGINS}
PROMPT = "The capital of France is"
CORE_PYTHONS = ["3.10", "3.11", "3.12", "3.13"]
# Most tests wait for processes or use one core. Whole files, for what a file sets up once takes long.
PARALLEL = ("-n", "auto", "--dist", "loadfile")
PYTHON = "3.11"  # of every other session: nothing else of ours depends on the minor version, and torch is big

nox.needs_version = ">=2024.10.9"
nox.options.sessions = ["lint", "types", "repo", "core", "plugin", "new", "docs", "mixed", "together"]


def wake_pyenv() -> None:
    """Activate every Python that pyenv has: its shims, and nox's own search, know only the active ones."""
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    active = [version for version in os.environ.get("PYENV_VERSION", "").split(":") if version]
    installed = sorted(path.parent.parent.name for path in root.glob("versions/*/bin/python"))
    if installed:
        os.environ["PYENV_ROOT"] = str(root)
        os.environ["PYENV_VERSION"] = ":".join(dict.fromkeys(active + installed))


wake_pyenv()


# What the file system says -------------------------------------------------------------------------------------------


@functools.cache
def project(folder: Path) -> dict[str, Any]:
    """The [project] table of a distribution."""
    table: dict[str, Any] = nox.project.load_toml(folder / "pyproject.toml")["project"]
    return table


def requirement(name: str) -> str:
    """What to ask pip for: the distribution of a folder with what its tests need."""
    extras = project(DISTS[name]).get("optional-dependencies", {})
    return f"{project(DISTS[name])['name']}{'[test]' if 'test' in extras else ''}"


def models() -> list[str]:
    """Entry point names of all models."""
    tables = [project(folder).get("entry-points", {}) for folder in PLUGINS.values()]
    return sorted(name for table in tables for name in table.get("inference_pio.models", {}))


def test_targets(name: str) -> list[str]:
    """Where a distribution's tests are: its tests/ folder, and the packages called `tests` that its wheel ships."""
    outside = [DISTS[name] / "tests"] if (DISTS[name] / "tests").is_dir() else []
    source = DISTS[name] / "src"
    shipped = [path.relative_to(source) for path in sorted(source.rglob("tests")) if any(path.rglob("test_*.py"))]
    return [str(path) for path in outside] + [".".join(path.parts) for path in shipped]


# Environments --------------------------------------------------------------------------------------------------------


_wheels: list[Path] = []


def local_constraints(session: nox.Session) -> Path:
    """Build every distribution once a run; return a constraints file that makes pip take them from there."""
    folder = session.cache_dir / "wheels"
    if not _wheels:
        shutil.rmtree(folder, ignore_errors=True)
        pip = ("python", "-m", "pip", "wheel", "--quiet", "--no-deps", "--build-constraint", str(CONSTRAINTS))
        session.run(*pip, "--wheel-dir", str(folder), *map(str, DISTS.values()))
        _wheels.extend(sorted(folder.resolve().glob("*.whl")))
    lines = [f"{wheel.name.partition('-')[0].replace('_', '-')} @ {wheel.as_uri()}\n" for wheel in _wheels]
    (folder / "local.txt").write_text("".join(lines), encoding="utf-8")
    return folder / "local.txt"


def install(session: nox.Session, *requirements: str, constraints: Path = CONSTRAINTS) -> None:
    """Install pinned versions, and our own distributions as wheels. Nothing is compiled ahead of use: torch is big."""
    session.env["INFERENCE_PIO_REQUIRE_KERNELS"] = "1"  # without them all would run on torch, and nobody would notice
    local = ("-c", str(local_constraints(session))) if any(r.startswith("inference-pio") for r in requirements) else ()
    session.install("--no-compile", "-c", str(constraints), *local, *requirements)
    session.env.setdefault("INFERENCE_PIO_STATE_DIR", str(session.cache_dir.resolve() / "state"))
    # One folder for all sessions, so that a checkpoint is downloaded once.
    session.env.setdefault(
        "INFERENCE_PIO_CACHE_DIR", os.environ.get("INFERENCE_PIO_CACHE_DIR") or str(session.cache_dir.resolve() / "pio")
    )


def install_everything(session: nox.Session) -> None:
    """All distributions in one environment, for sessions that run real checkpoints."""
    install(session, *map(requirement, DISTS))
    if "INFERENCE_PIO_ACCEPT_LICENSE" not in os.environ:
        session.warn("this session downloads checkpoints and accepts their terms (Gemma's among them) on your behalf")
        session.env["INFERENCE_PIO_ACCEPT_LICENSE"] = "1"


def pytest(session: nox.Session, *arguments: str) -> None:
    """Run pytest with the root's settings; what follows `--` on nox's command line is added."""
    settings = ("-c", str(ROOT / "pyproject.toml"), "--rootdir", str(ROOT), "--durations=5")
    session.run("pytest", *settings, *arguments, *session.posargs)


def test_dists(session: nox.Session, names: Iterable[str], marks: str, *options: str) -> None:
    """Run the tests of some distributions; one without tests is an error. ``options`` are pytest's."""
    targets = {name: test_targets(name) for name in names}
    if untested := [name for name, found in targets.items() if not found]:
        session.error(f"no tests: {', '.join(untested)}")
    # From elsewhere: given a package's name, pytest would also load tests/conftest.py of the folder it stands in. Not
    # from the session's own folder for such things: it lies inside the environment that tests look at from outside.
    elsewhere = session.cache_dir.resolve() / "elsewhere"
    elsewhere.mkdir(parents=True, exist_ok=True)
    with session.chdir(elsewhere):
        pytest(session, "-m", marks, *options, "--pyargs", *(target for found in targets.values() for target in found))


# Default sessions ----------------------------------------------------------------------------------------------------


@nox.session(python=PYTHON)
def lint(session: nox.Session) -> None:
    """Check style and format (ruff)."""
    install(session, "ruff")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session(python=PYTHON)
def types(session: nox.Session) -> None:
    """Check types (mypy --strict): distributions, tests, what builds the site, what `new` renders, this file."""
    install(session, "mypy", "nox", "mkdocs", "hatchling", *map(requirement, DISTS))
    sources = [folder / "src" for folder in [*DISTS.values(), *render_plugins(session)]]
    beside = [folder / part for folder in [ROOT, *DISTS.values()] for part in ("tests", "benchmarks")]
    tests = [folder for folder in beside if any(folder.rglob("*.py"))]
    scripts = [path for folder in DISTS.values() for path in sorted(folder.glob("*.py"))]  # that build a distribution
    session.env["MYPYPATH"] = os.pathsep.join(map(str, sources))
    checked = map(str, [*sources, *tests, *scripts])
    session.run("mypy", "--strict", "noxfile.py", "mkdocs_hooks.py", "reference_pages", *checked)


@nox.session(python=PYTHON)
def repo(session: nox.Session) -> None:
    """Check the repository's invariants: names, namespace, imports, wheels, documents."""
    install(session, "hatchling", "inference-pio", "pytest", "nox")
    session.env["INFERENCE_PIO_WHEELS"] = str(local_constraints(session).parent)
    pytest(session, "tests")


@nox.session(python=CORE_PYTHONS)
def core(session: nox.Session) -> None:
    """Test the host where there is no torch, on every Python."""
    install(session, requirement("core"), "pytest-xdist")
    session.run("python", "-c", "from importlib.util import find_spec; assert not find_spec('torch'), 'torch is here'")
    # What takes long does not depend on the minor version: once is enough.
    marks = "not weights" if session.python == PYTHON else "not weights and not slow"
    test_dists(session, ["core"], marks, *PARALLEL)


@nox.session(python=PYTHON)
@nox.parametrize("name", list(PLUGINS), ids=list(PLUGINS))
def plugin(session: nox.Session, name: str) -> None:
    """Test one plugin beside nothing but what it depends on; offline, without real checkpoints."""
    install(session, requirement(name), "pytest-xdist")
    session.run("inference-pio", "check", project(PLUGINS[name])["name"], "--import", "--strict")
    test_dists(session, [name], "not weights", *PARALLEL)


@nox.session(python=PYTHON)
def new(session: nox.Session) -> None:
    """Render plugins and prove them: by the commands of docs/writing-a-model.md, and by the plugins' own noxfiles."""
    install(session, "inference-pio", "inference-pio-runtime[test]", "nox", "ruff")
    rendered = render_plugins(session)
    with session.chdir(rendered[0].parent):
        session.run("python", str(ROOT / "tests" / "tutorial.py"), str(ROOT / "docs" / "writing-a-model.md"))
    for folder in rendered:
        session.install("--no-deps", "--build-constraint", str(CONSTRAINTS), str(folder))
        with session.chdir(folder):
            session.run("ruff", "check", ".")
            session.run("ruff", "format", "--check", ".")
            # Once more by this repository's settings; which packages are its own, only the plugin itself can know.
            own = sorted(path.name for path in (folder / "src").iterdir())
            first_party = f"lint.isort.known-first-party={json.dumps(['inference_pio', *own])}"
            session.run("ruff", "check", "--config", str(ROOT / "pyproject.toml"), "--config", first_party, ".")
            # In this environment: one of its own, with another torch in it, would take longer than all the rest.
            session.run("nox", "--no-venv", "--no-install", "--", "-k", "test_config or test_hooks")


def render_plugins(session: nox.Session) -> list[Path]:
    """Let `inference-pio new` make a plugin of each kind in a fresh folder; return their folders."""
    folder = Path(session.create_tmp()).resolve() / "rendered"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    kinds = {"fresh-model": ("--package", "acme_fresh"), "fresh-hooks": ("--kind", "hooks")}
    for name, options in kinds.items():
        session.run("inference-pio", "new", name, *options, "--into", str(folder), silent=True)
    return [folder / f"inference-pio-{name}" for name in kinds]


@nox.session(python=PYTHON)
def docs(session: nox.Session) -> None:
    """Build the site of docs/, strictly: a broken link or anchor, or a page that nothing leads to, is an error."""
    install(session, "mkdocs", "mkdocs-material", "mkdocstrings[python]", "ruff", "inference-pio")
    session.env["NO_MKDOCS_2_WARNING"] = "1"  # an advertisement of the theme, for another generator of sites
    session.run("mkdocs", "build", "--site-dir", str(session.cache_dir.resolve() / "site"), *session.posargs)


@nox.session(python=PYTHON)
def mixed(session: nox.Session) -> None:
    """Install every other distribution as an editable and the rest as wheels: what a developer's environment holds."""
    names = list(DISTS)
    editable = names[::2]
    install(session, *(str(project(DISTS[name])["name"]) for name in names))
    for name in editable:
        session.install("--no-deps", "--build-constraint", str(CONSTRAINTS), "-e", str(DISTS[name]))
    report = json.loads(str(session.run("inference-pio", "list", "--all", "--json", silent=True)))
    states = {record["name"]: record["state"] for record in (*report["models"], *report["hooks"])}
    if not set(models()) <= set(states) or set(states.values()) != {"ready"}:
        session.error(f"not all plugins are ready: {states}")
    for name in states:
        session.run("inference-pio", "check", name, "--import")
    session.run("inference-pio", "doctor")
    session.run("inference-pio", "verify", "--allow-editable")
    session.run("inference-pio", "verify", success_codes=[1])  # editables are not verifiable, and that is said


@nox.session(python=PYTHON)
def together(session: nox.Session) -> None:
    """Test all plugins in one environment, on real checkpoints (downloaded once, about 350 MB)."""
    install_everything(session)
    install(session, "pytest-xdist")
    for command in ("list", "doctor"):
        json.loads(str(session.run("inference-pio", command, "--json", silent=True)))
    for model in models():
        session.run("inference-pio", "run", model, "--temperature", "0", "--max-new-tokens", "8", PROMPT)
    test_dists(session, DISTS, "weights", *PARALLEL)


# Opt-in sessions: nox -s NAME ----------------------------------------------------------------------------------------


@nox.session
@nox.parametrize("name,python", [(name, "3.10" if name == "core" else PYTHON) for name in DISTS], ids=list(DISTS))
def minimums(session: nox.Session, name: str) -> None:
    """Test one distribution with the lowest versions that its pyproject.toml allows; torch only if LOWEST_TORCH=1."""
    pins = lowest_versions()
    if os.environ.get("LOWEST_TORCH") != "1":  # gigabytes, of a version that has no other use here
        pinned = re.findall(r"^torch==.*$", CONSTRAINTS.read_text(encoding="utf-8"), re.MULTILINE)
        pins = [pin for pin in pins if not pin.startswith("torch==")] + pinned
    lowest = session.cache_dir.resolve() / f"minimums-{name}.txt"
    lowest.write_text("".join(f"{pin}\n" for pin in pins), encoding="utf-8")
    install(session, requirement(name), constraints=lowest)
    test_dists(session, [name], "not weights")


def lowest_versions() -> list[str]:
    """Pin every direct dependency to the highest of the lower bounds that our distributions give it."""
    bounds: dict[str, Version] = {}
    for table in map(project, DISTS.values()):
        extras = table.get("optional-dependencies", {}).values()
        for req in map(Requirement, [*table.get("dependencies", []), *(line for extra in extras for line in extra)]):
            for bound in (Version(spec.version) for spec in req.specifier if spec.operator == ">="):
                bounds[req.name] = max(bound, bounds.get(req.name, bound))
    ours = {table["name"] for table in map(project, DISTS.values())}
    return [f"{name}=={bound}" for name, bound in sorted(bounds.items()) if name not in ours]


KERNELS = PLUGINS["native"]


def build_kernels(session: nox.Session, *flags: str, compiler: str = "g++") -> Path:
    """Build the native kernels with flags of a session's own, and beside them the driver of their tests."""
    folder = Path(session.create_tmp()).resolve()
    out = folder / "_kernels.so"
    session.run("python", str(KERNELS / "building.py"), str(out), "--cxx", compiler, "-O1", "-g1", *flags)
    options = ("-std=c++17", "-O1", "-g1", *flags, "-pthread", f"-Wl,-rpath,{folder}", "-o", str(folder / "driver"))
    session.run(compiler, str(KERNELS / "tests" / "driver.cpp"), str(out), *options, external=True)
    return folder


@nox.session(python=PYTHON)
def asan(session: nox.Session) -> None:
    """Test the native kernels under AddressSanitizer and UndefinedBehaviorSanitizer; needs g++."""
    install(session, requirement("native"))
    flags = ("-fno-omit-frame-pointer", "-fsanitize=address,undefined", "-fno-sanitize-recover=undefined")
    folder = build_kernels(session, *flags)
    session.run(str(folder / "driver"), external=True)  # the only part that finds leaks: Python itself has some
    parts = [str(session.run("g++", f"-print-file-name={name}.so", external=True, silent=True)).strip()
             for name in ("libasan", "libstdc++")]  # fmt: skip
    session.env["LD_PRELOAD"] = " ".join(parts)
    session.env["ASAN_OPTIONS"] = "detect_leaks=0:allocator_may_return_null=1"
    session.env["INFERENCE_PIO_TEST_KERNELS"] = str(folder / "_kernels.so")
    session.chdir(session.cache_dir)
    # Not captured: a sanitizer writes its report where the standard error of the process goes, and ends it.
    pytest(session, "-m", "not weights", "-s", "-q", str(KERNELS / "tests" / "kernels"))


@nox.session(python=PYTHON)
def tsan(session: nox.Session) -> None:
    """Run the native engine and its threads under ThreadSanitizer; needs g++."""
    folder = build_kernels(session, "-fsanitize=thread")
    # Without address randomisation, which older versions of the sanitizer do not cope with on newer kernels.
    session.run("setarch", "-R", str(folder / "driver"), external=True)


@nox.session(python=PYTHON)
def neon(session: nox.Session) -> None:
    """Compare the NEON kernels with plain C++ in an emulator; needs g++-aarch64-linux-gnu and qemu-user-static."""
    folder = build_kernels(session, compiler="aarch64-linux-gnu-g++")
    emulator = ("qemu-aarch64-static", "-cpu", "max", "-L", "/usr/aarch64-linux-gnu")
    session.run(*emulator, str(folder / "driver"), external=True)


@nox.session(python=PYTHON)
def fuzz(session: nox.Session) -> None:
    """Ask a server whatever its OpenAPI document allows, and much else; what follows `--` goes to schemathesis."""
    install_everything(session)
    install(session, "schemathesis")
    session.run("python", str(PLUGINS["server"] / "tests" / "fuzz.py"), "smollm2", *session.posargs)


@nox.session(python=PYTHON)
def bench(session: nox.Session) -> None:
    """Measure every model; one JSON line each. What follows `--` goes to `inference-pio bench`."""
    install_everything(session)
    for model in models():
        session.run("inference-pio", "bench", model, "--json", *session.posargs)


@nox.session(python=PYTHON)
def examples(session: nox.Session) -> None:
    """Run every Python example of README.md and docs/ on real checkpoints."""
    install_everything(session)
    for page in [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md"))]:
        for example in re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE):
            session.log(f"an example of {page.relative_to(ROOT)}")
            session.run("python", "-c", example)
