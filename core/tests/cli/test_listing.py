"""``list``, ``info``, ``config``, ``pull``, ``schema``: what they show, and that looking runs no plugin."""

import json

import pytest

BROKEN = "raise RuntimeError('this plugin was imported')"
MAX_LIST_MB = 60


def test_no_models_at_all_says_what_to_install(cli):
    done = cli.run("list")
    assert b"pip install inference-pio-smollm2" in done.stdout
    assert done.returncode == 0
    assert json.loads(cli.run("list", "--json").stdout) == {"models": [], "hooks": []}
    asked = cli.run("run", "smollm2", "hi")
    assert asked.returncode == 2
    assert b"No model is installed. Install one: pip install inference-pio-smollm2" in asked.stderr


def test_the_list_shows_name_version_state_size_and_description(echo):
    lines = echo.run("list").stdout.decode().splitlines()
    assert lines[0].split() == ["NAME", "VERSION", "STATE", "SIZE", "DESCRIPTION"]
    assert lines[1].split(maxsplit=4) == ["echo", "1.0", "ready", "1K", "Says back what it hears"]


def test_a_model_that_cannot_run_is_listed_with_its_first_reason(site, cli):
    site.install_echo()
    manifest = site.folder / "echo_model" / "plugin_manifest.json"
    manifest.write_text(manifest.read_text().replace('"dependencies": []', '"dependencies": ["no-such-dist"]'))
    assert b"no-such-dist" in cli.run("list").stdout
    record = json.loads(cli.run("list", "--json").stdout)["models"][0]
    assert record["state"] == "incompatible"
    assert record["usable"] is False
    assert set(record["reasons"][0]) == {"code", "message", "fix"}
    done = cli.run("run", "echo", "hi")
    assert done.returncode == 1
    assert b"no-such-dist" in done.stderr


def test_all_shows_hook_plugins_too(echo):
    assert b"echo-hooks" not in echo.run("list").stdout
    assert b"echo-hooks" in echo.run("list", "--all").stdout
    assert json.loads(echo.run("list", "--json", "--all").stdout)["hooks"][0]["name"] == "echo-hooks"


def test_keys_of_list_json_are_stable(echo):
    record = json.loads(echo.run("list", "--json").stdout)["models"][0]
    assert list(record) == [
        "name", "state", "usable", "dist", "version", "description", "size", "num_parameters", "architecture",
        "modalities", "license", "reasons", "entry_point", "manifest_path",
    ]  # fmt: skip


@pytest.mark.parametrize("command", [["list"], ["list", "--all"], ["list", "--json"], ["info", "echo"], ["schema"]])
def test_looking_imports_no_plugin_no_torch_and_no_rich(site, cli, command):
    site.install_echo()
    (site.folder / "echo_model" / "plugin.py").write_text(BROKEN)
    for name in ("torch", "transformers", "rich", "numpy"):
        folder = site.folder / f"{name}_seen"
        folder.mkdir()
    code = (
        f"import sys; from inference_pio.cli import main; code = main(sys.argv[1:] or {command!r});"
        "seen = [m for m in ('torch', 'transformers', 'rich', 'numpy', 'echo_model') if m in sys.modules];"
        "assert not seen, seen; sys.exit(code)"
    )
    done = cli.python(code)
    assert done.returncode == 0, done.stderr


def test_a_hundred_plugins_are_listed_in_little_memory(site, cli):
    site.install_echo()
    for number in range(99):
        site.install(
            f"inference-pio-echo{number}", {"inference_pio.models": f"echo{number} = echo_model.plugin:create"}
        )
    # Not getrusage: its maximum outlives exec, so that it would be this test process's, which may be large.
    code = (
        "import re, sys; from inference_pio.cli import main; main(['list']);"
        "print(re.search(r'VmHWM:\\s+(\\d+) kB', open('/proc/self/status').read())[1], file=sys.stderr)"
    )
    done = cli.python(code)
    assert done.stdout.count(b"\n") == 101
    assert int(done.stderr.split()[-1]) / 1000 < MAX_LIST_MB


