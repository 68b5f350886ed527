"""A product's runs on a cluster, with whatever attends to them: what tests of queue and results work on."""

import asyncio
import io
import textwrap
from collections.abc import Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from time import perf_counter
from types import SimpleNamespace
from uuid import uuid4

import httpx

from nautes_adapters.gitlab import GitLabCodeHost, GitLabDiscussion
from nautes_adapters.kubernetes import (
    BOOTSTRAP_KINDS,
    RECONCILER,
    SPACE_KINDS,
    SYSTEM_NAMESPACE,
    KubernetesClient,
    KubernetesTarget,
    ProductSpaces,
    bootstrap_state,
)
from nautes_adapters.memory import MemorySecretStore
from nautes_adapters.tekton import TektonEngine
from nautes_domain import names
from nautes_domain.capabilities import Space
from nautes_domain.catalog import ProductCatalog
from nautes_domain.events import Delivery, DeliveryKind
from nautes_domain.snapshot import IndexedProject, StartedRun
from nautes_domain.triggers import Facts, match
from nautes_reconciler.clusters import Cluster, Clusters
from nautes_reconciler.discussing import Discussing
from nautes_reconciler.following import Follower
from nautes_reconciler.queueing import Queue
from nautes_reconciler.records import Declarations
from nautes_reconciler.results import Results
from nautes_reconciler.started import StartedRuns
from nautes_runtime import logs
from nautes_runtime.bus import Bus
from nautes_runtime.locks import ScopeLocks
from nautes_runtime.records import Bucket, open_bucket
from support import tekton
from support.controlplane_real import settle
from support.examples import EXAMPLES, changed, orchard, tree
from support.forge import start_forge
from support.gitlab_cases import ForgeWorld
from support.kubernetes import start_kubernetes
from support.nats import start_nats
from support.service_processes import TENANT, Desk, desk, eventually

CLUSTER = "build-east"
LOCK = f"reconciler.results.cluster_{CLUSTER}"
SPACE = Space("orchard", "apple-ci", CLUSTER, "apple-ci", "apple-builder", may_run=True, entity="Runtime/x")
RUNTIME = "projects/apple-api/apple-ci.yaml"
FILE = b"apiVersion: tekton.dev/v1\nkind: PipelineRun\nspec: {pipelineRef: {name: trunk}}\n"


@contextmanager
def run_servers(folder) -> Iterator[SimpleNamespace]:
    """Start a bus, a code host and a cluster."""
    with (
        start_nats(folder) as nats,
        start_forge(folder) as forge,
        start_kubernetes(folder, CLUSTER) as kubernetes,
    ):
        yield SimpleNamespace(nats=nats, forge=forge, kubernetes=kubernetes)


