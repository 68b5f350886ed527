"""`api-server`: reads its settings and runs until it is told to stop."""

from functools import partial

from nautes_api_server.app import SERVICE, build
from nautes_api_server.settings import ApiServerSettings
from nautes_runtime.service import run


def main() -> None:
    """Run the API server."""
    settings = ApiServerSettings()  # read from the environment
    run(SERVICE, settings, partial(build, settings))


if __name__ == "__main__":
    main()