def test_info_shows_what_the_manifest_says_and_which_weights_are_here(echo):
    text = echo.run("info", "echo").stdout.decode()
    for part in ("echo (inference-pio-echo 1.0): ready", "1,000 parameters", "asks for consent", "not downloaded"):
        assert part in text
    data = json.loads(echo.run("info", "echo", "--json").stdout)
    assert data["manifest"]["entry_point"]["class"] == "EchoPlugin"
    assert data["weights_present"] == []
    echo.run("pull", "echo", "--accept-license")
    assert json.loads(echo.run("info", "echo", "--json").stdout)["weights_present"] == ["echo-small"]


def test_info_of_a_broken_plugin_says_why(site, cli):
    site.install_echo()
    (site.folder / "echo_model" / "plugin_manifest.json").write_text("{")
    done = cli.run("info", "echo")
    assert done.returncode == 0
    assert b"invalid" in done.stdout
    assert b"plugin_manifest.json" in done.stdout
    assert json.loads(cli.run("info", "echo", "--json").stdout)["manifest"] is None


def test_an_unknown_model_gets_the_nearest_names(echo):
    for command in (["info", "exho"], ["run", "exho", "hi"], ["pull", "exho"], ["config", "exho"], ["test", "exho"]):
        done = echo.run(*command)
        assert done.returncode == 2, command
        assert b"'echo'" in done.stderr
        assert done.stdout == b""


def test_pull_prints_the_path_and_nothing_else(echo):
    done = echo.run("pull", "echo", "--accept-license")
    path = done.stdout.decode()
    assert path == f"{echo.home}/weights/echo-small\n"
    assert b"noise from a resolver" in done.stderr
    data = json.loads(echo.run("pull", "echo", "--weights", "echo-large", "--json").stdout)
    assert data == {"model": "echo", "path": f"{echo.home}/weights/echo-large", "size_bytes": 12}


def test_pull_asks_for_consent_first(echo):
    done = echo.run("pull", "echo")
    assert done.returncode == 1
    assert done.stdout == b""
    assert b"Echo Terms" in done.stderr
    assert b"--accept-license" in done.stderr
    assert echo.run("pull", "echo", env={"INFERENCE_PIO_ACCEPT_LICENSE": "1"}).returncode == 0


def test_config_shows_each_field_with_its_meaning(echo):
    text = echo.run("config", "echo").stdout.decode()
    assert "EchoConfig" in text
    assert "patience_s" in text
    assert "Time to think, seconds." in text
    assert "Rows of the embedding, tokens." in text
    data = json.loads(echo.run("config", "echo", "--json").stdout)
    assert (data["model"], data["type"], data["config"]["patience_s"]) == ("echo", "EchoConfig", 0.5)


def test_config_needs_none_of_the_models_memory(echo, site):
    site.want_memory()
    assert b"patience_s" in echo.run("config", "echo").stdout
    assert echo.run("run", "echo", "hi").returncode == 1


def test_config_of_a_checkpoint_reads_its_config_json(echo):
    (echo.home / "checkpoint").mkdir()
    (echo.home / "checkpoint" / "config.json").write_text('{"patience_s": 2.5}')
    for source in ("checkpoint", "checkpoint/config.json"):
        done = echo.run("config", "echo", "--json", "--weights", source)
        assert json.loads(done.stdout)["config"]["patience_s"] == 2.5, done.stderr


def test_an_unknown_key_in_a_configuration_is_an_error(echo):
    (echo.home / "config.json").write_text('{"patiance_s": 2.5}')
    done = echo.run("config", "echo", "--weights", "config.json")
    assert done.returncode == 1
    assert b"patience_s" in done.stderr


def test_schema_is_a_json_schema_that_knows_the_manifest(cli):
    schema = json.loads(cli.run("schema").stdout)
    assert "entry_point" in json.dumps(schema)


def test_nothing_is_coloured_or_drawn_in_a_pipe(echo):
    for command in (["list"], ["info", "echo"], ["doctor"], ["--help"], ["config", "echo"]):
        done = echo.run(*command)
        assert b"\x1b" not in done.stdout + done.stderr
