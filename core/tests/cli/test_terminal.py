"""What only a person at a terminal sees: progress, questions, colour, a line end after the answer."""

import io
import subprocess

import pytest
from rich.console import Console

from inference_pio.cli.bars import build_bars


def test_the_answer_ends_with_a_line_end(terminal):
    with terminal("run", "echo", "hello") as screen:
        assert screen.wait() == 0
        assert screen.seen.endswith("hello\r\n")


def test_without_a_prompt_an_example_is_shown(terminal):
    with terminal("run", "echo") as screen:
        assert screen.wait() == 2
        assert 'inference-pio run echo "Why is the sky blue?"' in screen.seen


def test_a_download_is_drawn_with_bytes_and_speed_and_leaves_one_line(terminal):
    with terminal("run", "echo", "hello", env={"ECHO_DOWNLOAD": "0.1"}) as screen:
        assert screen.wait() == 0
        assert "/1.0 MB" in screen.seen
        assert "B/s" in screen.seen
        assert "downloaded echo.gguf (1.0 MB in " in screen.seen
        assert "\x1b[2Kloading" not in screen.seen, "that took less than a second"


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_a_bar_keeps_to_one_line(columns):
    shown = io.StringIO()
    console = Console(file=shown, width=columns, force_terminal=True)
    bars = build_bars(console)
    bars.add_task("loading SmolLM2-135M-Instruct.Q4_1.gguf", completed=50_000_000, total=96_600_000, counted=True)
    console.print(bars.get_renderable())
    assert shown.getvalue().count("\n") == 1
    assert "50.0/96.6 MB" in shown.getvalue()


def test_a_bar_on_the_terminal_leaves_a_piped_answer_alone(terminal):
    with terminal("run", "echo", "hello", env={"ECHO_DOWNLOAD": "0.1"}, stdout=subprocess.PIPE) as screen:
        out, _ = screen.process.communicate(timeout=60)
        assert out == b"hello"
        screen.expect("/1.0 MB")


def test_loading_is_drawn_only_when_it_takes_longer_than_a_second(terminal):
    with terminal("run", "echo", "hello") as screen:
        assert screen.wait() == 0
        assert "loading echo" not in screen.seen
    with terminal("run", "echo", "hello", env={"ECHO_LOAD_S": "2"}) as screen:
        assert screen.wait() == 0
        assert "loading echo" in screen.seen
        assert screen.seen.rstrip().endswith("hello")


def test_a_dumb_terminal_gets_plain_lines(terminal):
    with terminal("run", "echo", "hello", env={"ECHO_DOWNLOAD": "0.01", "TERM": "dumb"}) as screen:
        assert screen.wait() == 0
        assert "downloading echo.gguf (1.0 MB)\r\n" in screen.seen
        assert "\x1b" not in screen.seen


@pytest.mark.parametrize(("answer", "code", "shown"), [("y", 0, "hello\r\n"), ("n", 1, "error:"), ("", 1, "error:")])
def test_the_licence_is_asked_about(terminal, answer, code, shown):
    with terminal("run", "echo", "hello", env={"ECHO_CONSENT": "1"}) as screen:
        question = screen.expect("[y/N] ")
        assert "Echo Terms" in question
        assert "https://example.org/terms" in question
        screen.type(f"{answer}\r")
        assert screen.wait() == code
        assert shown in screen.seen


def test_the_question_is_not_part_of_the_answer(terminal):
    with terminal("run", "echo", "hello", env={"ECHO_CONSENT": "1"}, stdout=subprocess.PIPE) as screen:
        screen.expect("[y/N] ")
        screen.type("y\r")
        out, _ = screen.process.communicate(timeout=60)
        assert out == b"hello"


def test_ctrl_c_at_the_question_ends_with_130(terminal):
    with terminal("run", "echo", "hello", env={"ECHO_CONSENT": "1"}) as screen:
        screen.expect("[y/N] ")
        screen.type("\x03")
        assert screen.wait() == 130
        assert "Traceback" not in screen.seen


def test_ctrl_c_at_the_terminal_keeps_what_came(terminal):
    with terminal("run", "echo", "forever:") as screen:
        screen.expect("tick2")
        screen.type("\x03")
        assert screen.wait() == 130
        assert "Traceback" not in screen.seen


def test_colour_is_used_at_a_terminal_and_no_color_is_respected(terminal):
    with terminal("run", "exho", "hi") as screen:
        assert screen.wait() == 2
        assert "\x1b[31m" in screen.seen
    with terminal("run", "exho", "hi", env={"NO_COLOR": "1"}) as screen:
        assert screen.wait() == 2
        assert "\x1b" not in screen.seen


def test_a_long_description_is_cut_at_the_edge_of_the_terminal(site, terminal):
    manifest = site.folder / "echo_model" / "plugin_manifest.json"
    manifest.write_text(manifest.read_text().replace("Says back what it hears", "Says it " * 40))
    with terminal("list", env={"COLUMNS": ""}) as screen:
        assert screen.wait() == 0
        assert max(len(line) for line in screen.seen.splitlines()) <= 100 + len("\x1b[1m\x1b[0m")
        assert "…" in screen.seen
