"""What is wrong with the options of a load is said before anything is fetched."""

from typing import Any

import pytest

from inference_pio.errors import InvalidOptionError
from inference_pio.generation import LoadOptions
from inference_pio.runtime.causal_lm import CausalLMPlugin
from inference_pio.runtime.optimizations import apply_optimizations


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
