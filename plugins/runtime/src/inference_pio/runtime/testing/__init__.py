"""The conformance kit's levels for causal language models, for a model's own ``tests`` folder. Needs pytest.

A model says what it is in a few lines, and inherits the tests::

    class TestConformance(CausalLMConformance):
        plugin_name = "smollm2"

        @classmethod
        def reference(cls):
            from transformers import LlamaConfig, LlamaForCausalLM

            return LlamaForCausalLM(LlamaConfig(...))

``CausalLMConformance`` brings all four levels, on random weights that are small enough for every run;
``CausalLMVariant`` repeats the last two on another configuration; ``CheckpointParity`` adds the checkpoint of the
manifest. transformers is the oracle: nothing is compared with itself where it can be compared with it.
"""

from .checkpoint_contract import CheckpointParity
from .conformance import CausalLMConformance, CausalLMVariant

__all__ = ["CausalLMConformance", "CausalLMVariant", "CheckpointParity"]
