"""``hf:`` sources: the real huggingface_hub on a small hub of our own; in processes, as it reads HF_ENDPOINT once."""

import hashlib
import json
import logging
import sys
from importlib.metadata import version

import pytest
from packaging.version import Version

from inference_pio.manifest import WeightsEntry
from inference_pio.runtime.sources import hub_download

DATA = bytes(range(256)) * 1000
COMMIT = "c" * 40
SNAPSHOT = {
    "config.json": b'{"model_type": "llama"}',
    "tokenizer.json": b"{}",
    "model.safetensors": DATA,
    "pytorch_model.bin": b"a pickle",
    "modeling_evil.py": b"import os",
    "onnx/model.safetensors": b"another format",
    "README.md": b"# Model",
}


@pytest.fixture
def hub(web, monkeypatch, tmp_path):
    """The few endpoints that huggingface_hub asks for; ``files`` is what it has, ``refuse`` an error to answer with."""
    web.files, web.refuse = {"m.gguf": DATA}, None

    def answer(method, path, headers):
        if web.refuse:
            status, code = web.refuse
            return status, {"X-Error-Code": code, "X-Error-Message": f"refused with {code}"}, b"{}"
        parts = path.split("?")[0].strip("/").split("/")
        if parts[:4] == ["api", "models", "org", "repo"]:
            return 200, {"Content-Type": "application/json"}, _listing(web.files, parts[4])
        name = "/".join(parts[4:])
        if parts[:3] != ["org", "repo", "resolve"] or parts[3] not in ("main", "v1", COMMIT):
            return 404, {"X-Error-Code": "RevisionNotFound"}, b""
        if name not in web.files:
            return 404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": COMMIT}, b""
        return _file(web.files[name], headers.get("range"))

    web.answer = answer
    monkeypatch.setenv("HF_ENDPOINT", web.url)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    for name in ("HF_TOKEN", "HF_HUB_OFFLINE", "HF_HUB_DISABLE_PROGRESS_BARS"):
        monkeypatch.delenv(name, raising=False)
    return web


def _listing(files, kind):
    if kind == "tree":
        tree = [
            {"type": "file", "path": n, "size": len(d), "oid": hashlib.sha1(d).hexdigest()} for n, d in files.items()
        ]
        return json.dumps(tree).encode()
    return json.dumps({"id": "org/repo", "sha": COMMIT, "siblings": [{"rfilename": name} for name in files]}).encode()


