"""Fixtures: a test that asks for ``dist``, ``plugin`` or ``model`` runs once for each of them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from .layout import DISTS, MODELS, PLUGINS, ROOT

sys.path.insert(0, str(ROOT))  # for reference_pages, which no distribution ships

FAMILIES = {"dist": DISTS, "plugin": PLUGINS, "model": MODELS}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    for name, members in FAMILIES.items():
        if name in metafunc.fixturenames:
            metafunc.parametrize(name, members, ids=str)


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The built wheel of every distribution, by its folder's word; nox has built them already."""
    built = os.environ.get("INFERENCE_PIO_WHEELS")
    folder = Path(built) if built else tmp_path_factory.mktemp("wheels")
    if not built:
        command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder)]
        subprocess.run([*command, *(str(dist.folder) for dist in DISTS)], check=True)
    names = {dist.word: dist.project["name"].replace("-", "_") for dist in DISTS}
    return {word: next(folder.glob(f"{name}-*.whl")) for word, name in names.items()}
