"""For every code a plugin that is broken in exactly one way, in which exactly that code is found."""

from __future__ import annotations

import json
import signal
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from inference_pio.checking.findings import TABLES
from inference_pio.codes import all_codes

PLUGIN = "inference_pio/models/tiny/plugin.py"
MODULE_START = '"""A plugin."""\n'
Break = Callable[[Any], None]


@dataclass(frozen=True)
class Case:
    """How to break a plugin.

    Attributes:
        code: What must be found, and nothing else.
        change: Breaks the plugin before it is written.
        kind: ``model`` or ``hooks``.
        where: Part of the finding's place.
        wheel: Check the wheel instead of the project.
        members: Breaks the wheel's members, after RECORD was made.
        imports: Import it; what then is found without an import too stands in ``also``.
        also: Codes that cannot be avoided.
    """

    code: str
    change: Break | None = None
    kind: str = "model"
    where: str = ""
    wheel: bool = False
    members: Callable[[dict[str, bytes]], None] | None = None
    imports: bool = False
    also: frozenset[str] = frozenset()


def setting(**values: Any) -> Break:
    """Change top-level keys of the manifest; nested ones by ``parent__key``."""

    def change(plugin: Any) -> None:
        for name, value in values.items():
            *parents, key = name.split("__")
            table = plugin.manifest
            for parent in parents:
                table = table[parent]
            table[key] = value

    return change


def project(**values: Any) -> Break:
    return lambda plugin: plugin.project.update({name.replace("_", "-"): value for name, value in values.items()})


def without(*names: str) -> Break:
    def change(plugin: Any) -> None:
        for name in names:
            del plugin.files[f"{plugin.package}/{name}"]

    return change


def file(name: str, content: str | bytes) -> Break:
    return lambda plugin: plugin.files.update({name: content})


def replacing(old: str, new: str, name: str = PLUGIN) -> Break:
    return lambda plugin: plugin.edit(name, old, new)


def at_import(code: str) -> Break:
    """Put statements at the start of the plugin's module."""
    return replacing(MODULE_START, MODULE_START + textwrap.dedent(code))


def helper_at_import(code: str) -> Break:
    """Put statements where a syntax tree does not show that they run: behind a call of a function."""
    return at_import("def _start():\n" + textwrap.indent(textwrap.dedent(code), "    ") + "\n_start()\n")


def both(first: Break, second: Break) -> Break:
    def change(plugin: Any) -> None:
        first(plugin)
        second(plugin)

    return change


def hook(old: str, new: str) -> Break:
    return replacing(old, new, "acme_hooks/hooks.py")


def entry_point(name: str, value: str, *, group: str = "inference_pio.models") -> Break:
    def change(plugin: Any) -> None:
        plugin.entry_points = {group: {name: value}}

    return change


def a_raw_manifest(edit: Callable[[str], str]) -> Break:
    def change(plugin: Any) -> None:
        plugin.manifest = edit(json.dumps(plugin.manifest))

    return change


def no_entry_points(plugin: Any) -> None:
    plugin.entry_points = {}


def no_manifest(plugin: Any) -> None:
    plugin.manifest = None


def two_entry_points(plugin: Any) -> None:
    table = plugin.entry_points["inference_pio.models"]
    table["Tiny"] = table["tiny"]


def no_project_table(plugin: Any) -> None:
    plugin.pyproject = lambda: ""


def broken_toml(plugin: Any) -> None:
    plugin.pyproject = lambda: "[project\n"


def forget_license(plugin: Any) -> None:
    del plugin.project["license"]


def record(edit: Callable[[bytes], bytes]) -> Callable[[dict[str, bytes]], None]:
    def change(members: dict[str, bytes]) -> None:
        name = next(name for name in members if name.endswith("/RECORD"))
        members[name] = edit(members[name])

    return change


def drop(ending: str) -> Callable[[dict[str, bytes]], None]:
    def change(members: dict[str, bytes]) -> None:
        del members[next(name for name in members if name.endswith(ending))]

    return change


def drop_with_record(ending: str) -> Callable[[dict[str, bytes]], None]:
    def change(members: dict[str, bytes]) -> None:
        drop(ending)(members)
        record(lambda text: b"\n".join(line for line in text.split(b"\n") if ending.encode() not in line))(members)

    return change


FACTORY = "def create_tiny_plugin():\n"
RETURN = "    return TinyPlugin()\n"
HEAD = "inference_pio/models/tiny"

