"""A wish becomes one commit of the caller: drafted on the head of the branch, judged, committed, and recorded.

Writers of one repository take turns, within a replica and between replicas, so that none works in vain. What nobody
can lock out, direct pushes, the code host itself compares: a commit is refused if a file in it is not as it was at
the head that was judged. The index is in every commit, and every change through the API changes it.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Final
from weakref import WeakValueDictionary

from pydantic import SecretStr

from nautes_api_server import wishes
from nautes_api_server.callers import Caller, Callers, config_path
from nautes_api_server.declarations import Declarations
from nautes_api_server.judging import Finding, Surroundings, judge_change
from nautes_api_server.kinds import refusals
from nautes_api_server.kubeconfigs import Kubeconfigs
from nautes_api_server.problems import Problem, not_found, refused
from nautes_api_server.recording import Audit
from nautes_api_server.wishes import Draft, Wish
from nautes_domain import names
from nautes_domain.access import CONFLICT, FORBIDDEN, Committed, Level, PersonalHost
from nautes_domain.catalog import Tree
from nautes_domain.failures import Failure, Rejected, Retry

BRANCH: Final = "main"
"""Where declarations lie unless the project says otherwise; the original knows no other."""
ATTEMPTS: Final = 4
"""Times that a commit is tried on a head that moves."""
PATIENCE: Final = 15.0
"""Seconds for which a writer waits for its turn."""
REMEMBERED: Final = 200
"""Trees at the newest heads that are kept, so that a head we made ourselves is not read back."""

Lock = Callable[[str], AbstractAsyncContextManager[object]]
"""Holds a scope over all replicas; raises Retry (code `scope-busy`) if somebody has it."""


@dataclass(frozen=True, slots=True)
class Head:
    """The newest commit of a repository and its files."""

    branch: str
    commit: str
    """Empty if there is none."""
    files: Tree = field(repr=False)


@dataclass(frozen=True, slots=True)
class Written:
    """What became of a wish."""

    draft: Draft
    finding: Finding
    head: str
    """The newest commit when it was granted: the one that was made for it, if one was."""
    commit: str = ""
    """The commit that was made; empty if nothing had to change, or if it was a dry run."""
    handed_over: bool = False
    """Whether a kubeconfig that came with it was handed to the secret broker."""


class Writer:
    """Grants wishes."""

    def __init__(
        self,
        *,
        tenant: str,
        host: PersonalHost,
        callers: Callers,
        declarations: Declarations,
        audit: Audit,
        kubeconfigs: Kubeconfigs,
        lock: Lock,
    ) -> None:
        self._tenant = tenant
        self._host = host
        self._callers = callers
        self._declarations = declarations
        self._audit = audit
        self._kubeconfigs = kubeconfigs
        self._lock = lock
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._trees: dict[str, tuple[str, Tree]] = {}

    async def grant(self, caller: Caller, wish: Wish, request: str) -> Written:
        """Do what is wished, or raise the problem; either way it is recorded."""
        try:
            return await self._granted(caller, wish, request)
        except Problem as problem:
            await self._audit.denied(caller, wish, self._path(wish), request, problem)
            raise
        except Rejected as rejected:
            if rejected.code != FORBIDDEN:
                raise
            denied = Problem(403, "NO_AUTHORIZATION", str(rejected), who=rejected.who)
            await self._audit.denied(caller, wish, self._path(wish), request, denied)
            raise denied from None

    async def _granted(self, caller: Caller, wish: Wish, request: str) -> Written:
        if wish.product and not self._declarations.is_product(wish.product):
            raise not_found("product", wish.product)
        if wish.skip and (await self._callers.level(caller, wish.scope) or Level.NONE) < Level.MAINTAINER:
            raise await self._may_not_skip(caller, wish)
        if wish.dry_run:
            head, draft, finding = await self._drafted(caller, wish)
            return Written(draft, finding, head.commit)
        token: SecretStr | None = None
        async with self._turn(wish.scope):
            for _ in range(ATTEMPTS):
                head, draft, finding = await self._drafted(caller, wish)
                token = token or await self._kubeconfigs.wrapped(wish)
                if not len(draft.plan):
                    return await self._with(
                        token, caller, wish, request, Written(draft, finding, head.commit)
                    )
                try:
                    written = await self._commit(caller, wish, request, head, draft, finding)
                    return await self._with(token, caller, wish, request, written)
                except Retry as retry:
                    if retry.code != CONFLICT:
                        raise
                    self._trees.pop(wish.scope, None)
        next_step = "send the same request again"
        raise Problem(409, "CONFLICT", "others change the same repository all the time", next_step=next_step)

    async def _with(
        self, token: SecretStr | None, caller: Caller, wish: Wish, request: str, written: Written
    ) -> Written:
        """Hand over the kubeconfig of a cluster that is declared now, if there is one."""
        if token is None:
            return written
        cause = self._audit.cause(caller, self._path(wish), request, written.head)
        await self._kubeconfigs.hand_over(wish, token, cause)
        return replace(written, handed_over=True)

    async def _may_not_skip(self, caller: Caller, wish: Wish) -> Problem:
        if not await self._callers.may_see(caller, wish.scope):
            return self._hidden(wish)
        words = "skipping checks needs the role of a maintainer"
        return Problem(403, "NO_AUTHORIZATION", words, who="maintainers of the group on GitLab")

    async def _drafted(self, caller: Caller, wish: Wish) -> tuple[Head, Draft, Finding]:
        head = await self._head(caller, wish)
        unfit, known = self._kubeconfigs.judged(wish)
        if wrong := (*unfit, *refusals(wish.kind, wish.product, wish.name, wish.body)):
            raise refused(wrong)
        creator, addresses = caller.person.username, self._declarations.addresses
        draft = wishes.draft(wish, self._path(wish), head.files, addresses, creator)
        finding = Finding()
        if len(draft.plan):
            model, locked = self._declarations, await self._locked(caller, wish)
            around = Surroundings(model.tenant(), model.products(), locked, model.hooks)
            finding = judge_change(
                wish.product, draft.before, draft.after, (wish.kind.kind, wish.name), around,
                tenant_name=self._tenant if wish.kind.tenant else "", skip=wish.skip,
            )  # fmt: skip
            if finding.violations:
                raise refused(finding.violations)
        return head, draft, replace(finding, warnings=(*finding.warnings, *known))

    async def _head(self, caller: Caller, wish: Wish) -> Head:
        """Return the head of the repository, read with the caller's own token; a problem if it is hidden."""
        path, branch = self._path(wish), BRANCH
        tip = await self._host.tip(caller.token, path, branch)
        if tip is None:
            access = await self._host.access(caller.token, path)
            if access is None:
                raise self._hidden(wish)
            branch = access.project.default_branch or branch
            tip = await self._host.tip(caller.token, path, branch)
            if tip is None:
                return Head(branch, "", {})
        if not tip.may_push and not caller.person.admin:
            words = f"you may not push to {branch} of {path}"
            raise Problem(403, "NO_AUTHORIZATION", words, who="maintainers of the group on GitLab")
        return Head(branch, tip.commit, await self._files(caller, wish.scope, path, tip.commit))

    async def _files(self, caller: Caller, scope: str, path: str, commit: str) -> Tree:
        snapshot = self._declarations.snapshot(scope)
        if snapshot is not None and snapshot.commit == commit and not snapshot.held:
            return snapshot.files
        known = self._trees.get(scope)
        if known is not None and known[0] == commit:
            return known[1]
        files = await self._host.tree(caller.token, path, commit)
        self._remember(scope, commit, files)
        return files

    async def _locked(self, caller: Caller, wish: Wish) -> frozenset[str]:
        """Return the repository that the caller wants to lend, if its keys are not the caller's to change (rule B6)."""
        repo = str(getattr(wish.body, "code_repo", "")) if wish.kind.kind == "CodeRepoBinding" else ""
        if not names.is_label(repo):
            return frozenset()
        level = await self._callers.level_at(caller, names.project_path(wish.product, repo))
        if level is None:  # not made yet: whoever is a maintainer of the product will be one of it
            level = await self._callers.level(caller, wish.scope)
        return frozenset() if (level or Level.NONE) >= Level.MAINTAINER else frozenset({repo})

    async def _commit(
        self, caller: Caller, wish: Wish, request: str, head: Head, draft: Draft, finding: Finding
    ) -> Written:
        new = wishes.commit_of(wish, draft, head.branch, head.commit, request, finding.skipped)
        made, failure = Committed("", ""), None
        async with self._audit.timed(caller, wish, self._path(wish), request) as record:
            try:
                made = await self._host.commit(caller.token, self._path(wish), new)
            except Failure as error:
                failure = error
            await record(draft.plan, made.commit, failure, finding.skipped)
        if failure is not None:
            raise self._hidden(wish) if failure.code == "no-such-project" else failure
        if made.parent == head.commit:
            self._remember(wish.scope, made.commit, draft.after)
        else:  # somebody pushed other files in the same moment: what stands there now is read anew
            self._trees.pop(wish.scope, None)
        return Written(draft, finding, made.commit, made.commit)

    def _remember(self, scope: str, commit: str, files: Mapping[str, bytes]) -> None:
        self._trees.pop(scope, None)
        self._trees[scope] = (commit, files)
        while len(self._trees) > REMEMBERED:
            self._trees.pop(next(iter(self._trees)))

    @asynccontextmanager
    async def _turn(self, scope: str) -> AsyncIterator[None]:
        """Wait for the turn to write: first among requests here, in their order, then among replicas."""
        mine = self._turns.setdefault(scope, asyncio.Lock())
        try:
            async with asyncio.timeout(PATIENCE) as limit, mine:
                while True:
                    try:
                        async with self._lock(f"api-server.{scope}"):
                            limit.reschedule(None)
                            yield
                            return
                    except Retry as retry:
                        if retry.code != "scope-busy":
                            raise
                        await asyncio.sleep(0.05)
        except TimeoutError:
            raise Problem(
                409, "CONFLICT", "others write to the same repository", next_step="try again"
            ) from None

    def _path(self, wish: Wish) -> str:
        return config_path(self._tenant, wish.scope)

    def _hidden(self, wish: Wish) -> Problem:
        """Return the answer for a repository that is not there or hidden."""
        return not_found("product", wish.product) if wish.product else not_found(wish.kind.kind, wish.name)
