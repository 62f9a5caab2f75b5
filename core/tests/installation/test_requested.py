from __future__ import annotations

from pathlib import Path

import pytest

from inference_pio.errors import UsageError
from inference_pio.installation.requested import Requested, read_requested

PLUGINS = {"acme": "acme-llama", "solo": "solo"}


def read(text: str, *, is_exact: bool = False) -> Requested:
    (requested,) = read_requested([text], [], is_exact=is_exact, plugins=PLUGINS)
    return requested


@pytest.mark.parametrize(
    ("typed", "taken"),
    [
        ("smollm2", "inference-pio-smollm2"),
        ("SmolLM2>=0.1,<1", "inference-pio-smollm2>=0.1,<1"),
        ("smollm2[test]==0.1", "inference-pio-smollm2[test]==0.1"),
        ("smollm2 @ file:///a/b.whl", "inference-pio-smollm2 @ file:///a/b.whl"),
        ("inference-pio-smollm2", "inference-pio-smollm2"),
        ("acme", "acme-llama"),
        ("acme-llama==2", "acme-llama==2"),
        ("Some_Plugin", "Some_Plugin"),
        ("solo", "solo"),
        ("https://example.org/acme-1.0-py3-none-any.whl", "https://example.org/acme-1.0-py3-none-any.whl"),
        ("git+https://example.org/acme", "git+https://example.org/acme"),
    ],
)
def test_a_single_word_is_a_models_name_and_everything_else_is_as_written(typed: str, taken: str) -> None:
    requested = read(typed)
    assert requested.arguments == (taken,)
    assert (typed != taken) == (f"{typed} is taken for {taken}" in requested.remark)


def test_exact_takes_a_single_word_as_it_is() -> None:
    assert read("smollm2>=1", is_exact=True) == Requested("smollm2>=1", "smollm2")


def test_a_bare_word_is_no_folder_and_the_remark_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "smollm2").mkdir()
    (tmp_path / "smollm2" / "pyproject.toml").touch()
    assert "would be ./smollm2" in read("smollm2").remark
    assert read("./smollm2").path == Path("smollm2")
    assert read("./smollm2[test]").text == f"{tmp_path / 'smollm2'}[test]"


def test_an_editable_folder_is_marked_for_pip(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").touch()
    (requested,) = read_requested([], [str(tmp_path)], is_exact=False, plugins={})
    assert requested.arguments == ("--editable", str(tmp_path))


def test_a_wheel_tells_the_name_of_its_distribution(tmp_path: Path) -> None:
    wheel = tmp_path / "Acme_Llama-1.0-py3-none-any.whl"
    wheel.touch()
    assert read(str(wheel)).name == "acme-llama"


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("./nothing", "there is no file or folder ./nothing"),
        ("nothing-1.0-py3-none-any.whl", "there is no file or folder"),
        (".", "a folder without pyproject.toml"),
        ("--target=elsewhere", "neither a file nor a requirement"),
        ("two words", "neither a file nor a requirement"),
        ("inference-pio", "is the host itself"),
        ("Inference_Pio==9", "is the host itself"),
        ("torch<2", "torch is a library"),
        ("transformers", "transformers is a library"),
    ],
)
def test_what_cannot_be_installed_is_refused(
    typed: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=message):
        read(typed)


def test_nothing_at_all_is_wrong_usage() -> None:
    with pytest.raises(UsageError, match="nothing to install"):
        read_requested([], [], is_exact=False, plugins={})
