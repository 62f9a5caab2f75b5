"""``check FOLDER --import`` looks at the folder, also where the same plugin is installed beside the host."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import Venv

pytestmark = pytest.mark.slow


def test_the_folder_is_imported_and_not_the_installed_copy(venv: Venv, tmp_path: Path) -> None:
    venv.must("new", "shy", "--into", str(tmp_path))
    project = tmp_path / "inference-pio-shy"
    package = Path("inference_pio", "models", "shy")
    # By hand, where an installer would put it: its dependencies are not here, and are not needed to be imported.
    copy = venv.site / package
    copy.mkdir(parents=True)
    for source in (project / "src" / package).glob("*.*"):
        (copy / source.name).write_bytes(source.read_bytes())
    (project / "src" / package / "__init__.py").write_text("raise RuntimeError('this is the folder')")
    found = venv.json("check", str(project), "--import")
    assert "this is the folder" in str(found["findings"])
