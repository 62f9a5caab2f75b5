"""One name in any spelling, and every name that follows from it."""

from __future__ import annotations

import pytest

from inference_pio.errors import InvalidOptionError
from inference_pio.scaffold import Names, build_project, derive_names
from inference_pio.scaffold.naming import LONGEST_NAME


def test_every_name_follows_from_one() -> None:
    assert derive_names("My_Model-2") == Names(
        plugin="my-model-2",
        dist="inference-pio-my-model-2",
        module="my_model_2",
        camel="MyModel2",
        title="My Model 2",
    )


@pytest.mark.parametrize(
    ("name", "camel"), [("mymodel", "Mymodel"), ("SmolLM2", "SmolLM2"), ("a.b_c-d", "ABCD"), ("q", "Q")]
)
def test_capitals_that_were_typed_stay_in_class_names(name: str, camel: str) -> None:
    assert derive_names(name).camel == camel


@pytest.mark.parametrize("name", ["inference-pio-my-model", "Inference_Pio.my_model", " my-model "])
def test_the_prefix_of_a_distribution_and_blanks_around_a_name_do_no_harm(name: str) -> None:
    assert derive_names(name).dist == "inference-pio-my-model"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "the name is empty"),
        ("  ", "the name is empty"),
        ("inference-pio-", "the name is empty"),
        ("3b", "starts with a digit"),
        ("modèle", r"not ASCII \(è\)"),
        ("模型", r"not ASCII \(模型\)"),
        ("lambda", "a keyword of Python.*Try lambda-model"),
        ("Class", "a keyword of Python"),
        ("my model", "not words and digits"),
        ("../evil", "not words and digits"),
        ("-x", "not words and digits"),
        ("x-", "not words and digits"),
        ("a/b", "not words and digits"),
        ("m" * (LONGEST_NAME + 1), "33 characters, more than 32"),
        ("runtime", "the host's own distribution"),
    ],
)
def test_a_name_that_cannot_be_used_is_refused_with_the_reason(name: str, reason: str) -> None:
    with pytest.raises(InvalidOptionError, match=reason):
        derive_names(name)


@pytest.mark.parametrize(
    ("package", "reason"),
    [
        ("inference_pio", "would hide every other plugin"),
        ("json", "Python's own library"),
        ("class", "no name that Python can import"),
        ("acme.llama", "no name that Python can import"),
        ("acme-llama", "no name that Python can import"),
        ("", "no name that Python can import"),
        ("größe", "no name that Python can import"),
        ("a" * (LONGEST_NAME + 1), "33 characters"),
    ],
)
def test_a_package_that_cannot_be_used_is_refused_with_the_reason(package: str, reason: str) -> None:
    with pytest.raises(InvalidOptionError, match=reason):
        build_project("mine", package=package)


def test_a_model_lives_among_the_models_and_hooks_in_a_package_of_their_own() -> None:
    assert build_project("my-model").package == "inference_pio.models.my_model"
    assert build_project("my-model", kind="hooks").package == "inference_pio_my_model"
    assert build_project("my-model", package="acme").package == "acme"
