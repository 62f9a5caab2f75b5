"""The classes that a causal language model's test file inherits from."""

from __future__ import annotations

from inference_pio.testing import ModelConformance

from .behaviour_contract import BehaviourContract
from .parity_contract import ParityContract
from .program_contract import ProgramContract
from .refusal_contract import RefusalContract


class CausalLMVariant(ParityContract, ProgramContract, RefusalContract, BehaviourContract):
    """Levels ``behaviour`` and ``parity`` once more, for another configuration of a model (biases, an untied head …).

    Inherit in a class called ``Test…``, name the plugin, and return the reference of this configuration.
    """


# pytest runs the tests of the last base first: the levels come in their order.
class CausalLMConformance(CausalLMVariant, ModelConformance):
    """All four levels. Inherit in a class called ``Test…``, name the plugin, and return its reference."""
