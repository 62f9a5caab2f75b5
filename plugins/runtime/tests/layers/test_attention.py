"""Grouped-query attention, in any split into chunks, against one loop over queries, heads and keys in float64."""

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from inference_pio.runtime.batch import TokenBatch
from inference_pio.runtime.caches import FullCache, RollingCache
from inference_pio.runtime.layers import FusedLinear, GroupedQueryAttention, RMSNorm, RotaryEmbedding
from inference_pio.runtime.step import Step

TOLERANCE = 2e-5
"""Float32 sums of a few dozen terms of order one, in another order."""
CPU = torch.device("cpu")
WIDTH, HEAD = 10, 8
LENGTH = 23

VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "one head": {"heads": (1, 1)},
    "grouped": {"heads": (6, 2)},
    "one key head": {"heads": (4, 1)},
    "window": {"window": 5},
    "window of one": {"window": 1},
    "window longer than the text": {"window": 40},
    "softcap": {"softcap": 0.7},
    "qk norm": {"qk_norm": True},
    "scale": {"scale": 0.9},
    "bias": {"bias": True},
    "everything": {"heads": (6, 2), "window": 4, "softcap": 2.0, "qk_norm": True, "scale": 0.5, "bias": True},
}


def build(*, heads=(4, 2), window=None, softcap=None, qk_norm=False, scale=HEAD**-0.5, bias=False, seed=0):
    h, k = heads
    attention = GroupedQueryAttention(
        qkv_proj=FusedLinear(WIDTH, {"q_proj": h * HEAD, "k_proj": k * HEAD, "v_proj": k * HEAD}, bias=bias),
        o_proj=nn.Linear(h * HEAD, WIDTH, bias=bias),
        num_heads=h,
        num_key_value_heads=k,
        head_dim=HEAD,
        rotary=RotaryEmbedding(head_dim=HEAD, base=100.0),
        scale=scale,
        window=window,
        softcap=softcap,
        q_norm=RMSNorm(HEAD, eps=1e-6) if qk_norm else None,
        k_norm=RMSNorm(HEAD, eps=1e-6) if qk_norm else None,
    )
    generator = torch.Generator().manual_seed(seed)
    for parameter in attention.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator) * 0.5
    return attention.requires_grad_(False)


def build_cache(attention, limit=64):
    size = {
        "heads": attention.num_key_value_heads,
        "width": HEAD,
        "limit": limit,
        "device": CPU,
        "dtype": torch.float32,
    }
    return FullCache(**size) if attention.window is None else RollingCache(window=attention.window, **size)


def run(attention, cache, parts):
    """One step: ``parts`` are (slot, start, rows)."""
    batch = TokenBatch(
        tokens=np.zeros(sum(len(x) for _, _, x in parts), np.int64),
        slots=np.concatenate([np.full(len(x), slot) for slot, _, x in parts]),
        positions=np.concatenate([np.arange(start, start + len(x)) for _, start, x in parts]),
        logit_rows=np.zeros(0, np.int64),
    )
    out = attention(torch.cat([x for _, _, x in parts]), Step(batch, device=CPU, dtype=torch.float32), cache)
    return out.split([len(x) for _, _, x in parts])


def naive(attention, x):
    """What attention is: for every query and head a weighted mean of the values that it may see."""
    h, k, c = attention.num_heads, attention.num_key_value_heads, HEAD
    rows = x.double().numpy()
    parts = {name: part.double().numpy() for name, part in attention.qkv_proj.parts().items()}

    def project(name, n):
        flat = rows @ parts[f"{name}.weight"].T + parts.get(f"{name}.bias", 0.0)
        return flat.reshape(len(rows), n, c)

    def normed(heads, norm):
        if norm is None:
            return heads
        return heads / np.sqrt((heads**2).mean(-1, keepdims=True) + norm.eps) * norm.weight.double().numpy()

    def turned(heads):
        angles = np.arange(len(rows))[:, None, None] * 100.0 ** (-2 * np.arange(c // 2) / c)
        pairs = (heads[..., : c // 2] + 1j * heads[..., c // 2 :]) * np.exp(1j * angles)
        return np.concatenate([pairs.real, pairs.imag], -1)

    query = turned(normed(project("q_proj", h), attention.q_norm))
    key = turned(normed(project("k_proj", k), attention.k_norm))
    value = project("v_proj", k)
    out = np.zeros((len(rows), h, c))
    for i, head in itertools.product(range(len(rows)), range(h)):
        group = head // (h // k)
        first = 0 if attention.window is None else max(0, i - attention.window + 1)
        scores = np.array([query[i, head] @ key[j, group] * attention.scale for j in range(first, i + 1)])
        if attention.softcap is not None:
            scores = attention.softcap * np.tanh(scores / attention.softcap)
        weights = np.exp(scores - scores.max())
        out[i, head] = weights / weights.sum() @ value[first : i + 1, group]
    bias = 0.0 if attention.o_proj.bias is None else attention.o_proj.bias.double().numpy()
    return out.reshape(len(rows), h * c) @ attention.o_proj.weight.double().numpy().T + bias


def random_rows(length, seed=1):
    return torch.randn(length, WIDTH, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS)
@pytest.mark.parametrize("chunks", [[LENGTH], [1] * LENGTH, [7, 1, 1, 9, 5], [1, 2, 20]], ids=str)
def test_attention_equals_its_definition_in_any_split(variant, chunks):
    attention = build(**variant)
    cache, x, at, out = build_cache(attention), random_rows(LENGTH), 0, []
    for length in chunks:
        out += run(attention, cache, [(0, at, x[at : at + length])])
        at += length
    assert np.abs(torch.cat(out).numpy() - naive(attention, x)).max() < TOLERANCE


@settings(max_examples=25, deadline=None)
@given(st.data())
@pytest.mark.parametrize("variant", ["grouped", "window", "everything"])
def test_sequences_in_one_batch_do_not_see_each_other(variant, data):
    attention = build(**VARIANTS[variant])
    cache = build_cache(attention)
    slots = data.draw(st.permutations(range(4)))[: data.draw(st.integers(1, 4))]
    texts = {slot: random_rows(data.draw(st.integers(1, 14)), seed=slot) for slot in slots}
    done = dict.fromkeys(slots, 0)
    out: dict[int, list[torch.Tensor]] = {slot: [] for slot in slots}
    while any(done[slot] < len(texts[slot]) for slot in slots):
        unfinished = [slot for slot in slots if done[slot] < len(texts[slot])]
        chosen = data.draw(st.lists(st.sampled_from(unfinished), min_size=1, unique=True))
        counts = [data.draw(st.integers(1, len(texts[slot]) - done[slot])) for slot in chosen]
        parts = [(s, done[s], texts[s][done[s] : done[s] + n]) for s, n in zip(chosen, counts, strict=True)]
        for (slot, _, rows), result in zip(parts, run(attention, cache, parts), strict=True):
            out[slot].append(result)
            done[slot] += len(rows)
    for slot, text in texts.items():
        assert np.abs(torch.cat(out[slot]).numpy() - naive(attention, text)).max() < TOLERANCE


def test_without_a_window_the_first_token_always_counts_and_with_one_it_stops_counting():
    x = random_rows(12)
    other = x.clone()
    other[0] += 1
    for window, counts in ((None, True), (11, False), (12, True)):
        attention = build(window=window)
        last = [run(attention, build_cache(attention), [(0, 0, text)])[0][-1] for text in (x, other)]
        assert (not torch.equal(*last)) == counts, window
