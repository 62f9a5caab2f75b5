"""Tests that every causal language model shares, for a model's own ``tests`` folder. Needs pytest and transformers.

A model says what it is in a few lines, and inherits the tests::

    class TestParityTiny(TinyContract):
        plugin_factory = staticmethod(create_smollm2_plugin)

        @classmethod
        def reference(cls):
            return LlamaForCausalLM(LlamaConfig(...))

``TinyContract`` compares with transformers on random weights, small enough for every run; ``RealContract`` on the
checkpoint of the manifest. transformers is the oracle: nothing is compared with itself where it can be compared with
it.
"""

from .real_contract import RealContract
from .tiny_contract import TinyContract

__all__ = ["RealContract", "TinyContract"]
