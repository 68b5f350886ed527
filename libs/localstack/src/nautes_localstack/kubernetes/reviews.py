"""Questions to the server that leave nothing behind: tokens, and who may do what."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from nautes_localstack.kubernetes import apply, errors, tokens
from nautes_localstack.kubernetes.access import Guard
from nautes_localstack.kubernetes.apply import Scope, Writer
from nautes_localstack.kubernetes.errors import Cause
from nautes_localstack.kubernetes.kinds import (
    ACCESS_REVIEWS,
    LOCAL_ACCESS_REVIEWS,
    RULES_REVIEWS,
    SELF_SUBJECT_REVIEWS,
    TOKEN_REQUESTS,
    TOKEN_REVIEWS,
    Resource,
)
from nautes_localstack.kubernetes.objects import Call, now
from nautes_localstack.kubernetes.rbac import Access, User
from nautes_localstack.kubernetes.shapes import Object
from nautes_localstack.kubernetes.storage import Row
from nautes_localstack.kubernetes.tokens import Signer

_NOBODY: Final[Mapping[str, Any]] = {}


def answer(guard: Guard, signer: Signer, call: Call, body: Object) -> Object:
    """Return a review with its answer; raise ApiError (422) for a question that is none."""
    spec = body.get("spec") or {}
    resource = call.resource
    if resource is TOKEN_REVIEWS:
        status = _token_status(guard, signer, spec)
    elif resource is SELF_SUBJECT_REVIEWS:
        status = {"userInfo": _shown(call.user)}
    elif resource is RULES_REVIEWS:
        status = _rules(guard, call.user, str(spec.get("namespace") or "default"))
    else:
        status = {"allowed": guard.allows(*_question(call, spec))}
    return {**_echo(resource, call, body), "status": status}


def _token_status(guard: Guard, signer: Signer, spec: Mapping[str, Any]) -> Object:
    audiences = tuple(spec.get("audiences") or (signer.issuer,))
    user = guard.of_token(str(spec.get("token") or ""), audiences)
    if user is None:
        return {"user": {}, "error": "[invalid bearer token, service account token has been invalidated]"}
    return {
        "authenticated": True,
        "user": _shown(user),
        "audiences": list(_shared(signer, user, spec, audiences)),
    }


def _shared(signer: Signer, user: User, spec: Mapping[str, Any], asked: tuple[str, ...]) -> tuple[str, ...]:
    account = signer.account(str(spec["token"])) if user.extra else None
    return tuple(one for one in asked if account is None or one in account.audiences)


def _shown(user: User) -> Object:
    shown: Object = {"username": user.name}
    if user.uid:
        shown["uid"] = user.uid
    shown["groups"] = list(user.groups)
    if user.extra:
        shown["extra"] = {key: list(values) for key, values in user.extra.items()}
    return shown


def _question(call: Call, spec: Mapping[str, Any]) -> tuple[User, Access]:
    user = call.user
    if call.resource in (ACCESS_REVIEWS, LOCAL_ACCESS_REVIEWS):
        if not spec.get("user") and not spec.get("groups"):
            cause = Cause("spec.user", 'Invalid value: "": at least one of user or group must be specified')
            raise errors.invalid(call.resource.kind, call.resource.group, "", [cause])
        user = User(str(spec.get("user") or ""), str(spec.get("uid") or ""), tuple(spec.get("groups") or ()))
    asked = spec.get("resourceAttributes") or _NOBODY
    other = spec.get("nonResourceAttributes") or _NOBODY
    if bool(asked) == bool(other):
        text = "Invalid value: null: exactly one of nonResourceAttributes or resourceAttributes must be specified"
        raise errors.invalid(
            call.resource.kind, call.resource.group, "", [Cause("spec.resourceAttributes", text)]
        )
    if other:
        return user, Access(str(other.get("verb") or ""), path=str(other.get("path") or ""))
    plural, sub = str(asked.get("resource") or ""), str(asked.get("subresource") or "")
    return user, Access(
        str(asked.get("verb") or ""),
        str(asked.get("group") or ""),
        f"{plural}/{sub}" if sub else plural,
        str(asked.get("namespace") or ""),
        str(asked.get("name") or ""),
    )


def _rules(guard: Guard, user: User, namespace: str) -> Object:
    rules = guard.grants.rules(user, namespace)
    return {
        "resourceRules": [
            {"verbs": sorted(one.verbs), "apiGroups": sorted(one.groups), "resources": sorted(one.resources)}
            for one in rules
            if one.resources
        ],
        "nonResourceRules": [
            {"verbs": sorted(one.verbs), "nonResourceURLs": sorted(one.paths)} for one in rules if one.paths
        ],
        "incomplete": False,
    }


def _echo(resource: Resource, call: Call, body: Object) -> Object:
    obj = {**body, "kind": resource.kind, "apiVersion": resource.api_version}
    writer = Writer(call.manager, "Update", resource.api_version)
    managed = apply.updated(None, {**obj, "metadata": {}}, {}, writer, Scope(resource.shape), now())
    metadata = {"managedFields": apply.encode(managed)} if managed else {}
    return {**obj, "metadata": metadata}


def token(signer: Signer, call: Call, row: Row, body: Object) -> Object:
    """Return a TokenRequest of a ServiceAccount with its token; raise ApiError (422) if it would live too briefly."""
    spec = body.get("spec") or {}
    seconds = spec.get("expirationSeconds", tokens.USUAL)
    _check_life(seconds)
    audiences = list(spec.get("audiences") or [signer.issuer])
    at = time.time()
    account = tokens.new_account(call.namespace, call.name, row.uid, audiences)
    asked = {
        "apiVersion": TOKEN_REQUESTS.api_version,
        "kind": TOKEN_REQUESTS.kind,
        "metadata": {},
        "spec": spec,
    }
    writer = Writer(call.manager, "Update", TOKEN_REQUESTS.api_version, "token")
    managed = apply.updated(None, asked, {}, writer, Scope(TOKEN_REQUESTS.shape), now())
    metadata: Object = {
        "name": call.name,
        "namespace": call.namespace,
        "uid": row.uid,
        "creationTimestamp": now(),
    }
    if managed:
        metadata["managedFields"] = apply.encode(managed)
    ends = datetime.fromtimestamp(int(at) + seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        **asked,
        "metadata": metadata,
        "spec": {
            "audiences": audiences,
            "expirationSeconds": seconds,
            "boundObjectRef": spec.get("boundObjectRef"),
        },
        "status": {"token": signer.sign(account, seconds, at), "expirationTimestamp": ends},
    }


def _check_life(seconds: Any) -> None:
    if not isinstance(seconds, int) or isinstance(seconds, bool):
        raise errors.bad_request(
            "json: cannot unmarshal value into Go struct field TokenRequestSpec.spec.expirationSeconds of type int64"
        )
    text = ""
    if seconds < tokens.SHORTEST:
        text = f"Invalid value: {seconds}: may not specify a duration less than 10 minutes"
    elif seconds > tokens.LONGEST:
        text = f"Invalid value: {seconds}: may not specify a duration larger than 2^32 seconds"
    if text:
        cause = Cause("spec.expirationSeconds", text)
        raise errors.invalid(TOKEN_REQUESTS.kind, TOKEN_REQUESTS.group, "", [cause])
