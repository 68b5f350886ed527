import pytest

from support.api_server import World

WORLD = World()


@pytest.fixture
def world():
    """The API over everything in memory, as it is in the beginning. Made once: describing all routes takes a while."""
    WORLD.reset()
    return WORLD
