"""Errors: message, exit code, stream and traceback, for each class; and broken plugins."""

import pytest

import inference_pio.errors as errors

CLASSES = sorted(
    name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, errors.InferencePioError)
)


@pytest.mark.parametrize("name", CLASSES)
def test_each_class_of_error_has_its_message_and_exit_code(echo, name):
    done = echo.run("run", "echo", f"raise:{name}")
    assert done.returncode == getattr(errors, name).exit_code
    assert done.stdout == b""
    assert b"Traceback" not in done.stderr
    last = done.stderr.decode().splitlines()[-1]
    assert last.startswith("error: ")
    assert "--debug" not in last


def test_an_unexpected_error_is_one_line_that_names_debug(echo):
    done = echo.run("run", "echo", "raise:Surprise")
    assert done.returncode == 1
    assert done.stderr.decode().splitlines()[-1] == (
        "error: unexpected RuntimeError: told to raise Surprise (--debug shows the traceback)"
    )


@pytest.mark.parametrize("name", ["EOFError", "SystemExit"])
def test_what_click_or_python_would_end_silently_on_is_reported(echo, name):
    done = echo.run("run", "echo", f"raise:{name}")
    assert done.returncode == 1
    assert f"error: unexpected {name}: told to raise {name}" in done.stderr.decode()
    assert "Traceback" in echo.run("run", "echo", f"raise:{name}", "--debug").stderr.decode()


@pytest.mark.parametrize("where", ["before", "after"])
def test_debug_shows_the_traceback_wherever_it_stands(echo, where):
    command = ["run", "echo", "raise:ConfigError"]
    done = echo.run(*(["--debug", *command] if where == "before" else [*command, "--debug"]))
    assert b"Traceback" in done.stderr
    assert b"error: told to raise ConfigError" in done.stderr


def test_verbose_says_what_was_loaded(echo):
    assert b"info: loaded 'echo'" in echo.run("run", "echo", "hi", "-v").stderr
    assert b"info:" not in echo.run("run", "echo", "hi").stderr


def test_an_unknown_command_gets_the_nearest_one(echo):
    done = echo.run("rnu")
    assert done.returncode == 2
    assert b"Did you mean 'run'" in done.stderr


def test_a_models_name_in_the_commands_place_is_explained(echo):
    done = echo.run("echo", "hi")
    assert done.returncode == 2
    assert b"inference-pio run echo" in done.stderr


def test_an_unknown_option_is_a_usage_error_with_the_usage(echo):
    done = echo.run("run", "echo", "hi", "--temprature", "1")
    assert done.returncode == 2
    assert b"--temperature" in done.stderr
    assert b"Usage: " in done.stderr


def test_a_plugin_that_fails_at_import_is_an_error_of_that_plugin(site, cli):
    site.install_echo()
    (site.folder / "echo_model" / "plugin.py").write_text("import no_such_module")
    done = cli.run("run", "echo", "hi")
    assert done.returncode == 3
    assert b"'echo' (inference-pio-echo 1.0)" in done.stderr
    assert b"no_such_module" in done.stderr
    assert b"Traceback" not in done.stderr


def test_a_plugin_that_exits_at_import_does_not_end_the_command(site, cli):
    site.install_echo()
    (site.folder / "echo_model" / "plugin.py").write_text("raise SystemExit(0)")
    done = cli.run("run", "echo", "hi")
    assert done.returncode == 3
    assert done.stdout == b""


def test_a_plugin_that_speaks_no_text_is_not_run(site, cli):
    site.install_echo()
    plugin = site.folder / "echo_model" / "plugin.py"
    plugin.write_text(
        "from inference_pio import ModelPlugin\n"
        "class EchoPlugin(ModelPlugin):\n"
        "    supports_config = create_config = load_model = infer = cleanup = lambda self, *a, **k: None\n"
        "def create_echo_plugin(): return EchoPlugin()\n"
    )
    done = cli.run("run", "echo", "hi")
    assert done.returncode == 2
    assert b"does not generate text" in done.stderr


def test_warnings_of_python_are_one_line(echo):
    plugin = echo.search_path[0] / "echo_model" / "plugin.py"
    plugin.write_text(plugin.read_text() + "\nimport warnings\nwarnings.warn('two\\nlines')\n")
    done = echo.run("run", "echo", "hi")
    assert b"warning: UserWarning: two lines\n" in done.stderr
    assert done.stdout == b"hi"


def test_a_folder_of_wheels_that_is_not_there_is_a_usage_error(cli):
    done = cli.run("install", "smollm2", "--no-index", "--find-links", "wheeels")
    assert done.returncode == 2
    assert b"'--find-links': there is no file or folder wheeels" in done.stderr
