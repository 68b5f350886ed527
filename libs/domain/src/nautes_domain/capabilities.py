"""The replaceable parts, in our words: one small protocol each. Implementations live in the adapters.

Targets (`reconcile.Target`) do what is declared; these protocols are for what is read, and for what
*happens* once: starting a run, refreshing an application, reporting a status.
All methods raise Retry (unreachable, busy), Blocked or Rejected, never a client library's error.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, Protocol

from nautes_domain import names
from nautes_domain.hooks import PlacedHook
from nautes_domain.plan import Ref, State
from nautes_domain.queueing import Order
from nautes_domain.run_logs import LogLine, LogQuery
from nautes_domain.runs import RunState

SUPERSEDED: Final = "superseded"
"""Code of a refusal to run what a later push made outdated: nothing is wrong, and nobody has to act."""


class CommitState(StrEnum):
    """GitLab's commit statuses (GitLab API, "Set commit pipeline status")."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCESS = "success"
    FAILED = "failed"
    CANCELED = "canceled"
    SKIPPED = "skipped"


MOST_SHOWN: Final = 255
"""Characters of a status's description that the code host keeps."""


@dataclass(frozen=True, slots=True)
class CommitStatus:
    """What people see beside a commit. `name` keeps statuses of different runtimes apart."""

    state: CommitState
    name: str
    description: str
    """At most `MOST_SHOWN` characters are shown."""
    ref: str = ""
    """Short branch or tag name."""
    url: str = ""


def description(words: str) -> str:
    """Return words as the description of a status: shortened to what is shown, with a mark that they were."""
    return words if len(words) <= MOST_SHOWN else f"{words[: MOST_SHOWN - 1]}…"


@dataclass(frozen=True, slots=True)
class HostedProject:
    """A project on the code host."""

    id: int
    path: str
    default_branch: str = ""
    web_url: str = ""


@dataclass(frozen=True, slots=True)
class Head:
    """Where a branch or tag stands."""

    target: str
    """What the ref names: a commit, or the object of an annotated tag."""
    commit: str
    """The commit behind it; empty if there is none."""


@dataclass(frozen=True, slots=True)
class Person:
    """Who a token belongs to."""

    id: int
    username: str
    name: str = ""
    admin: bool = False
    """An administrator of the host, who may do everything there without being a member of anything."""


class CodeHost(Protocol):
    """Where repositories live: GitLab, or the forge of the laptop stack."""

    async def project(self, path: str) -> HostedProject | None:
        """Return a project by its path with namespace, None if there is none that we can see."""
        ...

    async def head(self, project_id: int, branch: str) -> str | None:
        """Return the commit at the head of a branch, None if there is no such branch."""
        ...

    async def heads(self, project_id: int) -> Mapping[str, Head]:
        """Return where all branches and tags stand, by full ref; empty if there is no such project."""
        ...

    async def message(self, project_id: int, commit: str) -> str:
        """Return the whole message of a commit: trailers stand in its last paragraph.

        Rejected (code `no-such-commit`) where there is none.
        """
        ...

    async def tree(self, project_id: int, commit: str) -> Mapping[str, bytes]:
        """Return all `.yaml`/`.yml` files at a commit by path. Symlinks and submodules raise Rejected."""
        ...

    async def read(self, project_id: int, path: str, commit: str) -> bytes:
        """Return one file at a commit; Rejected (code `no-such-file`) where it does not exist."""
        ...

    async def files(self, project_id: int, commit: str, folder: str) -> Sequence[str]:
        """Return the paths of all files below a folder, sorted; symbolic links and submodules are none.

        Empty if there is no such folder or commit; the empty folder is the whole repository.
        """
        ...

    async def changed_paths(
        self, project_id: int, before: str, after: str, *, since_fork: bool = False
    ) -> tuple[str, ...] | None:
        """Return the paths that differ between two commits, None if the host cannot say (fail open).

        With `since_fork`, what `after` changed since its history left that of `before`.
        """
        ...

    async def set_status(self, project_id: int, commit: str, status: CommitStatus) -> None:
        """Report on a commit. Repeating a status, or a transition that the host refuses, is no error."""
        ...

    async def status(self, project_id: int, commit: str, name: str, ref: str = "") -> CommitStatus | None:
        """Return the newest status of a name beside a commit, None if there is none; `ref` narrows it down."""
        ...

    async def account(self) -> str:
        """Return the user name under which we work ourselves."""
        ...

    async def whose(self, token: str) -> Person | None:
        """Return who a caller's token belongs to, None if the host does not know it."""
        ...


