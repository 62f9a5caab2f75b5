"""Hooks of the command line's tests: a weights source, commands and a doctor check."""

import os
from pathlib import Path
from typing import Any

import click

from inference_pio import hookimpl
from inference_pio.hookspecs import DoctorFinding


@hookimpl
def pio_resolve_weights(request):
    if not str(request.entry.source).startswith("test:"):
        path = Path(request.entry.source)
        return path if path.exists() else None
    path = request.cache_dir / request.entry.id
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"twelve bytes")
    print("noise from a resolver")
    return path


@hookimpl
def pio_weights_present(entry, cache_dir):
    print("noise from looking")
    return (cache_dir / entry.id).exists()


@hookimpl
def pio_commands():
    @click.command("greet", help="Greet somebody.")
    @click.argument("who")
    def greet(who):
        click.echo(f"hello {who}")
        return 7  # not an exit code

    @click.command("list", help="Not the real list.")
    def fake_list():
        click.echo("replaced")

    return [greet, fake_list]


@hookimpl
def pio_doctor_checks():
    status: Any = os.environ.get("ECHO_DOCTOR", "ok")
    return [lambda: DoctorFinding(name="echo", status=status, message="it echoes", fix="shout", data={"db": 60})]
