from __future__ import annotations

from pathlib import Path

import pytest

from inference_pio.integrity.places import OutsideError, Place


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """The root of an environment, with a site folder."""
    (tmp_path / "env" / "lib" / "site").mkdir(parents=True)
    return tmp_path / "env"


def place(environment: Path) -> Place:
    return Place(str(environment / "lib" / "site"), (str(environment),))


def test_what_lies_in_the_environment_is_found(environment: Path) -> None:
    assert place(environment).locate("a/b.py") == str(environment / "lib" / "site" / "a" / "b.py")
    assert place(environment).locate("../../bin/x") == str(environment / "bin" / "x")


@pytest.mark.parametrize(
    "recorded", ["../../../etc/x", "a/../../../../etc/x", "/etc/passwd", "../../../env-2/x", "../../.."]
)
def test_a_path_that_leads_out_is_refused(environment: Path, recorded: str) -> None:
    with pytest.raises(OutsideError, match=r"^leads out of the environment"):
        place(environment).locate(recorded)


def test_a_link_that_leads_out_is_refused(environment: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    site = environment / "lib" / "site"
    (site / "file.py").symlink_to(tmp_path / "outside" / "file.py")
    (site / "folder").symlink_to(tmp_path / "outside")
    for recorded in ("file.py", "folder/file.py"):
        with pytest.raises(OutsideError, match="is a link that leads out"):
            place(environment).locate(recorded)


def test_a_link_inside_the_environment_is_followed(environment: Path) -> None:
    (environment / "lib64").symlink_to("lib")  # as venv makes it
    assert Place(str(environment / "lib64" / "site"), (str(environment),)).locate("a.py")


def test_outside_of_every_environment_the_border_is_the_folder_itself(tmp_path: Path) -> None:
    with pytest.raises(OutsideError):
        Place(str(tmp_path), ()).locate("../x")
