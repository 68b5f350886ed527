"""What holds for all tests."""

from hypothesis import HealthCheck, settings

from support import containers

# Machines differ in speed: a deadline would turn a slow one into a failing one.
slow = [HealthCheck.too_slow]
settings.register_profile("nautes", deadline=None, max_examples=20, suppress_health_check=slow)
# `pytest --hypothesis-profile=thorough` looks longer; the everyday run must stay quick.
settings.register_profile("thorough", deadline=None, max_examples=1_000, suppress_health_check=slow)
settings.load_profile("nautes")


def pytest_addoption(parser):
    parser.addoption(
        "--containers",
        action="store_true",
        help="run NATS, Vault and Kubernetes (k3s) in containers instead of the servers from wheels",
    )
    parser.addoption(
        "--kills",
        type=int,
        default=20,
        help="how often the reconciler is killed while it starts runs; the long version is 200",
    )


def pytest_configure(config):
    containers.configure(config)
