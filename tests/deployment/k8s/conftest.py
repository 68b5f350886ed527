import pytest

from support import k8s


@pytest.fixture(scope="session")
def overlays():
    """Every overlay, rendered once, before the first test begins."""
    return {name: k8s.rendered(name) for name in k8s.OVERLAYS}


@pytest.fixture(params=k8s.OVERLAYS)
def overlay(request, overlays):
    return overlays[request.param]


@pytest.fixture
def production(overlays):
    return overlays["production"]
