"""Level parity on the checkpoint of the manifest, which is fetched once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from inference_pio.generation import LoadOptions
from inference_pio.host import default_host

from ..batch import TokenBatch
from ..causal_lm import CausalLMPlugin
from .reference import Reference, assert_logits_close

LOGITS_TOLERANCE = 2e-3
"""Float32 on both sides, but sums in another order through every layer; logits are of order 30."""

TEXT = """\
A language model assigns a probability to every continuation of a text. It reads the text as a sequence of tokens, \
pieces of words that a tokenizer cuts it into, and computes a vector for each of them, layer by layer. In every layer \
a token looks back at the tokens before it and takes from them what it needs; then it is transformed on its own. After \
the last layer the vector of the last token is compared with the vector of every word piece in the vocabulary, and the \
comparison yields the logits, one number for each piece. The greater the number, the likelier the piece comes next.

Most of the time is spent on reading weights from memory. While a prompt is read, all of its tokens are computed at \
once, so each weight that is fetched is used many times; this is called prefill, and it is limited by arithmetic. \
While the answer is written, one token is computed after another, and each weight is used only once before the next \
has to be fetched; this is called decoding, and it is limited by bandwidth. Quantization makes weights smaller, and \
so it makes decoding faster even where the arithmetic is done in full precision.

The keys and values of earlier tokens do not change, so they are kept in a cache. The cache grows with the text, and \
a long conversation can take more memory than the weights. Some models therefore let most of their layers see only a \
window of recent tokens, and keep a few layers that see everything. Others share one key among several queries.

"""

PROMPTS = (
    "The capital of France is",
    "def fibonacci(n):\n    ",
    "Once upon a time, in a small village by the sea,",
    "1, 2, 3, 5, 8, 13,",
    "Die Hauptstadt von Deutschland heißt",
    "The three primary colors are",
    '{"name": "Ada", "born":',
    "Water boils at",
    "A haiku about rain:\n",
    "To make bread you need",
)

CORPUS = (
    "",
    " ",
    "Hello world",
    "  leading and   repeated  spaces ",
    "tabs\tand\r\nnewlines\n\n\n",
    "3.14159 and 1,000,000",
    "naïve café, Größe, año",
    "Съешь ещё этих мягких булок",
    "我能吞下玻璃而不伤身体。",
    "私はガラスを食べられます。",
    "أنا قادر على أكل الزجاج",
    "मैं काँच खा सकता हूँ",
    "👩‍👩‍👧‍👦 🏳️‍🌈 🇪🇺 ok 👍🏽",
    "for (int i = 0; i < n; i++) { a[i] += 1; }",
    "e\u0301 vs \u00e9, \u200bzero\u200dwidth",
    "<|endoftext|> and <eos> in a text",
    "ΑΒΓ αβγ ὕδωρ",
    "שלום עולם",
    "สวัสดีชาวโลก",
)


class CheckpointParity:
    """Tests of level ``parity`` that need the real weights. Inherit in a class called ``Test…``, and name the plugin.

    They are marked ``weights``: they count when they run, and are not missed where they do not.
    """

    pytestmark: ClassVar[list[pytest.MarkDecorator]] = [pytest.mark.weights, pytest.mark.conformance("parity")]

    plugin_name: ClassVar[str]
    text_length: ClassVar[int] = 512
    """Tokens of the compared text."""

    @pytest.fixture(scope="class")
    @classmethod
    def path(cls) -> Path:
        """The checkpoint; running the tests counts as agreeing to its terms."""
        return default_host().pull(cls.plugin_name, accept_license=True)

    @pytest.fixture(scope="class")
    @classmethod
    def oracle(cls, path: Path) -> Reference:
        """The reference on the dequantized checkpoint."""
        return Reference.of_gguf(path)

    @pytest.fixture(scope="class")
    @classmethod
    def model(cls, path: Path) -> Iterator[CausalLMPlugin]:
        """Ours, in float32."""
        model = default_host().plugin(cls.plugin_name)
        assert isinstance(model, CausalLMPlugin)
        model.load_model(LoadOptions(weights=str(path), device="cpu", dtype="float32"), default_host().hooks)
        with model:
            yield model

    @pytest.fixture(scope="class")
    @classmethod
    def text(cls, model: CausalLMPlugin) -> list[int]:
        """An English text of ``text_length`` tokens."""
        ids = model.tokenize(TEXT * 4)[: cls.text_length]
        assert len(ids) == cls.text_length
        return ids

    def test_token_ids_equal_the_reference(self, model: CausalLMPlugin, oracle: Reference) -> None:
        for line in CORPUS:
            assert model.tokenize(line) == oracle.tokenizer(line)["input_ids"], repr(line)

    def test_all_logits_equal_the_reference(self, model: CausalLMPlugin, oracle: Reference, text: list[int]) -> None:
        assert_logits_close(model.infer(text), oracle.logits(text), LOGITS_TOLERANCE)

    @pytest.mark.parametrize("prompt", PROMPTS)
    def test_greedy_tokens_equal_the_reference(self, model: CausalLMPlugin, oracle: Reference, prompt: str) -> None:
        ids = model.tokenize(prompt)
        ours = model.generate(ids, temperature=0, max_new_tokens=64, ignore_eos=True).token_ids
        assert len(ours) == 64
        assert oracle.greedy_agrees(ids, ours)

    def test_decode_equals_prefill(self, model: CausalLMPlugin, text: list[int]) -> None:
        assert model.engine is not None
        # The last tokens decoded one by one on top of a prefill: what an answer is, at the end of a long text.
        tail = 40
        whole = model.infer(text)[-tail:]
        step = model.engine.executor.step
        head = len(text) - tail
        step(TokenBatch.of_sequence(text[:head], slot=0))
        rows = [step(TokenBatch.of_sequence(text[at : at + 1], start=at, slot=0)) for at in range(head, len(text))]
        model.engine.executor.free(0)
        assert np.abs(np.concatenate(rows) - whole).max() <= LOGITS_TOLERANCE
