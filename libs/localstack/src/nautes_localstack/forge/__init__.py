"""A small code host for the laptop: real bare repositories over smart HTTP, and the part of GitLab that we use.

It answers like GitLab 19 (REST API v4, project webhooks) so that one adapter serves both. Rooms: `git` runs
git, `hooks` tells others of pushes, `api` speaks GitLab's JSON, `records` and `store` are the state.
It has no web pages, merge requests, pipelines, SSH or protected branches.
"""
