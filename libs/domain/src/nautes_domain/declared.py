"""One entity and where it stands; and the schema's refusals in words for people, with rule, file and line."""

import re
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar

from pydantic import ValidationError

from nautes_domain.failures import Violation
from nautes_domain.manifests import KINDS
from nautes_domain.schema import API_VERSION, Manifest
from nautes_domain.source import Document, Path

Kind = TypeVar("Kind", bound=Manifest)


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

    @property
    def place(self) -> str:
        """File and line, as other entities' violations name it."""
        return f"{self.file}:{self.document.line_of()}"

    def violation(self, path: Path, rule: str, message: str, fix: str = "") -> Violation:
        """Return a violation of this entity at a field, with its line."""
        where = ".".join(str(part) for part in path)
        line = self.document.line_of(path)
        kind, name = self.manifest.kind, self.manifest.name
        return Violation(self.file, line, kind, name, where, rule, message, fix)


def declared(
    document: Document, allowed: AbstractSet[str], problems: list[Violation]
) -> Declared[Any] | None:
    """Return the entity that a document declares, or None after adding to `problems` what is wrong with it."""
    value = document.value
    kind, name = value.get("kind"), _name_of(value)
    if not isinstance(kind, str) or kind not in allowed:
        shown = f"{kind}"[:60]
        message = f"kind {shown!r} is not expected here"
        fix = f"write {' or '.join(sorted(allowed))}, or move the file"
        line = document.line_of(("kind",))
        problems.append(Violation(document.file, line, "file", name, "kind", "T1", message, fix))
        return None
    try:
        manifest = KINDS[kind].model_validate(value)
    except ValidationError as error:
        problems.extend(_refusals(error, document, kind, name))
        return None
    return Declared(manifest, document)


def _name_of(value: Mapping[str, Any]) -> str:
    metadata = value.get("metadata")
    name = metadata.get("name") if isinstance(metadata, Mapping) else ""
    return name[:80] if isinstance(name, str) else ""


def _refusals(error: ValidationError, document: Document, kind: str, name: str) -> Iterator[Violation]:
    seen: set[Path] = set()
    found = error.errors(include_url=False, include_context=False)
    for one in found:
        if one["type"] == "too_short" and any(_is_within(other["loc"], one["loc"]) for other in found):
            continue  # what is in it did not count, since it is wrong itself
        location = _location(one["loc"], one["type"], document)
        if location in seen:  # each branch of a union refuses for itself
            continue
        seen.add(location)
        message, fix = _in_words(one["type"], one["msg"], location)
        where = ".".join(str(part) for part in location)
        rule = _rule_of(kind, where, one["type"])
        line = document.line_of(location)
        yield Violation(document.file, line, kind, name, where, rule, message, fix)


def _is_within(inner: Path, outer: Path) -> bool:
    return len(inner) > len(outer) and inner[: len(outer)] == outer


def _location(loc: Path, error: str, document: Document) -> Path:
    """Return where a field stands; the names of a union's branches, which pydantic adds, are left out."""
    path: Path = tuple(part for part in loc if isinstance(part, str | int))
    if error in {"missing", "extra_forbidden"}:
        return path
    while path and path not in document.lines and path[:-1] in document.lines:
        path = path[:-1]
    return path


def _in_words(error: str, message: str, location: Path) -> tuple[str, str]:
    last = str(location[-1]) if location else ""
    if error == "extra_forbidden":
        return _unknown_in_words(location)
    if error == "missing":
        return f"the field {last!r} is missing", "add it"
    if error == "literal_error" and last == "apiVersion":
        return "the API version is not known", f"write {API_VERSION}"
    if error == "string_pattern_mismatch":
        return _pattern_in_words(last)
    words = message.removeprefix("Value error, ")
    return words[:1].lower() + words[1:], _fix_of(error, words)


def _unknown_in_words(location: Path) -> tuple[str, str]:
    if location == ("spec", "kubeconfig"):
        fix = "remove and revoke it; put a new one into the secret store"
        return "a kubeconfig is a credential and never lies in Git", fix
    if location == ("status",):
        return "the status is written by the platform", "remove it"
    return f"the field {location[-1]!r} is not known", "remove it, or check its spelling"


def _fix_of(error: str, words: str) -> str:
    if error == "literal_error":
        return f"write {words.partition('should be ')[2]}"
    if error in {"too_short", "string_too_short"}:
        return "fill it in"
    return "correct it"


def _pattern_in_words(field_name: str) -> tuple[str, str]:
    known = {
        "apiServer": ("this is not the address of an API server", "write https://, a dotted host and a port, nothing else"),
        "path": ("this is not a path inside a repository", "use letters, digits, dots, hyphens and slashes"),
        "certificateAuthorities": ("these are not certificates in PEM", "write BEGIN CERTIFICATE blocks and nothing else"),
        "sshKnownHosts": ("these are not lines of known_hosts", "write `host type key`, as `ssh-keyscan` prints them"),
        "url": ("this is not the address of a repository", "write ssh://git@host/group/repository.git, without a password"),
    }  # fmt: skip
    for key in ("revision", "targetRevision"):
        known[key] = ("this is not a branch, tag or commit", "start with a letter or digit, no spaces")
    for key in ("httpAddress", "sshAddress", "primaryDomain", "metaDataPath"):
        known[key] = (f"this is no {key}", "see the schema of the kind in docs/schemas")
    usual = ("this is not a name", "use 1 to 63 lower-case letters, digits and inner hyphens")
    return known.get(field_name, usual)


_RULES: Final[tuple[tuple[str, re.Pattern[str], str], ...]] = tuple(
    (kind, re.compile(pattern), rule)
    for kind, pattern, rule in (
        ("Cluster", r"spec\.apiServer", "C1"),
        ("Cluster", r"spec\.(clusterType|usage|clusterKind)", "C2"),
        ("Cluster", r"spec\.kubeconfig", "C7"),
        ("Cluster", r"spec\.productAllowedClusterResources\..+", "C9"),
        ("Product", r"spec\.git\.gitlab\.visibility", "P2"),
        ("Product", r"metadata\.name|spec\.name", "P4"),
        ("CodeRepo", r"spec\.git\.gitlab\.visibility", "R2"),
        ("CodeRepo", r"spec\.webhook\.events\..+", "R3"),
        ("CodeRepo", r"spec\.url", "R6"),
        ("CodeRepoBinding", r"spec\.permissions", "B1"),
        ("CodeRepoBinding", r"spec\.codeRepo", "B2"),
        ("Environment", r"spec\.(cluster|envType)", "E1"),
        ("DeploymentRuntime", r"spec\.manifestSource\..+|spec\.destination\.environment", "D1"),
        ("ProjectPipelineRuntime", r"spec\.(pipelines|eventSources|pipelineTriggers)\.\d+\.(name|eventSource|pipeline)", "L2"),
        ("ProjectPipelineRuntime", r"spec\.(pipelines(\.\d+\.path)?|eventSources|pipelineTriggers|isolation)", "L1"),
        ("ProjectPipelineRuntime", r"spec\.pipelineTriggers\.\d+\.inputs\..+", "L8"),
    )
)  # fmt: skip
"""Rules of the original that the schema checks: kind, field, rule id."""


def _rule_of(kind: str, where: str, error: str) -> str:
    """Return the rule that a field's value breaks; `schema` for what no rule names, and for missing fields."""
    if error == "missing" or (error == "extra_forbidden" and where != "spec.kubeconfig"):
        return "schema"
    return next((rule for one, field, rule in _RULES if one == kind and field.fullmatch(where)), "schema")