STATIC = [
    Case("target-unreadable", broken_toml, where="pyproject.toml"),
    Case("metadata-missing", no_project_table, where="pyproject.toml", also=frozenset({"no-entry-point"})),
    Case("no-manifest", no_manifest, where="plugin_manifest.json"),
    Case("manifest-unreadable", a_raw_manifest(lambda text: text + " " * 1_000_001), where="plugin_manifest.json"),
    Case("manifest-invalid", setting(num_parameters="many"), where="plugin_manifest.json:$.num_parameters"),
    Case("manifest-key-twice", a_raw_manifest(lambda text: '{"author": "Bob", ' + text[1:]), where="$.author"),
    Case("manifest-unknown-key", setting(colour="red"), where="plugin_manifest.json:$.colour"),
    Case("schema-too-new", setting(schema_version=2), where="$.schema_version"),
    Case("host-api-missing", setting(host_api=""), where="$.host_api"),
    Case("host-api-excludes-host", setting(host_api=">=7"), where="$.host_api"),
    Case("placeholder-left", setting(author="Your Name"), where="$.author"),
    Case("weights-unverified", setting(weights=[{"id": "a", "source": "file:a.gguf"}]), where="$.weights[0]"),
    Case("name-differs", setting(name="Other"), where="$.name"),
    Case("version-differs", setting(version="2.0"), where="$.version"),
    Case("license-differs", setting(license="Apache-2.0"), where="$.license"),
    Case("license-missing", forget_license, where="pyproject.toml"),
    Case("python-differs", setting(compatibility__python_version=">=3.8"), where="$.compatibility.python_version"),
    Case("dependency-undeclared", setting(dependencies=["acme-nowhere"]), where="$.dependencies[0]"),
    Case("dependency-differs", setting(dependencies=["inference-pio>=0.1"]), where="$.dependencies[0]"),
    Case("host-not-required", project(dependencies=["click"]), where="pyproject.toml"),
    Case("host-unbounded", project(dependencies=["inference-pio>=0.1"]), where="pyproject.toml"),
    Case("torch-pinned", project(dependencies=["inference-pio>=0.1,<0.2", "torch==2.6.0"]), where="pyproject.toml"),
    Case("no-entry-point", no_entry_points, where="pyproject.toml"),
    Case("entry-point-dynamic", both(no_entry_points, project(dynamic=["entry-points"])), where="pyproject.toml"),
    Case("entry-point-malformed", entry_point("tiny", "inference_pio/models/tiny.py:make")),
    Case("entry-point-twice", two_entry_points, where="pyproject.toml", also=frozenset({"entry-point-spelling"})),
    Case("entry-point-spelling", entry_point("Tiny", "inference_pio.models.tiny.plugin:create_tiny_plugin")),
    Case(
        "entry-point-differs",
        both(setting(entry_point__factory_function="make"), replacing("return T", "make = 1\n    return T")),
        where="pyproject.toml",
    ),
    Case("module-not-found", without("plugin.py"), also=frozenset({"structure-file-missing"})),
    Case("syntax-error", replacing("    return Tiny", "    return) Tiny"), where="plugin.py:18"),
    Case("class-not-found", replacing("TinyPlugin", "SmallPlugin"), also=frozenset({"factory-returns-other"})),
    Case("class-incomplete", replacing("    def cleanup(self): pass\n", ""), where="plugin.py:6"),
    Case("factory-not-found", replacing("create_tiny", "make_tiny"), where="plugin.py"),
    Case("factory-needs-arguments", replacing("plugin():", "plugin(size, *, depth, name=1):"), where="plugin.py:16"),
    Case("factory-not-plain", replacing("def create", "async def create"), where="plugin.py:16"),
    Case("factory-returns-other", replacing("return TinyPlugin()", "return None"), where="plugin.py:16"),
    Case("hook-unknown", hook("pio_after_load", "pio_after_lod"), kind="hooks", where="hooks.py:7"),
    Case("hook-argument-unknown", hook("(plugin_name)", "(plugin)"), kind="hooks", where="hooks.py:7"),
    Case("hook-wrapper", hook("@hookimpl", "@hookimpl(wrapper=True)"), kind="hooks", where="hooks.py:7"),
    Case(
        "hook-unmarked",
        hook("\n\n@hookimpl", "\n\ndef pio_commands(): return []\n\n\n@hookimpl"),
        kind="hooks",
        where="hooks.py:6",
    ),
    Case("no-hooks", hook("@hookimpl\ndef pio_after_load", "def after_load"), kind="hooks", where="hooks.py"),
    Case("structure-file-missing", without("config.py"), where=f"{HEAD}/config.py"),
    Case("structure-folder-missing", without("attention/__init__.py"), where=f"{HEAD}/attention"),
    Case("structure-folder-empty", file(f"{HEAD}/mlp/__init__.py", '"""MLP."""\n__all__ = []\n'), where=f"{HEAD}/mlp"),
    Case("heavy-import", at_import("import torch\n"), where="plugin.py:2"),
    Case("import-side-effect", at_import("print('hello')\n"), where="plugin.py:2"),
    Case("unsafe-call", replacing("return inputs", "import pickle; return pickle.loads(inputs)"), where="plugin.py:12"),
    Case("imports-other-model", replacing("return inputs", "import inference_pio.models.big"), where="plugin.py:12"),
    Case("stray-init", file("inference_pio/models/__init__.py", ""), where="inference_pio/models/__init__.py"),
    Case("shadows-host", file("inference_pio/host.py", ""), where="inference_pio/host.py"),
]

