"""Runs a page of the documentation: ``python tests/tutorial.py PAGE``, in the folder to work in.

Every block marked ``console`` is a transcript. Lines that begin with ``$`` are typed, one after another; the others
must come out, in this order, ``…`` standing for anything. So a page shows what happens, or the run fails.
"""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

BLOCK = re.compile(r"^```console\n(.*?)^```", re.DOTALL | re.MULTILINE)
PROMPT = "$ "
ANYTHING = "…"


@dataclass
class Step:
    """One command of a transcript.

    Attributes:
        command: What is typed, a line of bash.
        expected: Lines that must come out, in this order.
    """

    command: str
    expected: list[str] = field(default_factory=list)


def read_steps(page: str) -> list[Step]:
    """Return the commands of a page with the lines shown below each."""
    steps: list[Step] = []
    for block in BLOCK.findall(page):
        for line in block.splitlines():
            if line.startswith(PROMPT):
                steps.append(Step(line.removeprefix(PROMPT)))
            elif line.strip():
                steps[-1].expected.append(line.rstrip())
    return steps


def missing_line(expected: list[str], output: str) -> str | None:
    """Return the first expected line that does not come out after those before it; ``None`` when all do."""
    lines = iter(output.splitlines())
    for wanted in expected:
        pattern = re.compile(".*".join(map(re.escape, wanted.split(ANYTHING))))
        if wanted.strip() != ANYTHING and not any(pattern.fullmatch(line.rstrip()) for line in lines):
            return wanted
    return None


def run_step(step: Step) -> str:
    """Run one command in the working directory; return what is wrong with it, empty when nothing is."""
    print(f"{PROMPT}{step.command}", flush=True)
    done = subprocess.run(
        ["bash", "-c", step.command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    print(done.stdout, flush=True)
    if done.returncode:
        return f"{step.command!r} ends with {done.returncode}"
    missing = missing_line(step.expected, done.stdout)
    return f"{step.command!r} does not print {missing!r}" if missing is not None else ""


def main(page: Path) -> int:
    """Run a page to its end or to the first step that is not as it says."""
    steps = read_steps(page.read_text(encoding="utf-8"))
    if not steps:
        print(f"{page} has no block marked `console`", file=sys.stderr)
        return 1
    for step in steps:
        if fault := run_step(step):
            print(f"{page.name}: {fault}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
