import pytest


@pytest.mark.weights
@pytest.mark.conformance("parity")
def test_parity_of_the_echo():
    assert "a" == "a"


def test_the_echo_fails():
    raise AssertionError("this test is made to fail")
