"""Hostile plugins, each with what the host must say of it. All of them are installed at once, beside a healthy one."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .wheels import PLUGIN, build_hooks, build_model, build_wheel

ECHO = Path(__file__).parents[1] / "cli" / "fake_plugins" / "echo_model"
GIGABYTE = 10**9


@dataclass(frozen=True, kw_only=True)
class Animal:
    """One hostile plugin.

    Attributes:
        name: As ``list`` shows it.
        state: In ``list``, which runs nothing of it.
        code: A reason of that state; empty for a plugin that looks sound.
        run: Exit code of ``run NAME``; ``None`` where running it is not the point or would not end.
        check: Codes of errors that ``check NAME --import`` must report.
        source: Of its plugin module, or of its hooks.
        manifest: Fields that differ from a sound manifest's.
        factory: The factory that its entry point names.
        is_hooks: Whether it brings hooks only.
        dist: Its distribution; default: made from its name.
        vandalise: What happens to the site-packages folder after the installation.
    """

    name: str
    state: str = "ready"
    code: str = ""
    run: int | None = 3
    check: tuple[str, ...] = ()
    source: str = PLUGIN
    manifest: Mapping[str, Any] = field(default_factory=dict)
    factory: str = "create_plugin"
    is_hooks: bool = False
    dist: str = ""
    vandalise: Callable[[Path], None] | None = None

    @property
    def distribution(self) -> str:
        """Name of its distribution, canonical."""
        return self.dist or f"{self.name}-{'hooks' if self.is_hooks else 'model'}"

    def build(self, folder: Path) -> Path:
        """Write its wheel."""
        if self.is_hooks:
            return build_hooks(folder, self.name, source=HOOK + textwrap.dedent(self.source))
        return build_model(
            folder, self.name, dist=self.distribution, source=self.source, factory=self.factory, manifest=self.manifest
        )


HOOK = "from inference_pio import hookimpl\n\n"


def _package(name: str) -> str:
    return f"{name.replace('-', '_')}_model"


def _write(name: str, content: str) -> Callable[[Path], None]:
    """Put something else in the place of a manifest."""

    def vandalise(site: Path) -> None:
        (site / _package(name) / "plugin_manifest.json").write_text(content)

    return vandalise


def _remove_manifest(site: Path) -> None:
    (site / _package("no-manifest") / "plugin_manifest.json").unlink()


def _link_out(site: Path) -> None:
    manifest = site / _package("link-out") / "plugin_manifest.json"
    elsewhere = site.parent / "somebody's.json"
    manifest.rename(elsewhere)
    manifest.symlink_to(elsewhere)


def _grow(site: Path) -> None:
    os.truncate(site / _package("huge-manifest") / "plugin_manifest.json", GIGABYTE)


def _make_pipe(site: Path) -> None:
    manifest = site / _package("pipe-manifest") / "plugin_manifest.json"
    manifest.unlink()
    os.mkfifo(manifest)


def _leave_egg_info(site: Path) -> None:
    egg = site / "old_egg_model.egg-info"
    egg.mkdir()
    (egg / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: old-egg-model\nVersion: 0.1\n")
    (egg / "entry_points.txt").write_text("[inference_pio.models]\nold-egg = gone.plugin:create\n")


ANIMALS = (
    # At import
    Animal(name="missing-module", source="import no_such_module_anywhere", check=("import-failed",)),
    Animal(name="exits", source="import sys\nsys.exit(5)", check=("import-exits",)),
    Animal(name="ends-process", source="import os\nos._exit(7)", run=None, check=("import-ends-process",)),
    Animal(name="crashes", source="import os\nos.abort()", run=None, check=("import-crashes",)),
    Animal(name="loops", source="while True: pass", run=None, check=("import-hangs",)),
    Animal(name="shouts", source="print('x' * 50_000_000)\n" + PLUGIN, run=None),
    Animal(name="odd-exception", source="class Odd(BaseException): pass\nraise Odd", check=("import-failed",)),
    Animal(name="bad-syntax", source="def (:", check=("syntax-error",)),
    # The factory
    Animal(name="no-factory", factory="create_other", manifest={"entry_point": {
        "module": ".plugin", "class": "AcmePlugin", "factory_function": "create_other"}}, check=("factory-not-found",)),
    Animal(name="junk", source="class AcmePlugin: pass\ndef create_plugin(): return 42", check=("plugin-unfit",)),
    Animal(name="hollow", source="class AcmePlugin: pass\ndef create_plugin(): return AcmePlugin()",
           check=("plugin-unfit",)),
    Animal(name="raises", source=PLUGIN + "\ndef create_plugin(): raise ValueError('no')", check=("factory-failed",)),
    Animal(name="demanding", source=PLUGIN + "\ndef create_plugin(size): return AcmePlugin()",
           check=("factory-needs-arguments",)),
    # The manifest
    Animal(name="no-manifest", state="invalid", code="manifest-missing", check=("no-manifest",),
           vandalise=_remove_manifest),
    Animal(name="broken-json", state="invalid", code="manifest-broken", check=("manifest-invalid",),
           vandalise=_write("broken-json", '{"name": ')),
    Animal(name="deep-json", state="invalid", code="manifest-broken", check=("manifest-invalid",),
           vandalise=_write("deep-json", "[" * 500_000)),
    Animal(name="wrong-types", state="invalid", code="manifest-broken", check=("manifest-invalid",),
           manifest={"required_memory_gb": "much", "tags": 5}),
    Animal(name="huge-manifest", state="invalid", code="manifest-broken", vandalise=_grow),
    Animal(name="pipe-manifest", state="invalid", code="manifest-broken", vandalise=_make_pipe),
    Animal(name="link-out", state="invalid", code="manifest-outside", vandalise=_link_out),
    Animal(name="climbs-out", state="invalid", code="manifest-broken", check=("manifest-invalid",), manifest={
        "entry_point": {"module": "../../../etc/passwd", "class": "AcmePlugin", "factory_function": "create_plugin"}}),
    Animal(name="mismatch", state="invalid", code="entry-point-mismatch", check=("entry-point-differs",), manifest={
        "entry_point": {"module": ".plugin", "class": "AcmePlugin", "factory_function": "create_another"}}),
    # What it asks for
    Animal(name="from-the-future", state="incompatible", code="schema-version", run=1, check=("schema-too-new",),
           manifest={"schema_version": 99}),
    Animal(name="other-host", state="incompatible", code="host-api", run=1, check=("host-api-excludes-host",),
           manifest={"host_api": ">=7"}),
    Animal(name="other-python", state="incompatible", code="python-version", run=1, manifest={"compatibility": {
        "torch_version": "", "transformers_version": "", "python_version": ">=4", "min_memory_gb": 0}}),
    Animal(name="enormous", state="incompatible", code="memory", run=1, manifest={"required_memory_gb": 9_999_999}),
    Animal(name="needy", state="incompatible", code="dependency-missing", run=1,
           manifest={"dependencies": ["no-such-distribution-anywhere>=3"]}),
    # Names
    Animal(name="twin", dist="twin-one-model", state="invalid", code="name-collision"),
    Animal(name="twin", dist="twin-two-model", state="invalid", code="name-collision"),
    Animal(name="Look_Alike", dist="look-one-model", state="invalid", code="name-collision"),
    Animal(name="look-alike", dist="look-two-model", state="invalid", code="name-collision"),
    # Leftovers
    Animal(name="old-egg", code="duplicate-metadata", run=None, vandalise=_leave_egg_info),
    # Hooks: `list` runs nothing of them; a command that calls hooks says what is wrong and goes on
    Animal(name="typo", is_hooks=True, run=None, check=("hook-unknown",),
           source="@hookimpl\ndef pio_befor_generation(request): pass"),
    Animal(name="wrong-signature", is_hooks=True, run=None, check=("hook-argument-unknown",),
           source="@hookimpl\ndef pio_before_generation(request, colour): pass"),
    Animal(name="hooks-fail", is_hooks=True, run=None, check=("import-failed",), source="raise KeyError('no hooks')"),
    Animal(name="raising", is_hooks=True, run=None, source="@hookimpl\ndef pio_commands(): raise KeyError('at call')"),
    Animal(name="leaving", is_hooks=True, run=None, source="@hookimpl\ndef pio_commands(): raise SystemExit(0)"),
    Animal(name="wrong-answer", is_hooks=True, run=None, source="@hookimpl\ndef pio_commands(): return 5"),
    Animal(name="never-ends", is_hooks=True, run=None, source="""
        import threading

        @hookimpl
        def pio_shutdown():
            threading.Event().wait()
        """),
)  # fmt: skip


def build_healthy(folder: Path) -> Path:
    """Write the wheel of the model that must go on working."""
    files = {f"echo_model/{path.name}": path.read_text() for path in sorted(ECHO.iterdir()) if path.is_file()}
    entry_points = "[inference_pio.models]\necho = echo_model.plugin:create_echo_plugin\n"
    return build_wheel(
        folder, "inference-pio-echo", "1.0", files, entry_points=entry_points, requires=["inference-pio>=0.1,<2"]
    )
