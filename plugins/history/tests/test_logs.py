"""``inference-pio logs`` in processes of its own, with a real host and a model that needs no weights."""

from __future__ import annotations

import ast
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import inference_pio.history

from .conftest import CommandLine

PACKAGE = Path(inference_pio.history.__file__).parent


def show(cli: CommandLine, number: str = "last") -> list[tuple[str, str]]:
    return [(turn["prompt"], turn["answer"]) for turn in cli.json("logs", "show", number)["turns"]]


def test_a_run_is_found_again(cli: CommandLine) -> None:
    assert cli.run("run", "parrot", "Hello you there", "--max-new-tokens", "2", "--seed", "3") == "Hello you"
    (line,) = cli.json("logs", "list")["conversations"]
    assert (line["id"], line["model"], line["turns"], line["prompt"]) == (1, "parrot", 1, "Hello you there")
    conversation = cli.json("logs", "show", "1")
    (turn,) = conversation["turns"]
    assert turn["checkpoint"] == "grey"
    assert turn["finish_reason"] == "length"
    assert turn["options"] == {"max_new_tokens": 2, "temperature": 0.5, "seed": 3}
    assert re.search(r"^1 +\d{4}-\d\d-\d\d \d\d:\d\d +parrot +1 +Hello you there$", cli.run("logs"), re.MULTILINE)
    assert cli.json("logs") == cli.json("logs", "list")


def test_a_chat_is_one_conversation_also_after_load_and_in_the_next_process(cli: CommandLine) -> None:
    cli.run("chat", "parrot", "--system", "Be brief.", input="one\ntwo\n/save talk.json\n")
    cli.run("chat", "parrot", input="/load talk.json\nthree\n")
    cli.run("chat", "--session", "talk.json", "--message", "three")
    assert show(cli, "1") == [("one", "one"), ("two", "two"), ("three", "three")]
    assert show(cli, "2") == [("three", "three")], "a second way on from the same save"


def test_a_conversation_is_continued_with_its_model_its_weights_and_its_instructions(cli: CommandLine) -> None:
    cli.run("chat", "parrot", "--weights", "green", "--system", "Be brief.", input="one\n")
    answer = cli.start("logs", "continue", "1", "two more words", "--max-new-tokens", "2")
    assert "Going on with 2 messages from conversation 1\n" in answer.stderr
    assert (answer.returncode, answer.stdout) == (0, "two more\n")
    assert cli.run("logs", "continue", "last", input="three\nfour\n") == "three\nfour\n"
    assert [prompt for prompt, _ in show(cli, "1")] == ["one", "two more words", "three", "four"]
    turns = cli.json("logs", "show", "1")["turns"]
    assert {turn["checkpoint"] for turn in turns} == {"green"}
    assert {turn["system"] for turn in turns} == {"Be brief."}
    assert cli.run("logs", "continue", "1", "--weights", "grey", input="five\n") == "five\n"
    assert cli.json("logs", "show", "1")["turns"][-1]["checkpoint"] == "grey"
    assert len(cli.json("logs")["conversations"]) == 1


def test_what_is_no_chat_is_not_continued(cli: CommandLine) -> None:
    cli.run("run", "parrot", "Once upon", "--raw")
    done = cli.start("logs", "continue", "last", "more")
    assert done.returncode == 2
    assert "not a chat" in done.stderr
    cli.run("run", "parrot", "Hello")
    assert cli.run("logs", "continue", "last", "more") == "more\n", "a run with a chat template is a chat of one turn"


def test_a_conversation_with_a_model_that_is_gone_says_so(cli: CommandLine) -> None:
    cli.run("run", "parrot", "Hello")
    done = cli.start("logs", "continue", "last", "more", INFERENCE_PIO_PLUGINS="history")
    assert done.returncode != 0
    assert "parrot" in done.stderr


