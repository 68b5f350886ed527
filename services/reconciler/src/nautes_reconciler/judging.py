"""Is a tree of declarations valid as a whole, and what changed in it? Pure."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from nautes_domain import names
from nautes_domain.capabilities import CommitState, CommitStatus
from nautes_domain.catalog import Declared, ProductCatalog, TenantCatalog, Tree, read_product, read_tenant
from nautes_domain.failures import Rejected, Violation
from nautes_domain.hooks import NO_HOOKS, HookKinds
from nautes_domain.validation import Claims, Setting, TenantSetting, Verdict, claims_of, judge

DELETIONS_TRAILER: Final = "nautes-allow-deletions: all"
STATUS_NAME: Final = "nautes/declarations"


@dataclass(frozen=True, slots=True)
class Judgement:
    """What was found in a tree. Valid if there is no violation."""

    violations: tuple[Violation, ...]
    entities: Mapping[str, str]
    """Digest of each entity's content by `Kind/name`."""
    warnings: tuple[Violation, ...] = ()
    """What is allowed, and probably not meant."""
    places: Mapping[str, str] = field(default_factory=dict)
    """File of each entity by `Kind/name`."""
    unread: bool = False
    """A file could not be read: it may have held anything."""

    @property
    def status(self) -> CommitStatus:
        """What people see beside the commit."""
        if not self.violations:
            words = f"{len(self.entities)} entities are valid"
            if self.warnings:
                words = f"{words}, {len(self.warnings)} doubtful: {self.warnings[0]}"[:250]
            return CommitStatus(CommitState.SUCCESS, STATUS_NAME, words)
        more = f" (and {len(self.violations) - 1} more)" if len(self.violations) > 1 else ""
        words = f"{self.violations[0]}"
        return CommitStatus(CommitState.FAILED, STATUS_NAME, words[: 250 - len(more)] + more)


def unreadable(refused: Rejected) -> Judgement:
    """Return the judgement of a tree that cannot be read as a whole."""
    whole = Violation(refused.what, 1, "tree", "", "", refused.code, refused.why, refused.next_step)
    return Judgement(refused.violations or (whole,), {}, unread=True)


def judge_tenant(
    tenant: str,
    tree: Tree,
    before: TenantCatalog | None = None,
    products: Mapping[str, ProductCatalog] | None = None,
) -> Judgement:
    """Judge the tenant's repository; `products` say who uses what, `before` what was declared until now."""
    catalog, problems = read_tenant(tree)
    verdict = judge(TenantSetting(catalog, tenant, before, products or {}), problems)
    return _judgement(verdict, catalog, problems)


def judge_product(
    product: str,
    tree: Tree,
    tenant: TenantCatalog,
    claims: Claims,
    before: ProductCatalog | None = None,
    *,
    hooks: HookKinds = NO_HOOKS,
) -> Judgement:
    """Judge a product's repository; `before` is what it declared until now, `hooks` are those that are installed."""
    catalog, problems = read_product(product, tree)
    verdict = judge(Setting(catalog, tenant, claims, before, hooks), problems)
    return _judgement(verdict, catalog, problems)


def _judgement(
    verdict: Verdict, catalog: ProductCatalog | TenantCatalog, problems: tuple[Violation, ...]
) -> Judgement:
    return Judgement(
        verdict.violations,
        _digests(catalog.entities()),
        verdict.warnings,
        {one.entity: one.file for one in catalog.entities()},
        unread=bool(problems),
    )


@dataclass(frozen=True, slots=True)
class Sound:
    """A tree without what is broken in it: every such file is as it was last good."""

    files: Tree
    held: tuple[str, ...]
    judgement: Judgement


def sound(tree: Tree, last_good: Tree, judge_tree: Callable[[Tree], Judgement]) -> Sound | None:
    """Return what can be taken in of a tree, None if nothing can: one broken entity does not block the others.

    A broken file goes back to its last good state, and with it every entity that stands in it, wherever it
    stood then. That may break what depends on it, which then goes back too. A file that cannot be read may
    have held anything, so then nothing is taken in.
    """
    files, homes = dict(tree), judge_tree(last_good).places
    while True:
        judgement = judge_tree(files)
        if judgement.unread:
            return None
        if not judgement.violations:
            held = (one for one in tree.keys() | last_good.keys() if tree.get(one) != files.get(one))
            return Sound(files, tuple(sorted(held)), judgement)
        broken = {one.file for one in judgement.violations}
        named = {f"{one.kind}/{one.name}" for one in judgement.violations}
        named |= {entity for entity, file in judgement.places.items() if file in broken}
        back = broken | {homes[entity] for entity in named if entity in homes}
        moving = {one for one in back if files.get(one) != last_good.get(one)}
        if not moving:
            return None
        for one in moving:
            files.pop(one, None)
            if one in last_good:
                files[one] = last_good[one]


def foreign_claims(product: str, catalogs: Iterable[ProductCatalog]) -> Claims:
    """Return the namespaces that other products hold."""
    return {
        place: holder
        for catalog in catalogs
        if catalog.product != product
        for place, holder in claims_of(catalog).items()
    }


def changes(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """Yield (kind, name, verb) of every entity that differs: verb is `declared` or `withdrawn`."""
    for entity in sorted(before.keys() | after.keys()):
        if before.get(entity) != after.get(entity):
            kind, _, name = entity.partition("/")
            yield kind.lower(), name, "declared" if entity in after else "withdrawn"


def confirms_deletions(message: str) -> bool:
    """Say whether a commit message confirms that much may go (security rule 12)."""
    return any(line.strip().lower() == DELETIONS_TRAILER for line in message.splitlines())


def _digests(entities: Iterable[Declared[Any]]) -> Mapping[str, str]:
    return {one.entity: names.digest(repr(one.document.value)) for one in entities}
