"""`reconciler`: reads its settings and runs until it is told to stop."""

from functools import partial

from nautes_reconciler.app import SERVICE, build
from nautes_reconciler.settings import ReconcilerSettings
from nautes_runtime.service import run


def main() -> None:
    """Run the reconciler."""
    settings = ReconcilerSettings()  # read from the environment
    run(SERVICE, settings, partial(build, settings))


if __name__ == "__main__":
    main()
