"""What a genuine hook call says: its bytes and headers become a Delivery, or a reason why not. Pure.

Sources: GitLab documentation, "Webhook events" and "Webhooks" (delivery headers); git-check-ref-format(1).
The payload is a hint: only allow-listed, bounded fields pass; texts for people are cut, keys never are.
"""

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, Final

import msgspec

from nautes_domain import names
from nautes_domain.events import PUSHES, ZERO, Delivery, DeliveryKind, asks_to_skip
from nautes_webhook_gateway.activities import ACTIVITIES
from nautes_webhook_gateway.bounds import (
    MAX_COUNT,
    Ends,
    Ignored,
    Malformed,
    full_ref,
    malformed,
    sha,
    shown,
)


@dataclass(frozen=True, slots=True)
class Call:
    """One authenticated hook call."""

    hook: str
    project_id: int
    """The project that the hook's secret belongs to."""
    body: bytes
    message_id: str
    """`webhook-id` if it was signed, else `Idempotency-Key` or `webhook-id`; may be empty (GitLab < 17.4)."""
    event: str = ""
    """`X-Gitlab-Event`."""
    event_uuid: str = ""
    """`X-Gitlab-Event-UUID`; recycled by GitLab, so never an identity of its own."""
    instance: str = ""
    """`X-Gitlab-Instance`."""


class _Project(msgspec.Struct):
    id: int | None = None
    path_with_namespace: str | None = None


class _Envelope(msgspec.Struct):
    """What every event has. System hooks may lack `object_kind`, and put the path at the top."""

    object_kind: str | None = None
    event_name: str | None = None
    project_id: int | None = None
    project: _Project | None = None
    path_with_namespace: str | None = None


class _Commit(msgspec.Struct):
    id: str = ""
    message: str | None = None


class _Push(msgspec.Struct):
    ref: str
    before: str
    after: str
    checkout_sha: str | None = None
    user_username: str | None = None
    total_commits_count: int | None = None
    commits: list[_Commit] | None = None
    push_options: Any = None


_ENVELOPE = msgspec.json.Decoder(_Envelope)
_PUSH = msgspec.json.Decoder(_Push)
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])

_KINDS: Final[Mapping[str, DeliveryKind]] = {
    "push": DeliveryKind.PUSH,
    "tag_push": DeliveryKind.TAG_PUSH,
    "merge_request": DeliveryKind.MERGE_REQUEST,
    "note": DeliveryKind.NOTE,
    "issue": DeliveryKind.ISSUE,
    "work_item": DeliveryKind.ISSUE,
    "build": DeliveryKind.JOB,
    "pipeline": DeliveryKind.PIPELINE,
    "deployment": DeliveryKind.DEPLOYMENT,
    "release": DeliveryKind.RELEASE,
}
"""`object_kind` to ours."""
_HEADER_KINDS: Final[Mapping[str, DeliveryKind]] = {
    "Push Hook": DeliveryKind.PUSH,
    "Tag Push Hook": DeliveryKind.TAG_PUSH,
    "Merge Request Hook": DeliveryKind.MERGE_REQUEST,
    "Note Hook": DeliveryKind.NOTE,
    "Confidential Note Hook": DeliveryKind.NOTE,
    "Issue Hook": DeliveryKind.ISSUE,
    "Confidential Issue Hook": DeliveryKind.ISSUE,
    "Job Hook": DeliveryKind.JOB,
    "Pipeline Hook": DeliveryKind.PIPELINE,
    "Deployment Hook": DeliveryKind.DEPLOYMENT,
    "Release Hook": DeliveryKind.RELEASE,
}
_REF_PREFIXES: Final = {DeliveryKind.PUSH: "refs/heads/", DeliveryKind.TAG_PUSH: "refs/tags/"}
_INSTANCE = re.compile(r"https?://[!-~]{1,490}\Z")
_VARIABLE = re.compile(r"([A-Za-z_][A-Za-z0-9_]{0,63})=(.{0,200})\Z", re.DOTALL)
MAX_PROJECT: Final = 1000
MAX_VARIABLES: Final = 20


def normalise(call: Call, received_at: datetime) -> Delivery | Ignored | Malformed:
    """Return the delivery that a call asks us to store, or why there is none. Never raises."""
    try:
        _check_json(call.body)
        envelope = _ENVELOPE.decode(call.body)
        return _delivery(call, envelope, received_at)
    except Ends as end:
        return end.result
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        return Malformed("unexpected-shape", shown(str(error), 200))


def delivery_id(call: Call) -> str:
    """Return the id under which a call is stored once.

    GitLab's key is a UUID and is kept as it is, for people to find in its log. Anything else is bound to the
    hook, so that no hook can take the id of another's delivery.
    """
    if call.message_id:
        try:
            return str(uuid.UUID(call.message_id))
        except ValueError:
            return f"key-{names.digest(call.hook, call.message_id, length=32)}"
    content = sha256(call.body).hexdigest()
    return f"content-{names.digest(call.hook, call.event, call.event_uuid, content, length=32)}"


