from __future__ import annotations

from pathlib import Path

import pytest

from inference_pio.server.chat.request import ChatRequest

PAGE = Path(__file__).parents[4] / "docs" / "openai-api.md"


@pytest.mark.parametrize("name", ChatRequest.__struct_fields__)
def test_every_field_of_a_request_is_documented(name: str) -> None:
    assert f"`{name}`" in PAGE.read_text(encoding="utf-8")
