"""Machine accounts, and what the runtimes behind them read: rule A4, and what grants are made of. Pure.

An account is one identity on a cluster: whoever works as it reads whatever any of its runtimes reads.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from nautes_domain.catalog import Declared, ProductCatalog
from nautes_domain.failures import Violation
from nautes_domain.manifests import DeploymentRuntime, ProjectPipelineRuntime
from nautes_domain.source import Path
from nautes_domain.validation.references import Reference, references
from nautes_domain.validation.setting import Setting, namespaces_of, space_path

Runtime = Declared[ProjectPipelineRuntime] | Declared[DeploymentRuntime]

_Mark = tuple[str, str, str]
"""Sort, name and cluster of what runtimes may have in common."""

ACCOUNT: Final[Path] = ("spec", "account")


def accounts(setting: Setting) -> Iterator[Violation]:
    """A4: runtimes share an account or a namespace only if each may use whatever the others read.

    Otherwise a run could read what was lent to somebody else (security rule 2). Runtimes of one project always may.
    """
    for group in sharing(setting.catalog):
        readers = _readers(setting, group)
        for runtime in group:
            repo = next((one for one in readers if not may_read(setting, runtime, one)), None)
            if repo is not None:
                yield _leak(runtime, readers[repo], repo)


def sharing(catalog: ProductCatalog) -> Sequence[tuple[Runtime, ...]]:
    """Return all runtimes in groups: on one cluster with one account or one namespace, directly or in a chain.

    What is deployed to a namespace may name any account there, so sharing a namespace is sharing its accounts.
    Runtimes whose environment is missing are left out.
    """
    first: dict[tuple[str, str, str], int] = {}
    runtimes: list[Runtime] = []
    joined: list[int] = []  # for each runtime one of its group that comes earlier; itself for the first
    for runtime in catalog.runtimes():
        environment = catalog.environments.get(runtime.manifest.spec.destination.environment)
        if environment is None:
            continue
        number, cluster = len(runtimes), environment.manifest.spec.cluster
        runtimes.append(runtime)
        joined.append(number)
        marks = [("account", runtime.manifest.account, cluster)]
        marks += [("namespace", one, cluster) for one in namespaces_of(runtime.manifest)]
        for mark in marks:
            mine, theirs = _first(joined, number), _first(joined, first.setdefault(mark, number))
            joined[max(mine, theirs)] = min(mine, theirs)
    groups: dict[int, list[Runtime]] = {}
    for number, runtime in enumerate(runtimes):
        groups.setdefault(_first(joined, number), []).append(runtime)
    return [tuple(members) for members in groups.values()]


def _first(joined: list[int], number: int) -> int:
    """Return the first of a group; shortens the way there for the next who asks."""
    while joined[number] != number:
        joined[number] = number = joined[joined[number]]
    return number


def reads(runtime: Runtime) -> Iterator[Reference]:
    """Yield the repositories that a runtime names."""
    return (one for one in references(runtime.manifest) if one.kind == "CodeRepo")


def may_read(setting: Setting, runtime: Runtime, repo: str) -> bool:
    """Say whether a runtime may read a repository now: all its projects may use it (D7, L11).

    A deployment without projects reads only what belongs to no project.
    """
    manifest = runtime.manifest
    if isinstance(manifest, ProjectPipelineRuntime):
        return setting.may_use(manifest.spec.project, repo)
    declared = setting.catalog.repos.get(repo)
    if declared is None:
        return False
    projects = manifest.spec.projects_ref
    if not projects:
        return declared.manifest.spec.project is None
    return all(setting.may_use(project, repo) for project in projects)


def shared(setting: Setting, group: Iterable[Runtime]) -> frozenset[str]:
    """Return the repositories which any runtime of a group names and all of them may read."""
    members = tuple(group)
    named = {one.name for runtime in members for one in reads(runtime)}
    return frozenset(repo for repo in named if all(may_read(setting, one, repo) for one in members))


def _readers(setting: Setting, group: Iterable[Runtime]) -> Mapping[str, Runtime]:
    """Return what is read in a group, with who reads it first."""
    found: dict[str, Runtime] = {}
    for runtime in group:
        for one in reads(runtime):
            if may_read(setting, runtime, one.name):
                found.setdefault(one.name, runtime)
    return found


def _leak(runtime: Runtime, reader: Runtime, repo: str) -> Violation:
    account = runtime.manifest.account
    fix = f"or let the owner of {repo} add a CodeRepoBinding"
    if account == reader.manifest.account:
        message = f"account {account} reads {repo} for {reader.entity}, which may not be used here"
        return runtime.violation(ACCOUNT, "A4", message, f"choose another account, {fix}")
    message = f"{reader.entity} shares a namespace and reads {repo}, which may not be used here"
    return runtime.violation(space_path(runtime.manifest), "A4", message, f"choose another namespace, {fix}")
