"""What the forge knows, as frozen records. Ids are GitLab's: positive, one sequence per kind, never used again."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field

VISIBILITIES: Final[Mapping[str, int]] = {"private": 0, "internal": 10, "public": 20}
"""Names and the numbers that webhook payloads use (GitLab, "Project visibility")."""

EVENTS: Final = (
    "push_events",
    "tag_push_events",
    "issues_events",
    "confidential_issues_events",
    "merge_requests_events",
    "note_events",
    "confidential_note_events",
    "job_events",
    "pipeline_events",
    "wiki_page_events",
    "deployment_events",
    "feature_flag_events",
    "releases_events",
    "milestone_events",
    "emoji_events",
    "resource_access_token_events",
    "vulnerability_events",
)
"""Events that a project hook may ask for; only pushes, tag pushes, merge requests and their notes ever happen here."""


class Record(BaseModel):
    """One row of the state."""

    # A hook holds secrets: an error must not quote what it refuses.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    id: int


class User(Record):
    """A person or a service."""

    username: str
    name: str
    email: str
    is_admin: bool = False
    bot: bool = False
    created_at: datetime


class AccessToken(Record):
    """A personal access token. The token itself is not kept, only its SHA-256."""

    user_id: int
    name: str
    digest: str
    scopes: tuple[str, ...]
    description: str = ""
    created_at: datetime
    expires_at: date | None = None
    revoked: bool = False


class Group(Record):
    """A group; a subgroup has a parent. Paths do not change."""

    parent_id: int | None = None
    name: str
    path: str
    full_path: str
    description: str = ""
    visibility: str = "private"
    created_at: datetime


class Project(Record):
    """A project with its repository. Paths do not change."""

    group_id: int
    name: str
    path: str
    full_path: str
    description: str = ""
    visibility: str = "private"
    default_branch: str = "main"
    empty: bool = True
    """No branch was ever pushed; the first one becomes the default branch."""
    topics: tuple[str, ...] = ()
    archived: bool = False
    creator_id: int
    created_at: datetime
    last_activity_at: datetime


class Member(Record):
    """An access level on a group (and what is in it) or on a project."""

    kind: str
    """`group` or `project`."""
    owner_id: int
    user_id: int
    access_level: int
    expires_at: date | None = None
    created_at: datetime


class Hook(Record):
    """A project webhook with its failures. Holds two secrets: never shown."""

    project_id: int
    url: str
    name: str = ""
    description: str = ""
    token: str = Field(default="", repr=False)
    signing_token: str = Field(default="", repr=False)
    events: frozenset[str] = frozenset({"push_events"})
    push_events_branch_filter: str = ""
    enable_ssl_verification: bool = True
    created_at: datetime
    recent_failures: int = 0
    disabled_until: datetime | None = None


class HookEvent(Record):
    """One attempt to call a hook. Secret headers are redacted."""

    hook_id: int
    trigger: str
    url: str
    idempotency_key: str
    request_headers: dict[str, str]
    request_data: dict[str, Any]
    response_headers: dict[str, str]
    response_body: str
    response_status: str
    """The HTTP status, or `internal error` when there was no answer."""
    execution_duration: float
    """Seconds."""
    created_at: datetime


class MergeRequest(Record):
    """A proposal to merge one branch of a project into another. There are no forks here, and nothing is merged."""

    project_id: int
    iid: int
    """The number that people see, counted per project."""
    source_branch: str
    target_branch: str
    title: str
    description: str = ""
    labels: tuple[str, ...] = ()
    state: str = "opened"
    """`opened` or `closed`."""
    sha: str
    """Head of the source branch."""
    author_id: int
    created_at: datetime
    updated_at: datetime

    @property
    def draft(self) -> bool:
        """Whether the title says so (GitLab, "Draft merge requests")."""
        return self.title.lower().startswith(("draft:", "[draft]", "(draft)"))


class DeployKey(Record):
    """A public key that reads one project over SSH, and with `can_push` writes to it as whoever added it."""

    project_id: int
    title: str
    key: str
    fingerprint: str
    fingerprint_sha256: str
    can_push: bool = False
    creator_id: int = 0
    """0 where it was not noted yet; such a key cannot push."""
    created_at: datetime


class Pipeline(Record):
    """What groups the jobs of one commit and ref, and the statuses that others report of it."""

    project_id: int
    sha: str
    ref: str
    tag: bool = False
    source: str = "external"
    """`api`, or `external` where statuses came first."""
    name: str = ""
    user_id: int = 0
    variables: Mapping[str, str] = Field(default_factory=dict)
    created_at: datetime


class Job(Record):
    """One job of a pipeline. Its token is not kept, only the token's SHA-256."""

    project_id: int
    pipeline_id: int
    name: str
    stage: str
    stage_index: int
    script: tuple[str, ...]
    tags: tuple[str, ...] = ()
    allow_failure: bool = False
    status: str = "created"
    failure_reason: str = ""
    retried: bool = False
    """Another job took its place."""
    trace: str = ""
    token: str = ""
    """Digest of the token with which the runner that took it reports."""
    runner_id: int = 0
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None


class Runner(Record):
    """What asks for jobs. Its token is not kept, only the token's SHA-256."""

    project_id: int = 0
    """0 for one that takes jobs of all projects."""
    description: str = ""
    digest: str
    created_at: datetime


class Note(Record):
    """A comment on a merge request."""

    project_id: int
    merge_request_id: int
    author_id: int
    body: str
    created_at: datetime
    updated_at: datetime


class Status(Record):
    """A commit status reported from outside."""

    project_id: int
    pipeline_id: int
    sha: str
    ref: str
    name: str
    status: str
    description: str | None = None
    target_url: str | None = None
    coverage: float | None = None
    user_id: int
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
