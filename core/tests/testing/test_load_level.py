"""Level load: a good plugin passes, and each way to be a bad neighbour fails the test that is there for it."""

from pathlib import Path

import pytest

from .conftest import GOOD_PLUGIN

pytestmark = pytest.mark.slow

QUIET = "test_it_leaves_alone_what_the_process_shares"

SIDE_EFFECTS = {
    "environment": ('import os; os.environ["ACME_DEBUG"] = "se" + "cret"', "environment variable ACME_DEBUG was added"),
    "environment-removed": ('import os; del os.environ["SENTINELS"]', "environment variable SENTINELS was removed"),
    "folder": ('import os; os.chdir("/")', "the working folder was changed"),
    "path": ('import sys; sys.path.insert(0, "/acme")', "sys.path was changed: added ['/acme']"),
    "signal": ("import signal; signal.signal(signal.SIGTERM, print)", "signal handler SIGTERM was changed"),
    "logging": ("import logging; logging.basicConfig(level=10)", "logger root was changed"),
    "logging-off": ("import logging; logging.disable()", "logging.disable was changed"),
    "foreign-logger": (
        'import logging; logging.getLogger("inference_pio.host").setLevel(50)',
        "logger inference_pio.host was changed",
    ),
    "warnings": ('import warnings; warnings.simplefilter("ignore")', "warnings.filters was changed"),
    "locale": ('import locale; locale.setlocale(locale.LC_ALL, "C")', "the locale was changed"),
    "thread": (
        "import threading, time\nthreading.Thread(target=time.sleep, args=(60,), name='acme', daemon=True).start()",
        "thread acme (",
    ),
    "random": ("import random; random.seed(0)", "the state of random was changed"),
    "excepthook": ("import sys; sys.excepthook = print", "sys.excepthook was changed"),
}


def test_a_good_plugin_reaches_the_level(kit):
    kit.install()
    run = kit.run()
    assert run.code == 0, run.output
    assert run.level == "load"
    assert set(run.outcomes.values()) == {"passed"}
    assert len(run.outcomes) == 10
    assert 0 <= run.report["import_ms"] < 500


def test_every_side_effect_of_the_import_is_named(spoilt, monkeypatch):
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    run = spoilt(QUIET, "\n".join(code for code, _ in SIDE_EFFECTS.values()))
    assert run.code == 1
    assert {name: said for name, (_, said) in SIDE_EFFECTS.items() if said not in run.output} == {}
    assert "secret" not in run.output, "values of variables are nobody's business"


def test_a_side_effect_of_the_factory_is_one_too(spoilt):
    run = spoilt(
        QUIET,
        replace=("    return ModelName_Plugin()", "    import os; os.environ['ACME'] = '1'; return ModelName_Plugin()"),
    )
    assert "environment variable ACME was added" in run.output


def test_what_a_dependency_does_while_it_is_imported_is_not_the_plugins_doing(spoilt, site):
    (site.path / "rude_library.py").write_text('import warnings; warnings.simplefilter("ignore")\n')
    assert spoilt(QUIET, "import rude_library").code == 0


@pytest.mark.parametrize("heavy", ["torch", "transformers"])
def test_a_heavy_import_is_named_with_its_place(spoilt, site, heavy):
    (site.path / f"{heavy}.py").touch()
    run = spoilt("test_neither_torch_nor_transformers_comes_with_it", f"\nimport {heavy}")
    assert run.code == 1
    assert f"{heavy} (imported at {site.path}/acme_fine/plugin.py:2)" in run.output


def test_a_heavy_import_in_the_factory_is_one_too(spoilt, site):
    (site.path / "torch.py").touch()
    run = spoilt(
        "test_neither_torch_nor_transformers_comes_with_it",
        replace=("    return ModelName_Plugin()", "    import torch\n    return ModelName_Plugin()"),
    )
    assert run.code == 1


def test_an_import_over_its_budget_fails_and_says_both_times(spoilt):
    # It sleeps longer than the budget allows, whatever the machine does meanwhile.
    test = "test_its_import_keeps_within_the_budget"
    run = spoilt(test, "import time; time.sleep(0.2)", attributes="import_budget_ms = 50")
    assert run.code == 1
    assert "its budget is 50 ms" in run.output
    assert run.report["import_ms"] >= 190


def test_a_budget_can_be_raised_by_the_plugin(spoilt):
    test = "test_its_import_keeps_within_the_budget"
    assert spoilt(test, "import time; time.sleep(0.2)", attributes="import_budget_ms = 30_000").code == 0


