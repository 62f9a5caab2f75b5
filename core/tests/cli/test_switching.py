"""``why-not``, ``enable``, ``disable``: what they say, remember and refuse; no plugin is run for it."""

import json

import pytest

BROKEN = "raise RuntimeError('this plugin was imported')"


@pytest.fixture
def state(tmp_path):
    return {"INFERENCE_PIO_STATE_DIR": str(tmp_path / "state")}


def gates(done):
    (plugin,) = json.loads(done.stdout)["plugins"]
    return {gate["gate"]: gate for gate in plugin["gates"]}


def break_echo(site):
    (site.folder / "echo_model" / "plugin.py").write_text(BROKEN)


def change_manifest(site, old, new):
    manifest = site.folder / "echo_model" / "plugin_manifest.json"
    assert old in manifest.read_text()
    manifest.write_text(manifest.read_text().replace(old, new))


def test_why_not_lists_every_gate_of_a_ready_plugin_in_order_without_running_it(echo, site):
    break_echo(site)
    done = echo.run("why-not", "Echo")
    assert done.returncode == 0, done.stderr
    words = [line.split()[:2] for line in done.stdout.decode().splitlines()[1:-1]]
    assert [word for word in words if word[0] == "passed"] == [
        ["passed", gate]
        for gate in (
            "installed", "switched-on", "entry-point", "file", "manifest", "agreement", "name", "schema", "host-api",
            "python", "torch", "transformers", "dependencies", "memory", "history",
        )
    ]  # fmt: skip
    assert b"nothing keeps it from running" in done.stdout
    assert b"inference-pio check echo --import" in done.stdout


def test_why_not_shows_the_failed_gate_with_its_fix_and_asks_the_others_too(echo, site):
    change_manifest(site, '"dependencies": []', '"dependencies": ["no-such-dist>=3"]')
    site.want_memory()
    done = echo.run("why-not", "echo", "--json")
    assert done.returncode == 1
    asked = gates(done)
    assert {gate for gate, answer in asked.items() if answer["status"] == "failed"} == {"dependencies", "memory"}
    assert asked["dependencies"]["reasons"][0]["fix"] == "pip install 'no-such-dist>=3'"
    assert b"fix: pip install 'no-such-dist>=3'" in echo.run("why-not", "echo").stdout


def test_a_broken_manifest_leaves_the_later_gates_unasked(echo, site):
    (site.folder / "echo_model" / "plugin_manifest.json").write_text("{")
    done = echo.run("why-not", "echo", "--json")
    assert done.returncode == 3
    asked = gates(done)
    assert asked["manifest"]["status"] == "failed"
    assert asked["file"]["status"] == "passed"
    assert {asked[gate]["status"] for gate in ("agreement", "python", "memory", "load")} == {"not-asked"}


def test_why_not_knows_hook_plugins_and_distributions(echo, site):
    break_echo(site)
    asked = gates(echo.run("why-not", "echo-hooks", "--json"))
    assert "memory" not in asked
    assert "echo-hooks" in echo.run("why-not", "inference_pio_echo_hooks").stdout.decode()


def test_both_owners_of_a_contested_name_are_shown(echo, site):
    site.install("acme-echo", {"inference_pio.models": "echo = echo_model.plugin:create_echo_plugin"})
    done = echo.run("why-not", "echo", "--json")
    assert done.returncode == 3
    plugins = json.loads(done.stdout)["plugins"]
    assert [plugin["dist"] for plugin in plugins] == ["acme-echo", "inference-pio-echo"]


def test_a_name_that_nobody_bears_is_usage(echo):
    done = echo.run("why-not", "ecko")
    assert done.returncode == 2
    assert b"'echo'" in done.stderr


def test_an_installed_distribution_without_entry_points_is_explained(echo, site):
    site.install("inference-pio-mute", {"console_scripts": "mute = mute:main"})
    done = echo.run("why-not", "mute")
    assert done.returncode == 2
    assert b"inference-pio-mute 1.0 is installed, but declares no entry point" in done.stderr


