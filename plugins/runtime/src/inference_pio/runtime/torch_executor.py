"""``TorchExecutor``: eager torch, any device and dtype. The readable truth, and the path for GPUs."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np
import torch

from inference_pio.cores import usable_cores
from inference_pio.errors import CacheFullError, InvalidOptionError, NotLoadedError

from .sequence_lengths import MAX_REWIND, SequenceLengths
from .step import Step

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from .batch import TokenBatch
    from .caches import LayerCache
    from .layers import Decoder

logger = logging.getLogger(__name__)

IDLE_BYTES = 256 << 20
"""Bytes of caches that stay allocated while no sequence runs, so that the next turn of a chat need not grow anew."""

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}

NATIVE_DTYPES = ("native", "w8", "w4")
"""Dtypes of another executor; they come here where its distribution is not installed, or is disabled."""


def choose_dtype(requested: str | None, device: torch.device) -> torch.dtype:
    """Return the dtype for a device: float32 on CPUs, bfloat16 elsewhere, unless another one is requested.

    Raises:
        InvalidOptionError: ``requested`` is not one of ``DTYPES``.
    """
    if requested in (None, "auto"):
        return torch.float32 if device.type == "cpu" else torch.bfloat16
    try:
        return DTYPES[str(requested)]
    except KeyError:
        if requested in NATIVE_DTYPES:
            raise InvalidOptionError(
                f"dtype {requested!r} is computed by inference-pio-native, on the cpu: pip install inference-pio-native"
            ) from None
        raise InvalidOptionError(f"dtype {requested!r} is unknown; known: {', '.join(DTYPES)}") from None


def open_device(name: str) -> torch.device:
    """Return a device that works here.

    Raises:
        InvalidOptionError: torch does not know the name, or has no such device on this machine.
    """
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:  # torch raises all three, by backend
        reason = str(error).splitlines()[0]
        raise InvalidOptionError(f"device {name!r} cannot be used here: {reason}. Try --device cpu") from error
    return device


class TorchExecutor:
    """Runs a ``Decoder`` on batches of tokens; implements ``Executor``, ``SavesCache`` and ``CountsReads``.

    A block holds for each layer keys, then values, (K, T, C) each, in the dtype of the executor. A sliding layer keeps
    the last ``ring_places(window)`` tokens.

    Args:
        model: Weights in place, on the device and in the dtype to compute in.
        vocab_size: Width V of a row of logits.
        max_context: Longest sequence, tokens.
        threads: CPU threads; torch keeps one number for the whole process.
    """

    def __init__(self, model: Decoder, *, vocab_size: int, max_context: int, threads: int | None = None) -> None:
        weight = model.embed_tokens.weight
        self.model: Decoder | None = model.eval().requires_grad_(False)
        self.device, self.dtype = weight.device, weight.dtype
        self.name = f"torch {str(self.dtype).removeprefix('torch.')} {self.device}"
        self.vocab_size, self.max_context, self.max_rewind = vocab_size, max_context, MAX_REWIND
        self.caches: list[LayerCache] = []
        self.sequences = SequenceLengths(0, 0, MAX_REWIND)
        torch.set_num_threads(threads or usable_cores())

    def allocate(self, slots: int, context: int) -> None:
        """See ``Executor``; memory is taken as slots and places are first used."""
        model = self._model()
        self.sequences = SequenceLengths(slots, min(context, self.max_context), MAX_REWIND)
        self.caches = [
            layer.build_cache(limit=self.sequences.context, device=self.device, dtype=self.dtype)  # type: ignore[operator]  # a block's method, which nn.Module types as Tensor | Module
            for layer in model.layers
        ]

    @torch.inference_mode()
    def step(self, batch: TokenBatch) -> NDArray[np.float32]:
        """See ``Executor``."""
        model = self._model()
        self.sequences.advance(batch)
        self._fit()
        rows = None
        if len(batch.logit_rows) != len(batch.tokens):
            rows = torch.from_numpy(batch.logit_rows).to(self.device)
        logits = model(Step(batch, device=self.device, dtype=self.dtype), self.caches, rows)
        result: NDArray[np.float32] = logits.float().cpu().numpy()
        return result

    @torch.inference_mode()
    def save(self, slot: int, start: int, end: int) -> NDArray[np.uint8] | None:
        """See ``SavesCache``."""
        self._model()
        self.sequences.check_held(slot, start, end)
        longest = int(self.sequences.longest[slot])
        if not all(cache.remembers(start, longest) for cache in self.caches):
            return None
        layers = [cache.read(slot, start, end).view(torch.uint8).flatten() for cache in self.caches]
        block: NDArray[np.uint8] = torch.cat(layers).cpu().numpy()
        return block

    @torch.inference_mode()
    def restore(self, slot: int, start: int, block: NDArray[np.uint8]) -> None:
        """See ``SavesCache``."""
        self._model()
        length = self.sequences.lengths[slot : slot + 1].copy()
        token_bytes = sum(cache.token_bytes for cache in self.caches)
        tokens = self.sequences.append_block(slot, start, block, token_bytes) - start
        try:
            self._fit()
            data = torch.from_numpy(np.require(block, requirements=("C", "A", "W"))).to(self.device)
            parts = data.split([cache.token_bytes * tokens for cache in self.caches])
            for cache, part in zip(self.caches, parts, strict=True):
                _, heads, _, width = cache.keys.shape
                cache.write(slot, start, part.view(self.dtype).view(2, heads, tokens, width))
        except BaseException as error:  # or interrupted: what was written lies behind the sequence's end
            self.sequences.lengths[slot] = length[0]
            if isinstance(error, RuntimeError | MemoryError):  # torch raises the one and subclasses of it
                raise CacheFullError(
                    f"no memory is left for the KV cache: {error}. A smaller --context or fewer requests at once help"
                ) from error
            raise

    @torch.inference_mode()  # as in ``step``, whose tensors may not be changed outside of it
    def free(self, slot: int) -> None:
        """See ``Executor``; nothing happens once it is closed."""
        length = self.sequences.forget(slot)
        if not length:
            return
        is_too_much = self.sequences.is_empty and sum(cache.n_bytes for cache in self.caches) > IDLE_BYTES
        for cache in self.caches:
            if is_too_much:
                cache.clear()
            else:
                cache.forget(slot, length)

    def cache_bytes(self, lengths: Sequence[int]) -> int:
        """See ``Executor``: all slots up to the last one take as much as the longest sequence; 0 once it is closed."""
        used = [slot + 1 for slot, length in enumerate(lengths) if length]
        return sum(cache.bytes_for(used[-1], max(lengths)) for cache in self.caches) if used else 0

    def bytes_per_token(self, context: int) -> int | None:
        """See ``CountsReads``; 0 once it is closed."""
        if self.device.type != "cpu":
            return None
        if self.model is None:
            return 0
        looked_up = self.model.embed_tokens.weight if self.model.lm_head is not None else None
        weights = sum(parameter.nbytes for parameter in self.model.parameters() if parameter is not looked_up)
        return weights + sum(cache.bytes_read(context) for cache in self.caches)

    def close(self) -> None:
        """See ``Executor``."""
        self.model = None
        self.caches = []
        self.sequences = SequenceLengths(0, 0, MAX_REWIND)

    def _fit(self) -> None:
        """Where caches must grow, give all of them what the sequences take that there are.

        So many short sequences are not given the places of a long one that has ended.
        """
        lengths = self.sequences.lengths
        slots, places = int(lengths.nonzero()[0][-1]) + 1, int(lengths.max())
        if any(cache.is_short(slots, places) for cache in self.caches):
            for cache in self.caches:
                cache.fit(slots, places)

    def _model(self) -> Decoder:
        if self.model is None:
            raise NotLoadedError("the executor has been closed; load the model again")
        return self.model
