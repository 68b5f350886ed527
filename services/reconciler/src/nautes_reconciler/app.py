"""Wires the reconciler: the only module that names concrete tools."""

from collections.abc import Collection
from functools import partial
from time import perf_counter

from nautes_adapters.argocd import ArgoDeployer, ArgoTarget, RepositorySecrets
from nautes_adapters.gitlab import (
    GitLabApi,
    GitLabCiEngine,
    GitLabCodeHost,
    GitLabDiscussion,
    GitLabLostCalls,
    GitLabSpace,
)
from nautes_adapters.kubernetes import (
    SPACE_KINDS,
    HookResources,
    KubernetesClient,
    KubernetesTarget,
    PrivateKey,
    ProductSpaces,
)
from nautes_adapters.tekton import TektonEngine
from nautes_adapters.vault import VaultSecretStore, VaultSession
from nautes_domain import names
from nautes_domain.capabilities import CodeHost, PipelineEngine, SecretStore, StoredSecret
from nautes_domain.events import PARTITIONS, Delivery, Fact
from nautes_domain.failures import Rejected
from nautes_domain.heads import Heads
from nautes_domain.manifests import Component
from nautes_domain.snapshot import CalendarMark, IndexedProject, Snapshot, StartedRun
from nautes_hooks import installed
from nautes_reconciler.asking import FactFinder
from nautes_reconciler.assigning import HOOK_MOUNT, KEY_MOUNT, Assigning, Systems
from nautes_reconciler.calendars import Calendars
from nautes_reconciler.catching_up import CatchingUp
from nautes_reconciler.clusters import Cluster, Clusters
from nautes_reconciler.commanding import Commanding
from nautes_reconciler.declaring import Declaring
from nautes_reconciler.deliveries import Deliveries
from nautes_reconciler.desired import Addresses
from nautes_reconciler.discussing import Discussing
from nautes_reconciler.following import Follower
from nautes_reconciler.missed import MissedPushes
from nautes_reconciler.queueing import Queue
from nautes_reconciler.recording import Recording
from nautes_reconciler.records import Declarations
from nautes_reconciler.requesting import AskedFor, Requesting
from nautes_reconciler.results import Results
from nautes_reconciler.runs import Starter
from nautes_reconciler.settings import ReconcilerSettings
from nautes_reconciler.showing_logs import ShownLogs
from nautes_reconciler.standing import StandingRuns
from nautes_reconciler.started import StartedRuns
from nautes_reconciler.waking import concerned
from nautes_runtime.context import ServiceContext
from nautes_runtime.run_logs import LogServer
from nautes_runtime.scopes import ScopeWorker
from nautes_runtime.settings import read_secret

SERVICE = "reconciler"


async def build(settings: ReconcilerSettings, context: ServiceContext) -> None:
    """Connect the tools and declare what is listened to."""
    declarations = _declarations(context)
    systems = _systems(settings, context, declarations)
    declaring = Declaring(settings.tenant, systems.code_host, declarations, context.bus, context.now)
    gitlab = settings.gitlab
    addresses = Addresses(settings.gateway_url.rstrip("/"), gitlab.url.rstrip("/"), gitlab.ssh_url)
    missed = _catching_up(settings, context, systems.code_host, declarations)
    assigning = Assigning(
        settings.tenant, addresses, systems, declarations, declaring, context.bus, missed.meet
    )
    worker = ScopeWorker(context, SERVICE, assigning.assign)
    worker.resync(settings.resync, assigning.scopes)
    started = StartedRuns(context.buckets.started(StartedRun))
    starter = Starter(
        systems.code_host, declarations, systems.clusters.engine, systems.deployer, started, perf_counter
    )
    facts = FactFinder(systems.code_host, declarations.tenant)
    asked, discussing = _people(settings, context, systems, facts, starter)
    recording = Recording(context.bus, now=context.now)
    deliveries = Deliveries(facts, declarations, declaring, starter, asked, missed, recording)

    async def wake(fact: Fact) -> None:
        if fact.by == SERVICE:  # of runs there are many, and looking for scopes takes a while
            return
        for scope in concerned(fact, await declaring.product_scopes()):
            await worker.request(scope, f"{fact.kind} {fact.name} was {fact.verb}", fact.cause)

    for index in range(PARTITIONS):
        context.subscribe(
            f"DELIVERIES_{index}",
            f"{SERVICE}-deliveries-{index}",
            context.subjects.deliveries(index),
            deliveries.handle,
            model=Delivery,
            ack_wait=settings.takeover,
        )
    context.subscribe("FACTS", f"{SERVICE}-facts", context.subjects.fact(), wake, model=Fact)
    _follow(context, systems, declarations, started, discussing)
    _keep_time(settings, context, declarations)


