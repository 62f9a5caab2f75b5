import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from inference_pio.errors import InvalidOptionError
from inference_pio.generation import Constraint, SamplingOptions
from inference_pio.runtime.sampling import validate_sampling

VOCAB = 10
NAN, INF = math.nan, math.inf

WRONG_SOURCES: list[Any] = ["", b"a", None, 3]
REFUSED: list[tuple[str, Any]] = [
    *(("max_new_tokens", v) for v in (0, -1, 1.5, True, "3")),
    *(("temperature", v) for v in (-0.1, 100.1, 1e300, 10**400, NAN, INF, True, "hot")),
    *(("top_k", v) for v in (-1, 1.0, True, "4")),
    *(("top_p", v) for v in (0, -0.5, 1.01, NAN, INF, True)),
    *(("min_p", v) for v in (-0.01, 1.01, NAN, True)),
    *(("repetition_penalty", v) for v in (0, -1, 5e-324, 0.009, 101, NAN, INF, False)),
    *(("presence_penalty", v) for v in (101, -1e300, NAN, -INF, True, "1")),
    *(("frequency_penalty", v) for v in (-101, 1e39, NAN, INF, False, "1")),
    *(("logit_bias", v) for v in ([1], {VOCAB: 1.0}, {-1: 1.0}, {1.0: 1.0}, {True: 1.0})),
    *(("logit_bias", {1: v}) for v in (NAN, INF, 1e39, -1e39, 10**400, "x", True)),
    *(("stop", v) for v in ("", [""], ["a", ""], [1], b"a", 3, {"a"})),
    *(("stop_token_ids", v) for v in ([VOCAB], [-1], [1.0], [True], "12", 3)),
    *((name, v) for name in ("ignore_eos", "speculate") for v in (1, "yes", None)),
    *(("seed", v) for v in (1.0, True, "1")),
    *((name, v) for name in ("logprobs", "prompt_logprobs") for v in (-1, VOCAB + 1, 1.0, True)),
    *(("constraint", v) for v in ("[a-z]+", {"kind": "regex", "source": "a"}, True)),
    *(("constraint", Constraint(kind="regex", source=v)) for v in WRONG_SOURCES),
    ("constraint", Constraint(kind="xml", source="a")),  # type: ignore[arg-type]  # wrong on purpose
]

ACCEPTED: list[Mapping[str, Any]] = [
    {},
    {"temperature": 0, "top_k": 0, "top_p": 1, "min_p": 0, "logprobs": 0},
    {"temperature": 5e-324, "top_k": 10**9, "top_p": 1e-300, "min_p": 1.0},
    {"max_new_tokens": 1, "repetition_penalty": 0.5, "presence_penalty": -2.0, "frequency_penalty": 2},
    {"logit_bias": {0: -math.inf, 9: 100}, "stop": "end", "stop_token_ids": [0, 9], "ignore_eos": True},
    {"temperature": 100, "repetition_penalty": 0.01, "presence_penalty": 100, "frequency_penalty": -100},
    {"repetition_penalty": 100, "logit_bias": {0: 1e6, 1: -1e6}},
    {"stop": ["a", "b"], "stop_token_ids": (), "logprobs": VOCAB},
    {"seed": -1, "speculate": True},
    {"prompt_logprobs": VOCAB, "max_new_tokens": 0},
    {"prompt_logprobs": 0, "constraint": Constraint(kind="lark", source="start: /a/")},
    {"seed": 2**200, "top_k": np.int64(3), "temperature": np.float32(0.5)},
]


@pytest.mark.parametrize(("name", "value"), REFUSED)
def test_a_value_out_of_range_is_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(InvalidOptionError, match=rf"^{name}.* must be "):
        validate_sampling(SamplingOptions(**{name: value}), VOCAB)


@pytest.mark.parametrize("options", ACCEPTED)
def test_values_in_range_pass(options: Mapping[str, Any]) -> None:
    validate_sampling(SamplingOptions(**options), VOCAB)


def test_a_message_holds_value_and_range() -> None:
    with pytest.raises(InvalidOptionError, match=r"top_p = 1\.5: must be a number above 0 and up to 1"):
        validate_sampling(SamplingOptions(top_p=1.5), VOCAB)
    with pytest.raises(InvalidOptionError, match="logit_bias = 99: must be keyed by token ids from 0 to 9"):
        validate_sampling(SamplingOptions(logit_bias={99: 1.0}), VOCAB)


def test_a_number_too_long_to_print_is_refused_all_the_same() -> None:
    with pytest.raises(InvalidOptionError, match="top_k = a number of 20001 bits: must be"):
        validate_sampling(SamplingOptions(top_k=-(2**20000)), VOCAB)


def test_every_option_is_checked() -> None:
    checked = {name for name, _ in REFUSED}
    assert checked == set(SamplingOptions.__dataclass_fields__)
