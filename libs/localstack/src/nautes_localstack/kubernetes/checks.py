"""What a request says twice, in its path and in its body, or about the object as it should be now. Pure."""

from collections.abc import Mapping
from typing import Any

from nautes_localstack.kubernetes import errors
from nautes_localstack.kubernetes.kinds import Resource
from nautes_localstack.kubernetes.shapes import Object


def preconditions(resource: Resource, live: Object, wanted: Mapping[str, Any]) -> None:
    """Raise ApiError (409) unless the object is the very one that is to be deleted."""
    metadata = live["metadata"]
    for key, word in (("uid", "UID"), ("resourceVersion", "ResourceVersion")):
        if wanted.get(key) and wanted[key] != metadata[key]:
            why = f"the {word} in the precondition ({wanted[key]}) does not match the {word} in record ({metadata[key]})"
            raise errors.precondition(
                resource, metadata["name"], f"{why}. The object might have been deleted and then recreated"
            )


def name(wanted: str, metadata: Mapping[str, Any]) -> None:
    """Raise ApiError (400) if the body has another name than the path."""
    if wanted and metadata.get("name") not in (None, "", wanted):
        raise errors.bad_request(
            f"the name of the object ({metadata['name']}) does not match the name on the URL ({wanted})"
        )


def namespace(resource: Resource, wanted: str, metadata: Object) -> None:
    """Write the path's namespace into the metadata; raise ApiError (400) if another is there."""
    if not resource.namespaced:
        metadata.pop("namespace", None)
        return
    if metadata.get("namespace") not in (None, "", wanted):
        raise errors.bad_request(
            "the namespace of the provided object does not match the namespace sent on the request"
        )
    metadata["namespace"] = wanted


def wrong_kind(resource: Resource, api_version: str, kind: str) -> str:
    """Return what is said about a body of another kind."""
    sent = f"{api_version}, Kind={kind}"
    return (
        f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}: '
        f"the API version or kind in the data ({sent}) does not match the expected one "
        f"({resource.api_version}, Kind={resource.kind})"
    )
