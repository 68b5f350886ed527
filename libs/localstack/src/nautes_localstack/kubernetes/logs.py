"""What containers wrote: `GET pods/NAME/log`. No container runs here, so whoever plays the kubelet writes it down.

A container's log stands in the annotation `log.local.nautes.io/<container>` of its pod, each line after its time as a
kubelet has it (RFC 3339 with nanoseconds). Sources: Kubernetes API reference, "read log of the specified Pod";
pkg/registry/core/pod/strategy.go (LogLocation), pkg/apis/core/validation (ValidatePodLogOptions),
pkg/kubelet/kubelet.go (GetKubeletContainerLogs, validateContainerLogStatus).
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from nautes_localstack.kubernetes import errors, reading
from nautes_localstack.kubernetes.errors import Cause
from nautes_localstack.kubernetes.kinds import PODS
from nautes_localstack.kubernetes.reading import Query
from nautes_localstack.kubernetes.shapes import Object
from nautes_localstack.kubernetes.storage import Store
from nautes_localstack.kubernetes.watch import Hub

ANNOTATION: Final = "log.local.nautes.io/"
LONGEST: Final = 3600.0
"""Seconds for which a log is followed without a line."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One reading, as asked for; no container if the pod has no node yet: then there is nothing to read."""

    container: str
    follow: bool
    timestamps: bool
    tail: int | None
    since: datetime | None
    limit: int | None
    """Bytes."""


def asked(pod: Object, query: Query) -> Asked:
    """Return what a request asks for; raise ApiError (400, 422)."""
    tail, limit, seconds = (_number(query, name) for name in ("tailLines", "limitBytes", "sinceSeconds"))
    _check(tail, limit, seconds, query)
    since = _time(query.get("sinceTime", ""))
    if since is not None:
        since = since.replace(microsecond=0)  # kubelets are told whole seconds
    if seconds is not None:
        since = datetime.now(UTC) - timedelta(seconds=seconds)
    container = _container(pod, query.get("container", ""))
    if not pod["spec"].get("nodeName"):
        container = ""
    elif not _has_begun(pod, container):
        where = f'container "{container}" in pod "{pod["metadata"]["name"]}"'
        raise errors.bad_request(f"{where} is waiting to start: {_waits_for(pod, container)}")
    elif reading.is_true(query.get("previous")):
        where = f'container "{container}" in pod "{pod["metadata"]["name"]}"'
        raise errors.bad_request(f"previous terminated {where} not found")
    return Asked(
        container,
        reading.is_true(query.get("follow")),
        reading.is_true(query.get("timestamps")),
        tail,
        since,
        limit,
    )


async def stream(store: Store, hub: Hub, pod: Object, wanted: Asked) -> AsyncIterator[str]:
    """Yield the lines that were written, then those that are, until the container ends or its pod is gone."""
    metadata = pod["metadata"]
    sent, left = 0, wanted.limit
    while wanted.container:
        row = store.get(PODS.qualified, metadata.get("namespace", ""), metadata["name"])
        present = None if row is None else row.load()
        if present is None or present["metadata"]["uid"] != metadata["uid"]:
            return
        written = _written(present, wanted.container)
        fresh = written[sent:] if sent else _first(written, wanted)
        sent = len(written)
        text = "".join(f"{line if wanted.timestamps else line.partition(' ')[2]}\n" for line in fresh)
        if left is not None:
            text, left = text[:left], left - len(text)
        if text:
            yield text
        if not wanted.follow or hub.closing or (left is not None and left <= 0):
            return
        if "terminated" in _state(present, wanted.container):
            return
        await hub.changed(PODS.qualified, LONGEST)


def _first(written: list[str], wanted: Asked) -> list[str]:
    since = wanted.since
    kept = [line for line in written if since is None or _time(line.partition(" ")[0]) >= since]
    return kept if wanted.tail is None else kept[len(kept) - min(wanted.tail, len(kept)) :]


def _written(pod: Object, container: str) -> list[str]:
    text = (pod["metadata"].get("annotations") or {}).get(ANNOTATION + container, "")
    return [line for line in str(text).split("\n") if line]


def _container(pod: Object, name: str) -> str:
    spec, pod_name = pod["spec"], pod["metadata"]["name"]
    names = [one["name"] for one in spec.get("containers") or ()]
    before = [one["name"] for one in spec.get("initContainers") or ()]
    if name:
        if name not in (*names, *before):
            raise errors.bad_request(f"container {name} is not valid for pod {pod_name}")
        return name
    if len(names) == 1:
        return str(names[0])
    more = f" or one of the init containers: [{' '.join(before)}]" if before else ""
    choice = f"choose one of: [{' '.join(names)}]{more}"
    raise errors.bad_request(f"a container name must be specified for pod {pod_name}, {choice}")


def _state(pod: Object, container: str) -> Mapping[str, Any]:
    status = pod.get("status") or {}
    found = [*(status.get("containerStatuses") or ()), *(status.get("initContainerStatuses") or ())]
    return next((one.get("state") or {} for one in found if one.get("name") == container), {})


def _has_begun(pod: Object, container: str) -> bool:
    return bool({"running", "terminated"} & _state(pod, container).keys())


def _waits_for(pod: Object, container: str) -> str:
    waiting = _state(pod, container).get("waiting") or {}
    return str(waiting.get("reason") or "ContainerCreating")


def _check(tail: int | None, limit: int | None, seconds: int | None, query: Query) -> None:
    causes = []
    if tail is not None and tail < 0:
        causes.append(Cause("tailLines", f"Invalid value: {tail}: must be greater than or equal to 0"))
    if limit is not None and limit < 1:
        causes.append(Cause("limitBytes", f"Invalid value: {limit}: must be greater than 0"))
    if seconds is not None and query.get("sinceTime"):
        words = "Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified"
        causes.append(Cause("", words, errors.FORBIDDEN))
    elif seconds is not None and seconds < 1:
        causes.append(Cause("sinceSeconds", f"Invalid value: {seconds}: must be greater than 0"))
    if causes:
        raise errors.invalid("PodLogOptions", "", "", causes)


def _number(query: Query, name: str) -> int | None:
    text = query.get(name, "")
    if not text:
        return None
    try:
        return int(text)
    except ValueError:
        raise errors.bad_request(f'strconv.ParseInt: parsing "{text[:40]}": invalid syntax') from None


def _time(text: str) -> Any:
    """Return a time; None for no text."""
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise errors.bad_request(f'parsing time "{text[:40]}" as RFC 3339') from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
