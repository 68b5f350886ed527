"""Git over SSH: deploy keys clone and push, and nothing else is to be had."""

from nautes_localstack.forge.ssh.host_key import HostKey, kept_key
from nautes_localstack.forge.ssh.server import Limits, SshGit

__all__ = ["HostKey", "Limits", "SshGit", "kept_key"]
