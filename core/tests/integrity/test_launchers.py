from __future__ import annotations

import sys
from pathlib import Path

import pytest

from inference_pio.integrity.launchers import launcher_fault

BODY = """\
# -*- coding: utf-8 -*-
import re
import sys
from acme.cli import main
if __name__ == '__main__':
    sys.argv[0] = re.sub(r'(-script\\.pyw|\\.exe)?$', '', sys.argv[0])
    sys.exit(main())
"""
NEWER = """\
import sys
from acme.cli import main
if __name__ == '__main__':
    sys.argv[0] = sys.argv[0].removesuffix('.exe')
    sys.exit(main())
"""
UV = """\
# -*- coding: utf-8 -*-
import sys
from acme.cli import main
if __name__ == "__main__":
    if sys.argv[0].endswith("-script.pyw"):
        sys.argv[0] = sys.argv[0][:-11]
    elif sys.argv[0].endswith(".exe"):
        sys.argv[0] = sys.argv[0][:-4]
    sys.exit(main())
"""
PYTHON = f"#!{sys.executable}\n"
RELOCATABLE = "#!/bin/sh\n'''exec' \"$(dirname -- \"$(realpath -- \"$0\")\")\"/'python' \"$0\" \"$@\"\n' '''\n"


def fault(tmp_path: Path, text: str, attribute: str = "main") -> str:
    path = tmp_path / "acme"
    path.write_text(text)
    return launcher_fault(str(path), "acme.cli", attribute)


@pytest.mark.parametrize(
    "text",
    [
        PYTHON + BODY,
        PYTHON + NEWER,
        PYTHON + UV,
        f"#!/bin/sh\n'''exec' {sys.executable} \"$0\" \"$@\"\n' '''\n{BODY}",
        f"#!/bin/sh\n'''exec' \"{sys.executable}\" \"$0\" \"$@\"\n' '''\n{UV}",
        RELOCATABLE + UV,
    ],
    ids=["pip", "newer pip", "uv", "pip, long path", "path with spaces", "uv, relocatable"],
)
def test_what_installers_write_is_fine(tmp_path: Path, text: str) -> None:
    assert fault(tmp_path, text) == ""


def test_a_function_may_be_an_attribute_of_a_class(tmp_path: Path) -> None:
    text = PYTHON + BODY.replace("import main", "import App").replace("main()", "App.run()")
    assert fault(tmp_path, text, "App.run") == ""


def test_the_python_of_the_launchers_own_environment_is_fine(tmp_path: Path) -> None:
    assert fault(tmp_path, f"#!{tmp_path}/python3.12\n{BODY}") == ""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("import re\n", "import os, re\n"),
        ("import re\n", "import re as sys\n"),
        ("from acme.cli", "from evil"),
        ("import main", "import evil as main"),
        ("sys.exit(main())", "sys.exit(0)"),
        ("sys.exit(main())", "sys.exit(main(), main())"),
        ("sys.exit(main())", "sys.exit(main())\nprint(1)"),
        ("sys.argv[0] = re.sub", "sys.path[0] = re.sub"),
        ("sys.argv[0] = re.sub", "main = re.sub"),
        ("re.sub(", "re.compile("),
        ("'', sys.argv[0]", "lambda m: 1, sys.argv[0]"),
        ("if __name__", "while __name__"),
        ("import re\n", "import re\nexec('1')\n"),
        ("import re\n", "import (\n"),
    ],
)
def test_a_launcher_that_does_anything_else_is_told(tmp_path: Path, old: str, new: str) -> None:
    assert old in BODY
    assert fault(tmp_path, PYTHON + BODY.replace(old, new)) != ""


@pytest.mark.parametrize(
    "line", ["#!/opt/evil/python", "#!/bin/sh -c", "#!python", "", f"#!{sys.executable} -i", "#!/bin/sh\nexec evil"]
)
def test_a_launcher_that_runs_another_interpreter_is_told(tmp_path: Path, line: str) -> None:
    assert "not the Python of this environment" in fault(tmp_path, f"{line}\n{BODY}")


def test_a_launcher_that_is_very_long_or_no_text_is_told(tmp_path: Path) -> None:
    assert "longer" in fault(tmp_path, PYTHON + BODY + "#" * 30_000)
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    assert "cannot be read" in launcher_fault(str(tmp_path / "binary"), "a", "b")
