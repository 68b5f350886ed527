"""A tree of files to declared entities: the layouts of the tenant's and the products' repositories. Pure.

Layouts: sections 2.8 and 7.1 of the original. Every problem of every file is collected; nothing is raised
for the first one. What entities may refer to is judged in `validation`.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar

from pydantic import ValidationError

from nautes_domain import source
from nautes_domain.failures import Rejected, Violation
from nautes_domain.manifests import (
    KINDS,
    Cluster,
    CodeRepo,
    CodeRepoBinding,
    DeploymentRuntime,
    Environment,
    Product,
    Project,
    ProjectPipelineRuntime,
)
from nautes_domain.schema import API_VERSION, Manifest
from nautes_domain.source import Document, Path

Kind = TypeVar("Kind", bound=Manifest)

Tree = Mapping[str, bytes]
"""Files of a repository at one commit, by path."""

_PRODUCT_LAYOUT: Final = (
    (re.compile(r"projects/(?P<folder>[^/]+)/[^/]+\.ya?ml\Z"), {"Project", "ProjectPipelineRuntime"}),
    (re.compile(r"envs/[^/]+\.ya?ml\Z"), {"Environment"}),
    (re.compile(r"code-repos/(?P<folder>[^/]+)/[^/]+\.ya?ml\Z"), {"CodeRepo", "CodeRepoBinding"}),
    (re.compile(r"runtimes/[^/]+\.ya?ml\Z"), {"DeploymentRuntime"}),
)
_TENANT_LAYOUT: Final = (
    (re.compile(r"nautes/overlays/production/clusters/[^/]+\.ya?ml\Z"), {"Cluster"}),
    (re.compile(r"nautes/overlays/production/products/[^/]+\.ya?ml\Z"), {"Product"}),
)
_IGNORED: Final = re.compile(r"(.*/)?kustomization\.ya?ml\Z|artifact-repos/.*|\.[^/]*(/.*)?")
"""Generated files, kinds that nothing reads yet, and dot files."""


@dataclass(frozen=True, slots=True)
class Declared(Generic[Kind]):
    """One entity and where it stands."""

    manifest: Kind
    document: Document = field(repr=False)

    @property
    def entity(self) -> str:
        """`Kind/name`."""
        return f"{self.manifest.kind}/{self.manifest.name}"

    @property
    def file(self) -> str:
        """The file in which it stands."""
        return self.document.file

    def violation(self, path: Path, rule: str, message: str, fix: str = "") -> Violation:
        """Return a violation of this entity at a field, with its line."""
        where = ".".join(str(part) for part in path)
        line = self.document.line_of(path)
        kind, name = self.manifest.kind, self.manifest.name
        return Violation(self.file, line, kind, name, where, rule, message, fix)


@dataclass(frozen=True, slots=True)
class TenantCatalog:
    """What the tenant's repository declares."""

    clusters: Mapping[str, Declared[Cluster]] = field(default_factory=dict)
    products: Mapping[str, Declared[Product]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ProductCatalog:
    """What one product's `default.project` declares."""

    product: str
    projects: Mapping[str, Declared[Project]] = field(default_factory=dict)
    environments: Mapping[str, Declared[Environment]] = field(default_factory=dict)
    repos: Mapping[str, Declared[CodeRepo]] = field(default_factory=dict)
    bindings: Mapping[str, Declared[CodeRepoBinding]] = field(default_factory=dict)
    pipelines: Mapping[str, Declared[ProjectPipelineRuntime]] = field(default_factory=dict)
    deployments: Mapping[str, Declared[DeploymentRuntime]] = field(default_factory=dict)

    def entities(self) -> Iterable[Declared[Any]]:
        """Yield everything that is declared, parents first."""
        for group in (self.projects, self.environments, self.repos, self.bindings):
            yield from group.values()
        yield from self.pipelines.values()
        yield from self.deployments.values()


def read_tenant(tree: Tree) -> tuple[TenantCatalog, tuple[Violation, ...]]:
    """Return what the tenant's repository declares, and everything that is wrong with its files.

    Files outside the two folders are none of our business: component manifests lie there.
    """
    layout = {
        path: text for path, text in tree.items() if any(rule.match(path) for rule, _ in _TENANT_LAYOUT)
    }
    found, problems = _read(layout, _TENANT_LAYOUT)
    catalog = TenantCatalog(
        clusters=_of_kind(found, Cluster, problems), products=_of_kind(found, Product, problems)
    )
    return catalog, tuple(sorted(problems))


def read_product(product: str, tree: Tree) -> tuple[ProductCatalog, tuple[Violation, ...]]:
    """Return what a product declares, and everything that is wrong with its files.

    A file at a place that the layout does not know is a violation (rule T1): it would be dead otherwise.
    """
    found, problems = _read(tree, _PRODUCT_LAYOUT)
    catalog = ProductCatalog(
        product,
        projects=_of_kind(found, Project, problems),
        environments=_of_kind(found, Environment, problems),
        repos=_of_kind(found, CodeRepo, problems),
        bindings=_of_kind(found, CodeRepoBinding, problems),
        pipelines=_of_kind(found, ProjectPipelineRuntime, problems),
        deployments=_of_kind(found, DeploymentRuntime, problems),
    )
    return catalog, tuple(sorted(problems))


_Layout = Iterable[tuple[re.Pattern[str], set[str]]]


def _read(tree: Tree, layout: _Layout) -> tuple[list[Declared[Any]], list[Violation]]:
    found: list[Declared[Any]] = []
    problems: list[Violation] = []
    for path in sorted(tree):
        if not path.endswith((".yaml", ".yml")) or _IGNORED.match(path):
            continue
        allowed = next((kinds for rule, kinds in layout if rule.match(path)), None)
        if allowed is None:
            fix = "move it to projects/, envs/, code-repos/ or runtimes/"
            problems.append(Violation(path, 1, "file", "", "", "T1", "no entity is expected here", fix))
            continue
        try:
            documents = source.parse(tree[path], path)
        except Rejected as refused:
            problems.extend(refused.violations)
            continue
        for document in documents:
            declared = _declared(document, allowed, problems)
            if declared is not None:
                found.append(declared)
    return found, problems


def _declared(document: Document, allowed: set[str], problems: list[Violation]) -> Declared[Any] | None:
    value = document.value
    kind = value.get("kind")
    name = _name_of(value)
    if kind not in allowed:
        expected = " or ".join(sorted(allowed))
        message = f"kind {str(kind)[:60]!r} is not expected here"
        line = document.line_of(("kind",))
        problems.append(
            Violation(
                document.file,
                line,
                "file",
                name,
                "kind",
                "T1",
                message,
                f"write {expected}, or move the file",
            )
        )
        return None
    try:
        manifest = KINDS[kind].model_validate(value)
    except ValidationError as error:
        problems.extend(_schema_violations(error, document, str(kind), name))
        return None
    return Declared(manifest, document)


def _name_of(value: Mapping[str, Any]) -> str:
    metadata = value.get("metadata")
    name = metadata.get("name") if isinstance(metadata, Mapping) else ""
    return name[:80] if isinstance(name, str) else ""


def _schema_violations(
    error: ValidationError, document: Document, kind: str, name: str
) -> Iterable[Violation]:
    found = error.errors(include_url=False, include_context=False)
    for one in found:
        if one["type"] == "too_short" and any(
            len(other["loc"]) > len(one["loc"]) and other["loc"][: len(one["loc"])] == one["loc"]
            for other in found
        ):
            continue  # what is in it did not count, since it is wrong itself
        location = tuple(part for part in one["loc"] if isinstance(part, str | int))
        path = location
        while path and path not in document.lines:
            path = path[:-1]
        message, fix = _in_words(one["type"], one["msg"], location)
        where = ".".join(str(part) for part in location)
        yield Violation(document.file, document.line_of(path), kind, name, where, "schema", message, fix)


def _in_words(error: str, message: str, location: Path) -> tuple[str, str]:
    last = location[-1] if location else ""
    if error == "extra_forbidden":
        return f"the field {last!r} is not known", "remove it, or check its spelling"
    if error == "missing":
        return f"the field {last!r} is missing", "add it"
    if error == "literal_error" and last == "apiVersion":
        return "the API version is not known", f"write {API_VERSION}"
    if error == "string_pattern_mismatch" and last == "name":
        return "this is not a name", "use 1 to 63 lower-case letters, digits and inner hyphens"
    message = message.removeprefix("Value error, ")
    return message[:1].lower() + message[1:], ""


def _of_kind(
    found: Iterable[Declared[Any]], kind: type[Kind], problems: list[Violation]
) -> Mapping[str, Declared[Kind]]:
    """Return the entities of a kind by name; a name that is declared twice is a violation (rule T3)."""
    named: dict[str, Declared[Kind]] = {}
    for declared in found:
        if not isinstance(declared.manifest, kind):
            continue
        first = named.setdefault(declared.manifest.name, declared)
        if first is not declared:
            message = f"{declared.entity} is declared in {first.file} already"
            problems.append(declared.violation(("metadata", "name"), "T3", message, "remove one of them"))
    return named
