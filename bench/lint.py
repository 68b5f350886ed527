"""`nautes lint` and reading for `nautes apply` of a thousand manifests, against bare safe loading of the same files.

Prints one JSON object. Ratios count more than seconds: both sides run on the same machine, one after the other.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

from nautes_cli import files, reading
from nautes_cli.lint import collect
from nautes_cli.ordering import to_apply
from nautes_domain import bundle

EXAMPLES = Path(__file__).parents[1] / "examples"
MANIFESTS = 1_000
ROUNDS = 7


def write(root: Path, count: int = MANIFESTS) -> int:
    """Write a tenant and one product of about `count` manifests; return how many there are."""
    config = root / "orchard" / "default.project"
    source = EXAMPLES / "orchard" / "default.project"
    for path in (EXAMPLES / "management").rglob("*.yaml"):
        place = root / "management" / path.relative_to(EXAMPLES / "management")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(path.read_text())
    for path in ("envs/build.yaml", "envs/test.yaml"):
        (config / path).parent.mkdir(parents=True, exist_ok=True)
        (config / path).write_text((source / path).read_text())
    texts = {
        "projects/{n}/{n}.yaml": "projects/apple-api/apple-api.yaml",
        "projects/{n}/ci.yaml": "projects/apple-api/apple-ci.yaml",
        "code-repos/{n}-src/{n}-src.yaml": "code-repos/apple-api-src/apple-api-src.yaml",
        "code-repos/{n}-deploy/{n}-deploy.yaml": "code-repos/apple-deploy/apple-deploy.yaml",
        "runtimes/{n}.yaml": "runtimes/apple-test.yaml",
    }
    for number in range((count - 10) // len(texts)):
        name = f"p{number}"
        for place, example in texts.items():
            text = (source / example).read_text().replace("apple-api, apple-web", "apple-api")
            text = text.replace("apple-test", f"{name}-test").replace("apple-api-src", f"{name}-src")
            text = text.replace("apple-deployer", f"{name}-deployer").replace(
                "apple-deploy\n", f"{name}-deploy\n"
            )
            text = text.replace("apple-ci", f"{name}-ci").replace("apple-builder", f"{name}-builder")
            path = config / place.format(n=name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text.replace("apple-api", name))
    return sum(1 for _ in root.rglob("*.yaml"))


def lint(root: Path) -> None:
    """Do what the command does, in this process."""
    tree, refused = collect([root])
    found = [one.verdict.violations for one in bundle.verdicts(bundle.read(tree))]
    assert not refused, refused
    assert not any(found), next(one for one in found if one)[:3]


def read(root: Path) -> None:
    """Make of the same files what `nautes apply` sends, in its order."""
    batch = reading.read({path.as_posix(): files.content(path) for path in files.below(root)})
    assert not batch.problems, batch.problems[:3]
    assert len(to_apply(batch.entries)) > MANIFESTS * 0.9


def bare(root: Path) -> None:
    """Load the same files and nothing more, with the C loader."""
    for path in root.rglob("*.yaml"):
        yaml.load(path.read_bytes(), Loader=yaml.CSafeLoader)


def command(root: Path) -> None:
    """Run the command as people do."""
    subprocess.run(
        [str(Path(sys.executable).with_name("nautes")), "lint", "-f", str(root)],
        check=True,
        capture_output=True,
    )


def seconds(work, root: Path) -> float:
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        work(root)
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="nautes-bench-") as folder:
        root = Path(folder)
        count = write(root)
        lint(root)
        result = {"manifests": count, "bare_load_s": seconds(bare, root), "lint_s": seconds(lint, root)}
        result["ratio_to_bare_load"] = result["lint_s"] / result["bare_load_s"]
        result["read_for_apply_s"] = seconds(read, root)
        result["read_ratio_to_bare_load"] = result["read_for_apply_s"] / result["bare_load_s"]
        result["command_s"] = seconds(command, root)
        print(json.dumps({key: round(value, 3) for key, value in result.items()}, indent=2))


if __name__ == "__main__":
    main()
