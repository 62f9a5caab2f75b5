from __future__ import annotations

import os
from pathlib import Path

import pytest

from inference_pio import settings


def test_the_cache_is_the_users_unless_the_environment_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "inference-pio" in settings.cache_dir().parts
    monkeypatch.setenv("INFERENCE_PIO_CACHE_DIR", "~/weights")
    assert settings.cache_dir() == Path.home() / "weights"
    monkeypatch.setenv("INFERENCE_PIO_CACHE_DIR", " ")
    assert "inference-pio" in settings.cache_dir().parts


def test_asking_for_the_cache_creates_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("INFERENCE_PIO_CACHE_DIR", str(tmp_path / "none"))
    assert not settings.cache_dir().exists()


@pytest.mark.parametrize(("value", "meant"), [("1", True), ("true", True), ("YES", True), ("0", False), ("", False)])
def test_flags_are_read_generously(monkeypatch: pytest.MonkeyPatch, value: str, meant: bool) -> None:
    monkeypatch.setenv("INFERENCE_PIO_STRICT", value)
    monkeypatch.setenv("INFERENCE_PIO_ACCEPT_LICENSE", value)
    assert settings.is_strict() is meant
    assert settings.accept_license_default() is meant


def test_a_trial_ends_with_its_block(monkeypatch: pytest.MonkeyPatch) -> None:
    for before in (None, "0"):
        if before is not None:
            monkeypatch.setenv("INFERENCE_PIO_TRIAL", before)
        with settings.trial():
            assert settings.is_trial()
        assert os.environ.get("INFERENCE_PIO_TRIAL") == before
        assert not settings.is_trial()


def test_lists_are_canonical_and_an_empty_allow_list_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INFERENCE_PIO_PLUGINS", " Qwen_3 ,gemma3,,")
    assert settings.allowed_plugins() == frozenset({"qwen-3", "gemma3"})
    monkeypatch.setenv("INFERENCE_PIO_PLUGINS", ",")
    assert settings.allowed_plugins() is None
    assert settings.disabled_plugins() == frozenset()


def test_state_belongs_to_the_user_and_to_one_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("INFERENCE_PIO_STATE_DIR", raising=False)
    assert "inference-pio" in settings.state_dir().parts
    monkeypatch.setenv("INFERENCE_PIO_STATE_DIR", str(tmp_path / "none"))
    here = settings.environment_dir()
    assert here.is_relative_to(tmp_path / "none")
    assert not here.exists()
    monkeypatch.setattr("sys.prefix", str(tmp_path / "another"))
    assert settings.environment_dir() != here
