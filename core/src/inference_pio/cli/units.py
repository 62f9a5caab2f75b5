"""Numbers as people read them."""

from __future__ import annotations

from ..generation import GenerationStats


def readable_bytes(count: float) -> str:
    """Return bytes in decimal units: ``98.4 MB``."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "bytes" or count >= 100 else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def counted(count: int, noun: str) -> str:
    """Return a number with its noun: ``1 answer``, ``2 answers``."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def readable_stats(stats: GenerationStats, load_s: float | None = None) -> str:
    """Return one line about a generation, and about loading where that belongs to it."""
    # The speed of decoding is that of all tokens but the first, so one token alone has none.
    speed = f", {stats.decode_tokens_per_s:.1f} tokens/s" if stats.new_tokens > 1 else ""
    parts = [
        f"prompt {counted(stats.prompt_tokens, 'token')}, {stats.prefill_tokens_per_s:.0f} tokens/s",
        f"answer {counted(stats.new_tokens, 'token')}{speed}",
        f"first token {stats.first_token_s:.2f} s, total {stats.total_s:.2f} s",
    ]
    if stats.guessed_tokens is not None:
        parts.append(
            f"guessed {counted(stats.guessed_tokens, 'token')}, {stats.accepted_tokens} accepted "
            f"({stats.acceptance:.0%}), {stats.tokens_per_step:.2f} tokens/step"
        )
    if load_s is not None:
        parts.append(f"load {load_s:.2f} s")
    return " | ".join(parts)