@dataclass
class Place:
    """One product with a repository and a namespace, and everything that follows its runs."""

    servers: SimpleNamespace
    desk: Desk
    admin: KubernetesClient
    project: object
    world: ForgeWorld
    secrets: MemorySecretStore
    catalog: ProductCatalog

    @asynccontextmanager
    async def replica(self, owner):
        """Run what a replica of the reconciler runs; yield its log. At the end it is cancelled, as on SIGTERM."""
        at = self.desk
        host = GitLabCodeHost(self.servers.forge.url, self.servers.forge.token)
        declarations = Declarations(at.desired, Bucket(at.js, "index", IndexedProject), at.status)
        clusters = Clusters(self.secrets, connect, declarations.pipelines_on, perf_counter)
        bus = Bus(at.js, TENANT, "reconciler", now)
        locks = ScopeLocks(open_bucket(at.js, "locks"), owner)
        discussion = GitLabDiscussion(self.servers.forge.url, self.servers.forge.token)
        discussing = Discussing(discussion, host.account, locks.hold)
        results = Results(host, declarations, discussing, bus, now=now, clock=perf_counter)
        out = io.StringIO()
        log = logs.configure("reconciler", "INFO", out)

        async def declared():
            return (await declarations.tenant()).clusters

        started = StartedRuns(Bucket(at.js, "started", StartedRun))
        queue = Queue(declarations, started, bus, now=now, clock=perf_counter)
        follower = Follower(clusters, declared, queue, results, locks, log)
        task = asyncio.create_task(follower.run())
        try:
            yield out
        finally:
            task.cancel()
            await asyncio.wait({task})
            await clusters.close()
            await host.close()
            await discussion.close()

    async def register(self):
        """Give the reconciler a token of its own account on the cluster, as the secret broker does."""
        token = await self.admin.token_request(SYSTEM_NAMESPACE, RECONCILER, (), 3600)
        values = {"server": self.admin.server, "ca": self.admin.ca_pem, "token": token.value}
        await self.secrets.write("cluster", names.cluster_account_path(CLUSTER, RECONCILER), values)

    async def declare(self, limits: str):
        """Declare the runtime anew with further lines of its spec."""
        text = (EXAMPLES / "orchard/default.project" / RUNTIME).read_text()
        await self._declare(f"{text.rstrip()}\n{textwrap.indent(limits, '  ')}\n")

    async def declare_instead(self, events: str):
        """Declare the runtime anew with other pipelines, event sources and triggers."""
        text = (EXAMPLES / "orchard/default.project" / RUNTIME).read_text()
        await self._declare(f"{text.partition('  pipelines:')[0]}{textwrap.indent(events, '  ')}")

    async def _declare(self, text: str):
        changes = {RUNTIME: text}
        await self.desk.declare("product_orchard", changed(changes), commit=uuid4().hex)
        self.catalog = orchard(changes)

    async def start(self, **annotations):
        """Start the run that a push asks for; return its request."""
        commit = await self.world.commit(self.project, "main", {"a.txt": uuid4().hex.encode()})
        delivery = push(self.project.id, commit)
        (run,) = match(delivery, self.catalog, "apple-api-src", Facts()).runs
        request = replace(run.request, annotations={**run.request.annotations, **annotations})
        engine = TektonEngine(self.admin)
        assert await engine.start(request, engine.build(request, FILE, file="ci/build.yaml"))
        return request

    async def play(self, request, status):
        await tekton.play(self.admin, request.namespace, request.name, status)

    def rows(self, request):
        """Return every status that was ever written beside the commit, oldest first."""
        notes = request.annotations
        path = f"/api/v4/projects/{notes['nautes.io/project-id']}/repository/commits/{notes['nautes.io/commit']}/statuses"
        headers = {"PRIVATE-TOKEN": self.servers.forge.token}
        answer = httpx.get(
            f"{self.servers.forge.url}{path}", params={"all": "true"}, headers=headers
        ).raise_for_status()
        return sorted(answer.json(), key=lambda row: row["id"])

    async def shown(self, request, state):
        """Wait until the newest status of the run's commit is `state`, and the run says so too; return it."""

        async def there():
            rows = self.rows(request)
            return rows[-1] if rows and rows[-1]["status"] == state else None

        return await eventually(there, f"the status {state}")

    async def marked(self, request, phase):
        async def there():
            run = await self.admin.get("PipelineRun", request.name, request.namespace)
            return run["metadata"]["annotations"].get("nautes.io/reported") == phase

        await eventually(there, f"the mark {phase}")

    async def effects(self, request):
        found = await self.desk.effects()
        return [one for one in found if one.cause.commit == request.annotations["nautes.io/commit"]]


def now():
    return datetime.now(UTC)


def connect(name, secret, pipelines):
    client = KubernetesClient.from_token(*(secret.values[key] for key in ("server", "ca", "token")))
    target = KubernetesTarget(client, name, ())
    return Cluster(secret.version, pipelines, (target,), TektonEngine(client, window=2), client.close)


def push(project_id, commit):
    return Delivery(
        id=f"d-{commit[:8]}",
        hook="orchard.apple-api-src",
        kind=DeliveryKind.PUSH,
        event="Push Hook",
        project_id=project_id,
        project="orchard/apple-api-src",
        ref="refs/heads/main",
        before="a" * 40,
        after=commit,
        checkout_sha=commit,
        actor="eve",
        received_at=now(),
    )


@asynccontextmanager
async def run_place(servers, tmp_path):
    """Give a registered cluster, a declared product with a namespace, and a repository with nothing in it."""
    async with AsyncExitStack() as stack:
        admin = KubernetesClient.from_kubeconfig(servers.kubernetes.kubeconfig)
        stack.push_async_callback(admin.close)
        bootstrap = bootstrap_state(CLUSTER, f"cluster_{CLUSTER}")
        await settle(KubernetesTarget(admin, CLUSTER, BOOTSTRAP_KINDS), bootstrap, f"cluster_{CLUSTER}")
        state = ProductSpaces().space_state("product_orchard", (SPACE,))
        await settle(KubernetesTarget(admin, CLUSTER, SPACE_KINDS), state, "product_orchard")
        world = ForgeWorld(servers.forge, tmp_path)
        stack.push_async_callback(world.host.close)
        project = await world.add_project()
        at = await stack.enter_async_context(desk(servers.nats))
        await at.declare("tenant", tree("management"))
        await at.declare("product_orchard", tree("orchard/default.project"))
        await at.index((project.id, "orchard", "apple-api-src"))
        found = Place(servers, at, admin, project, world, MemorySecretStore(now), orchard())
        await found.register()
        yield found