def _delivery(call: Call, envelope: _Envelope, received_at: datetime) -> Delivery:
    word = envelope.object_kind or envelope.event_name
    if not word:
        raise Ends(Ignored("not-a-gitlab-event"))
    project_id = _project_id(envelope)
    if project_id != call.project_id:
        raise malformed("project-mismatch", "the payload is of another project than the hook")
    kind = _KINDS.get(word, DeliveryKind.OTHER)
    if _HEADER_KINDS.get(call.event, kind) is not kind:
        raise malformed("event-mismatch", "X-Gitlab-Event and object_kind differ")
    common = {
        "id": delivery_id(call),
        "hook": call.hook,
        "kind": kind,
        "event": shown(call.event or word, 100),
        "instance": call.instance if _INSTANCE.match(call.instance) else "",
        "project_id": project_id,
        "project": _project_path(envelope, kind),
        "received_at": received_at,
    }
    if kind in PUSHES:
        return _push(common, kind, _PUSH.decode(call.body))
    activity = ACTIVITIES.get(kind)
    return Delivery(**common, **(activity(call.body) if activity else {}))


def _project_id(envelope: _Envelope) -> int:
    """Return the project that the payload is about; both places where it may stand must agree."""
    places = (envelope.project_id, envelope.project.id if envelope.project else None)
    stated = {value for value in places if value is not None}
    if not stated:
        raise Ends(Ignored("no-project"))
    if len(stated) > 1:
        raise malformed("bad-project", "project_id and project.id differ")
    return stated.pop()


def _project_path(envelope: _Envelope, kind: DeliveryKind) -> str:
    path = (envelope.project.path_with_namespace if envelope.project else None) or (
        envelope.path_with_namespace or ""
    )
    if len(path) > MAX_PROJECT or not path.isprintable():
        raise malformed("bad-project", "the project's path is too long or not printable")
    if not path and kind in PUSHES:
        raise malformed("bad-project", "a push names its project's path")
    return path


def _push(common: Mapping[str, Any], kind: DeliveryKind, push: _Push) -> Delivery:
    _check_ref(push.ref, kind)
    _check_shas(push)
    deleted = not push.after.strip(ZERO)
    if deleted and not push.before.strip(ZERO):
        raise Ends(Ignored("nothing-happened"))
    commits = push.commits or []
    counted = push.total_commits_count
    head = next((one for one in commits if one.id == (push.checkout_sha or push.after)), None)
    return Delivery(
        **common,
        ref=push.ref,
        before=push.before,
        after=push.after,
        checkout_sha="" if deleted else (push.checkout_sha or ""),
        actor=shown(push.user_username or "", 255),
        message=_headline(head or (commits[-1] if commits else None)),
        commits_count=len(commits) if counted is None else max(0, min(counted, MAX_COUNT)),
        skip_ci=bool(_ci_options(push).get("skip")),
        message_skips=asks_to_skip(head.message or "") if head else None,
        variables=_variables(push),
    )


def _check_ref(ref: str, kind: DeliveryKind) -> None:
    full_ref(ref)
    if ref.startswith(_REF_PREFIXES[kind]):
        return
    if ref.startswith(tuple(_REF_PREFIXES.values())):
        raise malformed("event-mismatch", "the ref is not of the event's kind")
    raise Ends(Ignored("ref-not-followed"))


def _check_shas(push: _Push) -> None:
    for field, text in (("before", push.before), ("after", push.after), ("checkout_sha", push.checkout_sha)):
        sha(field, text)
        if text == "":
            raise malformed("bad-sha", f"{field} is empty")


def _headline(commit: _Commit | None) -> str:
    """Return the first line of a commit's message."""
    lines = ((commit and commit.message) or "").strip().splitlines()
    return shown(lines[0], 300) if lines else ""


def _ci_options(push: _Push) -> Mapping[str, Any]:
    """Return the push options for pipelines; GitLab sends `{"ci": {"skip": true}}` for `git push -o ci.skip`."""
    options = push.push_options
    ci = options.get("ci") if isinstance(options, dict) else None
    return ci if isinstance(ci, dict) else {}


def _variables(push: _Push) -> Mapping[str, str]:
    """Return the variables of `-o ci.variable=NAME=value`, which GitLab sends as `{"NAME=value": 1}`.

    Those which are too long, or too many, are left out: half a value would be another value.
    """
    given = _ci_options(push).get("variable")
    found: dict[str, str] = {}
    for one in given if isinstance(given, dict) else ():
        parts = _VARIABLE.match(one)
        if parts and len(found) < MAX_VARIABLES:
            found[parts.group(1)] = parts.group(2)
    return found


def _check_json(body: bytes) -> None:
    """End the call unless the bytes are one UTF-8 JSON object with unambiguous keys where we read them.

    msgspec refuses NaN, numbers out of range, BOMs, lone surrogates and (by its recursion limit) deep nesting,
    but of a repeated key it keeps the last. Compared here with the minified original, a repeated key shows;
    so does an escaped one, which GitLab never sends.
    """
    try:
        str(body, "utf-8")
        minified = msgspec.json.format(body, indent=-1)
        if not minified.startswith(b"{"):
            raise malformed("not-an-object", "the body must be a JSON object")
        fields = _OBJECT.decode(minified)
        unambiguous = msgspec.json.encode(fields) == minified
        project = bytes(fields.get("project", b""))
        if unambiguous and project.startswith(b"{"):
            unambiguous = msgspec.json.encode(_OBJECT.decode(project)) == project
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise malformed("not-json", shown(str(error), 200)) from None
    if not unambiguous:
        raise malformed("repeated-key", "a key comes twice or is escaped")
