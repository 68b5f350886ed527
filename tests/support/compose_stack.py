"""Build all images, bring the Compose stack up, tell the demo on it, show what runs, take it down.

`python -m support.compose_stack [--keep]`. Exit codes: 0 it works, 1 it does not, 77 skipped, with the reason.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import yaml

from nautes_localstack import ports
from support.compose_engine import AbsentError, Engine, base_image, engine, package_index

PROJECT: Final = "nautes-test"
SKIPPED: Final = 77
HEALTHY_WITHIN: Final = 240.0
PUBLISHED: Final = (
    "NATS", "OPENBAO", "FORGE", "FORGE_SSH", "MANAGEMENT", "BUILD_EAST", "RUN_EAST", "GATEWAY", "API",
)  # fmt: skip
"""Ports of the default profile; free ones are taken, so that a stack of the developer's may run beside."""


def main(arguments: list[str] | None = None) -> int:
    """Do it all; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--keep", action="store_true", help="leave the stack running (with an engine that stays)"
    )
    keep = parser.parse_args(arguments).keep
    environment = dict(os.environ)  # noqa: TID251 - a program for people; programs that it starts need it whole
    try:
        with engine(environment) as found:
            return run(_configured(found), keep=keep)
    except AbsentError as absent:
        say(f"skipped: {absent}")
        return SKIPPED
    except subprocess.CalledProcessError as failed:
        say(f"{' '.join(failed.cmd)}\nended with {failed.returncode}\n{failed.stderr or ''}")
        return 1


def run(found: Engine, *, keep: bool) -> int:
    """Build, start, show, stop; 0 if the demo came true."""
    with timed("the base image"):
        base = base_image(found, found.environment.get("PYTHON_IMAGE", ""))
    build(found, base)
    try:
        with timed("up and healthy"):
            up(found)
        with timed("the demo"):
            found.run(*found.compose, "run", "--rm", "demo")
        say(found.ask(*found.compose, "ps"))
        say(found.ask("docker", "stats", "--no-stream", "--format", "{{.Name}}\t{{.MemUsage}}"))
    except (subprocess.CalledProcessError, TimeoutError) as failed:
        say(f"it does not work: {failed}")
        say(found.ask(*found.compose, "ps"))
        say(found.ask(*found.compose, "logs", "--no-color", "--tail=20"))
        return 1
    finally:
        if not keep:
            found.run(*found.compose, "down", "--volumes", quiet=True)
    return 0


def build(found: Engine, base: str) -> None:
    """Build every image that the Compose file builds."""
    index = package_index(found.environment)
    for name, service in configuration(found)["services"].items():
        if "build" not in service:
            continue
        given = {**service["build"]["args"], "PYTHON_IMAGE": base, **index}
        # Values go by the environment: an index may have credentials, and a command line is seen by everybody.
        options = [f"--build-arg={key}" for key in given]
        network = (f"--network={found.network}",) if found.network else ()
        with timed(f"image {service['image']} ({name})"):
            command = ("docker", "build", "--quiet", f"--tag={service['image']}", *network, *options, ".")
            found.run(*command, quiet=True, **{key: str(value) for key, value in given.items() if value})
        say(f"    {size(found, service['image'])}")


def up(found: Engine) -> None:
    """Start everything and return when all of it is healthy. Raises TimeoutError."""
    if found.waits:
        found.run(*found.compose, "up", "--no-build", "--wait", quiet=True)
        return
    found.run(*found.compose, "up", "--no-build", "--detach", quiet=True)
    deadline = time.monotonic() + HEALTHY_WITHIN
    while late := [name for name, state in states(found).items() if state != "healthy"]:
        if time.monotonic() > deadline:
            raise TimeoutError(f"not healthy after {HEALTHY_WITHIN:.0f} s: {', '.join(late)}")
        time.sleep(1)


def states(found: Engine) -> dict[str, str]:
    """Return the health of every container but of jobs that ended well."""
    containers = found.ask(
        "docker", "ps", "--all", "--quiet", f"--filter=label=com.docker.compose.project={PROJECT}"
    )
    described = json.loads(found.ask("docker", "inspect", *containers.split()))
    return {
        one["Name"].lstrip("/"): one["State"].get("Health", {}).get("Status", one["State"]["Status"])
        for one in described
        if (one["State"]["Status"], one["State"]["ExitCode"]) != ("exited", 0)
    }


def configuration(found: Engine) -> dict[str, Any]:
    """Return the Compose file as Compose understands it."""
    return dict(yaml.safe_load(found.ask(*found.compose, "config")))


def size(found: Engine, image: str) -> str:
    """Return what an image weighs, and its layers."""
    (described,) = json.loads(found.ask("docker", "image", "inspect", image))
    return f"{described['Size'] / 1e6:.0f} MB, {len(described['RootFS']['Layers'])} layers"


def _configured(found: Engine) -> Engine:
    chosen = ports.choose(len(PUBLISHED))
    more: Mapping[str, str] = {
        "COMPOSE_PROJECT_NAME": PROJECT,
        **{f"NAUTES_PORT_{name}": str(port) for name, port in zip(PUBLISHED, chosen, strict=True)},
    }
    return Engine(found.compose, {**found.environment, **more}, found.network)


@contextmanager
def timed(what: str) -> Iterator[None]:
    """Say how long something took."""
    began = time.monotonic()
    yield
    say(f"{what}: {time.monotonic() - began:.0f} s")


def say(text: str) -> None:
    """Tell the person at the terminal."""
    print(text, flush=True)  # noqa: T201 - a program for people


if __name__ == "__main__":
    sys.exit(main())
