"""The hooks that come with the platform. Values only; this module is what a wheel of hooks looks like."""

from typing import Final

from nautes_domain.hooks import PIPELINE_STATUS, RUN_NAME, HookKind, Resource
from nautes_hooks.scripts import CALL_WEBHOOK, LIST_PATH, WAIT_FOR

PYTHON: Final = "docker.io/library/python:3.13-alpine"
GIT: Final = "docker.io/alpine/git:v2.49.1"

URL: Final = {
    "type": "string",
    "pattern": r"^https?://[^\s@]+$",
    "maxLength": 500,
    "description": "Where to ask. It holds no user and no password: manifests lie in Git.",
}

call_webhook = HookKind(
    name="call-webhook",
    component="tekton",
    description="Posts a JSON object that says which run this is and, after the pipeline, how it ended.",
    is_pre_hook=True,
    is_post_hook=True,
    variables={
        "type": "object",
        "properties": {
            "url": URL,
            "text": {"type": "string", "maxLength": 500, "description": "Goes along as `text`."},
        },
        "required": ["url"],
        "additionalProperties": False,
    },
    wants=(
        RUN_NAME,
        PIPELINE_STATUS,
        "EventSourceCodeRepoName",
        "PipelineCodeRepoName",
        "PipelineRevision",
        "Namespace",
        "ref",
        "commitID",
    ),
    resources={"authorities": Resource.CA_FILE},
    optional=frozenset({"authorities"}),
    task={
        "steps": [
            {
                "name": "call",
                "image": PYTHON,
                "env": [
                    {"name": "NAUTES_URL", "value": "$(params.url)"},
                    {"name": "NAUTES_AUTHORITIES", "value": "$(workspaces.authorities.path)"},
                    {"name": "NAUTES_SAY_text", "value": "$(params.text)"},
                    {"name": "NAUTES_SAY_run", "value": "$(params.RunName)"},
                    {"name": "NAUTES_SAY_status", "value": "$(params.PipelineStatus)"},
                    {"name": "NAUTES_SAY_repository", "value": "$(params.EventSourceCodeRepoName)"},
                    {"name": "NAUTES_SAY_pipelineRepository", "value": "$(params.PipelineCodeRepoName)"},
                    {"name": "NAUTES_SAY_pipelineRevision", "value": "$(params.PipelineRevision)"},
                    {"name": "NAUTES_SAY_namespace", "value": "$(params.Namespace)"},
                    {"name": "NAUTES_SAY_ref", "value": "$(params.ref)"},
                    {"name": "NAUTES_SAY_commit", "value": "$(params.commitID)"},
                ],
                "script": CALL_WEBHOOK,
            }
        ]
    },
)

list_path = HookKind(
    name="list-path",
    component="tekton",
    description="Lists what lies at a path of the pipeline repository; the run ends where nothing does.",
    is_pre_hook=True,
    is_post_hook=False,
    variables={
        "type": "object",
        "properties": {
            "path": {
                "type": "string",
                "pattern": r"^[A-Za-z0-9_.][A-Za-z0-9_./-]*$",
                "maxLength": 500,
                "description": "A file or folder, from the root of the repository.",
            }
        },
        "required": ["path"],
        "additionalProperties": False,
    },
    wants=("PipelineRevision",),
    resources={"key": Resource.SSH_KEY, "copy": Resource.EMPTY},
    task={
        "steps": [
            {
                "name": "list",
                "image": GIT,
                "env": [
                    {"name": "NAUTES_PATH", "value": "$(params.path)"},
                    {"name": "NAUTES_REVISION", "value": "$(params.PipelineRevision)"},
                    {"name": "NAUTES_KEY", "value": "$(workspaces.key.path)"},
                    {"name": "NAUTES_COPY", "value": "$(workspaces.copy.path)"},
                ],
                "script": LIST_PATH,
            }
        ]
    },
)

wait_for = HookKind(
    name="wait-for",
    component="tekton",
    description="Waits until an address answers with 2xx; the run ends if it does not in time.",
    is_pre_hook=True,
    is_post_hook=False,
    variables={
        "type": "object",
        "properties": {
            "url": URL,
            "seconds": {
                "type": "string",
                "pattern": "^[1-9][0-9]{0,3}$",
                "description": "How long, 300 if not given.",
            },
        },
        "required": ["url"],
        "additionalProperties": False,
    },
    resources={"authorities": Resource.CA_FILE},
    optional=frozenset({"authorities"}),
    task={
        "steps": [
            {
                "name": "wait",
                "image": PYTHON,
                "env": [
                    {"name": "NAUTES_URL", "value": "$(params.url)"},
                    {"name": "NAUTES_SECONDS", "value": "$(params.seconds)"},
                    {"name": "NAUTES_AUTHORITIES", "value": "$(workspaces.authorities.path)"},
                ],
                "script": WAIT_FOR,
            }
        ]
    },
)

HOOKS: Final = (call_webhook, list_path, wait_for)
"""The entry point."""
