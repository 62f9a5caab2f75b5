"""Pulling weights without importing the model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from inference_pio.errors import LicenseNotAcceptedError, ManifestError, PluginUnavailableError
from inference_pio.hookspecs import WeightsRequest, hookimpl

from .conftest import FakeSite, HostOf


class Store:
    """A source of weights whose use is counted."""

    def __init__(self, path: Path, *, present: bool) -> None:
        self.path = path
        self.present = present
        self.requests: list[WeightsRequest] = []

    @hookimpl
    def pio_resolve_weights(self, request: WeightsRequest) -> Path:
        self.requests.append(request)
        return self.path

    @hookimpl
    def pio_weights_present(self) -> bool:
        return self.present


@pytest.fixture
def gated(manifest_data: dict[str, Any]) -> dict[str, Any]:
    entry = {"id": "q4", "source": "s3:q4", "license": "Gemma terms", "license_url": "https://terms", "consent": True}
    return manifest_data | {"weights": [entry, {"id": "free", "source": "s3:free", "license": "MIT"}]}


def test_pull_fetches_without_importing_the_model(
    add: Callable[..., Path], host: HostOf, site: FakeSite, gated: dict[str, Any], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("INFERENCE_PIO_CACHE_DIR", str(tmp_path / "cache"))
    add(manifest=gated)
    here = host()
    store = Store(tmp_path, present=False)
    here.hooks.register(store, "store")
    assert here.pull("qwen3", "free", offline=True) == tmp_path
    (request,) = store.requests
    assert (request.entry.id, request.offline, request.cache_dir) == ("free", True, tmp_path / "cache")
    assert site.executed == []


def test_pull_asks_for_consent_before_a_download_only(
    add: Callable[..., Path], host: HostOf, gated: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(manifest=gated)
    here = host()
    store = Store(tmp_path, present=False)
    here.hooks.register(store, "store")
    with pytest.raises(LicenseNotAcceptedError) as caught:
        here.pull("qwen3")
    said = str(caught.value)
    assert all(part in said for part in ("Gemma terms", "https://terms", "--accept-license", "accept_license=True"))
    assert store.requests == []
    assert here.pull("qwen3", accept_license=True) == tmp_path
    store.present = True
    assert here.pull("qwen3") == tmp_path
    store.present = False
    monkeypatch.setenv("INFERENCE_PIO_ACCEPT_LICENSE", "1")
    assert here.pull("qwen3") == tmp_path


def test_pull_serves_another_machine_too_but_no_broken_or_disabled_plugin(
    add: Callable[..., Path], host: HostOf, importable: FakeSite, gated: dict[str, Any], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("INFERENCE_PIO_DISABLE", "off")
    add("large", manifest=gated | {"required_memory_gb": 10_000})
    add("bad", manifest="{")
    add("off", manifest=gated)
    for dist in ("acme-a", "acme-b"):
        importable.add_model("twin", dist=dist, package=dist.replace("-", "_"), manifest=gated)
    here = host()
    here.hooks.register(Store(tmp_path, present=True), "store")
    assert here.pull("large") == tmp_path
    with pytest.raises(ManifestError):
        here.pull("bad")
    with pytest.raises(ManifestError, match="claimed more than once"):
        here.pull("twin")
    with pytest.raises(PluginUnavailableError):
        here.pull("off")
