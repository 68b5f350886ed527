"""What all manifests share: the envelope, naming of fields, and the text types. Nothing about a single kind."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

from nautes_domain import conditions, patterns
from nautes_domain.names import Label

API_VERSION: Final = "nautes.resource.nautes.io/v1alpha1"

Text = Annotated[str, StringConstraints(min_length=1, max_length=500)]
Pattern = Annotated[str, StringConstraints(max_length=250)]


def _inside(path: str) -> str:
    """Return the path if it cannot leave its repository or reach Git's own files; raise ValueError otherwise."""
    parts = path.split("/")
    if ".." in parts or ".git" in (part.lower() for part in parts):
        raise ValueError("a path may not leave its repository: no `..` and no `.git`")
    return path


FolderPath = Annotated[
    str,
    StringConstraints(min_length=1, max_length=500, pattern=r"^[A-Za-z0-9_.][A-Za-z0-9_./-]*$"),
    AfterValidator(_inside),
]
"""A path inside a repository: relative, no spaces, no leading slash or hyphen, no `..`."""

FilePattern = Annotated[
    str,
    StringConstraints(min_length=1, max_length=500, pattern=r"^[A-Za-z0-9_.*?][A-Za-z0-9_./*?-]*$"),
    AfterValidator(_inside),
]
"""A path inside a repository in which `*` and `?` stand for any text within one folder."""

Revision = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_./+-]*$", max_length=250)]
"""A branch, tag or commit. No leading hyphen, which git would read as an option."""

GitUrl = Annotated[
    str,
    StringConstraints(
        pattern=r"^(((ssh://)?git@|https://)[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+(:[0-9]+/|[:/])([A-Za-z0-9_.-]+/)+[A-Za-z0-9_.-]+\.git)?$",
        max_length=500,
    ),
]
"""Address of a repository over SSH or HTTPS, without a password (R6 of the original; here groups may be nested)."""

RevisionPattern = Annotated[Pattern, AfterValidator(patterns.checked_revision)]
"""A name, a glob, or a regular expression that begins with `^`; see `patterns`."""
PathPattern = Annotated[Text, AfterValidator(patterns.checked_path)]
"""A file, a folder or a glob; with a leading `!` what is not meant; see `patterns`."""
Condition = Annotated[str, AfterValidator(conditions.checked)]
"""An expression of CEL about the event; see `conditions`."""

EventAction = Literal[
    "approval", "approved", "close", "create", "delete", "edit", "merge", "open", "reopen",
    "unapproval", "unapproved", "update",
]  # fmt: skip
"""GitLab's `object_attributes.action`; `update` is new code, `edit` (our word) everything else that was updated."""

HookEvent = Literal[
    "confidential_issues_events", "confidential_note_events", "deployment_events", "issues_events",
    "job_events", "merge_requests_events", "note_events", "pipeline_events", "push_events",
    "releases_events", "tag_push_events",
]  # fmt: skip
"""GitLab's hook events (section 3.4, R3 of the original)."""


class Part(BaseModel):
    """Any object inside a manifest: camelCase in the file, unknown fields refused, never changed."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="forbid",
        frozen=True,
        regex_engine="rust-regex",
        use_attribute_docstrings=True,
    )


class GitLabPlace(Part):
    """How a group or project looks in GitLab: `git.gitlab` of the REST bodies (section 2.4 of the original)."""

    name: str = ""
    path: Label | None = None
    """The entity's own name, if it is given."""
    visibility: Literal["private", "public"] = "private"
    description: Annotated[str, StringConstraints(max_length=2000)] = ""


class GitPlace(Part):
    """The place on the code host."""

    gitlab: GitLabPlace = GitLabPlace()


class Metadata(Part):
    """Name and notes of an entity."""

    name: Label
    namespace: str = ""
    """Accepted for manifests of the original; the folder decides to which product an entity belongs."""
    labels: Mapping[str, str] = Field(default_factory=dict)
    annotations: Mapping[str, str] = Field(default_factory=dict)


class Manifest(Part):
    """One entity as people declare it."""

    api_version: Literal["nautes.resource.nautes.io/v1alpha1"]
    kind: str
    metadata: Metadata

    KIND: ClassVar[str] = ""

    @property
    def name(self) -> str:
        """The name of the entity, unique per kind within its product."""
        return self.metadata.name
