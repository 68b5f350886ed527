"""GitLab CI: pipelines that GitLab makes of its own configuration file, started through its API."""

from nautes_adapters.gitlab.ci.engine import GitLabCiEngine

__all__ = ["GitLabCiEngine"]
