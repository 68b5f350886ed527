"""Every capability in memory: what a new adapter is held against, and what small tests run on."""

from nautes_adapters.memory.code_host import MemoryCodeHost
from nautes_adapters.memory.deployer import MemoryDeployer, MemoryTenantSpace
from nautes_adapters.memory.discussion import MemoryDiscussion
from nautes_adapters.memory.engine import MemoryPipelineEngine
from nautes_adapters.memory.personal import MemoryPersonal
from nautes_adapters.memory.secrets import MemorySecretStore
from nautes_adapters.memory.target import MemoryTarget

__all__ = [
    "MemoryCodeHost",
    "MemoryDeployer",
    "MemoryDiscussion",
    "MemoryPersonal",
    "MemoryPipelineEngine",
    "MemorySecretStore",
    "MemoryTarget",
    "MemoryTenantSpace",
]
