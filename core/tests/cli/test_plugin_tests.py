"""``test`` and ``bench``: what they need, what they run, what they answer."""

import json
import shutil

import pytest

pytestmark = pytest.mark.slow

BENCH = """
from inference_pio import ProgressEvent, settings

def run_bench(
    plugin_name, *, weights, threads, batch, device, dtype, accept_license, progress, own_workloads, plot, speculate,
    force,
):
    print("noise from measuring")
    progress(ProgressEvent(stage="measure", done=0, total=None, unit="figures", label="decode"))
    assert settings.is_trial()
    return {"peer": plugin_name, "decode_tok_s": 12.345, "threads": threads, "batch": batch, "force": force,
            "bytes_per_token": 98740836, "bandwidth_share": 0.734, "curves": {"plot": str(plot)}}
"""


@pytest.fixture
def with_pytest(echo, test_packages):
    echo.search_path.append(test_packages)
    return echo


def test_without_pytest_the_command_to_install_it_is_shown(echo):
    done = echo.run("test", "echo")
    assert done.returncode == 1
    assert b"pip install pytest" in done.stderr


def test_the_plugins_own_tests_run_and_a_failure_is_a_failure(with_pytest):
    done = with_pytest.run("test", "echo")
    assert done.returncode == 1, done.stderr
    assert b"1 failed, 1 passed" in done.stdout
    assert b"warning" not in done.stdout.lower(), "the markers of this project are known to it"


def test_tests_are_trials_so_that_nobodys_history_fills_with_them(with_pytest, site):
    (site.folder / "echo_model" / "tests" / "test_trial.py").write_text(
        "from inference_pio import settings\ndef test_trial(): assert settings.is_trial()\n"
    )
    assert with_pytest.run("test", "echo", "-k", "trial").returncode == 0


def test_tests_are_chosen_by_keyword_and_arguments_go_to_pytest(with_pytest):
    done = with_pytest.run("test", "echo", "-k", "parity", "--", "-v")
    assert done.returncode == 0
    assert b"test_parity_of_the_echo PASSED" in done.stdout
    assert with_pytest.run("test", "echo", "-k", "no_such_test").returncode == 1
    assert with_pytest.run("test", "echo", "--", "--no-such-option").returncode == 2


def test_tests_are_chosen_by_level(with_pytest):
    done = with_pytest.run("test", "echo", "--level", "load")
    assert b"2 deselected" in done.stdout
    assert with_pytest.run("test", "echo", "--level", "perfection").returncode == 2
    assert b"give one of them" in with_pytest.run("test", "echo", "--level", "load", "--parity").stderr


def test_parity_needs_transformers_and_runs_only_parity(with_pytest, site):
    assert b"pip install transformers" in with_pytest.run("test", "echo", "--parity").stderr
    (site.folder / "transformers.py").touch()
    done = with_pytest.run("test", "echo", "--parity")
    assert done.returncode == 0
    assert b"1 passed, 1 deselected" in done.stdout


def test_a_plugin_without_tests_is_defective(with_pytest, site):
    shutil.rmtree(site.folder / "echo_model" / "tests")
    done = with_pytest.run("test", "echo")
    assert done.returncode == 3
    assert b"ships no tests" in done.stderr


@pytest.mark.parametrize("setting", [{"INFERENCE_PIO_DISABLE": "echo"}, {"INFERENCE_PIO_PLUGINS": "other"}])
def test_a_plugin_that_may_not_be_loaded_is_not_tested(with_pytest, setting):
    done = with_pytest.run("test", "echo", "-k", "parity", env=setting)
    assert done.returncode == 1
    assert done.stdout == b""
    assert next(iter(setting)).encode() in done.stderr


def test_a_plugin_that_wants_more_memory_is_tested_all_the_same(with_pytest, site):
    site.want_memory()
    done = with_pytest.run("test", "echo", "-k", "parity")
    assert done.returncode == 0, done.stderr
    assert b"9999 GB" in done.stderr


def test_bench_without_the_runtime_says_what_to_install(echo):
    done = echo.run("bench", "echo")
    assert done.returncode == 1
    assert b"pip install inference-pio-runtime" in done.stderr


@pytest.fixture
def with_bench(echo, site):
    runtime = site.folder / "inference_pio" / "runtime"
    runtime.mkdir(parents=True)
    (runtime / "__init__.py").touch()
    (runtime / "bench.py").write_text(BENCH)
    return echo


def test_bench_json_is_exactly_one_line(with_bench):
    done = with_bench.run("bench", "echo", "--json", "--threads", "2", "--batch", "4", "--force")
    assert done.stdout.count(b"\n") == 1, done.stderr
    assert json.loads(done.stdout) == {
        "peer": "echo",
        "decode_tok_s": 12.345,
        "threads": 2,
        "batch": 4,
        "force": True,
        "bytes_per_token": 98740836,
        "bandwidth_share": 0.734,
        "curves": {"plot": "None"},
    }
    assert b"measuring decode\n" in done.stderr


def test_bench_for_people_has_thousands_and_percents_and_no_curves(with_bench):
    table = with_bench.run("bench", "echo").stdout.decode()
    assert "decode_tok_s     12.3" in table
    assert "bytes_per_token  98,740,836\n" in table
    assert "bandwidth_share  73%\n" in table
    assert "curves" not in table


def test_no_bar_moves_while_something_is_measured(with_bench, site, terminal):
    downloading = 'progress(ProgressEvent(stage="download", done=1, total=2, unit="bytes", label="weights"))'
    threads = "[thread for thread in threading.enumerate() if not isinstance(thread, threading.Timer)]"  # it sleeps
    idle = f"assert {threads} == [threading.main_thread()], threading.enumerate()"
    bench = BENCH.replace(
        '    print("noise from measuring")\n', f"    {downloading}\n    assert threading.active_count() > 1\n"
    )
    bench = bench.replace("    assert settings.is_trial()", f"    {idle}")
    (site.folder / "inference_pio" / "runtime" / "bench.py").write_text(f"import threading\n{bench}")
    with terminal("bench", "echo") as screen:
        assert screen.wait() == 0, screen.seen
        assert "downloading weights" in screen.seen
        assert "measuring decode\r\n" in screen.seen


def test_bench_passes_the_name_of_a_plot_on(with_bench):
    done = with_bench.run("bench", "echo", "--json", "--plot", "speed.svg")
    assert json.loads(done.stdout)["curves"] == {"plot": "speed.svg"}


def test_a_test_file_that_cannot_be_imported_is_a_failure(with_pytest, site):
    (site.folder / "echo_model" / "tests" / "test_broken.py").write_text("import no_such_module")
    done = with_pytest.run("test", "echo", "-k", "parity")
    assert done.returncode == 1
    assert b"no_such_module" in done.stdout
