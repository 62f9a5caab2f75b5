"""The runtime's service is what the server takes for a model, though neither imports the other."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import pytest

from inference_pio.runtime.served_generation import ServedGeneration
from inference_pio.runtime.service import TextService
from inference_pio.server.served_model import Generation, ServedModel

if TYPE_CHECKING:

    def same(service: TextService, generation: ServedGeneration) -> tuple[ServedModel, Generation]:
        """What mypy compares, types and all."""
        return service, generation


def methods(protocol: type) -> list[str]:
    return [name for name, member in vars(protocol).items() if inspect.isfunction(member) and name[0] != "_"]


def shape(function: Any) -> list[tuple[str, Any, Any]]:
    return [(p.name, p.kind, p.default) for p in inspect.signature(function).parameters.values()]


@pytest.mark.parametrize(("protocol", "kind"), [(ServedModel, TextService), (Generation, ServedGeneration)])
def test_every_method_takes_the_same_arguments(protocol: type, kind: type) -> None:
    assert methods(protocol)
    for name in methods(protocol):
        wanted, offered = getattr(protocol, name), getattr(kind, name)
        assert shape(offered) == shape(wanted), name
        assert inspect.iscoroutinefunction(offered) == inspect.iscoroutinefunction(wanted), name
