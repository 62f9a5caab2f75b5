"""What of a process is compared: also of numpy and torch, where they are loaded."""

import sys
import types

import pytest

from inference_pio.testing.process_state import changes, take_state


class Keys:
    def __init__(self, content):
        self.content = content

    def tobytes(self):
        return self.content


def fake_numpy():
    numpy, random = types.ModuleType("numpy"), types.ModuleType("numpy.random")
    vars(numpy).update(geterr=lambda: {"divide": "warn"}, get_printoptions=lambda: {"precision": 8})
    vars(random).update(get_state=lambda: ("MT19937", Keys(b"one"), 624))
    return numpy, random


def test_nothing_changes_by_looking():
    assert changes(take_state(), take_state()) == []


def test_the_random_state_of_numpy_is_compared_where_numpy_is_loaded(monkeypatch):
    numpy, random = fake_numpy()
    monkeypatch.setitem(sys.modules, "numpy", numpy)
    monkeypatch.setitem(sys.modules, "numpy.random", random)
    before = take_state()
    vars(random).update(get_state=lambda: ("MT19937", Keys(b"two"), 624))
    assert changes(before, take_state()) == ["numpy random state was changed"]


@pytest.mark.parametrize("name", ["get_default_dtype", "get_num_threads", "is_grad_enabled"])
def test_the_defaults_of_torch_are_compared_where_torch_is_loaded(monkeypatch, name):
    torch = types.ModuleType("torch")
    setattr(torch, name, lambda: 1)
    monkeypatch.setitem(sys.modules, "torch", torch)
    before = take_state()
    setattr(torch, name, lambda: 2)
    assert changes(before, take_state()) == [f"torch {name} was changed from 1 to 2"]


def test_a_logger_that_is_new_is_nobodys_harm():
    import logging

    before = take_state()
    logging.getLogger("acme.brand.new").setLevel(10)
    assert changes(before, take_state()) == []
