"""What is known of the components that may serve a cluster: categories, names, properties. Values only.

From the original's `componentCategoryDefinition.yaml`, `thirdPartComponents.yaml` (section 7.2) and rule C10;
`nautes`, `openbao` and `gitlab-ci` are ours.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

_PORT: Final = r"3[01][0-9]{3}|32[0-6][0-9]{2}|327[0-5][0-9]|3276[0-7]"
"""A node port: 30000 to 32767."""
_HOST: Final = r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+"
_KINDS: Final = r"[a-z0-9.-]+/[A-Z][A-Za-z0-9]*( *, *[a-z0-9.-]+/[A-Z][A-Za-z0-9]*)*"


@dataclass(frozen=True, slots=True)
class Property:
    """A property in `additions`: the form of its value, and which other property it cannot do without."""

    form: str
    example: str
    needs: str = ""

    def fits(self, value: str) -> bool:
        """Say whether a value has the form."""
        return re.fullmatch(self.form, value) is not None


_NODE_PORTS: Final = {
    "httpNodePort": Property(_PORT, "30080", needs="httpsNodePort"),
    "httpsNodePort": Property(_PORT, "30443", needs="httpNodePort"),
}
_FOLDER: Final = {
    "productResourceKustomizeFileFolder": Property(r"[\w.-]+(/[\w.-]+)*", "shared/ci", needs="productResourceRevision"),
    "productResourceRevision": Property(r"[\w][\w./-]*", "main", needs="productResourceKustomizeFileFolder"),
    "syncResourceTypes": Property(_KINDS, "tekton.dev/Pipeline"),
}  # fmt: skip

COMPONENTS: Final[Mapping[str, Mapping[str, Mapping[str, Property]]]] = {
    "certManagement": {"cert-manager": {}},
    "deployment": {"argocd": {"host": Property(_HOST, "argocd.example.com")}},
    "eventListener": {"argo-events": {}, "nautes": {}},
    "gateway": {"traefik": _NODE_PORTS},
    "multiTenant": {"hnc": _FOLDER, "nautes": {}},
    "pipeline": {"gitlab-ci": {}, "tekton": {"host": Property(_HOST, "tekton.example.com")}},
    "progressiveDelivery": {"argo-rollouts": {}},
    "secretManagement": {"vault": {}, "openbao": {}},
    "secretSync": {"external-secrets": {}},
    "oauthProxy": {"oauth2-proxy": {}},
}
"""Properties by category and component."""

HOLDS_NOTHING: Final = frozenset({"gitlab-ci"})
"""Pipeline components that cannot keep a run waiting: a limit of runs is nothing to them."""
BUILDS_NO_FOLDERS: Final = frozenset({"gitlab-ci"})
"""Pipeline components whose runs are no Kubernetes objects: what a kustomization file makes is nothing to them."""

_WORKER: Final = frozenset({"multiTenant", "secretSync", "deployment", "secretManagement"})
_DEPLOYMENT: Final = _WORKER | {"progressiveDelivery"}
_PIPELINE: Final = _WORKER | {"gateway", "eventListener", "pipeline"}

REQUIRED: Final[Mapping[tuple[str, str, str], frozenset[str]]] = {
    ("host", "physical", ""): frozenset({"oauthProxy", "gateway", "secretManagement"}),
    ("worker", "virtual", "deployment"): _DEPLOYMENT,
    ("worker", "virtual", "pipeline"): _PIPELINE,
    ("worker", "physical", "deployment"): _DEPLOYMENT | {"gateway"},
    ("worker", "physical", "pipeline"): _PIPELINE | {"oauthProxy"},
}
"""Categories that a cluster needs, by usage, type and worker type."""
