"""A real server on the loopback, and the page in a real browser."""

from __future__ import annotations

import contextlib
import functools
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import uvicorn
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from inference_pio.server.app import create_app
from inference_pio.server.chat import ChatCompletions
from inference_pio.server.completions import Completions
from inference_pio.server.keys import ApiKeys
from inference_pio.server.model_pool import ModelPool, Offer
from inference_pio.server.options import ServerOptions
from inference_pio.server.page import page_routes

from ..fake_model import FakeModel

if TYPE_CHECKING:
    from selenium.webdriver import Chrome
    from selenium.webdriver.remote.webelement import WebElement

PATIENCE_S = 20.0
"""After so long what a test waits for is taken to never come; nothing waits that long when all is well."""

T = TypeVar("T")


def _itself(model: FakeModel, gate: threading.Event) -> FakeModel:
    gate.wait(PATIENCE_S)
    return model


@dataclass
class Server:
    """What a test may do to a server."""

    address: str
    pool: ModelPool
    stop: Callable[[], None]


@contextlib.contextmanager
def serving(models: Sequence[FakeModel], keys: ApiKeys, gate: threading.Event) -> Iterator[Server]:
    """Serve models from a thread; ``gate`` lets them load. Each has a port and so a browser storage of its own."""
    offers = [Offer(name=model.name, load=functools.partial(_itself, model, gate)) for model in models]
    pool = ModelPool(offers)
    app = create_app([ChatCompletions(), Completions()], pool, ServerOptions(keys=keys), page=page_routes())
    config = uvicorn.Config(app, port=0, log_level="error", lifespan="off", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        until(lambda: server.started, "the server starts")
        port = server.servers[0].sockets[0].getsockname()[1]

        def stop() -> None:
            gate.set()
            server.should_exit = True
            thread.join(PATIENCE_S)

        yield Server(f"http://127.0.0.1:{port}", pool, stop)
    finally:
        gate.set()
        server.should_exit = True
        thread.join(PATIENCE_S)


def until(condition: Callable[[], T], what: str) -> T:
    """Wait for a condition and return what it gave; say what did not come."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        with contextlib.suppress(StaleElementReferenceException):  # redrawn between two looks
            if given := condition():
                return given
        time.sleep(0.02)
    raise AssertionError(f"this never came: {what}")


class Page:
    """The page, as who uses it sees it."""

    def __init__(self, browser: Chrome, server: Server) -> None:
        self.browser, self.server = browser, server

    def open(self, fragment: str = "") -> None:
        """Load the page, and wait until it knows its models or what is wrong."""
        self.browser.get(f"{self.server.address}/{fragment}")
        until(lambda: self.all("#model option") or self.texts("#notice"), "the page is ready")

    def reload(self) -> None:
        """Load the page anew, as F5 does."""
        self.browser.refresh()
        until(lambda: self.all("#model option"), "the page is ready again")

    def all(self, selector: str) -> list[WebElement]:
        """Return the elements that a selector finds."""
        return self.browser.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector: str) -> WebElement:
        """Return the only element that a selector finds."""
        (element,) = self.all(selector)
        return element

    def texts(self, selector: str) -> list[str]:
        """Return the visible texts of what a selector finds, all at one moment, without empty ones."""
        script = "return [...document.querySelectorAll(arguments[0])].map(e => e.innerText.trim()).filter(Boolean)"
        found: list[str] = self.browser.execute_script(script, selector)
        return found

    def click(self, selector: str) -> None:
        """Click what a selector finds."""
        self.one(selector).click()

    def press(self, *keys: str) -> None:
        """Press keys, wherever the focus is."""
        self.browser.switch_to.active_element.send_keys(*keys)

    def ask(self, question: str) -> None:
        """Type a question and press Enter; returns at once."""
        self.one("#question").send_keys(question, Keys.ENTER)

    def ask_and_wait(self, question: str) -> str:
        """Ask, and return the whole answer's text."""
        self.ask(question)
        self.wait_for_end()
        return self.texts(".answer .text")[-1]

    def wait_for_end(self) -> None:
        """Wait until nothing is being answered here, and the last answer has its buttons."""
        until(lambda: self.state()["ended"], "the answer ends")

    def state(self) -> Any:
        """Return whether an answer has ended, in one look."""
        return self.browser.execute_script(
            "const last = [...document.querySelectorAll('.answer')].at(-1);"
            "const isIdle = !document.querySelector('#send').hidden;"
            "return {ended: isIdle && last?.getAttribute('aria-busy') === 'false'}"
        )

    @property
    def focus(self) -> str:
        """Id of the element that has the focus."""
        return str(self.browser.switch_to.active_element.get_attribute("id"))

    def stored(self) -> Any:
        """Return what the browser keeps of conversations."""
        script = (
            "return Object.entries(localStorage).filter(([k]) => k.startsWith('inference-pio:conversation:'))"
            ".map(([, v]) => JSON.parse(v))"
        )
        return self.browser.execute_script(script)
