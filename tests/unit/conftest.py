"""Unit tests touch no network: whoever connects or binds a socket fails on the spot."""

import gc
import sys

import pytest

FORBIDDEN = {"socket.connect", "socket.bind", "subprocess.Popen"}
_watching = False


def _refuse(event, _arguments):
    if _watching and event in FORBIDDEN:
        raise AssertionError(f"a unit test did {event}")


sys.addaudithook(_refuse)


@pytest.fixture(autouse=True)
def _no_sockets():
    global _watching  # noqa: PLW0603 - an audit hook cannot be taken off again
    _watching = True
    yield
    _watching = False


gc.disable()  # what is being imported stays: looking through it again and again for garbage costs a quarter


def pytest_collection_finish():
    """From here on there is garbage, but not among what was imported."""
    gc.freeze()
    gc.enable()
