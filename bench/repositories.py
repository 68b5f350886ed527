"""More repositories like the one of the demo, each with its own pipeline runtime, so that pushes come from many."""

from typing import Final

from bench.pushes import EXAMPLES
from nautes_cli.demo.git import Clone, copy_tree, run_git
from nautes_cli.demo.story import PRODUCT, Story
from nautes_cli.demo.systems import PIPELINE_RUNS
from nautes_domain import names

FIRST: Final = "apple-api-src"
"""The repository of the demo; the others are copies of it."""
DECLARED: Final = (
    (f"code-repos/{FIRST}/{FIRST}.yaml", "code-repos/{name}/{name}.yaml"),
    ("projects/apple-api/apple-ci.yaml", "projects/apple-api/{name}-ci.yaml"),
)


def path_of(repository: str) -> str:
    """Return the path of a repository on the code host."""
    return names.project_path(PRODUCT, repository)


def declare(story: Story, count: int) -> list[str]:
    """Declare repositories until there are `count`; return their names once each has answered a push with a run."""
    more = [f"load-{number}" for number in range(1, count)]
    if more:
        config = story.clone(names.project_path(PRODUCT, names.CONFIG_PROJECT))
        for name in more:
            _describe(config, name)
        config.push(f"Declare {len(more)} more repositories")
    for name in more:
        story.until(lambda name=name: story.hooked(path_of(name)), f"a hook on {path_of(name)}")  # type: ignore[misc]
        account = f"/api/v1/namespaces/{name}-ci/serviceaccounts/{name}-builder"
        story.until(
            lambda account=account: story.systems.kubernetes("build-east", account),  # type: ignore[misc]
            f"the account {name}-builder",
        )
        copy = story.clone(path_of(name))
        copy_tree(EXAMPLES / PRODUCT / FIRST, copy.folder, {})
        copy.push("Build apples")
        story.until(lambda name=name: _ran(story, name), f"the first run of {name}")  # type: ignore[misc]
    return [FIRST, *more]


def commits(story: Story, repository: str, count: int) -> list[str]:
    """Push `count` new commits at once and return them, oldest first, after the one that they follow."""
    copy = story.clone(path_of(repository))
    for number in range(count):
        run_git(copy.config, "commit", "--quiet", "--allow-empty", "-m", f"Call {number}", folder=copy.folder)
    run_git(copy.config, "push", "--quiet", "origin", "HEAD:main", folder=copy.folder)
    listed = run_git(copy.config, "rev-list", "--reverse", "-n", str(count + 1), "HEAD", folder=copy.folder)
    return listed.split()


def _describe(config: Clone, name: str) -> None:
    source = EXAMPLES / PRODUCT / names.CONFIG_PROJECT
    for model, copied in DECLARED:
        text = (source / model).read_text()
        for old, new in ((FIRST, name), ("apple-ci", f"{name}-ci"), ("apple-builder", f"{name}-builder")):
            text = text.replace(old, new)
        file = config.folder / copied.format(name=name)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


def _ran(story: Story, name: str) -> bool:
    found = story.systems.kubernetes("build-east", PIPELINE_RUNS.format(namespace=f"{name}-ci"))
    return bool(found and found["items"])
