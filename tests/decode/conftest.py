"""Small cases in one thread: two that wait for each other are slow on a busy machine."""

import pytest

from sedlib.threads import one_thread


@pytest.fixture(autouse=True, scope="module")
def alone():
    with one_thread():
        yield
