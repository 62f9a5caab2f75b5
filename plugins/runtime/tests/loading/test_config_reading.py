"""Settings of a checkpoint: each is read, refused or known to mean nothing; none is lost or made up."""

from typing import Any

import numpy as np
import pytest

from inference_pio.errors import ConfigError
from inference_pio.runtime.config_reading import flatten_rotary, gguf_config, split_rotary

FIELDS = {"embedding_length": "hidden_size", "rope.freq_base": "rope_theta"}


def test_gguf_settings_become_fields(new_checkpoint):
    checkpoint = new_checkpoint(
        {"token_embd.weight": np.zeros((11, 4), np.float32)},
        {
            "general.name": "anything",
            "tokenizer.ggml.model": "gpt2",
            "tokenizer.ggml.bos_token_id": 1,
            "tokenizer.ggml.eos_token_id": 2,
            "tokenizer.ggml.padding_token_id": 0,
            "tiny.embedding_length": 4,
            "tiny.rope.freq_base": 5.0,
            "tiny.note": "x",
        },
    )
    assert gguf_config(checkpoint, FIELDS, {"note"}) == {
        "bos_token_id": 1,
        "eos_token_id": 2,
        "pad_token_id": 0,
        "hidden_size": 4,
        "rope_theta": 5.0,
        "vocab_size": 11,
        "tie_word_embeddings": True,
    }


def test_a_head_of_its_own_unties_the_embedding(new_checkpoint):
    arrays = {"output.weight": np.zeros((2, 2), np.float32)}
    checkpoint = new_checkpoint(arrays, {"tiny.embedding_length": 4, "tiny.rope.freq_base": 1.0})
    assert gguf_config(checkpoint, FIELDS)["tie_word_embeddings"] is False


def test_an_unknown_gguf_setting_is_an_error_with_its_value(new_checkpoint):
    with pytest.raises(ConfigError, match=r"tiny\.gguf: .*does not know the setting tiny\.expert_count = 8"):
        gguf_config(new_checkpoint({}, {"tiny.expert_count": 8}), FIELDS)


@pytest.mark.parametrize(
    ("settings", "scaling"),
    [
        ({}, None),
        ({"tiny.rope.scaling.type": "none"}, None),
        ({"tiny.rope.scaling.factor": 8.0}, {"rope_type": "linear", "factor": 8.0}),
        ({"tiny.rope.scaling.type": "linear", "tiny.rope.scaling.factor": 2.0}, {"rope_type": "linear", "factor": 2.0}),
    ],
)
def test_a_linear_rotary_scaling_is_read(new_checkpoint, settings, scaling):
    sizes = {"tiny.embedding_length": 4, "tiny.rope.freq_base": 1.0}
    assert gguf_config(new_checkpoint({}, sizes | settings), FIELDS).get("rope_scaling") == scaling


@pytest.mark.parametrize(
    "settings",
    [
        {"tiny.rope.scaling.type": "yarn", "tiny.rope.scaling.factor": 4.0},
        {"tiny.rope.scaling.type": "linear"},
        {"tiny.rope.scaling.type": "none", "tiny.rope.scaling.factor": 4.0},
    ],
)
def test_another_rotary_scaling_is_an_error(new_checkpoint, settings):
    sizes = {"tiny.embedding_length": 4, "tiny.rope.freq_base": 1.0}
    with pytest.raises(ConfigError, match=r"rotary scaling '(yarn|linear|none)' with factor"):
        gguf_config(new_checkpoint({}, sizes | settings), FIELDS)


def test_a_missing_gguf_setting_is_an_error_unless_the_architecture_says_what_holds_then(new_checkpoint):
    checkpoint = new_checkpoint({}, {"tiny.embedding_length": 4})
    with pytest.raises(ConfigError, match=r"tiny\.gguf does not say tiny\.rope\.freq_base"):
        gguf_config(checkpoint, FIELDS)
    assert "rope_theta" not in gguf_config(checkpoint, FIELDS, optional={"rope.freq_base"})


LINEAR = {"rope_type": "linear", "factor": 2.0}


@pytest.mark.parametrize(
    ("data", "flat"),
    [
        ({"rope_theta": 5.0, "rope_scaling": None}, {"rope_theta": 5.0, "rope_scaling": None}),
        ({"rope_theta": 5.0, "rope_scaling": LINEAR}, {"rope_theta": 5.0, "rope_scaling": LINEAR}),
        ({"rope_parameters": {"rope_theta": 5.0, "rope_type": "default"}}, {"rope_theta": 5.0}),
        ({"rope_parameters": {"rope_theta": 5.0, **LINEAR}}, {"rope_theta": 5.0, "rope_scaling": LINEAR}),
        ({"rope_parameters": None, "x": 1}, {"x": 1}),
    ],
)
def test_both_spellings_of_rotary_settings_give_the_same(data, flat):
    assert flatten_rotary(data) == flat


def test_reading_does_not_change_what_was_read():
    data = {"rope_parameters": {"rope_theta": 5.0, **LINEAR}}
    flatten_rotary(data)
    assert data == {"rope_parameters": {"rope_theta": 5.0, **LINEAR}}


def test_a_rotary_setting_without_a_rule_is_not_lost():
    # The rotary embedding refuses it; see the tests of layers.
    parameters = {"rope_type": "default", "rope_theta": 1.0, "partial_rotary_factor": 0.5}
    assert split_rotary(parameters) == (1.0, {"rope_type": "default", "partial_rotary_factor": 0.5})


def test_rotary_settings_that_are_no_mapping_are_refused():
    with pytest.raises(ConfigError, match="is not a mapping"):
        flatten_rotary({"rope_parameters": [1]})


def test_reading_a_configuration_leaves_the_vocabulary_alone(new_checkpoint):
    class Metadata(dict[str, Any]):
        def __getitem__(self, key):
            assert key != "tokenizer.ggml.tokens", "a quarter of a million strings are converted for nothing"
            return super().__getitem__(key)

    checkpoint = new_checkpoint({}, {"tiny.embedding_length": 4, "tiny.rope.freq_base": 1.0})
    checkpoint.metadata = Metadata({**checkpoint.metadata, "tokenizer.ggml.tokens": ["a"]})
    assert gguf_config(checkpoint, FIELDS)["hidden_size"] == 4
