"""Hooks of pipelines: tasks that platform teams offer and runtimes put before or after their own. Values only.

A hook says of itself where it may stand, which variables people give it (JSON Schema), which it wants to be told, and
what it needs beside it; its task is a template that values reach as parameters only (security rule 10).
Original: sections 1.13 (`nautes-hooks-metadata`), 4.9 (steps 8 to 11) and 4.11.
"""

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

TAKERS: Final = frozenset({"tekton"})
"""Pipeline components that can put tasks around a pipeline."""

PIPELINE_STATUS: Final = "PipelineStatus"
"""How the pipeline's tasks ended: `Succeeded`, `Failed`, `Completed` (some were skipped) or `None`; empty before them."""
RUN_NAME: Final = "RunName"
RUN_VARIABLES: Final = frozenset({PIPELINE_STATUS, RUN_NAME})
"""What a hook may be told besides the variables of platform and event."""

KEYS: Final = "nautes.hook-keys"
"""Secret in a namespace of pipelines: the read keys that hooks there ask for, see `key_entries`."""
KNOWN_HOSTS: Final = "known_hosts"
AUTHORITIES: Final = "nautes.authorities"
"""ConfigMap in a namespace of pipelines: the tenant's certificate authorities, in `AUTHORITIES_FILE`."""
AUTHORITIES_FILE: Final = "ca.crt"

NO_VARIABLES: Final[Mapping[str, Any]] = {"type": "object", "additionalProperties": False}


class Resource(StrEnum):
    """What a hook may ask to find as a folder beside it (section 4.9 of the original, step 11)."""

    SSH_KEY = "sshKey"
    """Files `ssh-privatekey`, `known_hosts` and `url`: how to read the pipeline repository."""
    ACCESS_TOKEN = "accessToken"  # noqa: S105 - the name of a kind of secret
    """A token of the pipeline repository; the platform issues none, so who asks for it is refused."""
    CA_FILE = "caFile"
    """File `ca.crt`: the certificate authorities of the tenant."""
    EMPTY = "empty"
    """An empty folder."""


@dataclass(frozen=True, slots=True)
class HookKind:
    """A hook that is installed. What is wrong with one is said when it is found, see `nautes_hooks`."""

    name: str
    """A label; unique among the hooks of its component."""
    component: str
    """The pipeline component that it is written for: `tekton`."""
    description: str
    is_pre_hook: bool
    is_post_hook: bool
    task: Mapping[str, Any] = field(repr=False)
    """Steps in the component's own words. Values come in as `$(params.NAME)` in `env` of a step, folders as
    `$(workspaces.NAME.path)`; neither is ever part of a script, command or argument."""
    event_source_types: frozenset[str] = frozenset({"gitlab", "calendar"})
    variables: Mapping[str, Any] = field(default_factory=lambda: NO_VARIABLES)
    """JSON Schema (2020-12) of an object whose properties are all text."""
    wants: tuple[str, ...] = ()
    """Variables of platform, event and run that it is told; each is a parameter of that name."""
    resources: Mapping[str, Resource] = field(default_factory=dict)
    """Folders by the name of their workspace."""
    optional: frozenset[str] = frozenset()
    """Folders that it does without where the tenant has nothing to put there; their path is empty then."""

    @property
    def parameters(self) -> tuple[str, ...]:
        """Return the names of everything that its task may be given."""
        return (*self.variables.get("properties", {}), *self.wants)


HookKinds = Mapping[str, Mapping[str, HookKind]]
"""Hooks by pipeline component and name."""

NO_HOOKS: Final[HookKinds] = {}


@dataclass(frozen=True, slots=True)
class PlacedHook:
    """One hook of one run, with what it is given."""

    kind: HookKind
    label: str
    """Its alias, or its name: unique in its runtime."""
    after: bool
    """Whether it stands after the pipeline."""
    values: Mapping[str, str]
    """By parameter. What people wrote and events said is text and nothing else; `PipelineStatus` is left to the engine."""
    folders: Mapping[str, Resource] = field(default_factory=dict)
    """What it finds beside it, by workspace: all that it asks for, less optional ones that there is nothing for."""
    repository: str = ""
    """Name of the pipeline repository, whose key it may ask for."""


@dataclass(frozen=True, slots=True)
class KeyEntries:
    """Names of the entries of one repository in `KEYS`; injective, since names of repositories hold no dots."""

    key: str
    url: str


def key_entries(repository: str) -> KeyEntries:
    """Return where a repository's key and address stand in `KEYS`."""
    return KeyEntries(f"{repository}.key", f"{repository}.url")


def folders(kind: HookKind, present: AbstractSet[Resource]) -> Mapping[str, Resource]:
    """Return what a hook finds beside it where the tenant has these resources."""
    return {
        name: resource
        for name, resource in kind.resources.items()
        if name not in kind.optional or resource in present
    }


def asked_for(hooks: Iterable[PlacedHook]) -> frozenset[Resource]:
    """Return every kind of thing that hooks need beside them."""
    return frozenset(resource for hook in hooks for resource in hook.folders.values())
