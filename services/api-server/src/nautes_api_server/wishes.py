"""What a caller wants of one entity, and what that means for the files at the head of its repository. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from nautes_api_server.declarations import entity_of
from nautes_api_server.kinds import Addresses, Kind
from nautes_api_server.problems import Problem
from nautes_domain import drafts
from nautes_domain.access import FileChange, NewCommit
from nautes_domain.catalog import Declared, ProductCatalog, TenantCatalog, Tree, read_product, read_tenant
from nautes_domain.drafts import Spec
from nautes_domain.failures import Violation
from nautes_domain.plan import Action, Plan

CONFIRMS: Final = "Nautes-Allow-Deletions: all"
"""Who deletes an entity by its name means it: the budget for deletions need not ask again (security rule 12)."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """What must be there for the wish to be granted (RFC 9110, sections 13.1.1 and 13.1.2); empty means anything."""

    if_match: str = ""
    if_none_match: str = ""

    def check(self, etag: str) -> None:
        """Raise a problem (412) if what is there, empty for nothing, is not what the caller last saw."""
        wrong = (self.if_match and not _matches(self.if_match, etag)) or (
            self.if_none_match and _matches(self.if_none_match, etag)
        )
        if wrong:
            now = f"its ETag is {etag}" if etag else "it is not there"
            next_step = "read it again, and repeat the change on what it is now"
            raise Problem(
                412, "PRECONDITION_FAILED", f"it is not what you last saw: {now}", next_step=next_step
            )


def _matches(listed: str, etag: str) -> bool:
    return bool(etag) and (listed.strip() == "*" or etag in etags(listed))


def etags(listed: str) -> list[str]:
    """Return the ETags of a header, compared weakly (RFC 9110, section 8.8.3.2)."""
    return [one.strip().removeprefix("W/") for one in listed.split(",")]


@dataclass(frozen=True, slots=True)
class Wish:
    """Save (a body is given) or remove (none is) one entity."""

    kind: Kind
    name: str
    product: str = ""
    """Empty for what the tenant declares."""
    body: Any = field(default=None, repr=False)
    conditions: Conditions = Conditions()
    skip: bool = False
    """Leave out referential checks."""
    dry_run: bool = False

    @property
    def removes(self) -> bool:
        """Whether the entity is to go."""
        return self.body is None

    @property
    def scope(self) -> str:
        """The scope whose repository declares it."""
        return self.kind.scope(self.product)

    @property
    def entity(self) -> str:
        """`Kind/name`."""
        return f"{self.kind.kind}/{self.name}"

    @property
    def where(self) -> str:
        """For people: of which product it is."""
        return f" of {self.product}" if self.product else ""


@dataclass(frozen=True, slots=True)
class Draft:
    """A wish as changes of files."""

    before: Tree = field(repr=False)
    after: Tree = field(repr=False)
    plan: Plan
    etag: str
    """Of the entity as it will be; empty if it will not be there."""


def draft(wish: Wish, project: str, tree: Tree, addresses: Addresses, creator: str = "") -> Draft:
    """Return what a wish means for a tree. Raises a problem (412) if a condition does not hold.

    What is as it is wished already is an empty plan, whatever the conditions say: a repeated request is no conflict,
    and what is to go and is not there is gone.
    """
    catalog = _read(wish, tree)
    there = drafts.find(catalog, wish.kind.kind, wish.name)
    etag = _etag(wish, there, addresses)
    if wish.removes:
        after, because = drafts.removed(tree, catalog, wish.kind.kind, wish.name), "is to be removed"
    else:
        spec: Spec = there.document.value["spec"] if there else {}
        wanted = wish.kind.spec(wish.product, wish.name, wish.body, spec)
        after, because = (
            drafts.saved(tree, catalog, wish.kind.kind, wish.name, wanted, creator=creator),
            "was saved through the API",
        )
    if after is not tree:
        wish.conditions.check(etag)
    plan = drafts.changes(project, tree, after, f"{wish.entity} {because}", wish.entity)
    then = drafts.find(_read(wish, after), wish.kind.kind, wish.name)
    return Draft(tree, after, plan, _etag(wish, then, addresses))


def _etag(wish: Wish, there: Declared[Any] | None, addresses: Addresses) -> str:
    """Return the ETag of an entity; empty for none."""
    return entity_of(wish.kind, wish.product, there, addresses).etag if there else ""


def _read(wish: Wish, tree: Tree) -> ProductCatalog | TenantCatalog:
    return read_tenant(tree)[0] if wish.kind.tenant else read_product(wish.product, tree)[0]


def commit_of(
    wish: Wish, made: Draft, branch: str, base: str, request: str, skipped: tuple[Violation, ...]
) -> NewCommit:
    """Return the commit that a draft is: what changed in words, and trailers for those who look later."""
    verb = "Remove" if wish.removes else "Save"
    trailers = [f"Nautes-Entity: {wish.entity}", f"Nautes-Request: {request}"]
    if skipped:
        rules = ", ".join(sorted({one.rule for one in skipped}))
        trailers.append(f"Nautes-Skipped-Checks: {rules}")
    if wish.removes:
        trailers.append(CONFIRMS)
    files = "\n".join(f"- {action.verb} {action.ref.name}" for action in made.plan)
    message = f"{verb} {wish.entity}{wish.where}\n\nThrough the API of Nautes:\n{files}\n\n" + "\n".join(
        trailers
    )
    return NewCommit(branch, base, message, tuple(_change(action) for action in made.plan))


def _change(action: Action) -> FileChange:
    return FileChange(action.ref.name, _content(action.before), _content(action.after))


def _content(spec: Mapping[str, Any] | None) -> bytes | None:
    return None if spec is None else spec["content"]
