from __future__ import annotations

import pytest

from inference_pio.generation import SamplingOptions
from inference_pio.server.api_errors import ApiError
from inference_pio.server.sampling_fields import (
    ChoiceFields,
    SamplingFields,
    StreamOptions,
    check_stream_options,
    sampling_options,
)

from .fake_model import FakeModel


def test_fields_become_options(model: FakeModel) -> None:
    fields = SamplingFields(
        model="m",
        temperature=0,
        top_p=0.5,
        top_k=7,
        min_p=0.1,
        presence_penalty=1,
        frequency_penalty=-2,
        repetition_penalty=1.5,
        logit_bias={5: -100},
        seed=0,
        stop=["a"],
        stop_token_ids=[3],
        ignore_eos=True,
    )
    assert sampling_options(fields, model, max_new_tokens=9, logprobs=0) == SamplingOptions(
        temperature=0,
        top_p=0.5,
        top_k=7,
        min_p=0.1,
        presence_penalty=1,
        frequency_penalty=-2,
        repetition_penalty=1.5,
        logit_bias={5: -100},
        seed=0,
        stop=["a"],
        stop_token_ids=[3],
        ignore_eos=True,
        max_new_tokens=9,
        logprobs=0,
    )


@pytest.mark.parametrize(
    ("asked", "recommended", "used"), [(0, 0.2, 0), (None, 0.2, 0.2), (None, None, 1), (2, None, 2)]
)
def test_the_temperature_is_what_was_asked_for_else_recommended_else_the_protocols(
    asked: float | None, recommended: float | None, used: float
) -> None:
    model = FakeModel(sampling_defaults=SamplingOptions(temperature=recommended))
    assert sampling_options(SamplingFields(model="m", temperature=asked), model).temperature == used


def test_more_tokens_than_the_context_holds_are_no_error(model: FakeModel) -> None:
    options = sampling_options(SamplingFields(model="m", top_k=10**30), model, max_new_tokens=10**30)
    assert (options.max_new_tokens, options.top_k) == (model.context, model.vocab_size)


@pytest.mark.parametrize(
    "fields",
    [SamplingFields(model="m", logit_bias={257: 1}), SamplingFields(model="m", stop_token_ids=[0, 10**5000])],
)
def test_tokens_outside_the_vocabulary_are_refused_by_the_field(fields: SamplingFields, model: FakeModel) -> None:
    with pytest.raises(ApiError, match="from 0 to 256") as caught:
        sampling_options(fields, model)
    assert caught.value.param == ("logit_bias" if fields.logit_bias else "stop_token_ids")


def test_stream_options_need_a_stream() -> None:
    check_stream_options(ChoiceFields(model="m", stream=True, stream_options=StreamOptions(include_usage=True)))
    for stream, options, param in [
        (None, StreamOptions(), "stream_options"),
        (True, StreamOptions(include_obfuscation=True), "stream_options.include_obfuscation"),
    ]:
        with pytest.raises(ApiError) as caught:
            check_stream_options(ChoiceFields(model="m", stream=stream, stream_options=options))
        assert caught.value.param == param
