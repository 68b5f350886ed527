"""A small code host for the laptop: real bare repositories over smart HTTP and SSH, and the part of GitLab that we use.

It answers like GitLab 19 (REST API v4, project webhooks) so that one adapter serves both. Rooms: `git` runs
git, `ssh` lets deploy keys in, `hooks` tells others of pushes, `api` speaks GitLab's JSON, `records` and `store` are the state.
It has no web pages, merge requests, pipelines or protected branches.
"""
