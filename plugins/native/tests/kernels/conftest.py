"""``isa`` is every instruction set that this build and this CPU have, ``other_isa`` every one but plain C++."""

from __future__ import annotations

import pytest

from inference_pio.native.errors import NativeUnavailableError
from inference_pio.native.library import Library, load_library
from inference_pio.native.structures import Isa


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "isa" in metafunc.fixturenames:
        metafunc.parametrize("isa", available(), ids=lambda isa: isa.name.lower())
    if "other_isa" in metafunc.fixturenames:
        others = [isa for isa in available() if isa is not Isa.PLAIN]
        metafunc.parametrize("other_isa", others, ids=lambda isa: isa.name.lower())


def available() -> tuple[Isa, ...]:
    try:
        return load_library().available_isas()
    except NativeUnavailableError:
        return ()  # and pytest skips


@pytest.fixture(scope="session")
def library() -> Library:
    try:
        return load_library()
    except NativeUnavailableError as error:
        pytest.skip(str(error))
