"""The built-in kinds that are served, described as a real server describes them. Pure data."""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from nautes_localstack.kubernetes import workload_shapes as workload
from nautes_localstack.kubernetes.shapes import (
    ANY,
    ATOM_LIST,
    ATOM_MAP,
    SCALAR,
    TEXT_MAP,
    Shape,
    atom,
    keyed,
    pointer,
    struct,
    whole,
)

VERBS: Final = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
CUSTOM_VERBS: Final = ("delete", "deletecollection", "get", "list", "patch", "create", "update", "watch")
STATUS_VERBS: Final = ("get", "patch", "update")
METADATA_FIELDS: Final = ("metadata.name", "metadata.namespace")

AUTHENTICATION: Final = "authentication.k8s.io"
AUTHORIZATION: Final = "authorization.k8s.io"
EXTENSIONS: Final = "apiextensions.k8s.io"
RBAC: Final = "rbac.authorization.k8s.io"


@dataclass(frozen=True, slots=True)
class Custom:
    """What a CustomResourceDefinition adds to its resource, for one version."""

    schema: Mapping[str, Any]
    definition: str
    """Name of the definition."""
    columns: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource of one API version."""

    group: str
    version: str
    plural: str
    kind: str
    shape: Shape = field(repr=False)
    namespaced: bool = True
    singular: str = ""
    list_kind: str = ""
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    verbs: tuple[str, ...] = VERBS
    has_status: bool = False
    """Its status is written through the subresource alone."""
    generation: bool = False
    selectable: tuple[str, ...] = METADATA_FIELDS
    """Fields for field selectors."""
    custom: Custom | None = field(default=None, repr=False)

    @property
    def api_version(self) -> str:
        """`v1`, `apps/v1`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified(self) -> str:
        """`configmaps`, `deployments.apps`: as messages name it; the same for all versions."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def stored(self) -> bool:
        """Whether there are objects of it; reviews are answered and forgotten."""
        return "get" in self.verbs

    @property
    def storage_hash(self) -> str:
        """What discovery publishes for the version in which objects are stored."""
        digest = hashlib.sha256(f"{self.group}/{self.version}/{self.kind}".encode()).digest()
        return base64.b64encode(digest[:8]).decode()


def _core(plural: str, kind: str, shape: Shape, **more: Any) -> Resource:
    return Resource("", "v1", plural, kind, shape, **_named(kind, more))


def _of(group: str, plural: str, kind: str, shape: Shape, **more: Any) -> Resource:
    return Resource(group, more.pop("version", "v1"), plural, kind, shape, **_named(kind, more))


def _named(kind: str, more: dict[str, Any]) -> dict[str, Any]:
    return {"singular": kind.lower(), "list_kind": f"{kind}List", **more}


_WORKLOAD: Final[dict[str, Any]] = {"categories": ("all",), "has_status": True, "generation": True}
_SIMPLE_SPEC: Final = whole(spec=ANY, status=ANY)
_REVIEW: Final[dict[str, Any]] = {"verbs": ("create",)}

_EVENT: Final = whole(
    **dict.fromkeys(
        ("action", "count", "eventTime", "firstTimestamp", "lastTimestamp", "message", "reason",
         "reportingComponent", "reportingInstance", "type"),
        SCALAR,
    ),
    involvedObject=pointer(workload.REFERENCE),
    related=workload.REFERENCE,
    series=ANY,
    source=struct("component host"),
)  # fmt: skip
_EVENT_FIELDS: Final = (
    *METADATA_FIELDS,
    *(
        f"involvedObject.{name}"
        for name in ("kind", "name", "namespace", "uid", "apiVersion", "resourceVersion", "fieldPath")
    ),
    *("reason", "reportingComponent", "source", "type"),
)
_POD_FIELDS: Final = (
    *METADATA_FIELDS,
    *(
        f"spec.{name}"
        for name in ("nodeName", "restartPolicy", "schedulerName", "serviceAccountName", "hostNetwork")
    ),
    *(f"status.{name}" for name in ("phase", "podIP", "nominatedNodeName")),
)
_CRD_NAMES: Final = struct("kind listKind plural singular", shortNames=ATOM_LIST, categories=ATOM_LIST)
_ROLE: Final = whole(rules=ATOM_LIST)
_BINDING: Final = whole(roleRef=atom(struct("apiGroup kind name")), subjects=ATOM_LIST)

NAMESPACES: Final = _core(
    "namespaces",
    "Namespace",
    whole(spec=struct(finalizers=ATOM_LIST), status=struct("phase", conditions=workload.CONDITIONS)),
    namespaced=False,
    short_names=("ns",),
    has_status=True,
    verbs=tuple(verb for verb in VERBS if verb != "deletecollection"),
    selectable=(*METADATA_FIELDS, "status.phase"),
)
CONFIG_MAPS: Final = _core(
    "configmaps",
    "ConfigMap",
    whole(data=TEXT_MAP, binaryData=TEXT_MAP, immutable=SCALAR),
    short_names=("cm",),
)
SECRETS: Final = _core(
    "secrets",
    "Secret",
    whole(data=TEXT_MAP, stringData=TEXT_MAP, type=SCALAR, immutable=SCALAR),
    selectable=(*METADATA_FIELDS, "type"),
)
SERVICE_ACCOUNTS: Final = _core(
    "serviceaccounts",
    "ServiceAccount",
    whole(
        automountServiceAccountToken=SCALAR,
        secrets=keyed(workload.REFERENCE, "name"),
        imagePullSecrets=Shape("list", element=atom(struct("name")), atomic=True),
    ),
    short_names=("sa",),
)
DEFINITIONS: Final = _of(
    EXTENSIONS,
    "customresourcedefinitions",
    "CustomResourceDefinition",
    whole(
        spec=struct(
            "group scope preserveUnknownFields",
            names=_CRD_NAMES,
            versions=ATOM_LIST,
            conversion=pointer(struct("strategy", webhook=ANY)),
        ),
        status=struct(acceptedNames=_CRD_NAMES, conditions=workload.CONDITIONS, storedVersions=ATOM_LIST),
    ),
    namespaced=False,
    short_names=("crd", "crds"),
    categories=("api-extensions",),
    has_status=True,
    generation=True,
)
ROLES: Final = _of(RBAC, "roles", "Role", _ROLE)
ROLE_BINDINGS: Final = _of(RBAC, "rolebindings", "RoleBinding", _BINDING)
CLUSTER_ROLES: Final = _of(
    RBAC, "clusterroles", "ClusterRole", whole(rules=ATOM_LIST, aggregationRule=ANY), namespaced=False
)
CLUSTER_ROLE_BINDINGS: Final = _of(
    RBAC, "clusterrolebindings", "ClusterRoleBinding", _BINDING, namespaced=False
)
TOKEN_REQUESTS: Final = _of(
    AUTHENTICATION,
    "tokenrequests",
    "TokenRequest",
    whole(spec=struct("expirationSeconds", audiences=ATOM_LIST, boundObjectRef=ANY), status=ANY),
    **_REVIEW,
)
"""Never served by itself, only as a subresource of ServiceAccounts."""

_ATTRIBUTES: Final = pointer(
    struct("group name namespace resource subresource verb version", fieldSelector=ANY, labelSelector=ANY)
)
_ACCESS_SPEC: Final = struct(
    "user uid",
    groups=ATOM_LIST,
    extra=ATOM_MAP,
    resourceAttributes=_ATTRIBUTES,
    nonResourceAttributes=pointer(struct("path verb")),
)
TOKEN_REVIEWS: Final = _of(
    AUTHENTICATION,
    "tokenreviews",
    "TokenReview",
    whole(spec=struct("token", audiences=ATOM_LIST), status=ANY),
    namespaced=False,
    **_REVIEW,
)
SELF_SUBJECT_REVIEWS: Final = _of(
    AUTHENTICATION, "selfsubjectreviews", "SelfSubjectReview", whole(status=ANY), namespaced=False, **_REVIEW
)
ACCESS_REVIEWS: Final = _of(
    AUTHORIZATION,
    "subjectaccessreviews",
    "SubjectAccessReview",
    whole(spec=_ACCESS_SPEC, status=ANY),
    namespaced=False,
    **_REVIEW,
)
SELF_ACCESS_REVIEWS: Final = _of(
    AUTHORIZATION,
    "selfsubjectaccessreviews",
    "SelfSubjectAccessReview",
    whole(spec=_ACCESS_SPEC, status=ANY),
    namespaced=False,
    **_REVIEW,
)
LOCAL_ACCESS_REVIEWS: Final = _of(
    AUTHORIZATION,
    "localsubjectaccessreviews",
    "LocalSubjectAccessReview",
    whole(spec=_ACCESS_SPEC, status=ANY),
    **_REVIEW,
)
RULES_REVIEWS: Final = _of(
    AUTHORIZATION,
    "selfsubjectrulesreviews",
    "SelfSubjectRulesReview",
    whole(spec=struct("namespace"), status=ANY),
    namespaced=False,
    **_REVIEW,
)

PODS: Final = _core(
    "pods",
    "Pod",
    workload.POD,
    short_names=("po",),
    categories=("all",),
    has_status=True,
    generation=True,
    selectable=_POD_FIELDS,
)

BUILT_IN: Final[tuple[Resource, ...]] = (
    CONFIG_MAPS,
    _core("endpoints", "Endpoints", whole(subsets=ATOM_LIST), short_names=("ep",), singular="endpoints"),
    _core("events", "Event", _EVENT, short_names=("ev",), selectable=_EVENT_FIELDS),
    _core("limitranges", "LimitRange", whole(spec=struct(limits=ATOM_LIST)), short_names=("limits",)),
    NAMESPACES,
    _core(
        "persistentvolumeclaims",
        "PersistentVolumeClaim",
        _SIMPLE_SPEC,
        short_names=("pvc",),
        has_status=True,
    ),
    PODS,
    _core(
        "resourcequotas",
        "ResourceQuota",
        whole(spec=struct(hard=workload.QUANTITIES, scopes=ATOM_LIST, scopeSelector=ATOM_MAP), status=ANY),
        short_names=("quota",),
        has_status=True,
    ),
    SECRETS,
    SERVICE_ACCOUNTS,
    _core(
        "services",
        "Service",
        workload.SERVICE,
        short_names=("svc",),
        categories=("all",),
        has_status=True,
        selectable=(*METADATA_FIELDS, "spec.clusterIP", "spec.type"),
    ),
    _of("apps", "daemonsets", "DaemonSet", workload.DAEMON_SET, short_names=("ds",), **_WORKLOAD),
    _of("apps", "deployments", "Deployment", workload.DEPLOYMENT, short_names=("deploy",), **_WORKLOAD),
    _of("apps", "replicasets", "ReplicaSet", workload.REPLICA_SET, short_names=("rs",), **_WORKLOAD),
    _of("apps", "statefulsets", "StatefulSet", workload.STATEFUL_SET, short_names=("sts",), **_WORKLOAD),
    TOKEN_REVIEWS,
    SELF_SUBJECT_REVIEWS,
    LOCAL_ACCESS_REVIEWS,
    SELF_ACCESS_REVIEWS,
    RULES_REVIEWS,
    ACCESS_REVIEWS,
    _of("batch", "cronjobs", "CronJob", workload.CRON_JOB, short_names=("cj",), **_WORKLOAD),
    _of(
        "batch",
        "jobs",
        "Job",
        workload.JOB,
        selectable=(*METADATA_FIELDS, "status.successful"),
        **_WORKLOAD,
    ),
    _of(
        "networking.k8s.io",
        "ingresses",
        "Ingress",
        _SIMPLE_SPEC,
        short_names=("ing",),
        has_status=True,
        generation=True,
    ),
    _of(
        "networking.k8s.io",
        "networkpolicies",
        "NetworkPolicy",
        whole(spec=struct(podSelector=ATOM_MAP, ingress=ATOM_LIST, egress=ATOM_LIST, policyTypes=ATOM_LIST)),
        short_names=("netpol",),
        generation=True,
    ),
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    ROLE_BINDINGS,
    ROLES,
    DEFINITIONS,
    _of(
        "coordination.k8s.io",
        "leases",
        "Lease",
        whole(
            spec=struct(
                "acquireTime holderIdentity leaseDurationSeconds leaseTransitions preferredHolder renewTime strategy"
            )
        ),
    ),
)
GROUP_ORDER: Final = tuple(dict.fromkeys(one.group for one in BUILT_IN if one.group))
