"""What matters for SmolLM2 beside the common workloads: an answer late in a long conversation.

Every layer attends to the whole context, so decoding slows down as the KV cache grows (46 KB a token in float32).
"""

from __future__ import annotations

from inference_pio.runtime.bench import Workload, decode_rate_at

WORKLOADS = (
    Workload(
        key="decode_at_4096_tok_s",
        summary="decoding after 4096 tokens, half of the model's context",
        measure=lambda model: decode_rate_at(model, 4096),
    ),
)
