"""`cluster-registrar`: reads its settings and runs until it is told to stop."""

from functools import partial

from nautes_cluster_registrar.app import SERVICE, build
from nautes_cluster_registrar.settings import RegistrarSettings
from nautes_runtime.service import run


def main() -> None:
    """Run the cluster registrar."""
    settings = RegistrarSettings()  # read from the environment
    run(SERVICE, settings, partial(build, settings))


if __name__ == "__main__":
    main()
