"""From what an author types to every name that a plugin has."""

from __future__ import annotations

import keyword
import re
import sys
from dataclasses import dataclass

from ..errors import InvalidOptionError
from ..names import canonical_name

PREFIX = "inference-pio-"
LONGEST_NAME = 32
"""Characters. The templates keep lines below 120 characters with the longest name put in."""

_WORDS = re.compile(r"[A-Za-z][A-Za-z0-9]*([-_.]+[A-Za-z0-9]+)*")
_RESERVED = frozenset({"runtime"})
"""Names whose distribution the rendered plugin needs itself."""

_GOOD = "Use ASCII letters and digits, words joined by - _ or ., a letter first: my-model, Qwen3, llama_2"


@dataclass(frozen=True)
class Names:
    """Every name of one plugin. ``My_Model-2`` gives what the attributes show.

    Attributes:
        plugin: ``my-model-2``: the entry point, what ``inference-pio run`` takes.
        dist: ``inference-pio-my-model-2``: the distribution, and the folder it is rendered to.
        module: ``my_model_2``: last part of the package, and part of functions' names.
        camel: ``MyModel2``: what classes begin with. Capitals that were typed stay: ``SmolLM2``.
        title: ``My Model 2``: for people.
    """

    plugin: str
    dist: str
    module: str
    camel: str
    title: str


def derive_names(name: str) -> Names:
    """Derive all names from one; the prefix ``inference-pio-`` may stand before it.

    Raises:
        InvalidOptionError: No distribution, package or class can be named so; the message says why.
    """
    plugin = canonical_name(name)
    if plugin.startswith(PREFIX):
        return derive_names(name.strip()[len(PREFIX) :])
    fault = _fault(name.strip(), plugin)
    if fault:
        raise InvalidOptionError(f"a plugin cannot be called {name!r}: {fault}")
    words = [word[0].upper() + word[1:] for word in re.split(r"[-_.]+", name.strip())]
    return Names(
        plugin=plugin,
        dist=PREFIX + plugin,
        module=plugin.replace("-", "_"),
        camel="".join(words),
        title=" ".join(words),
    )


def _fault(name: str, plugin: str) -> str:
    if not name:
        return f"the name is empty. {_GOOD}"
    if not name.isascii():
        strange = "".join(dict.fromkeys(character for character in name if not character.isascii()))
        return f"it has characters that are not ASCII ({strange}). {_GOOD}"
    if name[0].isdigit():
        return f"it starts with a digit, which no Python package may. {_GOOD}"
    if not _WORDS.fullmatch(name):
        return f"it is not words and digits. {_GOOD}"
    if len(name) > LONGEST_NAME:
        return f"it has {len(name)} characters, more than {LONGEST_NAME}"
    if keyword.iskeyword(plugin):
        return f"{plugin} is a keyword of Python, so no package can be imported under it. Try {plugin}-model"
    if plugin in _RESERVED:
        return f"{PREFIX}{plugin} is the host's own distribution. Choose another name"
    return ""


def check_package(package: str) -> str:
    """Return the name of a top-level package of the author's own.

    Raises:
        InvalidOptionError: It cannot be imported, or would hide a package that is there already.
    """
    fault = ""
    if not (package.isascii() and package.isidentifier()) or keyword.iskeyword(package):
        fault = "it is no name that Python can import; one word of letters, digits and _"
    elif len(package) > LONGEST_NAME:
        fault = f"it has {len(package)} characters, more than {LONGEST_NAME}"
    elif package == "inference_pio":
        fault = "an __init__.py of yours there would hide every other plugin. Leave --package out to live below it"
    elif package in sys.stdlib_module_names:
        fault = "it would hide a module of Python's own library"
    if fault:
        raise InvalidOptionError(f"--package cannot be {package!r}: {fault}")
    return package
