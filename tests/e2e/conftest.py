import pytest

from support.platform import running_platform


@pytest.fixture(scope="session")
def platform(tmp_path_factory):
    """One platform for all end-to-end tests: they change different things and leave it settled."""
    with running_platform(tmp_path_factory.mktemp("platform"), "e2e") as running:
        yield running
