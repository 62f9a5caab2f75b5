"""The complete distribution of docs/hooks.md, taken from the page: built, installed, listed, and seen to work."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import ROOT, Environment

pytestmark = pytest.mark.slow

HEADING = "## A complete distribution"
# Read before the fixtures of all tests take our variables away: a checkpoint should not be downloaded twice.
CACHE = {name: value for name, value in os.environ.items() if name == "INFERENCE_PIO_CACHE_DIR"}
BLOCK = re.compile(r"^```\w*\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def section() -> str:
    _, heading, rest = (ROOT / "docs" / "hooks.md").read_text(encoding="utf-8").partition(HEADING)
    assert heading, "docs/hooks.md has lost its complete distribution"
    return rest.partition("\n## ")[0]


def write_project(section: str, folder: Path) -> None:
    """Write the blocks that begin with a file's name."""
    folder.mkdir()
    for text in BLOCK.findall(section):
        if name := re.match(r"# ([\w.]+)\n", text):
            (folder / name[1]).write_text(text, encoding="utf-8")


@pytest.fixture(scope="module")
def installed(
    section: str, environment: Environment, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Environment]:
    """The environment with the page's plugin in it."""
    folder = tmp_path_factory.mktemp("journal")
    write_project(section, folder / "project")
    wheel = environment.build(folder / "project", folder / "wheels")
    assert f"dist/{wheel.name}" in section, "the page names another wheel than its files make"
    environment.pip("install", "--quiet", "--no-deps", str(wheel))
    yield environment
    environment.pip("uninstall", "--quiet", "--yes", "pio-journal")


def test_it_is_listed_as_the_page_shows(installed: Environment, section: str) -> None:
    (row,) = [line.rstrip() for line in installed.host("list", "--all").splitlines() if line.startswith("journal")]
    assert row in section


def test_it_passes_the_check(installed: Environment) -> None:
    report = installed.json("check", "pio-journal", "--import")
    assert [finding for finding in report["findings"] if finding["severity"] == "error"] == []


def test_it_writes_the_journal_and_bans_tokens(installed: Environment, tmp_path: Path) -> None:
    code = """
from inference_pio import Completion, Host, SamplingOptions
from inference_pio.generation import GenerationRequest, GenerationStats
hooks = Host().hooks
request = GenerationRequest(plugin_name="m", prompt="x", prompt_ids=(1,), options=SamplingOptions())
stats = GenerationStats(prompt_tokens=1, new_tokens=1, first_token_s=0, total_s=0)
hooks.after_generation(request, Completion(text="größer", token_ids=(1,), finish_reason="stop", stats=stats))

class Logits(list):  # indexed with a list, as an array of numpy is
    def __setitem__(self, places, value):
        for place in places:
            super().__setitem__(place, value)

print([list(processor([1], Logits([0.0] * 4))) for processor in hooks.logits_processors(request)])
"""
    journal = tmp_path / "journal.jsonl"
    assert installed.python(code, JOURNAL=str(journal)) == "[]\n"
    assert json.loads(journal.read_text(encoding="utf-8")) == {"model": "m", "answer": "größer"}
    banned = installed.python(code, JOURNAL=str(journal), JOURNAL_BAN="1,3")
    assert banned == "[[0.0, -inf, 0.0, -inf]]\n"


def test_it_can_be_left_out(installed: Environment) -> None:
    hooks = installed.json("list", "--all", INFERENCE_PIO_DISABLE="journal")["hooks"]
    assert [(record["name"], record["state"]) for record in hooks] == [("journal", "disabled")]


@pytest.mark.weights
def test_a_real_model_says_what_the_transcript_shows(section: str, tmp_path: Path) -> None:
    pytest.importorskip("inference_pio.models.smollm2")
    write_project(section, tmp_path / "project")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(tmp_path / "site")]
    subprocess.run([*pip, str(tmp_path / "project")], check=True)
    transcript = next(text for text in BLOCK.findall(section) if text.startswith("$"))
    shown = re.findall(r"^\$ ((?:JOURNAL_BAN=\S+ )?inference-pio run .*)\n(.*)$", transcript, re.MULTILINE)
    assert len(shown) == 2
    for line, answer in shown:
        words = shlex.split(line)
        start = words.index("inference-pio")
        given = dict(word.split("=", 1) for word in words[:start])
        done = subprocess.run(
            [sys.executable, "-m", "inference_pio", *words[start + 1 :]],
            env={**os.environ, **CACHE, "PYTHONPATH": str(tmp_path / "site"), **given},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout == answer
    journal = (tmp_path / "journal.jsonl").read_text(encoding="utf-8")
    assert transcript.endswith(f"$ cat journal.jsonl\n{journal}")
