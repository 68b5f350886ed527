"""Refusals as `Status` objects, worded like those of a real server (Kubernetes API conventions, "Response status kind")."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from nautes_localstack.kubernetes.kinds import Resource

REQUIRED: Final = "FieldValueRequired"
INVALID: Final = "FieldValueInvalid"
FORBIDDEN: Final = "FieldValueForbidden"


class ApiError(Exception):
    """A refusal: HTTP status, machine-readable reason, message, and the rest of the Status object."""

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        details: Mapping[str, Any] | None = None,
        *,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details
        self.metadata = metadata or {}

    def body(self) -> dict[str, Any]:
        """Return the Status object."""
        status: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": dict(self.metadata),
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
        }
        if self.details is not None:
            status["details"] = dict(self.details)
        return {**status, "code": self.code}


class PageNotFound(Exception):
    """A path that nobody serves: answered with plain text, not with a Status."""


@dataclass(frozen=True)
class Cause:
    """One violated rule of one field. `message` begins like the field errors of Kubernetes do."""

    field: str
    message: str
    reason: str = INVALID


def details(resource: "Resource", name: str = "") -> dict[str, Any]:
    """Return the details that name a resource."""
    found = {"name": name} if name else {}
    if resource.group:
        found["group"] = resource.group
    return {**found, "kind": resource.plural}


def not_found(resource: "Resource", name: str) -> ApiError:
    """404: there is no such object."""
    return ApiError(404, "NotFound", f'{resource.qualified} "{name}" not found', details(resource, name))


def already_exists(resource: "Resource", name: str) -> ApiError:
    """409: the name is taken."""
    message = f'{resource.qualified} "{name}" already exists'
    return ApiError(409, "AlreadyExists", message, details(resource, name))


def modified(resource: "Resource", name: str) -> ApiError:
    """409: the resourceVersion that was sent is not the present one."""
    return conflict(
        resource,
        name,
        "the object has been modified; please apply your changes to the latest version and try again",
    )


def conflict(resource: "Resource", name: str, why: str) -> ApiError:
    """409: the object is not in the state that was asked for."""
    message = f'Operation cannot be fulfilled on {resource.qualified} "{name}": {why}'
    return ApiError(409, "Conflict", message, details(resource, name))


def precondition(resource: "Resource", name: str, why: str) -> ApiError:
    """409: a precondition of a deletion does not hold; it names the kind, unlike others."""
    message = f'Operation cannot be fulfilled on {resource.kind} "{name}": {why}'
    return ApiError(409, "Conflict", message, {"name": name, "kind": resource.kind})


def bad_request(message: str) -> ApiError:
    """400: the request cannot be understood."""
    return ApiError(400, "BadRequest", message)


def forbidden(resource: "Resource", name: str, why: str, causes: Sequence[Cause] = ()) -> ApiError:
    """403: this may not be done."""
    named = f'{resource.qualified} "{name}"' if name else resource.qualified
    about = details(resource, name)
    if causes:
        about["causes"] = _causes(causes)
    return ApiError(403, "Forbidden", f"{named} is forbidden: {why}", about)


def invalid(kind: str, group: str, name: str, causes: Sequence[Cause]) -> ApiError:
    """422: the object breaks rules of its kind."""
    texts = list(dict.fromkeys(f"{cause.field}: {cause.message}" for cause in causes))
    what = texts[0] if len(texts) == 1 else "[" + ", ".join(texts) + "]"
    about: dict[str, Any] = {"name": name} if name else {}
    if group:
        about["group"] = group
    about |= {"kind": kind, "causes": _causes(causes)}
    qualified = f"{kind}.{group}" if group else kind
    return ApiError(422, "Invalid", f'{qualified} "{name}" is invalid: {what}', about)


def rejected_patch() -> ApiError:
    """422: a JSON patch does not apply to the object."""
    return ApiError(422, "Invalid", "the server rejected our request due to an error in our request", {})


def unauthorized() -> ApiError:
    """401: we do not know who asks."""
    return ApiError(401, "Unauthorized", "Unauthorized")


def unsupported_media_type(message: str = "415: Unsupported Media Type") -> ApiError:
    """415: no such patch, or a body in a language that we do not read."""
    return ApiError(415, "UnsupportedMediaType", message, {})


def method_not_allowed() -> ApiError:
    """405: the resource exists but not this verb."""
    message = "the server does not allow this method on the requested resource"
    return ApiError(405, "MethodNotAllowed", message, {})


def expired(message: str, continuation: str = "") -> ApiError:
    """410: what was asked for is older than what is kept."""
    metadata = {"continue": continuation} if continuation else {}
    return ApiError(410, "Expired", message, metadata=metadata)


def from_the_future(asked: int, present: int) -> ApiError:
    """504: a list at a resourceVersion that is not reached yet."""
    cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
    message = f"Too large resource version: {asked}, current: {present}"
    about = {"causes": [cause], "retryAfterSeconds": 1}
    return ApiError(504, "Timeout", f"Timeout: {message}", about)


def apply_conflict(conflicts: Sequence[tuple[str, str]]) -> ApiError:
    """409: fields of an apply belong to others; `conflicts` are (who, field path)."""
    lines = [f"conflict with {who}: {field}" for who, field in conflicts]
    count = "1 conflict" if len(lines) == 1 else f"{len(lines)} conflicts"
    causes = [
        {"reason": "FieldManagerConflict", "message": f"conflict with {who}", "field": field}
        for who, field in conflicts
    ]
    if len(lines) == 1:
        return ApiError(409, "Conflict", f"Apply failed with {count}: {lines[0]}", {"causes": causes})
    return ApiError(409, "Conflict", f"Apply failed with {count}: {_grouped(conflicts)}", {"causes": causes})


def _grouped(conflicts: Sequence[tuple[str, str]]) -> str:
    fields: dict[str, list[str]] = {}
    for who, field in conflicts:
        fields.setdefault(who, []).append(field)
    return "\n".join(
        f"conflicts with {who}:\n" + "\n".join(f"- {one}" for one in some) for who, some in fields.items()
    )


def _causes(causes: Sequence[Cause]) -> list[dict[str, str]]:
    return [{"reason": one.reason, "message": one.message, "field": one.field} for one in causes]
