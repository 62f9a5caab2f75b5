"""The runner of transcripts, and what it is for: a page that shows something else than what happens fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from .layout import ROOT
from .tutorial import Step, main, missing_line, read_steps

PAGE = """\
Text.

```console
$ echo one; echo two
one
two
$ true
```

```
$ not run
```
"""


def test_only_blocks_marked_console_are_run() -> None:
    assert read_steps(PAGE) == [Step("echo one; echo two", ["one", "two"]), Step("true")]


@pytest.mark.parametrize(
    ("expected", "missing"),
    [
        ([], None),
        (["one", "three"], None),
        (["o…e", "…", "thr…"], None),
        (["…"], None),
        (["three", "one"], "one"),
        (["on"], "on"),
        (["one", "one"], "one"),
        (["four…"], "four…"),
    ],
)
def test_lines_must_come_out_whole_and_in_order(expected: list[str], missing: str | None) -> None:
    assert missing_line(expected, "one\ntwo  \nthree\n") == missing


@pytest.mark.parametrize(
    ("block", "code", "said"),
    [
        ("$ echo one\none", 0, ""),
        ("$ echo one\ntwo", 1, "'echo one' does not print 'two'"),
        ("$ false\n$ touch ran", 1, "'false' ends with 1"),
        ("no command", 1, "no block"),
    ],
)
def test_the_first_step_that_is_not_as_the_page_says_ends_the_run(
    block: str,
    code: int,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    page = tmp_path / "page.md"
    page.write_text(f"```console\n{block}\n```\n" if "$" in block else block, encoding="utf-8")
    assert main(page) == code
    assert said in capsys.readouterr().err
    assert not (tmp_path / "ran").exists()


def test_the_tutorial_makes_checks_installs_runs_and_tests_a_plugin() -> None:
    commands = "\n".join(step.command for step in read_steps((ROOT / "docs" / "writing-a-model.md").read_text("utf-8")))
    for part in ("new", "check", "run", "test"):
        assert f"inference-pio {part} " in commands, part
    assert "pip install" in commands
    assert "pip wheel" in commands
