"""A CI configuration to the jobs that it asks for. Pure; a small part of GitLab's "CI/CD YAML syntax reference".

Known are jobs with `script`, `stage`, `stages`, `tags`, `allow_failure`, `workflow: name`, and `include: local`. Rules
decide nothing here: every job is made. What would change which jobs there are is refused and not passed over.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import yaml

FILE: Final = ".gitlab-ci.yml"
STAGES: Final = ("build", "test", "deploy")
DEFAULT_STAGE: Final = "test"
MOST_JOBS: Final = 500

_KEYWORDS: Final = frozenset(
    {"after_script", "before_script", "cache", "default", "image", "include", "services", "spec", "stages", "variables"}
    | {"workflow"}
)  # fmt: skip
"""Top-level words that name no job (GitLab, "CI/CD YAML syntax reference", global keywords)."""
_REFUSED: Final = ("trigger", "parallel", "when", "only", "except", "rules", "extends", "inherit", "needs")
"""Words of a job that would change which jobs there are, or their order."""
_VARIABLE: Final = re.compile(r"\$\$|\$(?:\{(\w+)\}|(\w+))")


class Invalid(Exception):
    """A configuration that no pipeline is made of; the text is for the caller."""


@dataclass(frozen=True, slots=True)
class JobSpec:
    """One job of a configuration."""

    name: str
    stage: str
    script: tuple[str, ...]
    tags: tuple[str, ...] = ()
    allow_failure: bool = False


@dataclass(frozen=True, slots=True)
class Config:
    """The jobs in the order of their stages."""

    stages: tuple[str, ...]
    jobs: tuple[JobSpec, ...]
    name: str = ""
    """`workflow: name` with variables filled in."""


class _Loader(yaml.SafeLoader):
    """Knows GitLab's own tag, `!reference [job, script]`; what it stands for is not looked up."""


def _reference(_loader: yaml.SafeLoader, node: yaml.nodes.Node) -> str:
    return f"# {node.tag}"


_Loader.add_constructor("!reference", _reference)


def load(text: bytes) -> Mapping[str, Any]:
    """Return the mapping of a configuration file; Invalid if it is none."""
    try:
        found = yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader with one tag more
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise Invalid(f"Invalid configuration format: {str(error).splitlines()[0]}") from None
    if not isinstance(found, dict) or not all(isinstance(key, str) for key in found):
        raise Invalid("Invalid configuration format")
    return found


def includes(config: Mapping[str, Any], variables: Mapping[str, str]) -> Iterator[str]:
    """Yield the paths of the local files that a configuration includes, variables filled in."""
    given = config.get("include", ())
    for one in given if isinstance(given, list) else [given] if given else ():
        path = one.get("local") if isinstance(one, dict) else one
        if not isinstance(path, str):
            raise Invalid("this forge includes local files only")
        yield expand(path, variables).removeprefix("/")


def read(config: Mapping[str, Any], variables: Mapping[str, str]) -> Config:
    """Return the jobs of a configuration with what it includes; Invalid with the first thing that is wrong."""
    stages = (".pre", *(str(one) for one in config.get("stages") or STAGES), ".post")
    jobs = [
        _job(name, body, stages, variables)
        for name, body in config.items()
        if name not in _KEYWORDS and not name.startswith(".")
    ]
    if not jobs:
        raise Invalid("jobs config should contain at least one visible job")
    if len(jobs) > MOST_JOBS:
        raise Invalid(f"jobs config contains more than {MOST_JOBS} jobs")
    workflow = config.get("workflow")
    name = workflow.get("name") if isinstance(workflow, dict) else None
    ordered = tuple(sorted(jobs, key=lambda job: stages.index(job.stage)))
    return Config(stages, ordered, expand(str(name), variables)[:255] if name else "")


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Return text with `$NAME` and `${NAME}` filled in; unknown ones are empty, `$$` is a dollar."""

    def value(found: re.Match[str]) -> str:
        return "$" if found[0] == "$$" else variables.get(found[1] or found[2], "")

    return _VARIABLE.sub(value, text)


def _job(name: str, body: Any, stages: tuple[str, ...], variables: Mapping[str, str]) -> JobSpec:
    if not isinstance(body, dict):
        raise Invalid(f"jobs:{name} config should be a hash")
    for word in _REFUSED:
        if word in body:
            raise Invalid(f"jobs:{name} uses {word}, which this forge does not know")
    script, stage = _lines(body.get("script")), str(body.get("stage", DEFAULT_STAGE))
    if not script:
        raise Invalid(f"jobs:{name}:script config should be a string or a nested array of strings")
    if stage not in stages:
        raise Invalid(
            f"{name} job: chosen stage {stage} does not exist; available stages are {', '.join(stages)}"
        )
    tags = tuple(expand(str(tag), variables) for tag in body.get("tags") or ())
    return JobSpec(name[:255], stage, script, tags, allow_failure=body.get("allow_failure") is True)


def _lines(script: Any) -> tuple[str, ...]:
    if isinstance(script, list):
        return tuple(line for one in script for line in _lines(one))
    return (str(script),) if isinstance(script, str | int | float) and str(script) else ()
