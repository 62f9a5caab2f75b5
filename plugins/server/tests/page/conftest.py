"""A browser for all tests of the page, and a server for each."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service

from inference_pio.server.keys import ApiKeys

from ..fake_model import FakeModel
from .paced_model import PacedModel
from .site import Page, serving

REQUIRED = "INFERENCE_PIO_REQUIRE_BROWSER"

Open = Callable[..., Page]


def _programs() -> tuple[str, str]:
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if browser and driver:
        return browser, driver
    reason = "no chromium with chromedriver here; Debian has packages of these names"
    if os.environ.get(REQUIRED):
        pytest.fail(f"{reason}, and {REQUIRED} is set")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    program, driver = _programs()
    options = ChromeOptions()
    options.binary_location = program
    folder = tmp_path_factory.mktemp("browser")
    arguments = ["--headless=new", "--window-size=1200,850", f"--user-data-dir={folder}", "--disable-gpu"]
    if os.name == "posix" and os.geteuid() == 0:
        arguments.append("--no-sandbox")  # its sandbox refuses to run for root
    for argument in (*arguments, "--disable-dev-shm-usage", "--disable-background-networking"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    options.add_experimental_option("prefs", {"download.default_directory": str(folder / "downloads")})
    browser = Chrome(options=options, service=Service(driver))
    browser.get("about:blank")  # what it begins with asks for its own files
    try:
        yield browser
    finally:
        browser.quit()


@pytest.fixture
def downloads(chromium: Chrome, tmp_path: Path) -> Path:
    chromium.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    return tmp_path


EXPECTED_ERRORS = ("401 (Unauthorized)", "net::ERR_", "429 (Too Many", "400 (Bad", "503 (Service", "500 (Internal")
"""What Chromium itself logs of requests that fail; anything else in the console is an error of the page."""


@pytest.fixture
def open_page(chromium: Chrome) -> Iterator[Open]:
    """Serve models and open the page; whatever the page logs, or asks of anybody else, fails the test."""
    chromium.get_log("browser")
    chromium.get_log("performance")
    with contextlib.ExitStack() as stack:
        pages: list[Page] = []

        def begin(*models: FakeModel, keys: ApiKeys | None = None, gate: threading.Event | None = None) -> Page:
            if gate is None:
                gate = threading.Event()
                gate.set()
            server = stack.enter_context(serving(models or [PacedModel()], keys or ApiKeys(), gate))
            pages.append(Page(chromium, server))
            pages[0].open()
            return pages[0]

        yield begin
        logged = chromium.get_log("browser")
        assert [entry for entry in logged if not any(known in entry["message"] for known in EXPECTED_ERRORS)] == []
        assert pages, "the test opened no page"
        assert foreign(chromium, pages[0].server.address) == []
        chromium.get("about:blank")


def foreign(browser: Chrome, origin: str) -> list[Any]:
    """Return the addresses of requests that did not go to the server; from the browser's own network log."""
    messages = [entry["message"] for entry in browser.get_log("performance")]
    events = [json.loads(message)["message"] for message in messages]
    sent = [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]
    assert sent, "the log of requests is empty: it shows nothing"
    return [url for url in sent if not url.startswith((origin, "data:", "blob:", "about:"))]
