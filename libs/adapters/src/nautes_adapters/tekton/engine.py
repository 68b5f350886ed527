"""Tekton as pipeline engine on one cluster."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

from nautes_adapters.kubernetes import AlreadyExists, KubernetesClient, account_user
from nautes_adapters.kubernetes.errors import CONFLICT, DENIED
from nautes_adapters.kubernetes.spaces import role_name
from nautes_adapters.tekton.following import SELECTOR, WINDOW, Following
from nautes_adapters.tekton.hooks import needed
from nautes_adapters.tekton.logs import PAUSE, RunLogs
from nautes_adapters.tekton.rules import KIND
from nautes_adapters.tekton.run import build, traced
from nautes_adapters.tekton.status import state_of
from nautes_adapters.tekton.steering import wanted_status
from nautes_domain.capabilities import RunRequest
from nautes_domain.failures import Blocked, Rejected, Retry
from nautes_domain.plan import Ref
from nautes_domain.queueing import Order
from nautes_domain.run_logs import LogLine, LogQuery
from nautes_domain.runs import PRODUCT, REPORTED, RUNTIME, RunState

ATTEMPTS = 5
"""How often one order is given while Tekton writes to the same run."""


class TektonEngine:
    """Implements `capabilities.PipelineEngine`; one per cluster. `dashboard` is the host of Tekton's, or empty."""

    name = "tekton"

    def __init__(
        self, client: KubernetesClient, *, window: int = WINDOW, dashboard: str = "", pause: float = PAUSE
    ) -> None:
        self._client = client
        self._pause = pause
        self._window = window
        self._dashboard = dashboard

    def takes_hooks(self) -> bool:
        """Say that it takes hooks; see `hooks`."""
        return True

    def address(self, cluster: str, name: str, namespace: str) -> Ref:
        """Return where a run is."""
        return Ref(f"kubernetes/{cluster}", KIND, name, namespace)

    def build(self, request: RunRequest, source: bytes, *, file: str) -> Mapping[str, Any]:
        """Return the PipelineRun made from a pipeline file; see `run.build`."""
        return build(request, source, file=file)

    async def start(self, request: RunRequest, run: Mapping[str, Any]) -> bool:
        """Create the run as the account itself, so that nothing but the account's rights counts.

        False if a run of that name is there. Blocked while namespace, account, its rights or what hooks need are missing.
        """
        if await self._client.get("ServiceAccount", request.account, request.namespace) is None:
            raise _blocked(request, "the namespace or the account is not there yet")
        await self._check_folders(request)
        try:
            await self._client.create(
                traced(run, request.traceparent), impersonate=account_user(request.namespace, request.account)
            )
        except AlreadyExists:
            return False
        except Rejected as failure:
            if failure.code != DENIED or await self._has_rights(request):
                raise
            raise _blocked(request, "the account has no rights yet") from None
        return True

    def follow(self) -> AsyncGenerator[RunState, None]:
        """Yield the state of every run of ours, then of each that changes; see `following`."""
        return Following(self._client, window=self._window, dashboard=self._dashboard).states()

    async def runs_of(self, product: str, runtime: str, namespace: str) -> Sequence[RunState]:
        """Return all runs of one runtime.

        A list without a version shows every write that was answered before it (Kubernetes, "API Concepts",
        semantics for get and list).
        """
        selector = f"{SELECTOR},{PRODUCT}={product},{RUNTIME}={runtime}"
        found = await self._client.list(KIND, namespace, labels=selector)
        states = (state_of(run, self._dashboard) for run in found)
        return [state for state in states if state is not None]

    async def steer(self, run: RunState, order: Order) -> bool:
        """Delete the run, or write its `spec.status`, on top of the version that was just read."""
        if order is Order.DELETE:
            return await self._client.delete(KIND, run.name, run.namespace, uid=run.uid)
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return await self._order(run, order)
            except Retry as failure:
                if failure.code != CONFLICT or attempt == ATTEMPTS:
                    raise
        return False

    async def _order(self, run: RunState, order: Order) -> bool:
        found = await self._client.get(KIND, run.name, run.namespace)
        wanted = None if found is None or found["metadata"]["uid"] != run.uid else wanted_status(found, order)
        if found is None or wanted is None:
            return False
        # The version is the condition: nobody wrote to the run since we looked.
        metadata = {"uid": run.uid, "resourceVersion": found["metadata"]["resourceVersion"]}
        patch = {"metadata": metadata, "spec": {"status": wanted or None}}
        return await self._client.patch_merge(KIND, run.name, run.namespace, patch) is not None

    async def mark_reported(self, run: RunState) -> bool:
        """Annotate the run with its phase. A later run of the same name is refused: it has another uid."""
        metadata = {"uid": run.uid, "annotations": {REPORTED: run.phase.value}}
        marked = await self._client.patch_merge(KIND, run.name, run.namespace, {"metadata": metadata})
        return marked is not None

    def logs(self, run: RunState, query: LogQuery) -> AsyncGenerator[LogLine, None]:
        """Yield what the steps wrote; see `logs`."""
        return RunLogs(self._client, run, query, pause=self._pause).lines()

    async def _check_folders(self, request: RunRequest) -> None:
        """Raise Blocked while something is missing that a hook finds beside it: its pod would wait for it and say nothing."""
        for kind, name, entry in sorted(needed(request.hooks)):
            found = await self._client.get(kind, name, request.namespace)
            if entry not in ((found or {}).get("data") or {}):
                why = f"its hooks need {entry} of {kind}/{name}, which is not there yet"
                raise _blocked(request, why)

    async def _has_rights(self, request: RunRequest) -> bool:
        binding = role_name(request.account)
        return await self._client.get("RoleBinding", binding, request.namespace) is not None


def _blocked(request: RunRequest, why: str) -> Blocked:
    return Blocked(why, by=f"namespace/{request.namespace}", what=f"PipelineRun/{request.name}")