def _keep_time(settings: ReconcilerSettings, context: ServiceContext, declarations: Declarations) -> None:
    """Have calendars looked at."""
    calendars = Calendars(
        declarations,
        context.buckets.index(CalendarMark),
        context.bus,
        settings.gitlab.url.rstrip("/"),
        now=context.now,
        log=context.log,
    )
    context.every(1.0, calendars.look)


def _declarations(context: ServiceContext) -> Declarations:
    buckets = context.buckets
    hooks = installed().told(lambda problem: context.log.warning("hook_not_offered", reason=problem))
    return Declarations(buckets.desired(Snapshot), buckets.index(IndexedProject), buckets.status, hooks)


def _people(
    settings: ReconcilerSettings,
    context: ServiceContext,
    systems: Systems,
    facts: FactFinder,
    starter: Starter,
) -> tuple[AskedFor, Discussing]:
    """Connect what people ask for, and what is written to them."""
    host, gitlab = systems.code_host, settings.gitlab
    discussion = GitLabDiscussion(gitlab.url, read_secret(gitlab.token_file).get_secret_value())
    context.on_stop(discussion.close)
    discussing = Discussing(discussion, host.account, context.locks.hold)
    standing = StandingRuns(systems.clusters.engine, perf_counter)
    commanding = Commanding(discussion, discussing, facts, starter, standing)
    requesting = Requesting(host, discussion, facts, starter, standing)
    return AskedFor(commanding, requesting), discussing


def _catching_up(
    settings: ReconcilerSettings, context: ServiceContext, code_host: CodeHost, declarations: Declarations
) -> MissedPushes:
    lost_calls = CatchingUp(_lost_calls(settings, context), declarations, context.log)
    missed = MissedPushes(
        code_host,
        declarations,
        context.buckets.index(Heads),
        context.bus,
        settings.gitlab.url.rstrip("/"),
        now=context.now,
        log=context.log,
    )

    async def catch_up() -> None:
        # What the code host can repeat comes push by push; heads tell only where a ref ended.
        if await lost_calls():
            await missed.look()

    context.on_start(catch_up)
    context.every(settings.catch_up, catch_up)
    return missed


def _follow(
    context: ServiceContext,
    systems: Systems,
    declarations: Declarations,
    started: StartedRuns,
    discussing: Discussing,
) -> None:
    async def declared() -> Collection[str]:
        return (await declarations.tenant()).clusters

    results = Results(
        systems.code_host, declarations, discussing, context.bus, now=context.now, clock=perf_counter
    )
    queue = Queue(declarations, started, context.bus, now=context.now, clock=perf_counter)
    follower = Follower(systems.clusters, declared, queue, results, context.locks, context.log)
    shown = ShownLogs(declarations, systems.clusters.engine)
    logs = LogServer(context.client, context.subjects, shown.lines, context.log)
    for endless in (follower, logs):
        context.every(1.0, endless.run)  # should one break, it begins again after a second


def _lost_calls(settings: ReconcilerSettings, context: ServiceContext) -> GitLabLostCalls:
    token = read_secret(settings.gitlab.token_file).get_secret_value()
    calls = GitLabLostCalls(settings.gitlab.url, token, gateway_url=settings.gateway_url)
    context.on_stop(calls.close)
    return calls


