"""The package ``inference_pio`` is shared: the host owns its ``__init__.py``, plugins only add below it."""

from __future__ import annotations

from .layout import CORE, Dist


def test_no_plugin_ships_an_init_that_would_hide_the_others(plugin: Dist) -> None:
    shared = plugin.folder / "src" / "inference_pio"
    strays = [path for path in (shared / "__init__.py", shared / "models" / "__init__.py") if path.exists()]
    assert strays == []


def test_the_host_opens_its_package_for_plugins() -> None:
    assert "pkgutil.extend_path(__path__, __name__)" in (CORE.package / "__init__.py").read_text(encoding="utf-8")


def test_the_host_ships_no_models() -> None:
    assert not (CORE.package / "models").exists()


def test_nothing_but_packages_lies_in_a_source_folder(dist: Dist) -> None:
    names = {path.name for path in (dist.folder / "src").iterdir() if not path.name.endswith(".egg-info")}
    assert names == {"inference_pio"}
