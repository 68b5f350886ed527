"""What each service may do on the bus and in the secret store: least privilege, as data. Nothing is done here.

Subjects are those of the platform's event design, paths those of its secret store layout. JetStream's API
subjects are in the NATS documentation, "JetStream wire API reference".
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from nautes_localstack.layout import SERVICES
from nautes_localstack.nats import NatsUser

OPERATOR: Final = "operator"
"""The person at the laptop: everything, on both."""

DELIVERIES: Final = ("DELIVERIES_0", "DELIVERIES_1", "DELIVERIES_2", "DELIVERIES_3")

HOOK_CALLS: Final = (
    "push", "tag_push", "merge_request", "note", "issue", "job", "pipeline", "deployment", "release", "other",
)  # fmt: skip
"""Kinds of deliveries that a hook call can be. What a person asked for and a calendar's firing are none."""


@dataclass(frozen=True)
class BusRights:
    """What one service does on the bus. Every bucket may be read; nobody lists the keys of `started`.

    `says`: subjects below `nautes.<tenant>.` that it publishes; `hears`: streams that it consumes;
    `keeps`: buckets that it writes; `reads`: streams that it reads from the start, as history.
    """

    says: Sequence[str]
    hears: Sequence[str] = ()
    keeps: Sequence[str] = ()
    reads: Sequence[str] = ()
    answers: Sequence[str] = ()
    """Subjects below `nautes.<tenant>.` that it is asked on, each with its queue group if it has one; it may reply."""


_WORKER: Final = BusRights(
    says=("fact.>", "work.>", "dead.>"),
    hears=("FACTS", "WORK", "ADVISORIES"),
    keeps=("status", "locks"),
)

BUS: Final[Mapping[str, BusRights]] = {
    "webhook-gateway": BusRights(says=tuple(f"delivery.*.{kind}.*" for kind in HOOK_CALLS)),
    "reconciler": BusRights(
        says=(*_WORKER.says, "delivery.>"),  # catch-up: deliveries that the code host did not tell us of
        answers=("logs.read logs", "logs.part.>"),
        hears=(*DELIVERIES, *_WORKER.hears),
        keeps=("desired", "index", "started", *_WORKER.keeps),
    ),
    "cluster-registrar": BusRights(_WORKER.says, _WORKER.hears, ("index", *_WORKER.keeps)),
    "secret-broker": _WORKER,
    "api-server": BusRights(
        # What people ask for, and no hook call; kubeconfigs that they send, wrapped; logs of runs, from the
        # service that reaches clusters.
        says=(
            "work.>",
            "dead.>",
            "delivery.*.request.*",
            "fact.kubeconfig.offered",
            "logs.read",
            "logs.part.>",
        ),
        hears=("ADVISORIES",),
        keeps=("locks",),  # writers of one repository take turns
        reads=(*DELIVERIES, "FACTS", "EFFECTS", "DEAD"),
    ),
}


def nats_users(tenant: str) -> list[NatsUser]:
    """Return the users of the bus: the services with their rights, and the operator."""
    return [*(_user(tenant, name, BUS[name]) for name in SERVICES), NatsUser(OPERATOR)]


def _user(tenant: str, name: str, rights: BusRights) -> NatsUser:
    root = f"nautes.{tenant}"
    publish = [
        *(f"{root}.{subject}" for subject in rights.says),
        f"{root}.effect.{name}.>",
        # Any service makes the streams and buckets when it starts first; none may delete or purge one.
        "$JS.API.INFO",
        *(f"$JS.API.STREAM.{verb}.*" for verb in ("CREATE", "UPDATE", "INFO", "MSG.GET")),
        "$JS.API.STREAM.NAMES",
        "$JS.API.STREAM.LIST",
        "$JS.API.DIRECT.GET.>",
        *(subject for stream in rights.hears for subject in _consuming(stream)),
        *(subject for stream in (*rights.reads, *_BUCKET_STREAMS) for subject in _reading(stream)),
        "$JS.FC.>",
        *(f"$KV.{bucket}.>" for bucket in rights.keeps),
    ]
    # Answers go to an inbox of its own: what one service is told, a log of a run for one, no other can hear.
    hears = (f"_INBOX.{name}.>", *(f"{root}.{subject}" for subject in rights.answers))
    return NatsUser(name, publish, hears, replies=bool(rights.answers))