class LostCalls(Protocol):
    """Hook calls of the code host that nobody took, for hosts that do not repeat them by themselves."""

    async def resend(self, project_id: int) -> int:
        """Have them made again, with their ids; return how many. Raises Retry where the host limits that."""
        ...


@dataclass(frozen=True, slots=True)
class StoredSecret:
    """A secret's fields and its version. The repr shows neither."""

    values: Mapping[str, str] = field(repr=False)
    version: int
    written_at: datetime | None = None


class SecretStore(Protocol):
    """Where secret values live: Vault or OpenBao. Paths come from `names`."""

    async def read(self, mount: str, path: str) -> StoredSecret | None:
        """Return the newest version, None if there is none."""
        ...

    async def write(
        self, mount: str, path: str, values: Mapping[str, str], *, expected: int | None = None
    ) -> int:
        """Write a new version and return its number; with `expected`, only on top of that version (0 = none).

        A lost race raises Retry (code `version-conflict`).
        """
        ...

    async def remove(self, mount: str, path: str) -> None:
        """Destroy every version. Removing what is gone is no error."""
        ...

    async def wrap(self, values: Mapping[str, str], ttl: timedelta) -> str:
        """Return a single-use token for the values: what may cross the bus instead of them."""
        ...

    async def unwrap(self, token: str) -> Mapping[str, str]:
        """Return the wrapped values, once. A used or expired token raises Rejected (code `wrapping-token`)."""
        ...


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a pipeline file was read."""

    project_id: int = 0
    path: str = ""
    revision: str = ""
    """Short name of a branch or tag."""
    commit: str = ""


@dataclass(frozen=True, slots=True)
class RunRequest:
    """One run that a delivery asks for. Its name derives from the delivery's content: doing it twice makes one."""

    name: str
    namespace: str
    account: str
    """ServiceAccount under which the run works, and as which it is created."""
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    params: Mapping[str, str] = field(default_factory=dict)
    """Event data, passed as parameters and never put into text (security rule 10)."""
    traceparent: str = ""
    """W3C trace context that the run goes on with; no part of its content. Empty if nothing is traced."""
    inputs: Mapping[str, str] = field(default_factory=dict)
    """Values that take the place of what stands at a JSON pointer into the run."""
    held: bool = False
    """Created to wait until it is told to start; see `queueing`."""
    origin: Origin = Origin()
    """For engines that read the file once more by themselves."""
    hooks: tuple[PlacedHook, ...] = ()
    """Tasks to put around those of the file: before them one after the other, after them beside each other."""


class PipelineEngine(Protocol):
    """What runs pipelines: Tekton, GitLab CI. A cluster's `componentsList.pipeline` says which, by its name."""

    name: str

    def takes_hooks(self) -> bool:
        """Say whether tasks can be put around those of a file. Pure."""
        ...

    def address(self, cluster: str, name: str, namespace: str) -> Ref:
        """Return where a run is, for records. Pure."""
        ...

    def build(self, request: RunRequest, source: bytes, *, file: str) -> Mapping[str, Any]:
        """Return the run object made from a pipeline file. Pure.

        Namespace, name, account, labels and whether it is held are forced. Raises Rejected with violations
        (file and line) if the file is not exactly one run of this engine or hooks cannot be put around it, (code
        `cannot-hold`) if it is to be held by an engine that holds nothing back, and (code `no-hooks`) if an engine
        that takes no hooks is given some.
        """
        ...

    async def start(self, request: RunRequest, run: Mapping[str, Any]) -> bool:
        """Create the run under the account's rights. False if it was already there."""
        ...

    def follow(self) -> AsyncGenerator[RunState, None]:
        """Yield every run of ours as it is now, then each again as it changes, without end.

        A state may come twice. A run that is deleted before its end comes once more, as cancelled. Raises the
        failures of the cluster; followed anew, nothing is missing but what was deleted in between.
        """
        ...

    async def runs_of(self, product: str, runtime: str, namespace: str) -> Sequence[RunState]:
        """Return all runs of one runtime as they stand now: what was done before is seen in it."""
        ...

    async def steer(self, run: RunState, order: Order) -> bool:
        """Have one run started, stopped or deleted. False if there is nothing to do any more.

        That is so if the run is gone, was let go or stopped already, or has ended before it could be stopped.
        Raises Retry if somebody else changes it at the same time.
        """
        ...

    async def mark_reported(self, run: RunState) -> bool:
        """Write on the run that its phase was reported. False if the run is gone."""
        ...

    def logs(self, run: RunState, query: LogQuery) -> AsyncGenerator[LogLine, None]:
        """Yield what a run wrote: of each step in order, step after step, or all as it comes if it is followed.

        Raises Blocked (code `logs-not-yet`) if nothing has begun and nobody wants to wait, Rejected (code
        `logs-gone`) if nothing is left to read, and (code `no-such-task`) if the query names what it does not have.
        Reads no faster than lines are taken.
        """
        ...


