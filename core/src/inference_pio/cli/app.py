"""The command group: finds commands, runs one, turns what it raises into an exit code."""

from __future__ import annotations

import functools
import importlib
import io
import logging
import os
import pkgutil
import sys
from collections.abc import Sequence

import click

from .. import __version__
from ..names import nearest_names
from . import commands, logs
from .command import CONTEXT_SETTINGS, State, global_options, write_block
from .failures import EXIT_CODES, report
from .results import open_standard_streams

logger = logging.getLogger(__name__)

EXAMPLES = """\
inference-pio list                              # what is installed
inference-pio run smollm2 "Why is the sky blue?"
git diff | inference-pio run smollm2            # the prompt from a pipe
inference-pio chat                              # talk
inference-pio doctor                            # what is wrong, and how to mend it
eval "$(inference-pio completion bash)"         # complete commands and model names"""


class App(click.Group):
    """Imports a built-in command when it is asked for, and plugins' commands only for help and for unknown names."""

    @functools.cached_property
    def builtin(self) -> tuple[str, ...]:
        """Names of the built-in commands: the modules in ``commands/``, with a dash for each underscore."""
        return tuple(sorted(module.name.replace("_", "-") for module in pkgutil.iter_modules(commands.__path__)))

    @functools.cached_property
    def contributed(self) -> dict[str, click.Command]:
        """Commands of hook plugins, by name. A failure here is logged and costs that plugin's commands only."""
        found: dict[str, click.Command] = {}
        for command in _hook_commands():
            name = command.name or ""
            if name in self.builtin or name in found:
                logger.warning("a plugin's command %r is ignored: there is one of that name already", name)
            else:
                found[name] = command
        return found

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return all names, sorted."""
        return sorted([*self.builtin, *self.contributed])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return one command; built-in ones come first and cannot be replaced."""
        if cmd_name in self.builtin:
            command = importlib.import_module(f"{commands.__name__}.{cmd_name.replace('-', '_')}").command
            assert isinstance(command, click.Command)
            return command
        return self.contributed.get(cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that ``args`` start with.

        Raises:
            click.UsageError: There is none; the message has the nearest ones, or says that this is a model's name.
        """
        name = args[0]
        if not name.startswith("-") and self.get_command(ctx, name) is None and not ctx.resilient_parsing:
            ctx.fail(f"there is no command {name!r}. {self._suggestion(ctx, name)}")
        return super().resolve_command(ctx, args)

    def _suggestion(self, ctx: click.Context, name: str) -> str:
        if name in plugin_names():
            return f"It is a model; run it: inference-pio run {name}"
        nearest = nearest_names(name, self.list_commands(ctx), limit=2)
        return f"Did you mean {' or '.join(map(repr, nearest))}?" if nearest else "See: inference-pio --help"

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write examples and exit codes."""
        write_block(formatter, "Examples", EXAMPLES)
        write_block(formatter, "Exit codes", "\n".join(f"{code:>3}  {meaning}" for code, meaning in EXIT_CODES))

    def invoke(self, ctx: click.Context) -> None:
        """Run the command; what it returns is not an exit code, so it is dropped.

        Interrupts and broken pipes are answered here, before click gives them its own words.
        """
        try:
            super().invoke(ctx)
            sys.stdout.flush()
        except (KeyboardInterrupt, BrokenPipeError) as error:
            ctx.exit(report(error, debug=False))
        except (EOFError, SystemExit) as error:  # click takes the one for Ctrl-C, Python the other for an exit code
            ctx.exit(report(error, debug=ctx.ensure_object(State).debug))


def plugin_names() -> list[str]:
    """Names of the installed models, from the index: no plugin code runs."""
    from ..host import default_host

    return [record.name for record in default_host().records()]


def _hook_commands() -> list[click.Command]:
    try:
        from ..host import default_host

        return default_host().hooks.commands()
    except Exception as error:  # whatever a broken plugin does, it must not take --help away
        logger.warning("commands of plugins are left out: %s", error, exc_info=True)
        return []


@click.group(cls=App, invoke_without_command=True, context_settings=CONTEXT_SETTINGS)
@click.version_option(__version__, prog_name="inference-pio")
@click.pass_context
def app(ctx: click.Context) -> None:
    """Language models as pip packages: run them, talk to them, look after them."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


app.params += global_options(hidden=False)


def run(args: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code; never raises for an expected failure."""
    open_standard_streams()
    state = State()
    logs.configure(verbose=False, debug=False)
    if any(name.startswith("_") and name.endswith("_COMPLETE") for name in os.environ):
        logging.disable()  # a shell asks for completions: a warning would land in the middle of the line being typed
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a character that the terminal lacks must not end an answer
    try:
        code = app.main(args=None if args is None else list(args), obj=state, standalone_mode=False)
    except Exception as error:  # noqa: BLE001 - the last line of defence: no traceback without --debug
        return report(error, debug=state.debug)
    finally:
        _close_host()
    return code if isinstance(code, int) else 0


def _close_host() -> None:
    """Let plugins put their things in order, if this command had any to do with them."""
    module = sys.modules.get(f"{__package__.rpartition('.')[0]}.host")
    if module is not None and module.default_host.cache_info().currsize:
        module.default_host().close()
