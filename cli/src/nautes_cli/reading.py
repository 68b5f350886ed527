"""Files to entries: what `apply`, `remove` and `plan` are asked for, with every complaint at once. Pure.

Both forms are read: manifests of the platform (with `metadata`) and those of the original's command line.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

from nautes_cli import original
from nautes_cli.bodies import body_of
from nautes_cli.entries import Entry
from nautes_cli.kinds import KINDS
from nautes_domain import manifests as models
from nautes_domain import names, source
from nautes_domain.catalog import Declared
from nautes_domain.declared import declared
from nautes_domain.failures import Violation
from nautes_domain.source import Document

GROUP: Final = "nautes.resource.nautes.io/"
_EVERY_KIND: Final = frozenset(models.KINDS)


@dataclass(frozen=True, slots=True)
class Batch:
    """What files ask for."""

    entries: tuple[Entry, ...]
    problems: tuple[Violation, ...]
    notes: tuple[str, ...]
    """What is not sent, and why; each with file and line."""


@dataclass(frozen=True, slots=True)
class _Found:
    """One entity before it is known whose it is."""

    declared: Declared[Any]
    product: str
    beside: Mapping[str, Any] = field(repr=False)


def read(
    files: Mapping[str, bytes],
    *,
    product: str = "",
    named: AbstractSet[str] = frozenset(),
) -> Batch:
    """Return the entries of files by path. `product` is meant where neither manifest nor folder names one.

    `named` are the files that were given by name: what is skipped in them is told.
    """
    problems: list[Violation] = []
    notes: list[str] = []
    found: list[_Found] = []
    for path, text in files.items():
        for document in source.documents(text, path, problems):
            one = _entity(document, problems, notes, told=path in named)
            if one is not None:
                found.append(one)
    usual = product or _usual(found)
    entries = list(_entries(found, usual, problems))
    problems.extend(_doubles(entries))
    return Batch(tuple(entries), tuple(sorted(problems)), tuple(notes))


def _entity(document: Document, problems: list[Violation], notes: list[str], *, told: bool) -> _Found | None:
    """Return the entity of a document; None with a note or a problem if it is not sent."""
    kind = str(document.value.get("kind"))
    place = f"{document.file}:{document.line_of()}"
    if not str(document.value.get("apiVersion", "")).startswith(GROUP):
        if told:
            notes.append(f"{place} {kind[:60]}: skipped, since its apiVersion is not one of {GROUP}…")
        return None
    if kind not in _EVERY_KIND:
        notes.append(f"{place} {kind[:60]}: skipped, since there is no such kind")
        return None
    translated = original.Translated(document, _product_of(document))
    if original.is_original(document):
        translated = original.translate(document)
        notes.extend(
            f"{document.file}:{one.line} {one.key}: ignored, since it has no meaning"
            for one in translated.ignored
        )
    if kind not in KINDS:
        notes.append(f"{place} {kind}: skipped, since the API has no route for it; push it to its repository")
        return None
    one = declared(translated.document, _EVERY_KIND, problems)
    return None if one is None else _Found(one, translated.product, translated.beside)


def _product_of(document: Document) -> str:
    """Return the product that owns an entity, as its manifest or its folder says.

    The `product` of a binding is who receives the right, and says nothing about who owns it.
    """
    spec = document.value.get("spec")
    if isinstance(spec, Mapping) and document.value["kind"] != "CodeRepoBinding":
        named = spec.get("product")
        if isinstance(named, str) and named:
            return named
    for group, project in pairwise(document.file.split("/")):
        if project == names.CONFIG_PROJECT and names.is_label(group):
            return group
    return ""


def _usual(found: Iterable[_Found]) -> str:
    """Return the product that most entities name; of files with one product it is that one."""
    counted = Counter(
        one.product for one in found if KINDS[one.declared.manifest.kind].in_product and one.product
    )
    counted.update(one.declared.manifest.name for one in found if one.declared.manifest.kind == "Product")
    most = counted.most_common(1)
    return most[0][0] if most else ""


def _entries(found: Iterable[_Found], usual: str, problems: list[Violation]) -> Iterator[Entry]:
    for one in found:
        manifest = one.declared.manifest
        kind = KINDS[manifest.kind]
        product = (one.product or usual) if kind.in_product else ""
        if kind.in_product and not product:
            fix = "write spec.product, or give --product"
            problems.append(
                one.declared.violation(("spec",), "T4", "nothing says of which product this is", fix)
            )
            continue
        if manifest.kind == "CodeRepo" and manifest.spec.repo_name != manifest.name:
            message = f"the repository is {manifest.spec.repo_name}, and its entity {manifest.name}"
            problems.append(
                one.declared.violation(("spec", "repoName"), "R1", message, "give both the same name")
            )
            continue
        yield Entry(kind, manifest.name, product, body_of(manifest, one.beside), one.declared.place)


def _doubles(entries: Iterable[Entry]) -> Iterator[Violation]:
    """Yield a violation for each entity that is declared again (rule T3): nobody could say which one counts."""
    first: dict[tuple[str, str, str], Entry] = {}
    for entry in entries:
        known = first.setdefault(entry.key, entry)
        if known is not entry:
            file, _, line = entry.place.rpartition(":")
            message = f"{entry.entity} is declared in {known.place} already"
            yield Violation(
                file,
                int(line),
                entry.kind.name,
                entry.name,
                "metadata.name",
                "T3",
                message,
                "remove one of them",
            )
