"""What the forge answered survives its death, and an ordered stop delivers what waits."""

import threading
from pathlib import Path

import gitlab

from support.forge import HookReceiver, clone, start_forge


def test_kill_and_start_again(tmp_path: Path) -> None:
    with start_forge(tmp_path) as forge:
        with gitlab.Gitlab(forge.url, private_token=forge.token) as api:
            group = api.groups.create({"name": "a", "path": "a"})
            project = api.projects.create(
                {"name": "p", "namespace_id": group.id, "initialize_with_readme": True}
            )
            hook = project.hooks.create({"url": "http://127.0.0.1:1", "token": "hush"})
            sha = project.branches.get("main").commit["id"]
            project.commits.get(sha).statuses.create({"state": "pending", "name": "n"})
        forge.kill()
        forge.start()
        with gitlab.Gitlab(forge.url, private_token=forge.token) as api:
            found = api.projects.get("a/p")
            assert (found.id, found.default_branch) == (project.id, "main")
            assert [one.id for one in found.hooks.list(get_all=True)] == [hook.id]
            assert [one.status for one in found.commits.get(sha).statuses.list(get_all=True)] == ["pending"]
            found.hooks.delete(hook.id)
        forge.kill()
        forge.start()
        with gitlab.Gitlab(forge.url, private_token=forge.token) as api:
            assert api.projects.get("a/p").hooks.create({"url": "http://x"}).id > hook.id


def test_an_ordered_stop_delivers_what_was_pushed(tmp_path: Path) -> None:
    with HookReceiver() as receiver, start_forge(tmp_path) as forge:
        with gitlab.Gitlab(forge.url, private_token=forge.token) as api:
            group = api.groups.create({"name": "a", "path": "a"})
            project = api.projects.create(
                {"name": "p", "namespace_id": group.id, "initialize_with_readme": True}
            )
            project.hooks.create({"url": receiver.url})
        work = clone(project.http_url_to_repo, tmp_path / "work", forge.token)
        receiver.delay = 0.4
        shas = []
        for number in range(2):
            shas.append(work.commit({"x": str(number)}))
            work.git("push", "--quiet", "origin", "main")
        assert forge.process.stop() == 0
        assert [call.payload["after"] for call in receiver.calls] == shas


def test_pushes_at_once_to_one_repository_are_all_told(tmp_path: Path) -> None:
    with HookReceiver() as receiver, start_forge(tmp_path) as forge:
        with gitlab.Gitlab(forge.url, private_token=forge.token) as api:
            group = api.groups.create({"name": "a", "path": "a"})
            project = api.projects.create(
                {"name": "p", "namespace_id": group.id, "initialize_with_readme": True}
            )
            project.hooks.create({"url": receiver.url})
        copies = [
            clone(project.http_url_to_repo, tmp_path / f"work{number}", forge.token) for number in range(5)
        ]
        shas = {copy.commit({f"f{number}": "x"}) for number, copy in enumerate(copies)}
        threads = [
            threading.Thread(
                target=copy.git, args=("push", "--quiet", "origin", f"HEAD:refs/heads/b{number}")
            )
            for number, copy in enumerate(copies)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert {call.payload["after"] for call in receiver.wait(5)} == shas


def test_nothing_secret_is_written_down(tmp_path: Path) -> None:
    with start_forge(tmp_path) as forge:
        with gitlab.Gitlab(forge.url, private_token=forge.token) as api:
            group = api.groups.create({"name": "a", "path": "a"})
            project = api.projects.create(
                {"name": "p", "namespace_id": group.id, "initialize_with_readme": True}
            )
            clone(project.http_url_to_repo, tmp_path / "work", forge.token)
        forge.kill()
        state = tmp_path / "forge" / "state"
        assert state.stat().st_mode & 0o077 == 0
        written = [path for path in (*state.rglob("*"), tmp_path / "forge" / "forge.log") if path.is_file()]
        assert written
        assert not [path for path in written if forge.token.encode() in path.read_bytes()]
