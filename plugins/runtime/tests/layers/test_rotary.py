"""The rotary embedding as complex numbers, and its scaling rules against transformers'."""

import numpy as np
import pytest
import torch

from inference_pio.errors import ConfigError
from inference_pio.runtime.layers import RotaryEmbedding
from inference_pio.runtime.layers.rotary import rotate

ROUNDING = 1e-5
"""Products of numbers of order one; float32 angles below 1000 are off by at most 3e-5 of a turn."""
ANGLE_ROUNDING = 1e-3
"""Angles of up to 5000, whose float32 neighbours are 5e-4 apart."""
FREQUENCY_ROUNDING = 1e-6
"""Relative: two float32 formulas of a few operations."""

LLAMA3 = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}


def turned(x, positions, base):
    """Rotate pairs (i, i + C/2) as complex numbers, in float64."""
    half = x.shape[-1] // 2
    frequencies = base ** (-2 * np.arange(half) / x.shape[-1])
    pairs = x[..., :half] + 1j * x[..., half:]
    pairs = pairs * np.exp(1j * positions[:, None, None] * frequencies)
    return np.concatenate([pairs.real, pairs.imag], axis=-1)


@pytest.mark.parametrize(("positions", "tolerance"), [([0, 1, 2, 3], ROUNDING), ([5000, 0, 255, 256], ANGLE_ROUNDING)])
def test_pairs_are_turned_by_position_times_frequency(positions, tolerance):
    rotary = RotaryEmbedding(head_dim=16, base=10000.0)
    x = torch.randn(4, 3, 16, generator=torch.Generator().manual_seed(0))
    places = torch.tensor(positions)
    out = rotate(x, *rotary.tables(places, max(positions), torch.float32))
    expected = turned(x.double().numpy(), np.array(positions, float), 10000.0)
    assert np.abs(out.numpy() - expected).max() < tolerance


def test_scores_depend_on_the_distance_only():
    rotary = RotaryEmbedding(head_dim=8, base=100.0)
    q, k = torch.randn(2, 1, 1, 8, generator=torch.Generator().manual_seed(0))

    def score(at, other):
        places = torch.tensor([at]), torch.tensor([other])
        turned = [rotate(x, *rotary.tables(p, 50, torch.float32)) for x, p in zip((q, k), places, strict=True)]
        return float((turned[0] * turned[1]).sum())

    assert score(9, 4) == pytest.approx(score(47, 42), abs=ROUNDING)
    assert score(9, 4) != pytest.approx(score(9, 5), abs=100 * ROUNDING)


def test_a_table_that_has_grown_still_has_its_first_angles():
    rotary = RotaryEmbedding(head_dim=8, base=10000.0)
    first = [t.clone() for t in rotary.tables(torch.arange(20), 19, torch.float32)]
    rotary.tables(torch.tensor([3000]), 3000, torch.float32)
    assert all(map(torch.equal, first, rotary.tables(torch.arange(20), 19, torch.float32)))


def test_a_table_follows_the_dtype_that_is_asked_for():
    rotary = RotaryEmbedding(head_dim=8, base=10000.0)
    exact = rotary.tables(torch.arange(9), 8, torch.float32)[0]
    half = rotary.tables(torch.arange(9), 8, torch.bfloat16)[0]
    assert half.dtype is torch.bfloat16
    assert torch.equal(half, exact.to(torch.bfloat16))  # angles in float32, rounded once


@pytest.mark.parametrize(
    "scaling", [None, {"rope_type": "linear", "factor": 4.0}, LLAMA3], ids=["none", "linear", "llama3"]
)
def test_scaled_frequencies_equal_transformers(scaling):
    from transformers import LlamaConfig
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

    rotary = RotaryEmbedding(head_dim=32, base=10000.0, scaling=scaling)
    if scaling is None:
        theirs = 1.0 / 10000.0 ** (torch.arange(0, 32, 2).float() / 32)
    else:
        config = LlamaConfig(
            hidden_size=64,
            num_attention_heads=2,
            max_position_embeddings=512,
            rope_parameters={"rope_theta": 10000.0, **scaling},
        )
        theirs, attention_factor = ROPE_INIT_FUNCTIONS[scaling["rope_type"]](config, "cpu")
        assert attention_factor == 1.0
    assert torch.allclose(rotary.inverse_frequencies, theirs, rtol=FREQUENCY_ROUNDING, atol=0)


def test_llama3_scaling_covers_kept_blended_and_divided_frequencies():
    plain = RotaryEmbedding(head_dim=32, base=10000.0).inverse_frequencies
    ratio = (plain / RotaryEmbedding(head_dim=32, base=10000.0, scaling=LLAMA3).inverse_frequencies).numpy()
    assert ratio[0] == pytest.approx(1)
    assert ratio[-1] == pytest.approx(8)
    assert ((ratio > 1.01) & (ratio < 7.99)).any()


@pytest.mark.parametrize(
    ("scaling", "message"),
    [
        ({"rope_type": "yarn", "factor": 2.0}, "'yarn' is not supported; supported: default, linear, llama3"),
        ({"rope_type": "linear"}, "'linear' lacks 'factor'"),
        ({"rope_type": "linear", "factor": 0.0}, "factor = 0.0 must be a number above 0"),
        ({"rope_type": "linear", "factor": "2"}, "factor = '2' must be a number above 0"),
        ({"rope_type": "linear", "factor": float("nan")}, "factor = nan must be a number above 0"),
        ({"rope_type": "linear", "factor": 2.0, "beta": 1}, "does not know 'beta'"),
        ({"rope_type": "default", "partial_rotary_factor": 0.5}, "does not know 'partial_rotary_factor'"),
        ({**LLAMA3, "high_freq_factor": 1.0}, "high_freq_factor must be above low_freq_factor"),
        ({k: v for k, v in LLAMA3.items() if k != "low_freq_factor"}, "lacks 'low_freq_factor'"),
    ],
)
def test_scaling_rules_that_cannot_be_computed_are_refused(scaling, message):
    with pytest.raises(ConfigError) as caught:
        RotaryEmbedding(head_dim=8, base=10000.0, scaling=scaling)
    assert message in str(caught.value)


@pytest.mark.parametrize("width", [7, 0])
def test_a_head_width_without_pairs_is_refused(width):
    with pytest.raises(ConfigError, match=f"not {width}"):
        RotaryEmbedding(head_dim=width, base=10000.0)


def test_the_old_name_of_a_rule_is_read():
    rotary = RotaryEmbedding(head_dim=8, base=10000.0, scaling={"type": "linear", "factor": 2.0})
    assert float(rotary.inverse_frequencies[0]) == 0.5
