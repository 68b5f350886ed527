"""A folder with a kustomization file to the one PipelineRun that `kubectl kustomize` would print. Pure.

A subset: resources from files and folders of the same commit, `namePrefix`, `nameSuffix`, `namespace`, `labels`,
`commonLabels`, `commonAnnotations`, and `patches` (strategic merge and JSON 6902). Everything else is refused by
name. What is built here, kustomize v5 builds equally (tests hold one against the other); where it lets pass what
no specification knows, as replacing what is not there, this refuses.

`build` does no I/O: it is a generator that yields what must be read, and is sent the answer.
"""

from nautes_domain.kustomize.building import Content, Listing, Need, Steps, build

__all__ = ["Content", "Listing", "Need", "Steps", "build"]