@dataclass(frozen=True, slots=True)
class ReadKey:
    """Which key reads a repository: a reference, never the key."""

    repository: str
    path: str
    """Where the key is stored in mount `git`; empty while the code host has not told the repository's id."""
    version: int = 0
    """0 while no key was issued."""
    fingerprint: str = ""
    """Of its public half, as `ssh-keygen -l` shows it."""


ADDITIONAL: Final = "additional"
"""The part of a pipeline runtime that is deployed beside its pipelines."""


def application_name(product: str, runtime: str, part: str = "") -> str:
    """Return the name of what keeps a runtime, or a part of it, equal to Git; injective, since labels hold no dots."""
    return names.dotted(product, runtime, *([part] if part else ()))


@dataclass(frozen=True, slots=True)
class Deployment:
    """One deployment runtime, resolved: what is deployed, from where, to where."""

    product: str
    name: str
    repository_url: str
    revision: str
    path: str
    cluster: str
    namespaces: tuple[str, ...]
    entity: str
    read_key: ReadKey | None = None
    """None for a repository that is read without a credential."""
    part: str = ""
    """What of a runtime it is, if not the whole: `ADDITIONAL`."""

    @property
    def application(self) -> str:
        """The name of what keeps it equal to Git."""
        return application_name(self.product, self.name, self.part)


class Deployer(Protocol):
    """What keeps a namespace equal to manifests in Git: Argo CD."""

    name: str

    def product_state(self, product: str, deployments: tuple[Deployment, ...]) -> State:
        """Return the objects of one product: its project, one application per deployment, keys to repositories. Pure."""
        ...

    async def refresh(self, application: str, commit: str) -> bool:
        """Make it look at Git now. False if it was already asked to for this commit; Blocked if it is absent."""
        ...


@dataclass(frozen=True, slots=True)
class Space:
    """One namespace of a product on one cluster, and the machine account that works in it."""

    product: str
    runtime: str
    cluster: str
    namespace: str
    account: str
    may_run: bool
    """Whether pipelines run here (the account may create what runs need)."""
    entity: str


@dataclass(frozen=True, slots=True)
class HookNeeds:
    """What the hooks of one pipeline runtime ask to find in its namespace; values of secrets are no part of it."""

    runtime: str
    cluster: str
    namespace: str
    entity: str
    read_key: ReadKey | None = None
    """The key of the pipeline repository, if they read it."""
    repository_url: str = ""
    """Its address over SSH; empty if the platform was not told where the code host is."""
    known_hosts: str = ""
    authorities: str = ""
    """Certificates, if they trust the tenant's."""


class TenantSpace(Protocol):
    """What gives a product its place on a cluster: namespaces and RBAC."""

    def space_state(self, scope: str, spaces: tuple[Space, ...]) -> State:
        """Return namespaces, accounts, roles and bindings. Pure."""
        ...

    def hook_state(self, scope: str, needs: tuple[HookNeeds, ...]) -> State:
        """Return what hooks find beside them. Pure."""
        ...