def test_an_error_and_a_stop_are_kept_as_what_they_are(cli: CommandLine) -> None:
    assert cli.start("run", "parrot", "words then fail").returncode == 1
    running = subprocess.Popen(
        [sys.executable, "-m", "inference_pio", "run", "parrot", "a slow answer"],
        env=cli.environment, cwd=cli.home, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert running.stdout is not None
    seen = b""
    while b"slow" not in seen:
        seen += os.read(running.stdout.fileno(), 100)
    time.sleep(0.1)
    running.send_signal(signal.SIGINT)
    running.communicate(timeout=60)
    assert running.returncode == 130
    failed, stopped = (cli.json("logs", "show", number)["turns"][0] for number in ("1", "2"))
    assert (failed["answer"], failed["error"]) == ("words then fail", "CacheFullError: the cage is full")
    assert (stopped["answer"], stopped["finish_reason"], stopped["error"]) == ("a slow", "cancelled", None)
    assert "ended by an error: CacheFullError" in cli.run("logs", "show", "1")
    assert "stopped" in cli.run("logs", "show", "2")


def test_the_list_can_be_narrowed(cli: CommandLine) -> None:
    for prompt in ("one", "two", "three"):
        cli.run("run", "parrot", prompt)

    def numbers(*args: str) -> list[int]:
        return [line["id"] for line in cli.json("logs", "list", *args)["conversations"]]

    assert numbers() == [3, 2, 1]
    assert numbers("--limit", "2") == [3, 2]
    assert numbers("--limit", "0") == [3, 2, 1]
    assert numbers("--model", "parrot", "--since", "1h") == [3, 2, 1]
    assert numbers("--model", "crow") == numbers("--since", "2999-01-01") == []
    assert [line["id"] for line in cli.json("logs", "search", "two")["conversations"]] == [2]
    assert cli.start("logs", "list", "--since", "soon").returncode == 2
    assert cli.start("logs", "search", "nothing of that").stderr == "Nothing found.\n"


def test_export_writes_every_format_and_the_file_as_a_whole(cli: CommandLine) -> None:
    cli.run("chat", "parrot", "--system", "Be brief.", input="größer\nzwei\n")
    cli.run("run", "parrot", "Once", "--raw")
    document = json.loads(cli.run("logs", "export"))
    assert (document["format"], document["version"]) == ("inference-pio-history", 1)
    assert [conversation["id"] for conversation in document["conversations"]] == [1, 2]
    lines = cli.run("logs", "export", "--format", "jsonl", "last", "2").splitlines()
    assert [json.loads(line)["id"] for line in lines] == [2]
    markdown = cli.run("logs", "export", "1", "--format", "markdown")
    assert markdown == cli.run("logs", "show", "1")
    headings = re.findall("^#+ .*$", markdown, re.MULTILINE)
    assert headings == ["# Conversation 1", "## Instructions", "## User", "## parrot", "## User", "## parrot"]
    (cli.home / "out.json").write_text("old")
    done = cli.start("logs", "export", "-o", "out.json")
    assert (done.stdout, done.returncode) == ("", 0)
    assert json.loads((cli.home / "out.json").read_bytes()) == document
    assert "größer" in (cli.home / "out.json").read_text("utf-8")
    assert [path.name for path in cli.home.iterdir()] == ["out.json"]
    refused = cli.start("logs", "export", "-o", "no-such-folder/out.json")
    assert refused.returncode == 2
    assert "cannot write no-such-folder" in refused.stderr


def test_delete_clear_and_prune_say_what_they_did(cli: CommandLine) -> None:
    for prompt in ("one", "two", "three"):
        cli.run("run", "parrot", prompt)
    assert cli.json("logs", "delete", "1", "last") == {"deleted": 2}
    assert [line["id"] for line in cli.json("logs")["conversations"]] == [2]
    assert cli.start("logs", "delete", "1").returncode == 2
    assert cli.start("logs", "prune").returncode == 2
    assert cli.json("logs", "prune", "--days", "1") == {"deleted": 0}
    refused = cli.start("logs", "clear")
    assert refused.returncode == 2
    assert "--yes" in refused.stderr
    assert cli.start("logs", "clear", "--yes").stderr == "Deleted 1 conversation.\n"
    assert cli.start("logs", "show", "last").returncode == 2


@pytest.mark.parametrize("number", ["7", "x", "-1", "1.0", "99999999999999999999", "", "²"])
def test_a_number_that_nobody_has_is_wrong_usage(cli: CommandLine, number: str) -> None:
    cli.run("run", "parrot", "Hello")
    done = cli.start("logs", "show", "--", number)
    assert done.returncode == 2
    assert "there is no conversation" in done.stderr


def test_off_holds_for_all_processes_until_on(cli: CommandLine) -> None:
    assert cli.json("logs", "off") == {"recording": False}
    cli.run("run", "parrot", "one")
    assert cli.json("logs", "status")["recording"] is False
    assert cli.start("logs").stderr.startswith("Nothing has been kept yet.")
    assert cli.json("logs", "on") == {"recording": True}
    cli.run("run", "parrot", "two")
    cli.run("run", "parrot", "three", INFERENCE_PIO_HISTORY="off")
    assert [line["prompt"] for line in cli.json("logs")["conversations"]] == ["two"]
    both = cli.start("logs", "on", INFERENCE_PIO_HISTORY="off")
    assert "INFERENCE_PIO_HISTORY says otherwise" in both.stderr


def test_keep_sets_limits_and_says_them(cli: CommandLine) -> None:
    assert cli.start("logs", "keep").stderr == "The history keeps everything.\n"
    assert cli.start("logs", "keep", "--days", "90").stderr == "The history keeps 90 days.\n"
    assert cli.json("logs", "keep", "--max-mb", "5") == {"recording": True, "days": 90, "max_mb": 5}
    assert "90 days, at most 5 MB" in cli.run("logs", "status")
    assert cli.json("logs", "keep", "--forever") == {"recording": True, "days": None, "max_mb": None}
    assert cli.start("logs", "keep", "--days", "0").returncode == 2


def test_status_path_and_doctor_tell_where_and_what_is_wrong(cli: CommandLine, path: Path) -> None:
    assert cli.run("logs", "path") == f"{path}\n"
    assert cli.run("logs", "path", INFERENCE_PIO_HISTORY_DB="mine.db") == "mine.db\n"
    assert cli.json("logs", "status")["conversations"] == 0
    cli.run("run", "parrot", "Hello")
    assert cli.json("logs", "status")["conversations"] == 1
    finding = next(f for f in cli.json("doctor")["findings"] if f["name"] == "history")
    assert finding["status"] == "ok"
    path.chmod(0o644)
    warned = next(f for f in cli.json("doctor")["findings"] if f["name"] == "history")
    assert (warned["status"], warned["fix"]) == ("warning", f"chmod 600 {path}")
    path.write_bytes(b"junk" * 1000)
    for command in (["logs", "status"], ["logs", "list"], ["logs", "show", "last"], ["doctor"]):
        done = cli.start(*command)
        assert done.returncode == 1, command
        assert str(path) in done.stdout + done.stderr
        assert "Traceback" not in done.stderr
    answer = cli.start("run", "parrot", "Hello")
    assert (answer.returncode, answer.stdout) == (0, "Hello")
    assert answer.stderr.count("warning:") == 1
    assert f"mv {path}" in answer.stderr


def test_no_history_yet_is_no_error_and_makes_none(cli: CommandLine, path: Path) -> None:
    assert cli.start("logs").returncode == 0
    assert cli.json("logs", "search", "x") == {"conversations": []}
    assert cli.start("logs", "show", "last").returncode == 1
    assert not path.exists()


def test_from_python_the_end_of_the_program_is_enough(cli: CommandLine) -> None:
    code = """
from inference_pio import Host
with Host().load("parrot", None) as model:
    model.chat([{"role": "user", "content": "from Python"}])
    model.generate([1, 2, 3])
"""
    done = cli.python("-c", code)
    assert done.returncode == 0, done.stderr
    assert {line["prompt"] for line in cli.json("logs")["conversations"]} == {"from Python", ""}
    assert "3 tokens, given by number" in cli.run("logs", "show", "last")


def test_other_commands_pay_nothing_for_it(cli: CommandLine) -> None:
    code = """
import sys
from inference_pio.host import default_host
default_host().hooks.implementations("pio_commands")
import inference_pio.history.hooks
print(sorted({"sqlite_utils", "sqlite3", "click", "inference_pio.history.recording"} & set(sys.modules)))
"""
    assert cli.python("-c", code).stdout == "[]\n"
    code = code.replace("implementations(", "commands(").replace('("pio_commands")', "()").replace('"click", ', "")
    assert cli.python("-c", code).stdout == "[]\n"


def test_every_command_has_examples_that_parse() -> None:
    import click

    from inference_pio.history.commands import logs

    with click.Context(logs, info_name="logs", terminal_width=80) as context:
        page = logs.get_help(context)
    assert "inference-pio logs search" in page
    assert "..." not in page.partition("Commands:")[2], "a summary is cut off"
    for name, command in logs.commands.items():
        assert command.help, name
        with click.Context(command, info_name=name) as context:
            assert f"inference-pio logs {name}" in command.get_help(context) or name == "path"


def test_nothing_but_what_is_documented_for_plugins_is_imported() -> None:
    public = re.compile(
        r"inference_pio(|\.(hookspecs|errors|generation|settings|atomic_files|manifest|testing|history.*)"
        r"|\.cli\.(command|options|table|terminal))"
    )
    strangers = {
        f"{file.name}: {name}"
        for file in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.ImportFrom) and not node.level
        for name in [node.module or ""]
        if name.startswith("inference_pio") and not public.fullmatch(name)
    }
    assert strangers == set()


@pytest.mark.weights
def test_a_run_of_a_real_model_is_found_again(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("inference_pio.models.smollm2")
    cli.environment.pop("INFERENCE_PIO_PLUGINS")
    if kept := os.environ.get("INFERENCE_PIO_CACHE_DIR"):
        cli.environment["INFERENCE_PIO_CACHE_DIR"] = kept
    prompt = "What is the capital of France?"
    # What is asked has a close second answer, which rounding can put first: in float32 it is the same everywhere.
    options = ("--temperature", "0", "--max-new-tokens", "16", "--dtype", "float32")
    answer = cli.run("run", "smollm2", prompt, *options)
    more = cli.run("logs", "continue", "last", "And of Italy?", *options)
    assert "Rome" in more
    (line,) = cli.json("logs", "search", "capital France")["conversations"]
    assert (line["model"], line["turns"]) == ("smollm2", 2)
    assert show(cli, str(line["id"])) == [(prompt, answer), ("And of Italy?", more.rstrip("\n"))]
    turn = cli.json("logs", "show", "last")["turns"][0]
    assert turn["checkpoint"] is not None
    assert turn["new_tokens"] > 0