WHEEL = [
    Case("stray-file", lambda p: p.extra.update({"tests/test_it.py": ""}), where="tests", wheel=True),
    Case("member-outside", lambda p: p.extra.update({"../evil.py": ""}), where="../evil.py", wheel=True,
         also=frozenset({"stray-file"})),
    Case("wheel-record-missing", wheel=True, members=drop("/RECORD"), where="/RECORD"),
    Case("wheel-record-differs", wheel=True, where="plugin.py",
         members=record(lambda text: text.replace(b"plugin.py,sha256=", b"plugin.py,sha256=A"))),
    Case("manifest-not-in-dist-info", wheel=True, members=drop_with_record("extra_metadata/plugin_manifest.json")),
    Case("untyped", without("py.typed"), wheel=True, where="py.typed"),
]  # fmt: skip

IMPORT = [
    Case("import-not-tried", setting(host_api=1), imports=True, also=frozenset({"manifest-invalid"})),
    Case("import-failed", at_import("import acme_that_is_not_there\n"), imports=True, where="plugin.py"),
    Case("import-exits", helper_at_import("import sys\nsys.exit(5)"), imports=True),
    Case("import-ends-process", helper_at_import("import os\nos._exit(0)"), imports=True),
    Case("import-crashes", helper_at_import(f"import os\nos.kill(os.getpid(), {signal.SIGKILL.value})"), imports=True),
    Case("import-hangs", at_import("while True: pass\n"), imports=True),
    Case("import-prints", helper_at_import("print('x' * 10_000_000)"), imports=True),
    Case("import-changes-environment", helper_at_import("import os\nos.environ['ACME'] = '1'"), imports=True),
    Case("import-changes-folder", helper_at_import("import os\nos.chdir('..')"), imports=True),
    Case("import-changes-signals", helper_at_import(
        "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)"), imports=True),
    Case("import-changes-logging", helper_at_import("import logging\nlogging.basicConfig()"), imports=True),
    Case("import-leaves-threads", helper_at_import(
        "import threading, time\nthreading.Thread(target=time.sleep, args=(1000,)).start()"), imports=True),
    Case("import-loads-heavy", helper_at_import("import sys\nsys.modules['torch'] = sys"), imports=True),
    Case("import-slow", at_import(
        "from time import process_time as now\nend = now() + 1.2\nwhile now() < end: pass\n"), imports=True),
    Case("factory-failed", replacing("return TinyPlugin()", "raise ValueError('no')"), imports=True,
         also=frozenset({"factory-returns-other"})),
    Case("plugin-unfit", replacing(RETURN, "    return plain(TinyPlugin)\n\n\ndef plain(kind): return object()\n"),
         imports=True),
    Case("factory-shares-object", replacing(f"{FACTORY}    \"\"\"Return a new plugin.\"\"\"\n{RETURN}",
         f"ONE = TinyPlugin()\n\n\n{FACTORY}    return ONE\n"), imports=True),
    Case("hooks-refused", hook("@hookimpl", "mark = hookimpl\n\n\n@mark\ndef pio_nonsense(): pass\n\n\n@hookimpl"),
         kind="hooks", imports=True),
]  # fmt: skip


@pytest.mark.parametrize("case", [*STATIC, *WHEEL, *IMPORT], ids=lambda case: case.code)
def test_a_plugin_with_one_defect_gets_its_code_and_no_other(case: Case, model: Any, hooks: Any, check: Any) -> None:
    plugin = model if case.kind == "model" else hooks
    if case.change:
        case.change(plugin)
    options = {"import_": True, "timeout_s": 5 if case.code == "import-hangs" else 60} if case.imports else {}
    report = check(plugin, wheel=case.wheel, change=case.members, **options)
    found = {finding.code for finding in report.findings}
    assert found == {case.code} | case.also, report.findings
    finding = next(finding for finding in report.findings if finding.code == case.code)
    assert case.where in finding.where
    assert finding.message
    assert finding.fix
    assert finding.docs == f"reference/codes.md#{case.code}"
    assert finding.severity == all_codes()[case.code].severity


def test_every_code_of_the_tables_is_produced_here() -> None:
    assert {case.code for case in (*STATIC, *WHEEL, *IMPORT)} == {c.name for table in TABLES for c in table.codes}


@pytest.mark.parametrize("wheel", [False, True], ids=["project", "wheel"])
@pytest.mark.parametrize("kind", ["model", "hooks"])
def test_a_sound_plugin_has_no_finding(kind: str, wheel: bool, model: Any, hooks: Any, check: Any) -> None:
    report = check(model if kind == "model" else hooks, wheel=wheel, import_=True)
    assert report.findings == ()
    assert report.is_ok
    assert report.measured[report.plugins[0]]["heavy"] == []
