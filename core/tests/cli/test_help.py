"""``--help``, contributed commands, shell completion."""

import pkgutil
import subprocess

import pytest

from inference_pio.cli import commands

COMMANDS = sorted(module.name.replace("_", "-") for module in pkgutil.iter_modules(commands.__path__))
BROKEN_HOOKS = {
    "fails at import": "raise RuntimeError('broken at import')",
    "exits at import": "raise SystemExit(5)",
    "fails when asked": "import inference_pio\n@inference_pio.hookimpl\ndef pio_commands(): raise ValueError('no')\n",
    "exits when asked": "import inference_pio\n@inference_pio.hookimpl\ndef pio_commands(): raise SystemExit(5)\n",
    "answers nonsense": "import inference_pio\n@inference_pio.hookimpl\ndef pio_commands(): return [1, 2]\n",
}


def test_help_lists_every_command_and_the_exit_codes(cli):
    page = cli.run("--help").stdout.decode()
    for command in COMMANDS:
        assert f"\n  {command} " in page
    listed = page.partition("Commands:\n")[2].partition("\n\n")[0]
    assert "..." not in listed, "a summary is cut off"
    for code in ("0  fine", "2  wrong usage", "3  a plugin", "130  stopped by Ctrl-C"):
        assert code in page


def test_no_arguments_show_the_help(cli):
    done = cli.run()
    assert done.returncode == 0
    assert b"Commands:" in done.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_examples_of_itself(cli, command):
    done = cli.run(command, "--help")
    assert done.returncode == 0
    _, _, examples = done.stdout.decode().partition("\nExamples:\n")
    assert f"inference-pio {command}" in examples
    assert done.stderr == b""


def test_the_version_is_cores(cli):
    import inference_pio

    assert cli.run("--version").stdout.decode().split()[-1] == inference_pio.__version__


def test_a_contributed_command_is_listed_and_runs(echo):
    assert b"greet" in echo.run("--help").stdout
    done = echo.run("greet", "Ada")
    assert done.stdout == b"hello Ada\n"
    assert done.returncode == 0, "what a command returns is not its exit code"


def test_a_contributed_command_cannot_replace_a_built_in_one(echo):
    assert b"replaced" not in echo.run("list").stdout
    assert b"'list' is ignored" in echo.run("--help").stderr


def test_built_in_commands_load_no_hook_plugin(site, cli):
    site.install_echo()
    site.install_module(
        "bad-hooks", "inference_pio.hooks", "bad = bad_hooks", "bad_hooks", BROKEN_HOOKS["fails at import"]
    )
    done = cli.run("list")
    assert done.returncode == 0
    assert done.stderr == b""


@pytest.mark.parametrize("kind", BROKEN_HOOKS)
def test_a_broken_hook_plugin_never_breaks_help(site, cli, kind):
    site.install_module("bad-hooks", "inference_pio.hooks", "bad = bad_hooks", "bad_hooks", BROKEN_HOOKS[kind])
    site.install_hooks()
    done = cli.run("--help")
    assert done.returncode == 0
    assert b"  run " in done.stdout
    assert b"greet" in done.stdout, "the others still count"
    assert b"bad-hooks" in done.stderr
    assert b"Traceback" not in done.stderr
    assert cli.run("greet", "Ada").stdout == b"hello Ada\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_completion_script_serves_both_names(cli, shell):
    script = cli.run("completion", shell).stdout.decode()
    assert "_INFERENCE_PIO_COMPLETE" in script
    assert "_IPIO_COMPLETE" in script


def test_without_a_shell_the_users_own_is_taken(cli):
    assert b"compdef" in cli.run("completion", env={"SHELL": "/usr/bin/zsh"}).stdout
    done = cli.run("completion", env={"SHELL": "/usr/bin/nu"})
    assert done.returncode == 2
    assert b"say which shell" in done.stderr


def complete(cli, words, **env):
    """Ask for completions the way bash does."""
    code = "import sys; sys.argv[0] = 'ipio'; from inference_pio.cli import main; sys.exit(main())"
    done = cli.python(
        code,
        _IPIO_COMPLETE="bash_complete",
        COMP_WORDS=" ".join(["ipio", *words]),
        COMP_CWORD=str(len(words)),
        **env,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.decode().split()


def test_model_names_complete_without_importing_the_plugin(site, cli):
    site.install_echo()
    (site.folder / "echo_model" / "plugin.py").write_text("raise RuntimeError")
    assert complete(cli, ["run", "ec"]) == ["plain,echo"]
    assert complete(cli, ["run", "x"]) == []


def test_commands_and_options_complete(echo):
    assert "plain,chat" in complete(echo, ["ch"])
    assert "plain,greet" in complete(echo, ["gr"])
    assert "plain,--max-new-tokens" in complete(echo, ["run", "--max"])


def test_checkpoints_complete_beside_files(echo):
    assert complete(echo, ["run", "echo", "--weights", "echo-l"]) == ["plain,echo-large", "file,echo-l"]


def test_the_bash_script_works_in_bash(echo, tmp_path):
    program = tmp_path / "bin" / "ipio"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {" ".join(echo.argv()[:2])} -c \'import sys; sys.argv[0] = "ipio"; '
                       'from inference_pio.cli import main; sys.exit(main())\' "$@"\n')  # fmt: skip
    program.chmod(0o755)
    done = subprocess.run(
        ["bash", "-c", 'eval "$(ipio completion bash)"; COMP_WORDS=(ipio run ec); COMP_CWORD=2; '
         '_ipio_completion ipio ec run; echo "${COMPREPLY[@]}"'],
        capture_output=True, cwd=echo.home, timeout=60,
        env={**echo.environment, "PATH": f"{program.parent}:{echo.environment['PATH']}"},
    )  # fmt: skip
    assert done.stdout == b"echo\n", done.stderr
    assert done.stderr == b"", "nothing may appear in the middle of somebody's command line"
