"""What must not stand in any file: traces of a machine, silenced checks without a reason, files too long to read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from .layout import text_files

# Put together from pieces, so that this file does not contain what it looks for.
FOLDERS = ("wo" + "rk", "fa" + "rm", "ro" + "ot", "ho" + "me", "tm" + "p", "Use" + "rs")
HOSTS = ("pyp" + "i", "python" + "hosted", "npm" + "js", "deb" + "ian", "cra" + "tes")
WORDS = ("fa" + "rm-bench", "fa" + "rm-studio", "sub" + "agent", "clau" + "de", "anthro" + "pic")
ABSOLUTE_PATH = re.compile(rf"(?<![\w.~/$}}-])/({'|'.join(FOLDERS)})/")
REGISTRY_HOST = re.compile(rf"\b({'|'.join(HOSTS)})\.(org|com|io|net)\b")
WORKPLACE = re.compile(rf"\b({'|'.join(WORDS)})\b", re.IGNORECASE)

SILENCED = re.compile(r"#\s*(?:type:\s*ignore|noqa|ruff:\s*noqa|mypy:|pragma:\s*no cover)(?P<rest>.*)")
WITH_CODE_AND_REASON = re.compile(r"^(?:\[[a-z-]+(?:,\s*[a-z-]+)*\]|:\s*[A-Z]+\d+(?:,\s*[A-Z]+\d+)*)\W+\w.{7,}")
LONGEST_FILE = 500


def hits(pattern: re.Pattern[str], files: Mapping[Path, str]) -> list[str]:
    return [
        f"{path}:{number}: {line.strip()[:100]}"
        for path, text in files.items()
        for number, line in enumerate(text.splitlines(), 1)
        if pattern.search(line)
    ]


def test_no_file_names_a_path_of_the_machine_it_was_written_on() -> None:
    assert hits(ABSOLUTE_PATH, text_files()) == []


def test_no_file_names_a_package_registry_host() -> None:
    assert hits(REGISTRY_HOST, text_files()) == []


def test_no_file_names_the_tools_it_was_written_with() -> None:
    assert hits(WORKPLACE, text_files()) == []


def test_every_silenced_check_names_its_code_and_a_reason() -> None:
    found = [
        f"{path}:{number}: {line.strip()}"
        for path, text in text_files(".py").items()
        for number, line in enumerate(text.splitlines(), 1)
        if (match := SILENCED.search(line))
        and '"' not in line[match.start() :]
        and not WITH_CODE_AND_REASON.match(match["rest"])
    ]
    assert found == [], "write `# type: ignore[code]  # reason` or `# noqa: CODE - reason`"


def test_no_python_file_is_longer_than_can_be_read() -> None:
    lengths = {str(path): text.count("\n") for path, text in text_files(".py").items()}
    assert {path: lines for path, lines in lengths.items() if lines > LONGEST_FILE} == {}


def test_every_text_file_ends_with_one_newline() -> None:
    ours = {path: text for path, text in text_files().items() if "vendor" not in path.parts}  # those are as published
    bad = [str(path) for path, text in ours.items() if text and (text[-1:] != "\n" or text[-2:] == "\n\n")]
    assert bad == []
