"""``run``: what goes to which stream, streaming, standard input, flags, Ctrl-C."""

import json
import os
import signal
import subprocess
import time

import pytest

from inference_pio.generation import LoadOptions, SamplingOptions


def read_until(stream, text, timeout_s=30):
    """Read from a pipe until ``text`` has come."""
    seen, deadline = b"", time.monotonic() + timeout_s
    while text not in seen:
        assert time.monotonic() < deadline, f"{text!r} did not come, only {seen!r}"
        piece = os.read(stream.fileno(), 4096)
        assert piece, f"the stream ended with {seen!r}"
        seen += piece
    return seen


def test_standard_output_gets_the_answer_byte_for_byte_and_nothing_else(echo):
    done = echo.run("run", "echo", "print: grüß dich 😀", "--stats")
    assert done.stdout == "print: grüß dich 😀".encode()
    assert done.returncode == 0
    for noise in (b"noise from loading", b"noise from a native library", b"noise from generating"):
        assert noise in done.stderr


def test_stats_go_to_standard_error(echo):
    done = echo.run("run", "echo", "one two", "--stats")
    assert b"answer 2 tokens" in done.stderr
    assert b"load 0." in done.stderr


def test_answers_are_utf8_whatever_the_locale_says(echo):
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    assert echo.run("run", "echo", input="grüß 😀", env=ascii_only).stdout == "grüß 😀".encode()


def test_a_prompt_that_is_no_text_is_refused(echo):
    done = echo.run("run", "echo", b"caf\xe9")
    assert done.returncode == 2
    assert b"not valid text" in done.stderr


