"""Argo CD as deployer and as reconcile target: objects in its namespace on the management cluster."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from nautes_adapters.argocd import repositories, state
from nautes_adapters.kubernetes import KubernetesClient, ObjectsTarget, owner
from nautes_domain.capabilities import Deployment
from nautes_domain.failures import Blocked, Rejected, Retry
from nautes_domain.plan import Action, Spec, State, Verb, merged

REFRESH: Final = "argocd.argoproj.io/refresh"
"""Argo CD looks at Git at once when it sees this, and removes it (Argo CD, "Annotations and Labels")."""
REFRESHED: Final = "nautes.io/refreshed-commit"


class ArgoDeployer:
    """Implements `capabilities.Deployer`."""

    name = "argocd"

    def __init__(self, client: KubernetesClient, tenant: str) -> None:
        self._client = client
        self._tenant = tenant

    def product_state(self, product: str, deployments: tuple[Deployment, ...]) -> State:
        """Return the AppProject, the Applications and the repositories of a product; see `state` and `repositories`."""
        objects = state.product_state(product, deployments)
        return merged((objects, repositories.repository_state(product, deployments)))

    async def refresh(self, application: str, commit: str) -> bool:
        """Ask for a look at Git, once per commit. Blocked while there is no such Application of ours."""
        found = await self._client.get("Application", application, state.NAMESPACE)
        if found is None:
            raise _absent(application)
        if not owner(found):
            raise Rejected(
                "the Application was not made by Nautes",
                what=f"Application/{application}",
                code="object-claimed",
            )
        annotations = found["metadata"].get("annotations") or {}
        if annotations.get(REFRESHED) == commit:
            return False
        patch = {"metadata": {"annotations": {REFRESH: "normal", REFRESHED: commit}}}
        if await self._client.patch_merge("Application", application, state.NAMESPACE, patch) is None:
            raise _absent(application)
        return True


class ArgoTarget(ObjectsTarget):
    """AppProjects and Applications, system `argocd`."""

    def __init__(self, client: KubernetesClient) -> None:
        super().__init__(client, state.SYSTEM, state.KINDS, namespace=state.NAMESPACE)

    def seen(self, obj: Mapping[str, Any]) -> Spec:
        """Return what can be compared; of the finalizers only ours, for Argo CD adds some of its own."""
        spec = dict(super().seen(obj))
        metadata = dict(spec["metadata"])
        if "finalizers" in metadata:
            metadata["finalizers"] = [one for one in metadata["finalizers"] if one == state.FINALIZER]
        return {**spec, "metadata": metadata}

    async def apply(self, action: Action) -> None:
        """Make one change. Retry while a project that is to go has Applications: they could not be cleaned up.

        Argo CD's own finalizer for projects would do, were it not looked at again only with the next resync.
        """
        if action.verb is Verb.DELETE and action.ref.kind == "AppProject":
            left = await self.client.list("Application", state.NAMESPACE)
            if any(one["spec"].get("project") == action.ref.name for one in left):
                raise Retry(
                    "its Applications are still being removed",
                    after=timedelta(seconds=2),
                    what=str(action.ref),
                    code="project-in-use",
                )
        await super().apply(action)


def _absent(application: str) -> Blocked:
    return Blocked(
        "Argo CD has no such Application yet",
        by=f"application/{application}",
        what=f"Application/{application}",
    )