def _file(data, wanted):
    answer = {"ETag": f'"{hashlib.sha256(data).hexdigest()}"', "X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"}
    if wanted is None:
        return 200, answer, data
    start = int(wanted.removeprefix("bytes=").split("-")[0])
    answer["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
    return 206, answer, data[start:]


@pytest.fixture
def pull(start_pull, finish):
    return lambda entry: finish(start_pull(entry))


def _got(web, name="m.gguf"):
    return [path for method, path in web.requests if method == "GET" and path.endswith(f"/{name}")]


@pytest.mark.parametrize("revision", ["", "@v1", f"@{COMMIT}"])
def test_a_file_is_fetched_verified_and_kept(revision, hub, pull, entry, cache, leftovers):
    asked = entry(f"hf:org/repo{revision}/m.gguf")
    answer = pull(asked)
    path = cache / "weights" / asked.sha256[:32] / "m.gguf"
    assert answer["path"] == str(path)
    assert path.read_bytes() == DATA
    assert len(leftovers()) == 2
    assert _got(hub)[0].split("/")[4] in (revision.lstrip("@") or "main", COMMIT)
    assert [event[0] for event in answer["events"]] == sorted(event[0] for event in answer["events"])
    assert answer["events"][-1] == ["verify", len(DATA), len(DATA)]
    hub.close()
    assert pull(asked)["path"] == str(path)


def test_a_file_in_a_sub_folder_is_kept_by_its_own_name(hub, pull, entry):
    hub.files = {"q4/m.gguf": DATA}
    assert pull(entry("hf:org/repo/q4/m.gguf"))["path"].endswith("/m.gguf")


@pytest.mark.parametrize("propagates", [True, False])
def test_a_warning_of_the_hub_is_printed_once(propagates, monkeypatch, capsys):
    hub_logger, mine = logging.getLogger("huggingface_hub"), logging.StreamHandler(sys.stderr)
    own = [logging.StreamHandler(sys.stderr)]
    monkeypatch.setattr(hub_logger, "handlers", own)
    monkeypatch.setattr(hub_logger, "propagate", propagates)
    monkeypatch.setattr(logging.getLogger(), "handlers", [mine])
    with hub_download._quiet_hub():
        hub_logger.warning("retrying")
    assert capsys.readouterr().err == "retrying\n"
    assert hub_logger.handlers is own


def test_the_hub_draws_nothing(hub, pull, entry):
    errors = pull(entry("hf:org/repo/m.gguf"))["stderr"]
    assert "%" not in errors
    assert "m.gguf" not in errors


@pytest.mark.skipif(Version(version("huggingface_hub")) < Version("1"), reason="older ones leave that to their caller")
def test_a_connection_that_breaks_off_is_taken_up_where_it_broke(hub, pull, entry):
    large = DATA * 100  # huggingface_hub writes 10 MiB at a time, and takes up behind the last whole piece
    hub.files, hub.cut = {"m.gguf": large}, 1
    answer = pull(entry("hf:org/repo/m.gguf", large))
    assert "path" in answer
    (taken_up,) = [headers["range"] for headers in hub.headers if "range" in headers]
    assert 0 < int(taken_up.removeprefix("bytes=").rstrip("-")) <= len(large) // 2


def test_a_connection_that_always_breaks_off_is_an_error_and_the_next_pull_works(hub, pull, entry, leftovers):
    hub.files, hub.cut = {"m.gguf": DATA}, 99
    answer = pull(entry("hf:org/repo/m.gguf"))
    assert answer["error"] == "DownloadError"
    assert "could not be fetched" in answer["message"]
    assert leftovers() == []
    hub.cut = 0
    assert "path" in pull(entry("hf:org/repo/m.gguf"))


def test_an_interrupted_process_leaves_nothing_and_the_next_one_starts_again(hub, start_pull, finish, entry, leftovers):
    process = start_pull(entry("hf:org/repo/m.gguf"), stop_at="verify")
    assert process.stdout.readline() == "stopped\n"
    process.kill()
    process.wait()
    assert "path" in finish(start_pull(entry("hf:org/repo/m.gguf")))
    assert len(leftovers()) == 2


def test_two_processes_at_once_fetch_once(hub, start_pull, finish, entry):
    answers = [finish(process) for process in [start_pull(entry("hf:org/repo/m.gguf")) for _ in range(2)]]
    assert answers[0]["path"] == answers[1]["path"]
    assert len(_got(hub)) == 1


def test_a_wrong_sum_leaves_nothing(hub, pull, entry, leftovers):
    hub.files = {"m.gguf": DATA[::-1]}
    answer = pull(entry("hf:org/repo/m.gguf"))
    assert answer["error"] == "ChecksumError"
    assert leftovers() == []


def test_parts_from_the_hub_are_joined(hub, pull, entry, leftovers):
    hub.files = {"m.gguf.part0": DATA[:100_000], "m.gguf.part1": DATA[100_000:]}
    answer = pull(entry(["hf:org/repo/m.gguf.part0", "hf:org/repo/m.gguf.part1"]))
    assert answer["path"].endswith("/m.gguf")
    assert len(leftovers()) == 2


@pytest.mark.parametrize(
    ("status", "code", "error", "message"),
    [
        (404, "RepoNotFound", "WeightsNotFoundError", "there is no hf:org/repo@main/m.gguf"),
        (404, "RevisionNotFound", "WeightsNotFoundError", "there is no hf:org/repo@main/m.gguf"),
        (404, "EntryNotFound", "WeightsNotFoundError", "there is no hf:org/repo@main/m.gguf"),
        (403, "GatedRepo", "DownloadError", "hf auth login"),
        pytest.param(500, "", "DownloadError", "could not be fetched", marks=pytest.mark.slow),  # the hub tries again
    ],
)
def test_a_refusal_is_translated(status, code, error, message, hub, pull, entry, leftovers):
    hub.refuse = (status, code)
    answer = pull(entry("hf:org/repo/m.gguf"))
    assert answer["error"] == error
    assert message in answer["message"]
    assert "\n" not in answer["message"]
    assert leftovers() == []


@pytest.mark.slow  # huggingface_hub tries for 20 seconds
def test_no_network_says_so(hub, pull, entry, monkeypatch, leftovers):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    answer = pull(entry("hf:org/repo/m.gguf"))
    assert answer["error"] == "DownloadError"
    assert "could not be fetched" in answer["message"]
    assert "refused" in answer["message"]
    assert leftovers() == []


FOLDER = WeightsEntry(id="st", source="hf:org/repo")


def test_a_repository_becomes_a_folder_without_pickles_and_code(hub, pull, cache, leftovers):
    hub.files = SNAPSHOT
    answer = pull(FOLDER)
    folder = cache / "weights" / answer["path"].split("/")[-2] / "repo"
    assert answer["path"] == str(folder)
    assert sorted(file.name for file in folder.iterdir()) == ["config.json", "model.safetensors", "tokenizer.json"]
    assert (folder / "model.safetensors").read_bytes() == DATA
    assert not _got(hub, "pytorch_model.bin")
    assert not _got(hub, "modeling_evil.py")
    assert not any("staging-" in name for name in leftovers())
    hub.close()
    assert pull(FOLDER) == answer | {"events": [], "stderr": ""}


def test_a_damaged_folder_is_fetched_again(hub, pull, cache):
    hub.files = SNAPSHOT
    folder = cache / pull(FOLDER)["path"]
    for damage in (lambda: (folder / "model.safetensors").write_bytes(b"x"), (folder / "config.json").unlink):
        damage()
        assert pull(FOLDER)["events"]
        assert (folder / "model.safetensors").read_bytes() == DATA
        assert (folder / "config.json").exists()


def test_a_repository_of_pickles_is_refused(hub, pull, leftovers):
    hub.files = {"config.json": b"{}", "pytorch_model.bin": DATA}
    answer = pull(FOLDER)
    assert answer["error"] == "WeightsNotFoundError"
    assert "pickles are never loaded" in answer["message"]
    assert leftovers() == []


def test_a_folder_has_no_sum(hub, pull):
    answer = pull(WeightsEntry(id="st", source="hf:org/repo", sha256="0" * 64))
    assert answer["error"] == "ChecksumError"
    assert "a folder, which has none" in answer["message"]
