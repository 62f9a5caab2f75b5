"""Libraries that no plugin may move: the host, and what all models compute with."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from ..gates import satisfies
from ..installed import Installed
from ..manifest_rules import parsed_requirement
from ..names import canonical_name

HOST = "inference-pio"
EXACT = (HOST, "torch", "torchaudio", "torchvision", "transformers")
"""Held at the installed version. The last two of torch's family are built against one version of it."""

NOT_BELOW = ("inference-pio-runtime",)
"""May go up with a plugin that needs more of it, never down: other plugins were written against what is there."""

_DEPENDS = re.compile(r"^\s*(?P<who>\S.*?) depends on (?P<what>[A-Za-z0-9][^;\n]*?)\s*(;.*)?$", re.MULTILINE)


@dataclass(frozen=True, order=True)
class Held:
    """One held library.

    Attributes:
        name: Canonical.
        version: As installed, local part included: ``2.13.0+cpu``.
        specifier: What pip is told.
    """

    name: str
    version: str
    specifier: str

    @property
    def constraint(self) -> str:
        """A line of pip's constraints file. A version, not a URL: an editable host is held where it is, too."""
        return f"{self.name}{self.specifier}"


def held_libraries(installed: Installed, requested: Collection[str]) -> tuple[Held, ...]:
    """Return what is held in this environment.

    Args:
        installed: A scan.
        requested: Canonical names that the user asked for, which are the user's to move.
    """
    found = []
    for names, operator in ((EXACT, "=="), (NOT_BELOW, ">=")):
        for name in names:
            version = installed.version(name)
            if version is not None and version != "unknown" and name not in requested:
                # A local part has no order, so only equality may carry one.
                bound = version if operator == "==" else version.partition("+")[0]
                found.append(Held(name, version, f"{operator}{bound}"))
    return tuple(found)


def explain_conflict(pip_says: str, held: Collection[Held]) -> str | None:
    """Say who wants another version of a held library; ``None`` when that is not why pip failed.

    Args:
        pip_says: What pip wrote when it could not resolve.
        held: What it was told to keep.
    """
    return _explain(((match["who"], match["what"]) for match in _DEPENDS.finditer(pip_says)), held)


def explain_requirements(who: str, requirements: Iterable[str], held: Collection[Held]) -> str | None:
    """Say which held libraries a distribution wants in another version; ``None`` when it fits.

    Args:
        who: Its name and version.
        requirements: What it needs, PEP 508.
        held: What must stay.
    """
    return _explain(((who, text) for text in requirements), held)


def _explain(needs: Iterable[tuple[str, str]], held: Collection[Held]) -> str | None:
    wishes = sorted(set(_wishes(needs, {library.name: library for library in held})))
    if not wishes:
        return None
    named = "; ".join(f"{who} wants {what}, and {library.name} {library.version} is installed"
                      for who, what, library in wishes[:4])  # fmt: skip
    return f"{named}. {_advice({library.name for _, _, library in wishes})}"


def _advice(names: Collection[str]) -> str:
    if set(names) & {HOST, *NOT_BELOW}:
        return (
            "A plugin may not change the host. Ask for a version of the plugin that fits it, or change the host "
            "yourself first: pip install -U inference-pio"
        )
    return (
        f"A plugin may not change {' or '.join(sorted(names))}, which the other models run on. Ask for a version of "
        "the plugin that fits, or give it an environment of its own (python -m venv)"
    )


def _wishes(needs: Iterable[tuple[str, str]], held: Mapping[str, Held]) -> Iterator[tuple[str, str, Held]]:
    for who, text in needs:
        try:
            requirement = parsed_requirement(text)
        except ValueError:  # another sentence of pip's, or a defect of that distribution
            continue
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        library = held.get(canonical_name(requirement.name))
        if library is not None and not satisfies(library.version, str(requirement.specifier)):
            yield who, f"{requirement.name}{requirement.specifier}", library
