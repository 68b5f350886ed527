"""Bodies of requests: JSON, and YAML where it says so. Pure."""

import json
from typing import Any, Final

import yaml

from nautes_localstack.kubernetes import errors
from nautes_localstack.kubernetes.requests import Request
from nautes_localstack.kubernetes.shapes import Object

_OPTIONS: Final = ("propagationPolicy", "orphanDependents", "gracePeriodSeconds", "dryRun")


def options(request: Request) -> dict[str, Any]:
    """Return the DeleteOptions of a body, and of the query where the body has none."""
    options = body(request) if request.body else {}
    for key in _OPTIONS:
        if key in request.query:
            options.setdefault(key, request.query[key])
    return options


def body(request: Request) -> Object:
    """Return the body, which must be an object; raise ApiError (400, 415)."""
    found = parsed(request)
    if not isinstance(found, dict):
        raise errors.bad_request("couldn't get version/kind; json parse error: expected an object")
    return found


def parsed(request: Request) -> Any:
    """Return the body, JSON or (where it says so) YAML; raise ApiError (400, 415)."""
    kind = request.headers.get("content-type", "application/json").partition(";")[0].strip()
    if "protobuf" in kind or "cbor" in kind:
        accepted = "application/json, application/yaml"
        raise errors.unsupported_media_type(
            f"the body of the request was in an unknown format - accepted media types include: {accepted}"
        )
    try:
        return json.loads(request.body)
    except (ValueError, RecursionError):
        if "yaml" not in kind:
            raise errors.bad_request(
                "couldn't get version/kind; json parse error: the body is no JSON"
            ) from None
    try:
        return yaml.safe_load(request.body)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError):
        raise errors.bad_request("error decoding YAML: the body is no YAML") from None