_BUCKET_STREAMS: Final = tuple(f"KV_{bucket}" for bucket in ("desired", "status", "index", "locks"))


def _consuming(stream: str) -> list[str]:
    return [
        f"$JS.API.CONSUMER.CREATE.{stream}",
        f"$JS.API.CONSUMER.CREATE.{stream}.>",
        f"$JS.API.CONSUMER.DURABLE.CREATE.{stream}.*",
        f"$JS.API.CONSUMER.INFO.{stream}.*",
        f"$JS.API.CONSUMER.MSG.NEXT.{stream}.*",
        f"$JS.ACK.{stream}.>",
    ]


def _reading(stream: str) -> list[str]:
    # Reading history, or a bucket's keys, makes a short-lived consumer that is removed when done.
    return [*_consuming(stream), f"$JS.API.CONSUMER.DELETE.{stream}.*"]


_READ: Final = ("read",)
_LIST: Final = ("read", "list")
_ALL: Final = ("create", "read", "update", "delete", "list", "patch")

VAULT: Final[Mapping[str, Mapping[str, Sequence[str]]]] = {
    "webhook-gateway": {"hook/data/gitlab/*": _READ, "hook/metadata/gitlab/*": _READ},
    "reconciler": {
        "cluster/data/kubernetes/+/nautes-reconciler": _READ,
        # Argo CD's keys: of the repositories' secrets the read keys alone.
        "git/data/gitlab/+/default/readonly": _READ,
        "hook/data/gitlab/*": _READ,
        "hook/metadata/gitlab/*": _READ,
    },
    "cluster-registrar": {
        "cluster/data/kubernetes/+/default/admin": _READ,
        "sys/wrapping/wrap": ("create", "update"),
    },
    "secret-broker": {
        **{
            f"{mount}/{kind}/*": _ALL for mount in ("git", "hook", "cluster") for kind in ("data", "metadata")
        },
        **{
            f"{mount}/{kind}/*": ("update",)
            for mount in ("git", "hook", "cluster")
            for kind in ("delete", "destroy")
        },
        # Its own policies only: it cannot widen a service's rights, its own included.
        "sys/policies/acl": ("list",),
        "sys/policies/acl/nautes.*": _ALL,
        "sys/auth": _LIST,
        "sys/auth/*": (*_ALL, "sudo"),
        "auth/*": _ALL,
        "auth/token/*": ("deny",),
        "auth/token/lookup-self": _READ,
        "auth/token/renew-self": ("update",),
        "auth/approle/role/*": ("deny",),
        # Nor the login of the services where they run as accounts of pods.
        "auth/nautes.services/*": ("deny",),
        "sys/auth/nautes.services": ("deny",),
        "sys/auth/approle": ("deny",),
        "sys/auth/token": ("deny",),
        "sys/wrapping/unwrap": ("update",),
    },
    # It wraps kubeconfigs that people send, for the secret broker; it reads nothing.
    "api-server": {"sys/wrapping/wrap": ("create", "update")},
    OPERATOR: {"*": (*_ALL, "sudo")},
}
"""Rules by role: path to capabilities ("Policies", openbao.org)."""

PIPELINES: Final = "nautes-pipelines"
GITLAB_BOTS: Final[Mapping[str, bool]] = {
    "nautes-reconciler": True,
    "nautes-secret-broker": True,
    "nautes-api-server": False,
    # GitLab CI's jobs have the rights of who makes their pipeline: let it into projects as a Developer.
    PIPELINES: False,
    # The developer makes the tenant's first group or is let into it: an administrator on the laptop.
    "dev": True,
}
"""Users on the code host, and whether each is an administrator (GitLab lets only those see every group)."""
