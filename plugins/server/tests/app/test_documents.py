"""What the pages about the server name exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from inference_pio.server.commands.serve import command
from inference_pio.server.metrics import ServerMetrics
from inference_pio.server.options import ServerOptions
from inference_pio.server.request_record import RequestRecord

from ..fake_model import FakeModel
from .conftest import pool_of

DOCS = Path(__file__).parents[4] / "docs"
PAGES = ("serving.md", "operating.md", "examples/inference-pio.service", "examples/Containerfile")
ELSEWHERE = {"--help", "--init", "--no-create-home", "--no-install-recommends", "--no-cache-dir", "--now", "--rm"}
ELSEWHERE |= {"--from", "--start-period", "--uid"}


@pytest.mark.parametrize("page", PAGES)
def test_options_that_a_page_names_exist(page: str) -> None:
    known = {name for param in command.params for name in param.opts}
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", (DOCS / page).read_text(encoding="utf-8")))
    assert named - known - ELSEWHERE == set()


def test_the_page_about_operating_names_every_figure_and_no_other() -> None:
    metrics = ServerMetrics(pool_of(FakeModel()))
    known = {f"{family.name}{'_total' * (family.type == 'counter')}" for family in metrics.registry.collect()}
    text = (DOCS / "operating.md").read_text(encoding="utf-8")
    named = {name.removesuffix("_bucket") for name in re.findall(r"inference_pio_\w+", text)}
    assert named == known


def test_every_option_of_the_server_can_be_given_or_is_told_as_fixed() -> None:
    text = (DOCS / "operating.md").read_text(encoding="utf-8")
    options = ServerOptions()
    assert f"64 KiB, {options.head_timeout_s:g} s; {options.body_timeout_s:g} s" in text
    given = {"max_body_bytes", "write_timeout_s", "request_timeout_s", "max_concurrent_per_key", "keys"}
    given |= {"allowed_hosts", "cors_origins"}
    assert set(vars(options)) - given == {"head_timeout_s", "body_timeout_s"}


def test_what_the_page_says_of_a_line_in_the_log_is_there() -> None:
    text = (DOCS / "operating.md").read_text(encoding="utf-8")
    for outcome in re.findall(
        r"``(\w+)``", (RequestRecord.__doc__ or "").partition("outcome:")[2].partition("prompt")[0]
    ):
        assert f"`{outcome}`" in text, outcome
