"""GitLab, and what answers like it: code host, groups and projects and hooks, deploy keys, CI."""

from nautes_adapters.gitlab.api import GitLabApi
from nautes_adapters.gitlab.ci import GitLabCiEngine
from nautes_adapters.gitlab.code_host import GitLabCodeHost
from nautes_adapters.gitlab.deploy_keys import DeployKey, GitLabDeployKeys
from nautes_adapters.gitlab.discussion import GitLabDiscussion
from nautes_adapters.gitlab.hooks import HookSecrets
from nautes_adapters.gitlab.lost_calls import GitLabLostCalls
from nautes_adapters.gitlab.personal import GitLabPersonal
from nautes_adapters.gitlab.space import GitLabSpace

__all__ = [
    "DeployKey",
    "GitLabApi",
    "GitLabCiEngine",
    "GitLabCodeHost",
    "GitLabDeployKeys",
    "GitLabDiscussion",
    "GitLabLostCalls",
    "GitLabPersonal",
    "GitLabSpace",
    "HookSecrets",
]