def test_reaching_for_the_network_fails_even_if_the_plugin_swallows_the_error(spoilt):
    attempts = {
        "connect": "import socket; socket.socket().connect(('192.0.2.1', 80))",
        "getaddrinfo 'example.invalid'": "import socket; socket.getaddrinfo('example.invalid', 80)",
        "getaddrinfo '192.0.2.2'": "import urllib.request; urllib.request.urlopen('http://192.0.2.2/', timeout=1)",
        "sendto": "import socket; socket.socket(type=socket.SOCK_DGRAM).sendto(b'hello', ('192.0.2.1', 9))",
    }
    swallowed = "\n".join(f"try:\n    {code}\nexcept Exception:\n    pass" for code in attempts.values())
    run = spoilt("test_it_does_not_touch_the_network", swallowed)
    assert run.code == 1
    assert [said for said in attempts if said not in run.output] == []
    assert all(f"acme_fine/plugin.py:{line}" in run.output for line in (2, 6, 10, 14)), "where it happened is said"


def test_the_error_of_a_network_access_says_what_is_wrong(spoilt):
    run = spoilt("test_it_loads_in_a_fresh_process", "import socket; socket.socket().connect(('192.0.2.1', 80))")
    assert "must not touch the network while it is imported" in run.output


@pytest.mark.parametrize(
    ("replace", "said"),
    [
        (("    return ModelName_Plugin()", "    return ONE\n\n\nONE = ModelName_Plugin()"), "returned the same object"),
        (("self.loaded = []", "self.loaded = SHARED"), "two objects share their list 'loaded'"),
        (("return FineConfig.from_dict(overrides)", "raise NotImplementedError"), "NotImplementedError"),
        (("return FineConfig.from_dict(overrides)", "return CONFIG"), "returned the same object twice"),
        (("self.loaded.clear()", "self.loaded.pop()"), "IndexError"),
        (('return config.get("model_type") == "fine"', "return None"), "returned None instead of a bool"),
    ],
)
def test_objects_that_depend_on_each_other_or_do_not_work_are_found(spoilt, replace, said):
    shared = "SHARED = []\nclass Config: pass\nCONFIG = Config()\n"
    run = spoilt("test_its_factory_makes_independent_objects_that_work", shared, replace=replace)
    assert run.code == 1
    assert said in run.output


def test_printing_while_imported_fails(spoilt):
    run = spoilt("test_it_prints_nothing", "import os; os.write(1, b'hello from acme')")
    assert run.code == 1
    assert "hello from acme" in run.output


def test_a_plugin_that_needs_the_main_thread_fails(spoilt):
    run = spoilt("test_it_loads_in_a_thread", "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)")
    assert run.code == 1
    assert "signal only works in main thread" in run.output


def test_a_plugin_that_the_host_would_refuse_fails(spoilt):
    run = spoilt("test_the_host_accepts_it", replace=("    def infer(self, inputs): return inputs\n", ""))
    assert run.code == 1
    assert "lacks members of ModelPlugin: infer" in run.output


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import no_such_library", "No module named 'no_such_library'"),
        ("import sys; sys.exit(0)", "SystemExit"),
        ("import os; os._exit(0)", "ended the process that imported it, exit code 0"),
        ("while True: pass", "was still not imported after 3 s"),
    ],
)
def test_an_import_that_fails_dies_or_never_ends_is_reported(spoilt, code, said):
    run = spoilt("test_it_loads_in_a_fresh_process", code, attributes="load_timeout_s = 3")
    assert run.code == 1
    assert said in run.output


def test_the_hosts_memory_of_failures_is_left_alone(kit, tmp_path, monkeypatch):
    monkeypatch.setenv("INFERENCE_PIO_STATE_DIR", str(tmp_path / "state"))
    kit.install(f"import no_such_library\n{GOOD_PLUGIN}")
    assert kit.run().level == "static"
    assert not [path for path in (tmp_path / "state").rglob("*.json") if "acme" in path.read_text()]


def test_a_process_that_the_import_starts_does_not_outlive_the_test(spoilt, tmp_path):
    note = tmp_path / "number"
    spoilt(
        "test_it_loads_in_a_fresh_process",
        f"""
        import pathlib, subprocess, sys
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
        pathlib.Path({str(note)!r}).write_text(str(child.pid))
        """,
    )
    process = Path("/proc", note.read_text(), "stat")
    assert not process.exists() or ") Z " in process.read_text(), "it runs on"
