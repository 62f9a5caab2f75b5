from __future__ import annotations

from pathlib import Path

import pytest

from inference_pio.errors import InvalidOptionError, WeightsNotFoundError
from inference_pio.manifest import Manifest, WeightsEntry, parse_manifest
from inference_pio.weights_choice import CUSTOM_ID, require_consent, weights_entry


@pytest.fixture
def manifest(seed_manifest: str) -> Manifest:
    text = seed_manifest.rstrip().removesuffix("}")
    return parse_manifest(
        text
        + ', "weights": [{"id": "q8", "source": "hf:a/b/c.gguf"}, '
        + '{"id": "q4", "source": ["pypi:x==1#a", "pypi:y==1#b"], "default": true, "consent": true}]}'
    )


def test_nothing_asked_for_means_the_default(manifest: Manifest) -> None:
    assert weights_entry(manifest, None).id == "q4"


def test_without_a_mark_the_first_entry_is_the_default(seed_manifest: str) -> None:
    text = seed_manifest.rstrip().removesuffix("}")
    manifest = parse_manifest(text + ', "weights": [{"id": "a", "source": "x"}, {"id": "b", "source": "y"}]}')
    assert weights_entry(manifest, None).id == "a"


def test_an_id_or_a_listed_source_means_that_entry(manifest: Manifest) -> None:
    assert weights_entry(manifest, "q8") is weights_entry(manifest, "hf:a/b/c.gguf")


def test_anything_else_is_a_source_of_its_own_without_terms(manifest: Manifest) -> None:
    assert weights_entry(manifest, "/data/x.gguf") == WeightsEntry(id=CUSTOM_ID, source="/data/x.gguf")


@pytest.mark.parametrize("word", ["q9", "v1.5-q4_0"])
def test_a_word_that_is_no_id_and_no_file_is_answered_with_the_ids(manifest: Manifest, word: str) -> None:
    with pytest.raises(WeightsNotFoundError, match=rf"lists no checkpoint '{word}', .* It lists q8, q4\."):
        weights_entry(manifest, word)


@pytest.mark.parametrize("source", ["x.gguf", "x.safetensors", "./q9", "q9/", "s3:bucket", "~/q9", "here"])
def test_what_may_be_a_file_or_a_scheme_is_left_to_those_who_know(
    manifest: Manifest, source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").mkdir()
    assert weights_entry(manifest, source).source == source


def test_a_plugin_without_weights_says_what_to_do(seed_manifest: str) -> None:
    with pytest.raises(WeightsNotFoundError, match=r"ModelName.*--weights"):
        weights_entry(parse_manifest(seed_manifest), None)


def test_empty_weights_are_refused(manifest: Manifest) -> None:
    with pytest.raises(InvalidOptionError, match="weights is empty"):
        weights_entry(manifest, " ")


def test_weights_without_terms_need_no_consent(manifest: Manifest) -> None:
    require_consent("m", weights_entry(manifest, "q8"), accepted=False, already_present=False)
