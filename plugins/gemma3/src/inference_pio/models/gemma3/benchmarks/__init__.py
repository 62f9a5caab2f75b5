"""What matters for Gemma 3 beside the common workloads: that a long context costs little.

Fifteen of the 270M model's eighteen layers read at most 512 cached tokens. The second figure should stay close to the
first; in a model without sliding layers it would fall with the context.
"""

from __future__ import annotations

from functools import partial

from inference_pio.runtime.bench import Workload, decode_rate_at

WORKLOADS = tuple(
    Workload(
        key=f"decode_at_{tokens}_tok_s",
        summary=f"decoding after {tokens} tokens, the sliding layers' window being 512",
        measure=partial(decode_rate_at, tokens=tokens),
    )
    for tokens in (256, 4096)
)
