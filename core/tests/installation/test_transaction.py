"""Putting files back, in a folder that plays the environment."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import importlib_metadata
import pytest

from inference_pio.errors import InstallError
from inference_pio.installation import distributions, transaction
from inference_pio.installation.transaction import Transaction
from inference_pio.installed import collect

Start = Callable[..., Transaction]


def put_dist(site: Path, name: str, version: str, **files: str) -> None:
    info = site / f"{name}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    paths = {path.replace("__", "/"): text for path, text in files.items()}
    for path, text in paths.items():
        (site / path).parent.mkdir(parents=True, exist_ok=True)
        (site / path).write_text(text)
    (info / "RECORD").write_text("".join(f"{p},,\n" for p in [*paths, f"{info.name}/METADATA", f"{info.name}/RECORD"]))


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = tmp_path / "site"
    put_dist(folder, "acme", "1.0", acme__mod="one", acme__sub__gone="x")
    put_dist(folder, "other", "1.0", other__mod="untouched")
    return folder


@pytest.fixture
def start(site: Path, monkeypatch: pytest.MonkeyPatch) -> Start:
    def scan() -> object:
        importlib_metadata.MetadataPathFinder.invalidate_caches()
        return collect(importlib_metadata.distributions(path=[str(site)]))

    monkeypatch.setattr(transaction, "environment_roots", lambda: (os.path.realpath(site),))
    monkeypatch.setattr(transaction, "scan_afresh", scan)
    return lambda *names: Transaction(scan(), names)  # type: ignore[arg-type]  # object, to be short


def look(site: Path) -> dict[str, tuple[bytes, int, int]]:
    files = (path for path in site.rglob("*") if path.is_file())
    return {str(p): (p.read_bytes(), p.stat().st_mtime_ns, p.stat().st_mode) for p in files}


def replace_acme(site: Path) -> None:
    shutil.rmtree(site / "acme")
    shutil.rmtree(site / "acme-1.0.dist-info")
    put_dist(site, "acme", "2.0", acme__mod="two", acme__new__folder__file="y")


def test_an_upgrade_is_undone_with_times_and_folders(site: Path, start: Start) -> None:
    before, folders = look(site), {path for path in site.rglob("*") if path.is_dir()}
    with start("acme") as undo:
        replace_acme(site)
        assert [(c.name, c.description) for c in undo.changes()] == [("acme", "1.0 -> 2.0")]
        undo.rollback()
        assert undo.changes() == ()
    assert look(site) == before
    assert {path for path in site.rglob("*") if path.is_dir()} == folders


def test_a_half_written_distribution_without_metadata_is_taken_out(site: Path, start: Start) -> None:
    before = look(site)
    with start("acme", "brand-new") as undo:
        (site / "acme").rename(site / "~cme")
        (site / "brand_new").mkdir()
        (site / "brand_new" / "half.py").touch()
        (site / "brand_new" / "link").symlink_to(site)
        undo.rollback()
    assert look(site) == before
    assert not (site / "brand_new").exists()


def test_a_file_of_equal_size_and_time_is_put_back_too(site: Path, start: Start) -> None:
    file = site / "acme" / "mod"
    before, status = look(site), file.stat()
    with start("acme") as undo:
        file.write_text("two")
        os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
        undo.rollback()
    assert look(site) == before


def test_bytecode_and_path_files_come_back(site: Path, start: Start) -> None:
    put_dist(site, "mods", "1.0", **{"mods.py": "x = 1"})
    cache = site / "__pycache__"
    cache.mkdir()
    (cache / "mods.cpython-311.pyc").write_bytes(b"code")
    (site / "easy-install.pth").write_text("somewhere\n")
    before = look(site)
    with start("mods") as undo:
        (cache / "mods.cpython-311.pyc").unlink()
        (site / "easy-install.pth").write_text("elsewhere\n")
        undo.rollback()
    assert look(site) == before


def test_a_distribution_that_somebody_else_installs_meanwhile_is_spared(site: Path, start: Start) -> None:
    with start("acme") as undo:
        replace_acme(site)
        put_dist(site, "stranger", "1.0", stranger__mod="mine")
        undo.rollback()
    assert (site / "stranger" / "mod").read_text() == "mine"
    assert (site / "acme" / "mod").read_text() == "one"


def test_what_somebody_else_puts_beside_the_commands_of_a_system_is_spared(
    site: Path, start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A download takes long, and /usr/local/bin is not an installer's own."""
    commands = tmp_path / "bin"
    commands.mkdir()
    monkeypatch.setattr(transaction, "environment_roots", lambda: (os.path.realpath(site), os.path.realpath(commands)))
    monkeypatch.setattr(transaction, "shared_roots", lambda: (os.path.realpath(commands),), raising=False)
    with start("acme") as undo:
        replace_acme(site)
        record = site / "acme-2.0.dist-info" / "RECORD"
        record.write_text(record.read_text() + "../bin/acme,,\n")
        (commands / "acme").touch()
        (commands / "kubectl").touch()
        undo.rollback()
    assert [path.name for path in commands.iterdir()] == ["kubectl"]


def test_a_record_that_names_files_elsewhere_moves_nothing_there(site: Path, start: Start, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("mine")
    put_dist(site, "hostile", "1.0", hostile__mod="x")
    record = site / "hostile-1.0.dist-info" / "RECORD"
    record.write_text(record.read_text() + "../precious,,\n")
    with start("hostile") as undo:
        precious.write_text("changed by its owner")
        undo.rollback()
    assert precious.read_text() == "changed by its owner"


def test_what_cannot_be_put_back_is_named_and_its_copy_is_kept(
    site: Path, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError("No space left on device")

    with start("acme") as undo:
        replace_acme(site)
        monkeypatch.setattr(transaction, "_put_back", full)
        with pytest.raises(InstallError, match="No space left on device") as error:
            undo.rollback()
    kept = Path(str(error.value).partition("are kept in ")[2].partition(";")[0])
    assert "one" in {file.read_text() for file in kept.iterdir()}
    shutil.rmtree(kept)
    assert "pip install --force-reinstall --no-deps acme" in str(error.value)


def test_the_copy_is_gone_afterwards(site: Path, start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "copies"))
    (tmp_path / "copies").mkdir()
    with start("acme"):
        assert list((tmp_path / "copies").iterdir())
    assert list((tmp_path / "copies").iterdir()) == []
    assert look(site)


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [(None, "1", "1 (new)"), ("1", None, "1 (removed)"), ("1", "1", "1 (again)"), ("1", "2", "1 -> 2")],
)
def test_a_change_is_described_in_a_few_letters(old: str | None, new: str | None, text: str) -> None:
    assert distributions.Change("acme", old, new).description == text
