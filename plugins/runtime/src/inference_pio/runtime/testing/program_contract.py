"""Level parity of the decode program: what a model says of itself is what its torch modules compute."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from inference_pio.testing import does_not_apply

from ..batch import TokenBatch
from ..causal_lm import CausalLMPlugin
from ..program import DecodeProgram
from ..program.reference import ReferenceExecutor
from ..torch_executor import TorchExecutor
from ..weights import open_checkpoint
from .parity_contract import LOGITS_TOLERANCE, parity
from .tiny_model import TinyModel

OTHER_CORRELATION = 0.999
"""Of logits with an executor's own rounding (a cache in half precision, say); random weights amplify it."""


def described(model: CausalLMPlugin) -> DecodeProgram:
    """Return the decode program of a loaded model; the test is skipped for a model that has none."""
    assert model.config is not None
    program = model.decode_program(model.config)
    if program is None:
        does_not_apply("the model has no decode program: it runs on torch alone")
    return program


def interpreter_of(model: CausalLMPlugin, folder: Path) -> ReferenceExecutor:
    """Return what computes a loaded model's program on its checkpoint, with room for three sequences."""
    assert model.config is not None
    with open_checkpoint(folder) as checkpoint:
        weight_map = model.weight_map(model.config, checkpoint.format)
        interpreter = ReferenceExecutor.of_checkpoint(described(model), checkpoint, weight_map)
    interpreter.allocate(3, model.config.max_position_embeddings)
    return interpreter


class ProgramContract(TinyModel):
    """Tests of level ``parity`` on the decode program, by the interpreter that computes it in numpy."""

    @pytest.fixture
    @classmethod
    def interpreter(cls, folder: Path, model: CausalLMPlugin) -> ReferenceExecutor:
        """The program on the checkpoint."""
        return interpreter_of(model, folder)

    @parity
    def test_the_decode_program_computes_what_the_modules_compute(
        self, model: CausalLMPlugin, interpreter: ReferenceExecutor, text: list[int]
    ) -> None:
        logits = interpreter.step(TokenBatch.of_sequence(text))
        assert np.abs(logits - model.infer(text)).max() <= LOGITS_TOLERANCE

    @parity
    def test_the_decode_program_computes_the_same_token_by_token(
        self, model: CausalLMPlugin, interpreter: ReferenceExecutor, text: list[int]
    ) -> None:
        steps = [interpreter.step(TokenBatch.of_sequence([token], start=at)) for at, token in enumerate(text)]
        assert np.abs(np.concatenate(steps) - model.infer(text)).max() <= LOGITS_TOLERANCE

    @parity
    def test_the_decode_program_needs_the_weights_that_the_modules_have(self, model: CausalLMPlugin) -> None:
        # Not one of them in another shape, and none that the description forgot: a bias, the norm of a head.
        from ..weight_loading import weight_targets

        assert model.config is not None
        shapes = {name: tuple(t.shape) for name, t in weight_targets(model.build_model(model.config)).items()}
        assert dict(described(model).weights) == shapes

    @parity
    def test_the_decode_program_can_be_read(self, model: CausalLMPlugin) -> None:
        program = described(model)
        listing = str(program)
        assert listing.startswith(f"{program.name}: {len(program.blocks)} blocks, vocabulary {program.vocab_size}")
        assert all(f"{operation}" in listing for operation in (program.embed, *program.final, program.logits))

    @parity
    def test_another_executor_that_takes_the_model_computes_the_same(
        self, folder: Path, model: CausalLMPlugin, text: list[int]
    ) -> None:
        described(model)
        exact = model.infer(text)
        with self.load(folder, dtype=None) as other:  # nobody asks for a kind of number: whoever is first may take it
            assert other.engine is not None
            if isinstance(other.engine.executor, TorchExecutor):
                does_not_apply("no executor but torch's takes this model here")
            logits = other.infer(text)
            stepwise = other.engine.logits(text, chunk=5)
        assert np.corrcoef(logits.ravel(), exact.ravel())[0, 1] >= OTHER_CORRELATION
        assert np.corrcoef(logits.ravel(), stepwise.ravel())[0, 1] >= OTHER_CORRELATION
