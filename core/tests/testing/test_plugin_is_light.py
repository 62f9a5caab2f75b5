"""Every run of pytest in the environment loads the pytest plugin: it must cost next to nothing and change nothing."""

import importlib.metadata
import subprocess
import sys

import inference_pio.testing


def run(*argv, cwd=None):
    return subprocess.run([sys.executable, *argv], capture_output=True, text=True, timeout=60, cwd=cwd)


def test_importing_it_imports_neither_pytest_nor_the_host():
    code = (
        "import sys; before = set(sys.modules); import inference_pio.testing.plugin; print(*set(sys.modules) - before)"
    )
    loaded = set(run("-c", code).stdout.split())
    assert {name for name in loaded if name.startswith("inference_pio")} == {
        "inference_pio",
        "inference_pio.testing",
        "inference_pio.testing.levels",
        "inference_pio.testing.plugin",
    }
    assert not {"pytest", "_pytest", "msgspec", "logging", "pluggy"} & {name.partition(".")[0] for name in loaded}


def test_it_is_registered_under_a_name_that_p_takes_too():
    points = importlib.metadata.entry_points(group="pytest11")
    ours = [point for point in points if point.value.startswith("inference_pio.")]
    assert [point.name for point in ours] == ["inference_pio.testing.plugin"] == [point.value for point in ours]


def test_an_unrelated_run_may_use_a_marker_of_our_name_in_its_own_way(tmp_path):
    (tmp_path / "test_it.py").write_text("import pytest\n@pytest.mark.conformance(42)\ndef test_it(): pass\n")
    done = run("-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", cwd=tmp_path)
    assert done.returncode == 0, done.stdout


def test_the_api_is_sorted_and_importable():
    names = inference_pio.testing.__all__
    assert names == sorted(names, key=lambda name: (not name.isupper(), name))
    assert set(inference_pio.testing._MODULES) == set(names)
    assert all(getattr(inference_pio.testing, name) for name in names)


def test_failures_in_the_kits_own_modules_are_explained(tmp_path):
    # Without assertion rewriting a failure in a shared test would say "AssertionError" and no more.
    (tmp_path / "test_it.py").write_text(
        "from inference_pio.testing.load_level import LoadLevel\n"
        "class Result:\n"
        "    def cold(self): return {'stdout': 'hello from acme'}\n"
        "def test_it(): LoadLevel().test_it_prints_nothing(Result())\n"
    )
    done = run("-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=tmp_path)
    assert "assert 'hello from acme' == ''" in done.stdout