def test_the_answer_arrives_while_it_is_generated(echo):
    process = echo.popen("run", "echo", "forever:", stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    read_until(process.stdout, b"tick3")
    assert process.poll() is None, "it ends by itself only when nobody reads"
    process.stdout.close()
    assert process.wait(30) == 141


def test_a_closed_pipe_is_silent(echo):
    process = echo.popen("run", "echo", "forever:", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    read_until(process.stdout, b"tick0")
    process.stdout.close()
    _, rest = process.communicate(timeout=30)
    assert b"Traceback" not in rest
    assert b"rror" not in rest
    assert process.returncode == 141


@pytest.mark.parametrize("arguments", [(), ("-",)])
def test_the_prompt_comes_from_standard_input_without_its_last_line_end(echo, arguments):
    done = echo.run("run", "echo", *arguments, input="first line\nsecond line\n\n")
    assert done.stdout == b"first line\nsecond line\n"


def test_a_windows_line_end_counts_as_one(echo):
    assert echo.run("run", "echo", input="line\r\n").stdout == b"line"


def test_standard_input_that_is_not_utf8_is_refused(echo):
    done = echo.run("run", "echo", input=b"caf\xe9")
    assert done.returncode == 2
    assert b"not UTF-8 text: byte 3" in done.stderr


@pytest.mark.parametrize(("arguments", "given"), [(("",), ""), ((), ""), (("-",), "\n")])
def test_an_empty_prompt_is_refused_before_the_model_is_loaded(echo, arguments, given):
    done = echo.run("run", "echo", *arguments, input=given)
    assert done.returncode == 2
    assert b"error: the prompt is empty" in done.stderr
    assert b"noise from loading" not in done.stderr


def test_json_is_one_line_with_stable_keys(echo):
    done = echo.run("run", "echo", "one two", "--json")
    assert done.stdout.count(b"\n") == 1
    answer = json.loads(done.stdout)
    assert answer["model"] == "echo"
    assert answer["text"] == "one two"
    assert answer["token_ids"] == [0, 1]
    assert answer["finish_reason"] == "stop"
    assert set(answer["stats"]) == {
        "prompt_tokens", "new_tokens", "first_token_s", "total_s", "load_s",
        "prefill_tokens_per_s", "decode_tokens_per_s", "guessed_tokens", "accepted_tokens", "acceptance",
        "tokens_per_step", "cached_tokens",
    }  # fmt: skip


def test_every_flag_reaches_the_model_under_its_api_name(echo):
    done = echo.run(
        "run", "echo", "options", "--max-new-tokens", "5", "--temperature", "0.5", "--top-k", "4", "--top-p", "0.9",
        "--min-p", "0.1", "--repetition-penalty", "1.1", "--presence-penalty", "0.2", "--frequency-penalty", "0.3",
        "--seed", "7", "--stop", "END", "--stop", "STOP", "--system", "Be brief.", "--raw", "--threads", "2",
        "--device", "cpu", "--dtype", "float32", "--context", "64", "--weights", "echo-large", "--accept-license",
        "--offline", "--speculate",
    )  # fmt: skip
    got = json.loads(done.stdout)
    assert got["options"] == {
        "max_new_tokens": 5, "temperature": 0.5, "top_k": 4, "top_p": 0.9, "min_p": 0.1, "repetition_penalty": 1.1,
        "presence_penalty": 0.2, "frequency_penalty": 0.3, "seed": 7, "stop": ["END", "STOP"],
        "speculate": True,
    }  # fmt: skip
    assert got["system"] == "Be brief."
    assert got["raw"] is True
    wanted = {
        "threads": 2, "device": "cpu", "dtype": "float32", "context": 64, "weights": "echo-large",
        "accept_license": True, "offline": True,
    }  # fmt: skip
    assert {name: got["load"][name] for name in wanted} == wanted


def test_flags_that_are_not_given_leave_the_models_own_defaults_alone(echo):
    got = json.loads(echo.run("run", "echo", "options").stdout)
    assert got["options"] == {}
    assert got["load"]["threads"] is None
    assert got["load"]["accept_license"] is False


def test_the_form_of_an_answer_comes_from_a_file_or_an_expression(echo, tmp_path):
    schema = tmp_path / "schema.json"
    schema.write_text('\ufeff{"type": "string"}', encoding="utf-8")
    got = json.loads(echo.run("run", "echo", "options", "--json-schema", schema).stdout)["options"]
    assert got == {"constraint": {"kind": "json_schema", "source": '{"type": "string"}'}}
    got = json.loads(echo.run("run", "echo", "options", "--regex", "a+").stdout)["options"]
    assert got == {"constraint": {"kind": "regex", "source": "a+"}}


def test_a_form_that_cannot_be_read_is_refused(echo, tmp_path):
    schema = tmp_path / "schema.json"
    schema.write_bytes(b"\xff")
    for flags, reason in [
        (["--json-schema", schema, "--regex", "a"], b"cannot be given together"),
        (["--json-schema", schema], b"cannot read the schema"),
        (["--json-schema", tmp_path / "none"], b"does not exist"),
    ]:
        done = echo.run("run", "echo", "options", *flags)
        assert done.returncode == 2
        assert reason in done.stderr


@pytest.mark.parametrize("command", ["run", "chat"])
def test_flags_exist_under_the_names_of_the_api(echo, command):
    page = echo.run(command, "--help").stdout.decode()
    not_flags = {"logit_bias", "stop_token_ids", "ignore_eos", "logprobs", "prompt_logprobs", "constraint"}
    names = {*SamplingOptions.__dataclass_fields__, *LoadOptions.__dataclass_fields__} - not_flags
    names -= {"config_overrides", "progress"}
    for name in names - {"disabled_optimizations"}:
        assert f"--{name.replace('_', '-')}" in page


@pytest.mark.parametrize(
    ("flag", "value"),
    [
        ("--temperature", "-1"), ("--top-p", "0"), ("--top-p", "1.5"), ("--top-k", "-1"), ("--min-p", "2"),
        ("--max-new-tokens", "0"), ("--threads", "0"), ("--dtype", "int8"), ("--seed", "soon"),
        ("--repetition-penalty", "0"),
    ],
)  # fmt: skip
def test_values_out_of_range_are_usage_errors_before_anything_is_loaded(echo, flag, value):
    done = echo.run("run", "echo", "hello", flag, value)
    assert done.returncode == 2
    assert done.stdout == b""
    assert flag.encode() in done.stderr
    assert b"noise" not in done.stderr


def test_ctrl_c_keeps_what_came_and_ends_with_130(echo, tmp_path):
    trace = tmp_path / "trace"
    process = echo.popen(
        "run", "echo", "forever:", env={"ECHO_TRACE": str(trace)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    seen = read_until(process.stdout, b"tick3")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (seen + out).startswith(b"tick0 tick1 tick2 tick3")
    assert b"Traceback" not in err
    assert process.returncode == 130
    assert trace.read_text() == "closed\n", "the generator was closed, so a model is free again"


def test_ctrl_c_while_loading_ends_with_130_without_a_traceback(echo):
    process = echo.popen("run", "echo", "hi", env={"ECHO_LOAD_S": "30"}, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    seen = read_until(process.stderr, b"noise from a native library")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert out == b""
    assert b"Traceback" not in seen + err


def test_json_after_ctrl_c_says_cancelled(echo):
    process = echo.popen("run", "echo", "forever:", "--json", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    read_until(process.stderr, b"noise from a native library")
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=30)
    answer = json.loads(out)
    assert answer["finish_reason"] == "cancelled"
    assert answer["stats"] is None
    assert process.returncode == 130


def test_a_download_in_a_pipe_is_two_plain_lines(echo):
    done = echo.run("run", "echo", "hi", env={"ECHO_DOWNLOAD": "0.01"})
    lines = [line for line in done.stderr.decode().splitlines() if "noise" not in line]
    assert lines[0] == "downloading echo.gguf (1.0 MB)"
    assert lines[1].startswith("downloaded echo.gguf (1.0 MB in ")
    assert len(lines) == 2
    assert "\x1b" not in done.stderr.decode()
    assert done.stdout == b"hi"


def test_a_licence_that_nobody_can_be_asked_about_is_an_error(echo):
    done = echo.run("run", "echo", "hi", env={"ECHO_CONSENT": "1"})
    assert done.returncode == 1
    assert b"--accept-license" in done.stderr
    assert echo.run("run", "echo", "hi", "--accept-license", env={"ECHO_CONSENT": "1"}).stdout == b"hi"


@pytest.mark.parametrize("prompt", [["now"], []])
def test_a_sentence_in_the_models_place_is_explained(echo, prompt):
    done = echo.run("run", "Why is the sky blue?", *prompt)
    assert done.returncode == 2
    assert b"the model's name comes before the prompt" in done.stderr


def test_an_unknown_model_is_told_before_the_prompt_is_read(echo):
    assert b"no plugin is called 'exho'. Did you mean 'echo'?" in echo.run("run", "exho").stderr


@pytest.mark.parametrize(("closed", "expected"), [("2>&-", b"hi"), ("<&-", b"hi"), (">&-", b"")])
def test_a_closed_standard_stream_harms_nothing(echo, closed, expected):
    done = subprocess.run(
        ["sh", "-c", f'exec "$@" {closed}', "sh", *echo.argv("run", "echo", "hi")],
        capture_output=True, env=echo.environment, cwd=echo.home, timeout=60,
    )  # fmt: skip
    assert done.stdout == expected
    assert done.returncode == 0
    assert b"Traceback" not in done.stderr
