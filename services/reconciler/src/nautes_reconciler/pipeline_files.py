"""Reading a pipeline at a commit: a file as it is, or a folder built from its kustomization file."""

from typing import Any

from nautes_domain import kustomize
from nautes_domain.capabilities import CodeHost, Origin


async def read_pipeline(code_host: CodeHost, origin: Origin) -> bytes:
    """Return the pipeline that lies at a place. A path with a slash at its end is a folder.

    Raises Rejected (codes `no-such-file`, `pipeline-file`, `yaml`) for what is not there or cannot be built.
    Everything is read at the one commit, and nothing outside of the repository.
    """
    if not origin.path.endswith("/"):
        return await code_host.read(origin.project_id, origin.path, origin.commit)
    steps = kustomize.build(origin.path)
    answer: Any = None
    try:
        while True:
            need = steps.send(answer)
            if isinstance(need, kustomize.Listing):
                answer = await code_host.files(origin.project_id, origin.commit, need.folder)
            else:
                answer = await code_host.read(origin.project_id, need.path, origin.commit)
    except StopIteration as done:
        return bytes(done.value)
