"""Hook calls that GitLab made in vain, and asking it to make them again. GitLab itself never repeats one."""

from collections.abc import Iterable
from typing import Final

from nautes_adapters.gitlab import marks
from nautes_adapters.gitlab.api import GitLabApi, Json

MOST: Final = 500
"""Newest attempts of a hook that are looked at: more than a busy project has between two looks."""
ATTEMPTS: Final = 5
"""Calls of one event, the first one included, after which it is given up."""


class GitLabLostCalls:
    """Implements `capabilities.LostCalls` (GitLab API, "Project webhooks", hook events and resend, since 17.3)."""

    def __init__(self, url: str, token: str, *, gateway_url: str, timeout: float = 30.0) -> None:
        # The answer to a resend comes when the hook has answered, within GitLab's own ten seconds.
        self._api = GitLabApi(url, token, timeout=timeout)
        self._prefix = marks.hook_prefix(gateway_url)

    async def resend(self, project_id: int) -> int:
        """Have the newest calls of our hooks that nobody took made again; return how many.

        GitLab permits five a minute for one project: Retry beyond that, what was sent before it stays sent.
        """
        hooks = await self._api.rows(f"/projects/{project_id:d}/hooks")
        count = 0
        for hook in hooks:
            if not str(hook["url"]).startswith(self._prefix):
                continue
            path = f"/projects/{project_id:d}/hooks/{hook['id']}/events"
            for event in lost(await self._api.newest(path, MOST), str(hook["url"])):
                await self._api.post(f"{path}/{event}/resend", {})
                count += 1
        return count

    async def close(self) -> None:
        """Close the connections."""
        await self._api.close()


def lost(events: Iterable[Json], url: str) -> list[int]:
    """Return the attempts to repeat, oldest first: one for each event that no attempt brought to `url`. Pure.

    `events`: attempts as GitLab lists them, newest first. Attempts of one event share their Idempotency-Key.
    """
    attempts: dict[str, list[Json]] = {}
    for event in events:
        key = str((event.get("request_headers") or {}).get("Idempotency-Key") or "")
        if key and event.get("url") == url:
            attempts.setdefault(key, []).append(event)
    failed = (
        tries[0]["id"]
        for tries in attempts.values()
        if len(tries) < ATTEMPTS and not any(_taken(one) for one in tries)
    )
    return sorted(int(event) for event in failed)


def _taken(event: Json) -> bool:
    """Say whether an attempt was answered as GitLab counts success. `internal error` is no answer at all."""
    status = str(event.get("response_status"))
    return status.isdigit() and 200 <= int(status) < 400
