"""`secret-broker`: reads its settings and runs until it is told to stop."""

from functools import partial

from nautes_runtime.service import run
from nautes_secret_broker.app import SERVICE, build
from nautes_secret_broker.settings import BrokerSettings


def main() -> None:
    """Run the secret broker."""
    settings = BrokerSettings()  # read from the environment
    run(SERVICE, settings, partial(build, settings))


if __name__ == "__main__":
    main()
