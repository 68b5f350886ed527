"""The read keys that the platform makes are the ones that Argo CD reads with."""

import asyncio

import hvac
import nats
import pytest

from nautes_domain.effects import Cause
from nautes_domain.events import Subjects, Work
from support.platform import settled
from support.processes import wait_until
from support.ssh import SshClient, needs_ssh, stored_key

DEPLOY = "orchard/apple-deploy"


@pytest.fixture(autouse=True)
def _with_ssh():
    needs_ssh()


def client_with(platform, folder, secret):
    folder.mkdir()
    key = stored_key(folder, secret["sshPrivateKey"])
    return SshClient(platform.described.gitlab_known_hosts, key.path)


def ask(platform, service, scope):
    async def publish():
        described = platform.described
        password = described.nats_passwords["operator"].read_text().strip()
        client = await nats.connect(described.nats_url, user="operator", password=password)
        work = Work(scope=scope, because="a test asks", cause=Cause(delivery="a test asks"))
        subject = Subjects(described.tenant).work(service, scope)
        await client.jetstream().publish(subject, work.model_dump_json().encode(), stream="WORK")
        await client.close()

    asyncio.run(publish())


def test_argo_cd_has_the_key_with_which_git_reads_the_repository_and_no_other(platform, tmp_path):
    secret = platform.until(platform.repository_secret, "the repository Secret")
    application = platform.story.application()
    url = f"{platform.described.gitlab_ssh_url}/{DEPLOY}.git"
    assert secret["url"] == url == application["spec"]["source"]["repoURL"]
    assert url == platform.systems.project(DEPLOY)["ssh_url_to_repo"]
    assert secret["project"] == application["spec"]["project"] == "orchard"
    assert "insecure" not in secret

    client = client_with(platform, tmp_path / "key", secret)
    copy = client.clone(url, tmp_path / "copy")
    assert (copy.path / application["spec"]["source"]["path"] / "kustomization.yaml").exists()
    copy.commit({"intruder": "x"})
    assert "does not have write access" in copy.git("push", "origin", "HEAD:main", check=False)
    with pytest.raises(RuntimeError, match="could not be found"):
        client.clone(url.replace("apple-deploy", "apple-api-src"), tmp_path / "other")


def test_a_lost_key_is_made_anew_and_reaches_argo_cd_without_being_asked(platform, tmp_path):
    before = platform.until(platform.repository_secret, "the repository Secret")
    described = platform.described
    project = platform.systems.project(DEPLOY)
    operator = hvac.Client(described.vault_address)
    operator.auth.approle.login("nautes-operator", described.vault_secret_ids["operator"].read_text().strip())
    operator.secrets.kv.v2.delete_metadata_and_all_versions(
        f"gitlab/repo-{project['id']}/default/readonly", mount_point="git"
    )
    ask(platform, "secret-broker", "product_orchard")

    def replaced():
        found = platform.repository_secret()
        return found if found and found["sshPrivateKey"] != before["sshPrivateKey"] else None

    after = platform.until(replaced, "the new key in Argo CD")
    client_with(platform, tmp_path / "new", after).clone(after["url"], tmp_path / "copy")
    with pytest.raises(RuntimeError, match="Permission denied"):
        client_with(platform, tmp_path / "old", before).clone(after["url"], tmp_path / "never")
    wait_until(lambda: settled(platform), timeout=60, what="every scope being done")
