"""What is ours on GitLab and how it reads as specs. Pure: GitLab's JSON in, our words out.

A group is ours when its description starts with `nautes:<tenant>`, a project when it carries the topic
`nautes` and is not archived, a hook when its URL lies under our gateway's.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from nautes_adapters.gitlab.api import Json
from nautes_domain.plan import Ref, Spec

SYSTEM: Final = "gitlab"
TOPIC: Final = "nautes"
BARE: Final = "nautes-bare"
"""Topic of a project that was declared to be made empty, so that the declaration can be compared."""

EVENTS: Final = (
    "confidential_issues_events",
    "confidential_note_events",
    "deployment_events",
    "emoji_events",
    "feature_flag_events",
    "issues_events",
    "job_events",
    "merge_requests_events",
    "milestone_events",
    "note_events",
    "pipeline_events",
    "push_events",
    "releases_events",
    "resource_access_token_events",
    "resource_deploy_token_events",
    "tag_push_events",
    "wiki_page_events",
)
"""Events of a project hook (GitLab API, "Project webhooks")."""

_MADE_FOR: Final = re.compile(r"\bmade for ([A-Za-z0-9_][A-Za-z0-9_.-]*)")
_VERSION = re.compile(r"nautes secret v([0-9]{1,9})\Z")


def group_mark(tenant: str) -> str:
    """Return what the description of a group of ours begins with."""
    return f"nautes:{tenant}"


def released_mark(tenant: str) -> str:
    """Return what replaces the mark when a group is no longer declared; its projects stay."""
    return f"released by nautes:{tenant}"


def is_our_group(group: Json, tenant: str) -> bool:
    """Say whether a group carries our mark; the tenant's own group may carry any mark of the product."""
    words = str(group.get("description") or "").split(maxsplit=1)
    first = words[0] if words else ""
    return first == group_mark(tenant) or (group.get("path") == tenant and first.startswith("nautes:"))


def may_take_group(group: Json, tenant: str) -> bool:
    """Say whether a group that exists may become ours: it is, it was, or it is the tenant's own by name."""
    description = str(group.get("description") or "")
    was_ours = description.startswith(released_mark(tenant))
    return is_our_group(group, tenant) or was_ours or group.get("full_path") == tenant


def is_our_project(project: Json) -> bool:
    """Say whether a project carries our mark and is in use."""
    return TOPIC in topics(project) and not project.get("archived")


def topics(project: Json) -> list[str]:
    """Return a project's topics (`tag_list` before GitLab 14)."""
    return [str(topic) for topic in project.get("topics") or ()]


def topics_for(project: Json, *, initialize: bool) -> list[str]:
    """Return a project's topics with our mark, people's own kept."""
    theirs = [topic for topic in topics(project) if topic not in (TOPIC, BARE)]
    return sorted({*theirs, TOPIC, *(() if initialize else (BARE,))})


def group_ref(name: str) -> Ref:
    """Return the address of a group."""
    return Ref(SYSTEM, "Group", name)


def group_spec(group: Json) -> Spec:
    """Return a group as a spec. `creator` is for whom it was made, there once that person was let in."""
    found = _MADE_FOR.search(str(group.get("description") or ""))
    return {"visibility": group.get("visibility"), **({"creator": found.group(1)} if found else {})}


def made_for(description: str, creator: str) -> str:
    """Return a group's description that says for whom it was made; what people wrote stays."""
    words = f"made for {creator}"
    if _MADE_FOR.search(description):
        return _MADE_FOR.sub(words, description, count=1)
    return f"{description.rstrip()} {words}".lstrip()


def project_ref(project: Json) -> Ref:
    """Return the address of a project."""
    group, _, name = str(project["path_with_namespace"]).rpartition("/")
    return Ref(SYSTEM, "Project", name, group)


def project_spec(project: Json) -> Spec:
    """Return a project as a spec. `initialize` is what was declared when it was made, not what it holds now."""
    return {"visibility": project.get("visibility"), "initialize": BARE not in topics(project)}


def hook_prefix(gateway_url: str) -> str:
    """Return what the URLs of our hooks begin with."""
    return f"{gateway_url.rstrip('/')}/hooks/gitlab/"


def hook_refs(hooks: Iterable[Json], project_path: str, prefix: str) -> Mapping[Ref, Json]:
    """Return the hooks of one project that are ours by address.

    Two hooks with one URL would deliver everything twice: the younger gets a name that nobody declares,
    `<hook id>~<number>`, and is thereby removed.
    """
    found: dict[Ref, Json] = {}
    for hook in sorted(hooks, key=lambda one: int(one["id"])):
        url = str(hook.get("url") or "")
        if not url.startswith(prefix):
            continue
        name = url.removeprefix(prefix)
        ref = Ref(SYSTEM, "Hook", name, project_path)
        if ref in found:
            ref = Ref(SYSTEM, "Hook", f"{name}~{hook['id']}", project_path)
        found[ref] = hook
    return found


def hook_spec(hook: Json) -> Spec:
    """Return a hook as a spec: events sorted by name.

    A hook that GitLab disabled after too many failures delivers nothing, so it reads as having no events
    and differs from every declaration (GitLab API, "Project webhooks", `alert_status`). One whose secret
    was taken out reads as having version 0 (`token_present`, `signing_token_present`; older GitLabs are silent).
    """
    events = [] if is_disabled(hook) else [event for event in EVENTS if hook.get(event)]
    stripped = any(hook.get(key) is False for key in ("token_present", "signing_token_present"))
    version = None if stripped else _VERSION.search(str(hook.get("description") or ""))
    return {
        "url": hook.get("url"),
        "events": events,
        "secret_version": int(version.group(1)) if version else 0,
    }


def is_disabled(hook: Json) -> bool:
    """Say whether GitLab disabled a hook for good; `temporarily_disabled` mends itself."""
    return hook.get("alert_status") == "disabled"


def hook_body(spec: Spec, token: str, signing_token: str, version: int) -> dict[str, Any]:
    """Return what is sent to create or change a hook. Holds secrets: never shown."""
    return {
        "url": spec["url"],
        "name": "nautes",
        "description": f"nautes secret v{version:d}",
        "enable_ssl_verification": True,
        "token": token,
        "signing_token": signing_token,
        **{event: event in spec["events"] for event in EVENTS},
    }
