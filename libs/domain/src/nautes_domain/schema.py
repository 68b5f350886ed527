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
FolderPath = Annotated[
    str, StringConstraints(min_length=1, max_length=500, pattern=r"^[A-Za-z0-9_.][A-Za-z0-9_./-]*$")
]
"""A path inside a repository: relative, no spaces, no leading slash or hyphen."""

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
    )


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
