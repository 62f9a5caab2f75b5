"""``chat``: history, slash commands, saving and loading, pipes, and a terminal with line editing and Ctrl-C."""

import json
import subprocess
import time

import pytest


def talk(cli, *lines, **kwargs):
    return cli.run("chat", "echo", input="".join(f"{line}\n" for line in lines), **kwargs)


def test_a_pipe_gets_one_answer_a_line_and_nothing_else(echo):
    done = talk(echo, "hello", "print: there", "")
    assert done.stdout == b"hello\nprint: there\n"
    assert done.returncode == 0
    assert b">>>" not in done.stderr


def test_the_model_sees_the_whole_conversation(echo):
    answer = talk(echo, "one", "two", "recall").stdout.decode().splitlines()[-1]
    assert answer == "user: one / assistant: one / user: two / assistant: two / user: recall"


def test_the_system_prompt_comes_first_and_can_be_changed_and_cleared(echo):
    done = echo.run("chat", "echo", "--system", "Be brief.", input="recall\n/reset\n/system Be long.\nrecall\n")
    first, second = done.stdout.decode().splitlines()
    assert first == "system: Be brief. / user: recall"
    assert second == "system: Be long. / user: recall"
    assert talk(echo, "/system Be brief.", "/system -", "recall").stdout == b"user: recall\n"


def test_reset_forgets_the_conversation(echo):
    assert talk(echo, "one", "/reset", "recall").stdout == b"one\nuser: recall\n"


def test_exit_ends_it_before_the_input_does(echo):
    assert talk(echo, "one", "/exit", "two").stdout == b"one\n"


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (['"""', "first", "  second", '"""'], "first\n  second"),
        (['"""first', 'second"""'], "first\nsecond"),
        (['"""first"""'], "first"),
        (['"""', "  indented", "", "last"], "  indented\n\nlast"),
        (["/multiline", "first", "second", '"""'], "first\nsecond"),
        (["first\\", "second"], "first\nsecond"),
        (["  only words  "], "only words"),
        ([" /help"], "/help"),
    ],
)
def test_messages_of_several_lines(echo, lines, message):
    said = talk(echo, *lines, "/save talk.json")
    assert said.returncode == 0
    saved = echo.home / "talk.json"
    if saved.exists():  # an open fence takes the /save line in, too
        assert json.loads(saved.read_text())["messages"][0]["content"] == message
    else:
        assert said.stdout.decode() == f"{message}\n/save talk.json\n"


def test_a_backslash_at_the_end_of_the_input_waits_for_nothing(echo):
    assert talk(echo, "first\\").stdout == b"first\n"


def test_a_saved_conversation_goes_on_where_it_was(echo):
    talk(echo, "/system Be brief.", "one", "/save talk.json")
    assert json.loads((echo.home / "talk.json").read_text()) == {
        "model": "echo",
        "system": "Be brief.",
        "messages": [{"role": "user", "content": "one"}, {"role": "assistant", "content": "one"}],
    }
    done = talk(echo, "/load talk.json", "recall")
    assert done.stdout == b"system: Be brief. / user: one / assistant: one / user: recall\n"


def test_saving_leaves_nothing_half_written(echo):
    (echo.home / "talk.json").mkdir()
    (echo.home / "talk.json" / "in the way").touch()
    done = talk(echo, "one", "/save talk.json")
    assert done.returncode == 2
    assert b"cannot save to talk.json" in done.stderr
    assert [path.name for path in echo.home.iterdir() if path.is_file()] == []


@pytest.mark.parametrize(
    "content",
    [
        "not json",
        "[]",
        '{"model": "echo", "system": null}',
        '{"model": "echo", "system": null, "messages": [{"role": "system", "content": "x"}]}',
        '{"model": "echo", "system": null, "messages": [{"role": "user", "content": "x"}]}',
        '{"model": "echo", "system": null, "messages": [{"role": "user", "content": 1}]}',
    ],
)
def test_a_file_that_is_no_conversation_is_refused(echo, content):
    (echo.home / "talk.json").write_text(content)
    done = talk(echo, "/load talk.json")
    assert done.returncode == 2
    assert b"talk.json is not a saved conversation" in done.stderr


def test_loading_another_models_conversation_says_so(echo):
    (echo.home / "talk.json").write_text('{"model": "other", "system": null, "messages": []}')
    assert b"They were with other" in talk(echo, "/load talk.json").stderr


