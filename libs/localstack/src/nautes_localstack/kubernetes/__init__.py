"""A small Kubernetes API for the laptop: it keeps objects and answers like Kubernetes 1.36, and runs nothing.

No scheduler, no kubelet, no containers: a Pod or a PipelineRun is an object that stays as it was written.
`/version` says so with the suffix `+nautes-local`. It speaks JSON and YAML but not protobuf, which some commands
of kubectl insist on (`kubectl create serviceaccount`); has no webhooks, CEL rules or version conversion; and
fills in no defaults of workloads.

Rooms, pure ones first: `kinds` and `shapes` say what there is, `fields`, `apply` and `patches` how objects
change, `schema` what a custom resource may hold, `selectors`, `rbac` and `paging` decide. `storage` keeps
the state, `objects` writes, `lifecycle` ends namespaces and orphans, `watch` tells, `server` speaks HTTP.
"""