def test_a_disabled_plugin_stays_so_until_it_is_enabled(echo, state):
    done = echo.run("disable", "ECHO", env=state)
    assert (done.returncode, b"echo (inference-pio-echo 1.0, a model): disabled" in done.stdout) == (0, True)
    refused = echo.run("run", "echo", "hi", env=state)
    assert refused.returncode == 1
    assert b"inference-pio enable echo" in refused.stderr
    assert echo.run("why-not", "echo", env=state).returncode == 1
    assert b"ready" in echo.run("enable", "echo", env=state).stdout
    assert echo.run("run", "echo", "hi", env=state).returncode == 0


def test_a_disabled_hook_plugin_is_never_imported(echo, site, state):
    (site.folder / "echo_hooks.py").write_text(BROKEN)
    assert b"this plugin was imported" in echo.run("--help", env=state).stderr
    echo.run("disable", "echo-hooks", env=state)
    assert b"this plugin was imported" not in echo.run("--help", env=state).stderr


def test_enabling_a_plugin_undoes_that_its_distribution_was_disabled(echo, state):
    echo.run("disable", "inference-pio-echo", env=state)
    assert b"disabled" in echo.run("list", env=state).stdout
    assert b": ready" in echo.run("enable", "echo", env=state).stdout


def test_one_unknown_name_and_nothing_is_switched(echo, state):
    done = echo.run("disable", "echo", "ecko", env=state)
    assert done.returncode == 2
    assert b"Did you mean 'echo'" in done.stderr
    assert b"disabled" not in echo.run("list", env=state).stdout


def test_a_name_that_is_gone_can_be_taken_off_the_list(echo, site, state):
    echo.run("disable", "echo-hooks", env=state)
    for path in site.folder.glob("inference_pio_echo_hooks*"):
        for file in path.iterdir():
            file.unlink()
        path.rmdir()
    assert b"names 'echo-hooks', which is not installed" in echo.run("list", env=state).stderr
    assert echo.run("enable", "echo-hooks", env=state).returncode == 0
    assert b"names" not in echo.run("list", env=state).stderr


def test_enable_says_what_a_variable_still_switches_off(echo, state):
    env = {**state, "INFERENCE_PIO_DISABLE": "echo"}
    done = echo.run("enable", "echo", env=env)
    assert b"is disabled by INFERENCE_PIO_DISABLE" in done.stdout


@pytest.mark.parametrize("variable", ["INFERENCE_PIO_DISABLE", "INFERENCE_PIO_PLUGINS"])
def test_an_unknown_name_in_a_variable_is_reported(echo, variable):
    done = echo.run("list", env={variable: "echo,Ech_o"})
    assert done.returncode == 0
    assert f"warning: {variable} names 'ech-o', which is not installed (did you mean 'echo'".encode() in done.stderr


def test_enable_gives_a_quarantined_plugin_another_chance(echo, site, state):
    break_echo(site)
    for _ in range(3):
        assert echo.run("run", "echo", "hi", env=state).returncode == 3
    asked = gates(echo.run("why-not", "echo", "--json", env=state))
    assert asked["history"]["status"] == "failed"
    assert echo.run("run", "echo", "hi", env=state).returncode == 1
    assert json.loads(echo.run("enable", "echo", "--json", env=state).stdout)["switched"][0]["changed"] is True
    assert echo.run("run", "echo", "hi", env=state).returncode == 3


def test_what_cannot_be_written_down_is_an_error_with_a_way_out(echo, tmp_path):
    (tmp_path / "file").touch()
    done = echo.run("disable", "echo", env={"INFERENCE_PIO_STATE_DIR": str(tmp_path / "file")})
    assert done.returncode == 2
    assert b"INFERENCE_PIO_STATE_DIR" in done.stderr


def test_a_hook_that_never_returns_at_shutdown_does_not_keep_the_command_from_ending(echo, site):
    hooks = site.folder / "echo_hooks.py"
    hooks.write_text(
        hooks.read_text()
        + """
import inference_pio.hooks
inference_pio.hooks.HookCaller.shutdown.__defaults__ = (0.2,)  # a test does not wait for five seconds

@hookimpl
def pio_shutdown():
    import time
    while True:
        time.sleep(0.1)
"""
    )
    done = echo.run("--help")
    assert done.returncode == 0
    assert b"failed in hook pio_shutdown: TimeoutError: it has not ended after 0.2 s" in done.stderr
