"""A hook that asks for everything, and hooks of runs made from it."""

from dataclasses import replace

from nautes_domain.hooks import HookKind, PlacedHook, Resource

GREEDY = HookKind(
    name="greedy",
    component="tekton",
    description="Asks for everything.",
    is_pre_hook=True,
    is_post_hook=True,
    variables={
        "type": "object",
        "properties": {"room": {"type": "string"}, "text": {"type": "string"}},
        "required": ["room"],
        "additionalProperties": False,
    },
    wants=("ref", "RunName", "PipelineStatus"),
    resources={"key": Resource.SSH_KEY, "ca": Resource.CA_FILE, "copy": Resource.EMPTY},
    optional=frozenset({"ca"}),
    task={
        "steps": [
            {
                "name": "say",
                "image": "busybox",
                "env": [
                    {"name": "ROOM", "value": "$(params.room)"},
                    {"name": "CA", "value": "$(workspaces.ca.path)"},
                ],
                "script": 'echo "$ROOM"',
            }
        ]
    },
)
PLAIN = replace(
    GREEDY, name="plain", resources={}, optional=frozenset(), task={"steps": [{"image": "busybox"}]}
)

VALUES = {"room": "ops; rm -rf / $HOME", "text": "", "ref": "refs/heads/`id`", "RunName": "apple-ci-1"}


def placed(label, kind=PLAIN, *, after=False, **values):
    """Return a hook of a run."""
    return PlacedHook(kind, label, after, {**VALUES, **values}, kind.resources, "apple-api-src")


AROUND = (placed("first"), placed("second"), placed("tell", after=True), placed("tidy", after=True))
