"""``chat``: history, slash commands, saving and loading, pipes, and a terminal with line editing and Ctrl-C."""

import json
import subprocess
import time

import pytest


def talk(cli, *lines, session=None, **kwargs):
    more = ["--session", session] if session else []
    return cli.run("chat", "echo", *more, input="".join(f"{line}\n" for line in lines), **kwargs)


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
    assert b"1 answer with 2 tokens so far" in done.stderr
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


def saved(cli, name="talk.json"):
    return [message["content"] for message in json.loads((cli.home / name).read_text())["messages"]]


def test_a_session_starts_new_and_goes_on_in_the_next_process(echo):
    first = talk(echo, "one", "two", session="talk.json")
    assert (first.returncode, first.stdout) == (0, b"one\ntwo\n")
    assert saved(echo) == ["one", "one", "two", "two"]
    second = talk(echo, "recall", session="talk.json")
    assert second.stdout == b"user: one / assistant: one / user: two / assistant: two / user: recall\n"
    assert b"Going on with 4 messages from talk.json" in second.stderr
    assert len(saved(echo)) == 6


def test_a_session_is_with_its_own_model_unless_another_is_named(site, echo):
    site.install("acme-parrot", {"inference_pio.models": "parrot = echo_model.plugin:create_echo_plugin"})
    talk(echo, "one", session="talk.json")
    assert echo.run("chat", "--session", "talk.json", "--message", "two").returncode == 0
    assert json.loads((echo.home / "talk.json").read_text())["model"] == "echo"
    done = echo.run("chat", "parrot", "--session", "talk.json", "--message", "three")
    assert b"They were with echo; parrot goes on with them." in done.stderr
    assert json.loads((echo.home / "talk.json").read_text())["model"] == "parrot"


def test_a_session_keeps_its_instructions_until_others_are_given(echo):
    first = ("chat", "echo", "--session", "talk.json", "--system")
    assert echo.run(*first, "Be brief.", "--message", "one").returncode == 0
    again = echo.run("chat", "--session", "talk.json", "--message", "recall")
    assert again.stdout == b"system: Be brief. / user: one / assistant: one / user: recall\n"
    other = echo.run(*first, "Be long.", "--message", "recall")
    assert other.stdout.startswith(b"system: Be long. / user: one")


def test_a_session_is_kept_after_each_turn_even_if_a_later_one_fails(echo):
    done = talk(echo, "one", "raise:CacheFullError", session="talk.json")
    assert done.returncode == 1
    assert saved(echo) == ["one", "one"]


def test_a_reset_session_is_kept_empty_and_one_without_a_turn_is_not_written(echo):
    assert talk(echo, session="new.json").returncode == 0
    assert not (echo.home / "new.json").exists()
    talk(echo, "one", "/reset", session="talk.json")
    assert saved(echo) == []


def test_a_session_that_is_no_conversation_is_refused_before_the_model_is_loaded(echo):
    (echo.home / "talk.json").write_text("not json")
    done = talk(echo, "one", session="talk.json", env={"ECHO_LOAD_S": "60"})
    assert done.returncode == 2
    assert b"talk.json is not a saved conversation" in done.stderr
    assert (echo.home / "talk.json").read_text() == "not json"


def test_a_session_without_a_folder_is_refused_before_the_model_is_loaded(echo):
    done = talk(echo, "one", session="no-such-folder/talk.json", env={"ECHO_LOAD_S": "60"})
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"there is no folder no-such-folder" in done.stderr


def test_a_session_that_cannot_be_kept_says_so(echo):
    name = "x" * 250  # as a file's name it is just short enough, as a part of another's it is not
    done = talk(echo, "one", session=name)
    assert (done.returncode, done.stdout) == (2, b"one\n")
    assert f"cannot save to {name}".encode() in done.stderr


def test_one_message_gets_one_answer_whatever_it_looks_like(echo):
    assert echo.run("chat", "echo", "--message", "/help\nme", input="not read\n").stdout == b"/help\nme\n"
    assert echo.run("chat", "echo", "--message", "  ").returncode == 2
    assert echo.run("chat", "echo", "--message", "raise:CacheFullError").returncode == 1


def test_a_terminal_that_is_closed_costs_no_turn_of_a_session(terminal, echo):
    with terminal("chat", "echo", "--session", "talk.json") as screen:
        screen.expect(">>> ")
        screen.type("hello\r").expect("\nhello")
        screen.expect(">>> ")
        screen.process.kill()
    assert saved(echo) == ["hello", "hello"]
