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
from nautes_domain.events import ZERO, Delivery, DeliveryKind


@dataclass(frozen=True, slots=True)
class Ignored:
    """Genuine, but nothing here will ever act on it: answered 2xx, since GitLab counts failures of a hook."""

    reason: str


@dataclass(frozen=True, slots=True)
class Malformed:
    """Not what GitLab sends: answered 4xx, nothing stored."""

    code: str
    message: str


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

_KINDS: Final[Mapping[str, DeliveryKind]] = {"push": DeliveryKind.PUSH, "tag_push": DeliveryKind.TAG_PUSH}
_HEADER_KINDS: Final[Mapping[str, str]] = {"Push Hook": "push", "Tag Push Hook": "tag_push"}
_REF_PREFIXES: Final = {DeliveryKind.PUSH: "refs/heads/", DeliveryKind.TAG_PUSH: "refs/tags/"}
_SHA = re.compile(r"(?:[0-9a-f]{40}|[0-9a-f]{64})\Z")
_NOT_A_REF = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|/\.|\.lock(?:/|\Z)|[/.]\Z")
_INSTANCE = re.compile(r"https?://[!-~]{1,490}\Z")
MAX_REF: Final = 1000
MAX_PROJECT: Final = 1000
MAX_COUNT: Final = 2**53


class _Ends(Exception):
    """No delivery comes of this call."""

    def __init__(self, result: Ignored | Malformed) -> None:
        super().__init__(result)
        self.result = result


def normalise(call: Call, received_at: datetime) -> Delivery | Ignored | Malformed:
    """Return the delivery that a call asks us to store, or why there is none. Never raises."""
    try:
        _check_json(call.body)
        envelope = _ENVELOPE.decode(call.body)
        return _delivery(call, envelope, received_at)
    except _Ends as end:
        return end.result
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        return Malformed("unexpected-shape", _shown(str(error), 200))


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


def _malformed(code: str, message: str) -> _Ends:
    return _Ends(Malformed(code, message))


def _delivery(call: Call, envelope: _Envelope, received_at: datetime) -> Delivery:
    word = envelope.object_kind or envelope.event_name
    if not word:
        raise _Ends(Ignored("not-a-gitlab-event"))
    project_id = _project_id(envelope)
    if project_id != call.project_id:
        raise _malformed("project-mismatch", "the payload is of another project than the hook")
    if _HEADER_KINDS.get(call.event, word) != word:
        raise _malformed("event-mismatch", "X-Gitlab-Event and object_kind differ")
    kind = _KINDS.get(word, DeliveryKind.OTHER)
    common = {
        "id": delivery_id(call),
        "hook": call.hook,
        "kind": kind,
        "event": _shown(call.event or word, 100),
        "instance": call.instance if _INSTANCE.match(call.instance) else "",
        "project_id": project_id,
        "project": _project_path(envelope, kind),
        "received_at": received_at,
    }
    if kind is DeliveryKind.OTHER:
        return Delivery(**common)
    return _push(common, kind, _PUSH.decode(call.body))


def _project_id(envelope: _Envelope) -> int:
    """Return the project that the payload is about; both places where it may stand must agree."""
    places = (envelope.project_id, envelope.project.id if envelope.project else None)
    stated = {value for value in places if value is not None}
    if not stated:
        raise _Ends(Ignored("no-project"))
    if len(stated) > 1:
        raise _malformed("bad-project", "project_id and project.id differ")
    return stated.pop()


def _project_path(envelope: _Envelope, kind: DeliveryKind) -> str:
    path = (envelope.project.path_with_namespace if envelope.project else None) or (
        envelope.path_with_namespace or ""
    )
    if len(path) > MAX_PROJECT or not path.isprintable():
        raise _malformed("bad-project", "the project's path is too long or not printable")
    if not path and kind is not DeliveryKind.OTHER:
        raise _malformed("bad-project", "a push names its project's path")
    return path


def _push(common: Mapping[str, Any], kind: DeliveryKind, push: _Push) -> Delivery:
    _check_ref(push.ref, kind)
    _check_shas(push)
    deleted = not push.after.strip(ZERO)
    if deleted and not push.before.strip(ZERO):
        raise _Ends(Ignored("nothing-happened"))
    commits = push.commits or []
    counted = push.total_commits_count
    return Delivery(
        **common,
        ref=push.ref,
        before=push.before,
        after=push.after,
        checkout_sha="" if deleted else (push.checkout_sha or ""),
        actor=_shown(push.user_username or "", 255),
        message=_headline(commits, push.checkout_sha or push.after),
        commits_count=len(commits) if counted is None else max(0, min(counted, MAX_COUNT)),
        skip_ci=_skips_ci(push.push_options),
    )


def _check_ref(ref: str, kind: DeliveryKind) -> None:
    if len(ref) > MAX_REF or not ref.startswith("refs/") or _NOT_A_REF.search(ref):
        raise _malformed("bad-ref", "ref is not a full Git ref of at most 1000 characters")
    if ref.startswith(_REF_PREFIXES[kind]):
        return
    if ref.startswith(tuple(_REF_PREFIXES.values())):
        raise _malformed("event-mismatch", "the ref is not of the event's kind")
    raise _Ends(Ignored("ref-not-followed"))


def _check_shas(push: _Push) -> None:
    for field, sha in (("before", push.before), ("after", push.after), ("checkout_sha", push.checkout_sha)):
        if sha is not None and _SHA.match(sha) is None:
            raise _malformed("bad-sha", f"{field} is not 40 or 64 lower-case hexadecimal digits")


def _headline(commits: list[_Commit], head: str) -> str:
    """Return the first line of the head commit's message; of the newest listed if the head is not listed."""
    if not commits:
        return ""
    listed = next((commit for commit in commits if commit.id == head), commits[-1])
    lines = (listed.message or "").strip().splitlines()
    return _shown(lines[0], 300) if lines else ""


def _skips_ci(options: Any) -> bool:
    """Say whether `git push -o ci.skip` was given; GitLab sends `{"ci": {"skip": true}}`."""
    ci = options.get("ci") if isinstance(options, dict) else None
    return isinstance(ci, dict) and bool(ci.get("skip"))


def _shown(text: str, length: int) -> str:
    """Return text for people: one line, no control or bidirectional characters, cut."""
    cut = text[:length]
    if not cut.isprintable():
        cut = "".join(char if char.isprintable() else " " for char in cut)
    return cut.strip()


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
            raise _malformed("not-an-object", "the body must be a JSON object")
        fields = _OBJECT.decode(minified)
        unambiguous = msgspec.json.encode(fields) == minified
        project = bytes(fields.get("project", b""))
        if unambiguous and project.startswith(b"{"):
            unambiguous = msgspec.json.encode(_OBJECT.decode(project)) == project
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise _malformed("not-json", _shown(str(error), 200)) from None
    if not unambiguous:
        raise _malformed("repeated-key", "a key comes twice or is escaped")
