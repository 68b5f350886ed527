"""The forge's Git over SSH with the real git and ssh: what a deploy key opens, and what nothing opens."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gitlab
import pytest

from support.forge import Forge, HookReceiver, clone, start_forge
from support.ssh import KeyFile, SshClient, needs_ssh, new_key

HIDDEN = "could not be found or you don't have permission"


@pytest.fixture(scope="module")
def forge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forge]:
    needs_ssh()
    with start_forge(tmp_path_factory.mktemp("forge")) as running:
        yield running


@pytest.fixture
def project(api: gitlab.Gitlab, request: pytest.FixtureRequest) -> Any:
    name = request.node.name.removeprefix("test_").partition("[")[0][:60].strip("_")
    return next(
        (one for one in api.projects.list(all=True) if one.name == name), None
    ) or api.projects.create(
        {"name": name, "namespace_id": api.groups.get("acme").id, "initialize_with_readme": True}
    )


@pytest.fixture
def key(tmp_path: Path) -> KeyFile:
    return new_key(tmp_path, "key")


@pytest.fixture
def reader(project: Any, key: KeyFile, forge: Forge) -> SshClient:
    project.keys.create({"title": "reads", "key": key.public})
    return SshClient(forge.known_hosts, key.path)


@pytest.fixture
def writer(project: Any, key: KeyFile, forge: Forge) -> SshClient:
    project.keys.create({"title": "writes", "key": key.public, "can_push": True})
    return SshClient(forge.known_hosts, key.path)


def test_a_deploy_key_reads_its_project(
    project: Any, reader: SshClient, forge: Forge, tmp_path: Path
) -> None:
    url = f"ssh://git@127.0.0.1:{forge.ssh_port}/{project.path_with_namespace}.git"
    assert project.ssh_url_to_repo == url
    copy = reader.clone(url, tmp_path / "copy")
    assert (copy.path / "README.md").exists()
    for protocol in ("0", "1", "2"):
        assert copy.git("-c", f"protocol.version={protocol}", "ls-remote", "origin").endswith(
            "refs/heads/main"
        )


def test_a_key_that_only_reads_pushes_nothing(project: Any, reader: SshClient, tmp_path: Path) -> None:
    head = project.branches.get("main").commit["id"]
    copy = reader.clone(project.ssh_url_to_repo, tmp_path / "copy")
    copy.commit({"x": "x"})
    assert "does not have write access" in copy.git("push", "origin", "main", check=False)
    assert project.branches.get("main").commit["id"] == head


def test_a_key_that_may_push_pushes_as_whoever_added_it_and_hooks_hear_of_it(
    project: Any, writer: SshClient, tmp_path: Path
) -> None:
    with HookReceiver() as receiver:
        project.hooks.create({"url": f"{receiver.url}/hook", "push_events": True})
        copy = writer.clone(project.ssh_url_to_repo, tmp_path / "copy")
        shas = []
        for number in range(3):
            shas.append(copy.commit({"x": str(number)}))
            copy.git("push", "--quiet", "-o", "ci.skip", "origin", "main")
        calls = receiver.wait(3)
    assert [call.payload["after"] for call in calls] == shas
    assert calls[0].payload["user_username"] == "root"
    assert calls[0].payload["push_options"] == {"ci": {"skip": True}}
    assert calls[0].payload["project"]["git_ssh_url"] == project.ssh_url_to_repo
    copy.git("push", "--quiet", "origin", "HEAD:refs/heads/side")
    copy.git("push", "--quiet", "origin", "--delete", "side")
    assert "up-to-date" in copy.git("push", "origin", "main", check=False)
    copy.git("reset", "--quiet", "--hard", "HEAD~1")
    copy.commit({"y": "y"})
    assert "rejected" in copy.git("push", "origin", "main", check=False)
    project.archive()
    assert "archived" in copy.git("push", "origin", "main", check=False)
    project.unarchive()


def test_a_key_whose_adder_may_no_longer_push_does_not_either(
    api: gitlab.Gitlab, project: Any, key: KeyFile, forge: Forge, tmp_path: Path
) -> None:
    user = api.users.create(
        {"username": "leaver", "name": "L", "email": "leaver@example.org", "reset_password": True}
    )
    member = project.members.create({"user_id": user.id, "access_level": 40})
    token = user.personal_access_tokens.create({"name": "t", "scopes": ["api"]}).token
    with gitlab.Gitlab(forge.url, private_token=token) as theirs:
        theirs.projects.get(project.id).keys.create({"title": "w", "key": key.public, "can_push": True})
    copy = SshClient(forge.known_hosts, key.path).clone(project.ssh_url_to_repo, tmp_path / "copy")
    copy.commit({"x": "1"})
    copy.git("push", "--quiet", "origin", "main")
    member.delete()
    copy.commit({"x": "2"})
    assert "does not have write access" in copy.git("push", "origin", "main", check=False)


def test_foreign_and_unknown_projects_are_refused_alike(
    api: gitlab.Gitlab, project: Any, reader: SshClient, forge: Forge, tmp_path: Path
) -> None:
    hidden = api.projects.create({"name": "hidden", "namespace_id": api.groups.get("acme").id})
    hidden.keys.create({"title": "others", "key": new_key(tmp_path, "other").public})
    base = project.ssh_url_to_repo.rpartition("acme/")[0]
    said = set()
    for path in ("acme/hidden.git", "acme/nothing.git", "acme/hidden", "nobody/hidden.git"):
        for service in ("git-upload-pack", "git-receive-pack"):
            done = reader.run(forge.ssh_port, f"{service} '/{path}'")
            assert done.returncode == 1
            said.add((done.stdout, done.stderr))
        with pytest.raises(RuntimeError, match=HIDDEN):
            reader.clone(f"{base}{path}", tmp_path / "never")
    assert len(said) == 1


def test_one_key_may_open_several_projects(
    api: gitlab.Gitlab, project: Any, reader: SshClient, key: KeyFile, tmp_path: Path
) -> None:
    second = api.projects.create(
        {"name": "second", "namespace_id": api.groups.get("acme").id, "initialize_with_readme": True}
    )
    second.keys.create({"title": "too", "key": key.public})
    for number, url in enumerate((project.ssh_url_to_repo, second.ssh_url_to_repo)):
        assert reader.clone(url, tmp_path / str(number)).git("log", "--oneline")


def test_a_removed_key_opens_nothing(project: Any, reader: SshClient, tmp_path: Path) -> None:
    reader.clone(project.ssh_url_to_repo, tmp_path / "before")
    project.keys.list()[0].delete()
    with pytest.raises(RuntimeError, match="Permission denied"):
        reader.clone(project.ssh_url_to_repo, tmp_path / "after")


def test_without_a_known_key_nobody_gets_in(
    project: Any, reader: SshClient, forge: Forge, tmp_path: Path
) -> None:
    stranger = SshClient(forge.known_hosts, new_key(tmp_path, "stranger").path)
    for client, user in ((stranger, "git"), (SshClient(forge.known_hosts), "git"), (reader, "root")):
        done = client.run(forge.ssh_port, "git-upload-pack 'acme/x.git'", user=user)
        assert done.returncode == 255
        assert "Permission denied (publickey)" in done.stderr
    with pytest.raises(RuntimeError, match="Permission denied"):
        stranger.clone(project.ssh_url_to_repo, tmp_path / "never")


def hostile(path: str) -> list[str]:
    return [
        "git-upload-pack '../../x'",
        f"git-upload-pack '{path}/../{path}'",
        f"git-upload-pack '{path}'; id",
        f"git-upload-pack '{path}' && id",
        f"git-upload-pack '{path}'\nid",
        f"git-upload-pack --upload-pack=id '{path}'",
        f"git-upload-pack '{path}' '{path}'",
        f"git-upload-pack {path}",
        f'git-upload-pack "{path}"',
        "git-upload-pack '/etc/passwd'",
        "git-upload-pack '--help/x'",
        "git-upload-pack '$(id)/x'",
        "git-upload-pack '1'",
        "git-upload-pack ''",
        f"git-upload-archive '{path}'",
        f"git-receive-pack-evil '{path}'",
        f"env GIT_DIR=/ git-upload-pack '{path}'",
        "sh -c id",
        "id",
        "scp -f /etc/passwd",
        "git-upload-pack 'acme/" + "x" * 100_000 + "'",
        "\x00",
        "git-upload-pack 'acme/\u202e.git'",
    ]


@pytest.mark.parametrize("number", range(len(hostile(""))))
def test_hostile_commands_are_refused(project: Any, forge: Forge, number: int, tmp_path_factory: Any) -> None:
    folder = tmp_path_factory.mktemp("key")
    key = new_key(folder, "key")
    project.keys.create({"title": f"k{number}", "key": key.public})
    command = hostile(project.path_with_namespace)[number]
    if "\x00" in command:
        command = command.replace("\x00", "\x01")
    done = SshClient(forge.known_hosts, key.path).run(forge.ssh_port, command)
    assert done.returncode == 1
    assert done.stdout == ""
    assert "uid=" not in done.stderr


def test_there_is_no_shell_subsystem_terminal_or_forwarding(reader: SshClient, forge: Forge) -> None:
    shell = reader.run(forge.ssh_port)
    assert (shell.returncode, shell.stdout) == (1, "")
    assert "no shell" in shell.stderr
    terminal = SshClient(reader.known_hosts, reader.key, ("-tt",)).run(forge.ssh_port, "id")
    assert "uid=" not in terminal.stdout + terminal.stderr
    assert terminal.returncode != 0
    sftp = SshClient(reader.known_hosts, reader.key, ("-s",)).run(forge.ssh_port, "sftp")
    assert sftp.returncode != 0
    through = ("-W", f"127.0.0.1:{forge.url.rpartition(':')[2]}")
    tunnel = SshClient(reader.known_hosts, reader.key, through).run(forge.ssh_port)
    assert tunnel.returncode != 0
    assert "open failed" in tunnel.stderr
    backwards = ("-o", "ExitOnForwardFailure=yes", "-N", "-R", "0:127.0.0.1:1")
    remote = SshClient(reader.known_hosts, reader.key, backwards).run(forge.ssh_port)
    assert "forwarding failed" in remote.stderr


def test_the_host_key_stays_and_is_private(
    project: Any, reader: SshClient, forge: Forge, tmp_path: Path
) -> None:
    before = forge.known_hosts.read_text()
    assert before.startswith(f"[127.0.0.1]:{forge.ssh_port} ssh-ed25519 ")
    assert (forge.state / "ssh_host_ed25519_key").stat().st_mode & 0o777 == 0o600
    forge.restart()
    assert forge.known_hosts.read_text() == before
    reader.clone(project.ssh_url_to_repo, tmp_path / "copy")


def test_an_impostor_is_not_spoken_to(project: Any, reader: SshClient, forge: Forge, tmp_path: Path) -> None:
    other = tmp_path / "known_hosts"
    kind, body = new_key(tmp_path, "impostor").public.split()[:2]
    other.write_text(f"[127.0.0.1]:{forge.ssh_port} {kind} {body}\n")
    with pytest.raises(RuntimeError, match="Host key verification failed"):
        SshClient(other, reader.key).clone(project.ssh_url_to_repo, tmp_path / "never")


def test_much_goes_through_both_ways(project: Any, writer: SshClient, forge: Forge, tmp_path: Path) -> None:
    copy = writer.clone(project.ssh_url_to_repo, tmp_path / "copy")
    random = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=copy.path, capture_output=True, check=True
    ).stdout
    (copy.path / "large").write_bytes(
        bytes((index * index * 31) % 251 for index in range(6_000_000)) + random
    )
    sha = copy.commit({})
    copy.git("push", "--quiet", "origin", "main")
    again = writer.clone(project.ssh_url_to_repo, tmp_path / "again")
    assert again.git("rev-parse", "HEAD") == sha
    assert (again.path / "large").read_bytes() == (copy.path / "large").read_bytes()
    assert clone(project.http_url_to_repo, tmp_path / "http", forge.token).git("rev-parse", "HEAD") == sha