def _systems(settings: ReconcilerSettings, context: ServiceContext, declarations: Declarations) -> Systems:
    vault = settings.vault
    secrets = VaultSecretStore(VaultSession(vault.address, vault.login(), verify=vault.verify))
    token = read_secret(settings.gitlab.token_file).get_secret_value()
    code_host = GitLabCodeHost(settings.gitlab.url, token)
    gitlab = GitLabSpace(
        settings.gitlab.url,
        token,
        gateway_url=settings.gateway_url,
        tenant=settings.tenant,
        secrets=partial(_hook_secret, secrets),
    )
    kubeconfig = settings.management.kubeconfig
    management = KubernetesClient.from_kubeconfig(kubeconfig) if kubeconfig else KubernetesClient.in_cluster()
    connections = Connections(settings, context, declarations, secrets)
    clusters = Clusters(secrets, connections, declarations.pipelines_on, perf_counter)
    for close in (clusters.close, management.close, gitlab.close, code_host.close):
        context.on_stop(close)
    return Systems(
        code_host=code_host,
        gitlab=gitlab,
        argocd=ArgoTarget(management),
        argocd_repositories=RepositorySecrets(management, partial(_read_key, secrets)),
        clusters=clusters,
        spaces=ProductSpaces(),
        deployer=ArgoDeployer(management, settings.tenant),
        secrets=secrets,
    )


class Connections:
    """Connects clusters, each with the pipeline engine that it declares: Tekton, unless it names another."""

    def __init__(
        self,
        settings: ReconcilerSettings,
        context: ServiceContext,
        declarations: Declarations,
        secrets: SecretStore,
    ) -> None:
        self._settings = settings
        self._context = context
        self._declarations = declarations
        self._key = partial(_read_key, secrets)

    def __call__(self, name: str, secret: StoredSecret, pipelines: Component | None) -> Cluster:
        """Return a connected cluster. Raises Rejected if its engine lacks a setting."""
        values = secret.values
        client = KubernetesClient.from_token(values["server"], values["ca"], values["token"])
        targets = (KubernetesTarget(client, name, SPACE_KINDS), HookResources(client, name, self._key))
        if pipelines is None or pipelines.name != GitLabCiEngine.name:
            dashboard = pipelines.additions.get("host", "") if pipelines else ""
            engine: PipelineEngine = TektonEngine(client, dashboard=dashboard)
            return Cluster(secret.version, pipelines, targets, engine, client.close)
        ci = self._gitlab_ci(name)

        async def close() -> None:
            await ci.close()
            await client.close()

        return Cluster(secret.version, pipelines, targets, ci, close)

    def _gitlab_ci(self, cluster: str) -> GitLabCiEngine:
        gitlab, context = self._settings.gitlab, self._context
        if gitlab.pipelines_token_file is None:
            raise Rejected(
                "no account for pipelines is set",
                what=f"Cluster/{cluster}",
                who="platform team",
                next_step="set NAUTES_GITLAB__PIPELINES_TOKEN_FILE to the token of an account without other rights",
                code="no-pipelines-account",
            )
        token = read_secret(gitlab.pipelines_token_file).get_secret_value()
        projects = partial(self._declarations.pipeline_projects, cluster)
        return GitLabCiEngine(
            GitLabApi(gitlab.url, token), cluster, projects, context.locks.hold, context.now
        )


async def _read_key(secrets: SecretStore, path: str) -> PrivateKey | None:
    stored = await secrets.read(KEY_MOUNT, path)
    if stored is None:
        return None
    return PrivateKey(stored.values["deploykey"], stored.version, stored.values.get("fingerprint", ""))


async def _hook_secret(secrets: SecretStore, hook: str) -> tuple[str, str, int] | None:
    stored = await secrets.read(HOOK_MOUNT, names.hook_secret_path(hook))
    if stored is None:
        return None
    return stored.values["token"], stored.values.get("signing_token", ""), stored.version
