from __future__ import annotations

import json
import logging
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional, Union

import pytest

from inference_pio import BaseConfig
from inference_pio.errors import ConfigError

if TYPE_CHECKING:
    from fractions import Fraction

# Word for word the configuration of the plugin contract that the project started from, but for `src.` in its import.
SEED_CONFIG = '''\
from dataclasses import dataclass
from typing import Optional
from inference_pio.common.config.model_config_base import BaseConfig

@dataclass
class ModelNameConfig(BaseConfig):
    """
    Configuration for the ModelName model.
    """
    # Model specific parameters
    hidden_size: int = 2048
    num_attention_heads: int = 16
    num_hidden_layers: int = 24
    intermediate_size: int = 5504
    vocab_size: int = 152064
    max_position_embeddings: int = 32768

    def __post_init__(self):
        """
        Post-initialization adjustments.
        """
        super().__post_init__()
        # Add model specific adjustments here
'''


@dataclass
class TinyConfig(BaseConfig):
    hidden_size: int = 64
    num_shared_experts: int = 0
    rope_theta: float = 10_000.0
    act: Optional[str] = "silu"  # noqa: UP045 - the older spelling must work too
    layers: tuple[int, ...] = (1, 2)
    rope: dict[str, Any] = field(default_factory=dict)


def test_the_seeds_configuration_works_letter_for_letter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "seed_config_module.py").write_text(SEED_CONFIG)
    monkeypatch.syspath_prepend(str(tmp_path))
    from seed_config_module import ModelNameConfig  # type: ignore[import-not-found]  # written a line above

    config = ModelNameConfig()
    assert (config.vocab_size, config.intermediate_size, config.tie_word_embeddings) == (152064, 5504, False)
    assert ModelNameConfig.from_dict(config.to_dict()) == config
    with pytest.raises(ConfigError, match="hidden_size"):
        ModelNameConfig(hidden_size="large")


def test_a_configuration_survives_the_round_trip_through_a_file(tmp_path: Path) -> None:
    config = TinyConfig(hidden_size=8, layers=(3,), rope={"factor": 2.0}, eos_token_id=[1, 2])
    config.save(tmp_path / "config.json")
    assert TinyConfig.from_file(tmp_path / "config.json") == config
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]


def test_values_are_converted_where_nothing_is_lost() -> None:
    config = TinyConfig.from_dict({"rope_theta": 500000, "layers": [4, 5]})
    assert isinstance(config.rope_theta, float)
    assert config.layers == (4, 5)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"hidden_size": "64"}, "TinyConfig.hidden_size = '64': Expected `int`, got `str`"),
        ({"hidden_size": True}, "Expected `int`, got `bool`"),
        ({"hidden_size": 1.5}, "Expected `int`, got `float`"),
        ({"hidden_size": 0}, "TinyConfig.hidden_size = 0: must be at least 1"),
        ({"vocab_size": -1}, "TinyConfig.vocab_size = -1: must be at least 1"),
        ({"num_shared_experts": -1}, "must be at least 0"),
        ({"rope_theta": None}, "Expected `float`, got `null`"),
        ({"rope_theta": float("nan")}, "TinyConfig.rope_theta = nan: not a number"),
        ({"act": 5}, "TinyConfig.act = 5"),
        ({"layers": [1, "2"]}, "Expected `int`, got `str` - at `$[1]`"),
        ({"eos_token_id": "</s>"}, "TinyConfig.eos_token_id"),
    ],
)
def test_a_value_that_does_not_fit_is_named(values: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        TinyConfig.from_dict(values)
    assert said in str(caught.value)


def test_a_count_that_may_be_zero_may_be_zero() -> None:
    assert TinyConfig(num_shared_experts=0).num_shared_experts == 0


def test_an_unknown_key_is_an_error_with_the_nearest_field() -> None:
    with pytest.raises(ConfigError, match=r"'hiden_size' \(did you mean 'hidden_size'\?\), 'zzz', '7'"):
        TinyConfig.from_dict({"hiden_size": 8, "zzz": 1, 7: 2})  # type: ignore[dict-item]  # a YAML reader may bring one


def test_keys_without_effect_on_numbers_are_ignored() -> None:
    data = {"model_type": "tiny", "architectures": ["Tiny"], "torch_dtype": "bfloat16", "hidden_size": 8}
    assert TinyConfig.from_dict(data).hidden_size == 8


def test_a_subclass_adds_keys_to_ignore() -> None:
    class Lenient(TinyConfig):
        ignorable_keys = TinyConfig.ignorable_keys | {"note"}

    assert Lenient.from_dict({"note": "x"}) == Lenient()
    with pytest.raises(ConfigError):
        TinyConfig.from_dict({"note": "x"})


@pytest.mark.parametrize("key", ["auto_map", "custom_pipelines"])
def test_a_checkpoint_that_names_code_warns_and_runs_none(key: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        TinyConfig.from_dict({key: {"AutoModel": "evil.Model"}})
    assert key in caplog.text
    assert "ignored" in caplog.text


def test_end_of_text_tokens_are_a_tuple_however_they_are_written() -> None:
    ids = [TinyConfig(eos_token_id=value).eos_token_ids for value in (None, 2, [2, 3])]
    assert ids == [(), (2,), (2, 3)]


@pytest.mark.parametrize("content", ["", "[]", "{", "[" * 100_000, b"\xff\xfe"])
def test_a_file_that_is_no_json_object_is_a_config_error(tmp_path: Path, content: str | bytes) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(ConfigError, match=r"config\.json"):
        TinyConfig.from_file(path)


def test_a_missing_file_is_a_config_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read the configuration"):
        TinyConfig.from_file(tmp_path / "none.json")


def test_saving_leaves_the_old_file_when_it_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "config.json"
    TinyConfig(hidden_size=8).save(path)

    def full_disk(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(ConfigError, match="No space left"):
        TinyConfig(hidden_size=16).save(path)
    assert json.loads(path.read_bytes())["hidden_size"] == 8
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]


def test_saving_into_a_missing_folder_is_a_config_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot write the configuration"):
        TinyConfig().save(tmp_path / "none" / "config.json")


def test_a_type_that_cannot_be_evaluated_leaves_the_other_fields_checked() -> None:
    @dataclass
    class Odd(BaseConfig):
        unknown: Fraction | None = None
        either: Union[list[int], tuple[str, ...]] = ()  # noqa: UP007 - the older spelling must work too
        head_dim: int = 8

    assert Odd.from_dict({"unknown": "anything", "either": [1]}).head_dim == 8
    with pytest.raises(ConfigError, match="head_dim"):
        Odd.from_dict({"head_dim": "8"})


def test_adjustments_of_a_subclass_run_after_the_checks() -> None:
    @dataclass
    class Derived(BaseConfig):
        hidden_size: int = 8
        num_attention_heads: int = 2
        head_dim: int | None = None

        def __post_init__(self) -> None:
            super().__post_init__()
            if self.head_dim is None:
                self.head_dim = self.hidden_size // self.num_attention_heads

    assert Derived().head_dim == 4
    assert Derived.from_dict(Derived().to_dict()) == Derived()
