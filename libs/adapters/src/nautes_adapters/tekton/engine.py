"""Tekton as pipeline engine on one cluster."""

from collections.abc import AsyncGenerator, Mapping
from typing import Any

from nautes_adapters.kubernetes import AlreadyExists, KubernetesClient, account_user
from nautes_adapters.kubernetes.errors import DENIED
from nautes_adapters.kubernetes.spaces import role_name
from nautes_adapters.tekton.following import WINDOW, Following
from nautes_adapters.tekton.rules import KIND
from nautes_adapters.tekton.run import build, traced
from nautes_domain.capabilities import RunRequest
from nautes_domain.failures import Blocked, Rejected
from nautes_domain.runs import REPORTED, RunState


class TektonEngine:
    """Implements `capabilities.PipelineEngine`; one per cluster."""

    name = "tekton"

    def __init__(self, client: KubernetesClient, *, window: int = WINDOW) -> None:
        self._client = client
        self._window = window

    def build(self, request: RunRequest, source: bytes, *, file: str) -> Mapping[str, Any]:
        """Return the PipelineRun made from a pipeline file; see `run.build`."""
        return build(request, source, file=file)

    async def start(self, request: RunRequest, run: Mapping[str, Any]) -> bool:
        """Create the run as the account itself, so that nothing but the account's rights counts.

        False if a run of that name is there. Blocked while namespace, account or its rights are missing.
        """
        if await self._client.get("ServiceAccount", request.account, request.namespace) is None:
            raise _blocked(request, "the namespace or the account is not there yet")
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
        return Following(self._client, window=self._window).states()

    async def mark_reported(self, run: RunState) -> bool:
        """Annotate the run with its phase. A later run of the same name is refused: it has another uid."""
        metadata = {"uid": run.uid, "annotations": {REPORTED: run.phase.value}}
        marked = await self._client.patch_merge(KIND, run.name, run.namespace, {"metadata": metadata})
        return marked is not None

    async def _has_rights(self, request: RunRequest) -> bool:
        binding = role_name(request.account)
        return await self._client.get("RoleBinding", binding, request.namespace) is not None


def _blocked(request: RunRequest, why: str) -> Blocked:
    return Blocked(why, by=f"namespace/{request.namespace}", what=f"PipelineRun/{request.name}")
