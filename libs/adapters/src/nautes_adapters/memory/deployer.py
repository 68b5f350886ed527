"""A deployer and a tenant space in memory: their objects are plain specs in systems of their own."""

from dataclasses import asdict

from nautes_domain.capabilities import Deployment, Space
from nautes_domain.failures import Blocked
from nautes_domain.plan import Ref, State, Wanted


class MemoryDeployer:
    """Implements `capabilities.Deployer`; `applications` are those that exist, by the target's doing."""

    name = "memory"
    system = "memory-deployer"

    def __init__(self) -> None:
        self.applications: dict[str, str] = {}
        """Application name -> the commit it was last refreshed for."""

    def product_state(self, product: str, deployments: tuple[Deployment, ...]) -> State:
        """Return one project and one application per deployment; nothing for a product without any."""
        if not deployments:
            return {}
        project = Ref(self.system, "Project", product)
        spec = {"clusters": sorted({one.cluster for one in deployments})}
        state = {project: Wanted(spec, f"product {product} deploys", deployments[0].entity)}
        for one in deployments:
            application = Ref(self.system, "Application", one.application, product)
            content = {
                "repository": one.repository_url,
                "revision": one.revision,
                "path": one.path,
                "cluster": one.cluster,
                "namespaces": list(one.namespaces),
                "read_key": None if one.read_key is None else asdict(one.read_key),
            }
            state[application] = Wanted(content, f"runtime {one.name} is declared", one.entity)
        return state

    async def refresh(self, application: str, commit: str) -> bool:
        """Remember a refresh; False for the same commit again; Blocked without such an application."""
        if application not in self.applications:
            raise Blocked("the application does not exist yet", by=f"application/{application}")
        if self.applications[application] == commit:
            return False
        self.applications[application] = commit
        return True


class MemoryTenantSpace:
    """Implements `capabilities.TenantSpace`."""

    system = "memory-space"

    def space_state(self, scope: str, spaces: tuple[Space, ...]) -> State:
        """Return one namespace and one account per space, each once."""
        state: dict[Ref, Wanted] = {}
        for one in spaces:
            because = f"runtime {one.runtime} works here"
            namespace = Ref(self.system, "Namespace", one.namespace, one.cluster)
            account = Ref(self.system, "Account", one.account, f"{one.cluster}/{one.namespace}")
            state.setdefault(namespace, Wanted({"scope": scope}, because, one.entity))
            state.setdefault(account, Wanted({"scope": scope, "may_run": one.may_run}, because, one.entity))
        return state