def test_stats_of_the_last_answer(echo):
    done = talk(echo, "one two", "/stats")
    assert b"answer 2 tokens" in done.stderr
    assert b"1 answers with 2 tokens so far" in done.stderr
    assert done.stdout == b"one two\n"


def test_the_first_error_ends_a_piped_chat_with_its_code(echo):
    done = talk(echo, "one", "raise:CacheFullError", "two")
    assert done.returncode == 1
    assert done.stdout == b"one\n"
    assert talk(echo, "/unknown").returncode == 2
    assert talk(echo, "/resett").stderr.count(b"Did you mean /reset?") == 1


def test_a_conversation_that_outgrows_the_context_names_both_lengths(echo):
    done = talk(echo, "word " * 50)
    assert done.returncode == 1
    assert b"50 tokens" in done.stderr
    assert b"40" in done.stderr


def test_a_base_model_is_told_to_run(echo):
    done = talk(echo, "hi", env={"ECHO_BASE_MODEL": "1"})
    assert done.returncode == 1
    assert b"inference-pio run echo" in done.stderr
    assert done.stdout == b""


def test_the_default_model_is_smollm2(cli):
    assert b"'smollm2'" in cli.run("chat").stderr


def test_input_that_is_not_utf8_is_refused(echo):
    done = echo.run("chat", "echo", input=b"caf\xe9\n")
    assert done.returncode == 2
    assert b"not UTF-8" in done.stderr


def test_a_terminal_has_a_prompt_and_ctrl_d_leaves(terminal):
    with terminal("chat", "echo") as screen:
        screen.expect(">>> ")
        screen.type("hello you\r").expect("hello you\r\nhello you\r\n")
        screen.expect(">>> ")
        screen.type("\x04")
        assert screen.wait() == 0
        assert "Traceback" not in screen.seen


def test_ctrl_c_stops_an_answer_and_keeps_what_came(terminal, echo):
    with terminal("chat", "echo") as screen:
        screen.expect(">>> ")
        screen.type("forever:\r").expect("tick2")
        screen.type("\x03").expect(">>> ")
        screen.type("/save talk.json\r").expect("Saved 2 messages")
        screen.expect(">>> ")  # before it, Ctrl-D would be the terminal's and not the line editor's
        screen.type("\x04")
        assert screen.wait() == 0
        assert "Traceback" not in screen.seen
    answer = json.loads((echo.home / "talk.json").read_text())["messages"][1]["content"]
    assert answer.startswith("tick0 tick1 tick2")


def test_ctrl_c_at_the_prompt_drops_the_line_and_goes_on(terminal):
    with terminal("chat", "echo") as screen:
        screen.expect(">>> ")
        screen.type("half a line").expect("half a line")
        # Python misses a signal that comes while readline still draws the last key; a person is never that quick.
        time.sleep(0.3)
        screen.type("\x03").expect(">>> ")
        screen.type("recall\r").expect("user: recall")
        screen.type("/exit\r")
        assert screen.wait() == 0


def test_an_error_at_a_terminal_is_told_and_the_chat_goes_on(terminal):
    with terminal("chat", "echo") as screen:
        screen.expect(">>> ")
        screen.type("word " * 50 + "\r").expect("/reset starts anew")
        screen.expect(">>> ")
        screen.type("recall\r").expect("user: recall")


def test_lines_can_be_edited_and_are_remembered_by_the_next_chat(terminal, echo):
    pytest.importorskip("readline")
    with terminal("chat", "echo") as screen:
        screen.expect(">>> ")
        screen.type("wrng\x1b[D\x1b[Do\r").expect("\nwrong")  # two steps left, then the missing letter
        screen.expect(">>> ")
        screen.type("\x04")
        assert screen.wait() == 0
    history = echo.home / "state" / "inference-pio" / "chat_history"
    assert history.read_text().splitlines()[-1] == "wrong"
    assert history.stat().st_mode & 0o077 == 0, "what people say is their own business"
    with terminal("chat", "echo") as screen:
        screen.expect(">>> ")
        screen.type("\x1b[A").expect("wrong")


def test_slash_commands_complete(terminal):
    pytest.importorskip("readline")
    with terminal("chat", "echo") as screen:
        screen.expect(">>> ")
        screen.type("/mul\t").expect("/multiline")


def test_answers_can_go_to_a_file_while_a_person_types(terminal):
    with terminal("chat", "echo", stdout=subprocess.PIPE) as screen:
        screen.expect(">>> ")
        screen.type("hello\r").expect(">>> ")
        screen.type("\x04")
        out, _ = screen.process.communicate(timeout=60)
        assert out == b"hello\n"
