"""What is wrong with the options of a load is said before anything is fetched."""

from typing import Any

import pytest

from inference_pio.errors import InvalidOptionError
from inference_pio.generation import LoadOptions
from inference_pio.runtime.causal_lm import CausalLMPlugin
from inference_pio.runtime.optimizations import Optimization, apply_optimizations


class Plugin(CausalLMPlugin):
    def config_type(self) -> Any: ...
    def gguf_config(self, checkpoint: Any) -> Any: ...
    def weight_map(self, config: Any, format: str) -> Any: ...
    def build_model(self, config: Any) -> Any: ...


@pytest.mark.parametrize(
    ("name", "value"), [("threads", 0), ("threads", -1), ("threads", 1.5), ("threads", True), ("context", 1)]
)
def test_numbers_out_of_range_are_refused(name, value):
    options: dict[str, Any] = {name: value}
    with pytest.raises(InvalidOptionError, match=f"{name} = {value!r}: must be a whole number of at least"):
        Plugin().load_model(LoadOptions(**options))


def test_an_optimization_that_does_not_exist_is_named_with_those_that_do():
    with pytest.raises(InvalidOptionError, match="'warp' is unknown; this model has: none"):
        apply_optimizations(None, [], ["warp"], None)  # type: ignore[arg-type]  # no model is needed to find this out


def optimization(name: str, applies: bool, switched: list[tuple[str, bool]]) -> Optimization:
    return Optimization(
        name=name,
        summary="",
        precondition="",
        measured_gain="",
        applies=lambda model, config: applies,
        switch=lambda model, is_on: switched.append((name, is_on)),
    )


def test_optimizations_are_on_that_apply_and_are_not_disabled_and_all_others_are_off():
    switched: list[tuple[str, bool]] = []
    three = [optimization("a", True, switched), optimization("b", True, switched), optimization("c", False, switched)]
    assert apply_optimizations(None, three, ["b"], None) == ["a"]  # type: ignore[arg-type]  # passed on unseen
    assert switched == [("a", True), ("b", False), ("c", False)]
    with pytest.raises(InvalidOptionError, match="'x' is unknown; this model has: a, b, c"):
        apply_optimizations(None, three, ["x"], None)  # type: ignore[arg-type]  # as above
