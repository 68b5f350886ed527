"""A product's repositories get read keys, and its runtimes rights on exactly the keys that they may use."""

import httpx
import pytest

from support.examples import changed
from support.nats import start_nats
from support.openbao import start_openbao
from support.service_processes import (
    bao,
    desk,
    eventually,
    read_secret,
    service,
    tenant_files,
    vault_settings,
    write_secret,
)

BROKER = "secret-broker"
SCOPE = "product_orchard"
REPOS = ("apple-api-src", "apple-web-src", "apple-deploy")
CA = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
BINDING = "code-repos/apple-deploy/lend-to-web.yaml"


class Code:
    """The code host with the product's repositories."""

    def __init__(self, forge):
        self.url = forge.url
        self._client = httpx.Client(
            base_url=f"{forge.url}/api/v4/", headers={"PRIVATE-TOKEN": forge.token}, trust_env=False
        )
        group = self._client.post(
            "groups", json={"name": "orchard", "path": "orchard", "visibility": "private"}
        )
        self.ids = {name: self._project(name, group.raise_for_status().json()["id"]) for name in REPOS}

    def _project(self, name, group_id):
        body = {"name": name, "path": name, "namespace_id": group_id, "visibility": "private"}
        return int(self._client.post("projects", json=body).raise_for_status().json()["id"])

    def keys(self, name):
        return self._client.get(f"projects/{self.ids[name]}/deploy_keys").raise_for_status().json()

    def remove_key(self, name, key_id):
        self._client.delete(f"projects/{self.ids[name]}/deploy_keys/{key_id}").raise_for_status()

    def archive(self, name):
        """What the reconciler does to a project that is no longer declared."""
        self._client.post(f"projects/{self.ids[name]}/archive").raise_for_status()

    def close(self):
        self._client.close()


@pytest.fixture
def started(tmp_path):
    forges = pytest.importorskip("support.forge")
    with (
        start_nats(tmp_path) as nats,
        start_openbao(tmp_path) as openbao,
        forges.start_forge(tmp_path) as forge,
    ):
        token = tmp_path / "gitlab-token"
        token.write_text(forge.token + "\n")
        environment = {
            **vault_settings(openbao, tmp_path, BROKER),
            "NAUTES_GITLAB__URL": forge.url,
            "NAUTES_GITLAB__TOKEN_FILE": str(token),
        }
        code = Code(forge)
        broker = service(tmp_path, "nautes_secret_broker", nats, environment)
        try:
            yield nats, openbao, code, broker
        finally:
            code.close()
            assert broker.stop() == 0


def store_cluster(openbao, cluster):
    values = {"server": f"https://{cluster}.clusters.example:6443", "ca": CA, "token": f"canary-{cluster}"}
    write_secret(openbao, "cluster", f"kubernetes/{cluster}/nautes-token-reviewer", {**values, "offer": "1"})


def key_path(code, repo):
    return f"gitlab/repo-{code.ids[repo]}/default/readonly"


def policy(openbao, runtime, kind="pipeline"):
    found = bao(openbao, "GET", f"sys/policies/acl/nautes.orchard.{kind}.{runtime}")
    return None if found is None else found["policy"]


def role(openbao, cluster, account):
    return bao(openbao, "GET", f"auth/{cluster}/role/orchard.{account}")


async def ready(place, openbao, code, *, changes=None, clusters=("build-east", "run-east"), repos=REPOS):
    """Declare tenant and product; register clusters."""
    for cluster in clusters:
        store_cluster(openbao, cluster)
    await place.index(*((code.ids[name], "orchard", name) for name in repos))
    await place.declare("tenant", tenant_files())
    await place.declare(SCOPE, changed(changes), project_id=2)
    for cluster in clusters:
        assert (await place.settled(BROKER, f"cluster_{cluster}")).result == "done"


async def test_keys_policies_and_roles_are_as_declared_and_a_second_time_writes_nothing(started):
    nats, openbao, code, broker = started
    async with desk(nats) as place:
        await ready(place, openbao, code)
        status = await place.settled(BROKER, SCOPE)
        assert status.result == "done", status.message

        private = []
        for repo in REPOS:
            values, version = read_secret(openbao, "git", key_path(code, repo))
            (hosted,) = code.keys(repo)
            assert version == 1
            assert hosted["title"] == "nautes-readonly"
            assert hosted["can_push"] is False
            assert values["id"] == str(hosted["id"])
            assert values["deploykey"].startswith("-----BEGIN OPENSSH PRIVATE KEY-----")
            private.append(values["deploykey"].splitlines()[3])
            assert read_secret(openbao, "hook", f"gitlab/orchard.{repo}") is not None
        assert policy(openbao, "apple-ci") == (
            f'{{"path": {{"git/data/{key_path(code, "apple-api-src")}": {{"capabilities": ["read"]}}}}}}'
        )
        found = role(openbao, "build-east", "apple-builder")
        assert found["bound_service_account_names"] == ["apple-builder"]
        assert found["bound_service_account_namespaces"] == ["apple-ci"]
        assert found["audience"] == "vault"
        assert found["token_policies"] == ["nautes.orchard.pipeline.apple-ci"]
        assert found["token_ttl"] == 900
        assert role(openbao, "run-east", "apple-deployer")["token_policies"] == [
            "nautes.orchard.deployment.apple-test"
        ]

        again = await place.settled(BROKER, SCOPE)
        assert (again.result, again.written, again.unchanged) == ("done", 0, 10)
        assert await place.effects(again.cause) == []

        issued = {fact.data["path"] for fact in await place.facts("secret", "issued")}
        assert {key_path(code, repo) for repo in REPOS} <= issued
        stored = await place.everything()
        for line in private:
            assert line.encode() not in stored
            assert line not in broker.log


async def test_a_withdrawn_binding_revokes_the_right_and_leaves_proof(started):
    nats, openbao, code, _ = started
    source = changed()["projects/apple-api/apple-ci.yaml"].decode()
    lent = "    - name: lent\n      gitlab: {repoName: apple-web-src, events: [push_events]}\n"
    runtime = source.replace("  pipelineTriggers:", lent + "  pipelineTriggers:")
    binding = changed()[BINDING].decode().replace("apple-deploy", "apple-web-src")
    binding = binding.replace("[apple-web]", "[apple-api]").replace("lend-to-web", "lend-to-api")
    changes = {
        "projects/apple-api/apple-ci.yaml": runtime,
        "code-repos/apple-web-src/lend-to-api.yaml": binding,
    }
    async with desk(nats) as place:
        await ready(place, openbao, code, changes=changes)
        assert (await place.settled(BROKER, SCOPE)).result == "done"
        assert key_path(code, "apple-web-src") in policy(openbao, "apple-ci")

        del changes["code-repos/apple-web-src/lend-to-api.yaml"]
        await place.declare(SCOPE, changed(changes), project_id=2)
        status = await place.settled(BROKER, SCOPE)

        assert (status.result, status.code) == ("rejected", "not-allowed")
        assert key_path(code, "apple-web-src") not in policy(openbao, "apple-ci")
        assert key_path(code, "apple-api-src") in policy(openbao, "apple-ci")
        (effect,) = await place.effects(status.cause)
        assert (effect.verb, effect.result) == ("update", "done")
        assert effect.object == "vault Policy nautes.orchard.pipeline.apple-ci"
        assert effect.before != effect.after


async def test_a_removed_repository_loses_key_and_secret_and_nothing_else_goes(started):
    nats, openbao, code, _ = started
    async with desk(nats) as place:
        await ready(place, openbao, code)
        await place.settled(BROKER, SCOPE)
        await place.declare(
            SCOPE, changed({"code-repos/apple-web-src/apple-web-src.yaml": None}), project_id=2
        )
        code.archive("apple-web-src")
        status = await place.settled(BROKER, SCOPE)
        assert (status.result, status.written, status.unchanged) == ("done", 2, 8)
        assert code.keys("apple-web-src") == []
        assert read_secret(openbao, "git", key_path(code, "apple-web-src")) is None
        assert read_secret(openbao, "hook", "gitlab/orchard.apple-web-src") is None
        assert len(code.keys("apple-api-src")) == 1


async def test_a_runtime_that_is_gone_takes_policy_and_role_with_it(started):
    nats, openbao, code, _ = started
    async with desk(nats) as place:
        await ready(place, openbao, code)
        await place.settled(BROKER, SCOPE)
        await place.declare(SCOPE, changed({"projects/apple-api/apple-ci.yaml": None}), project_id=2)
        status = await place.settled(BROKER, SCOPE)
        assert (status.result, status.written) == ("done", 2)
        assert policy(openbao, "apple-ci") is None
        assert role(openbao, "build-east", "apple-builder") is None
        assert policy(openbao, "apple-test", "deployment") is not None


async def test_runtimes_with_one_account_share_its_role_until_the_last_is_gone(started):
    nats, openbao, code, _ = started
    first = "projects/apple-api/apple-ci.yaml"
    text = changed()[first].decode()
    second = text.replace("name: apple-ci", "name: second").replace(
        "namespace: apple-ci", "namespace: second"
    )
    second = second.replace("apple-api-src", "apple-deploy")
    policies = ["nautes.orchard.pipeline.apple-ci", "nautes.orchard.pipeline.second"]
    async with desk(nats) as place:
        await ready(place, openbao, code, changes={"projects/apple-api/second.yaml": second})
        assert (await place.settled(BROKER, SCOPE)).result == "done"
        shared = role(openbao, "build-east", "apple-builder")
        assert shared["bound_service_account_names"] == ["apple-builder"]
        assert sorted(shared["bound_service_account_namespaces"]) == ["apple-ci", "second"]
        assert sorted(shared["token_policies"]) == policies
        assert key_path(code, "apple-deploy") in policy(openbao, "second")

        left = {first: None, "projects/apple-api/second.yaml": second}
        await place.declare(SCOPE, changed(left), project_id=2)
        status = await place.settled(BROKER, SCOPE)
        assert (status.result, status.written) == ("done", 2)
        shrunk = role(openbao, "build-east", "apple-builder")
        assert shrunk["bound_service_account_namespaces"] == ["second"]
        assert shrunk["token_policies"] == policies[1:]
        assert policy(openbao, "apple-ci") is None

        await place.declare(SCOPE, changed({first: None}), project_id=2)
        assert (await place.settled(BROKER, SCOPE)).written == 2
        assert role(openbao, "build-east", "apple-builder") is None
        assert policy(openbao, "second") is None


async def test_a_login_that_is_missing_blocks_the_role_only_and_wakes_it_when_it_comes(started):
    nats, openbao, code, _ = started
    async with desk(nats) as place:
        await ready(place, openbao, code, clusters=("run-east",))
        status = await place.settled(BROKER, SCOPE)
        assert (status.result, status.code) == ("blocked", "no-auth-mount")
        assert policy(openbao, "apple-ci") is not None
        assert role(openbao, "run-east", "apple-deployer") is not None
        assert role(openbao, "build-east", "apple-builder") is None

        store_cluster(openbao, "build-east")
        await place.work(BROKER, "cluster_build-east")

        async def there():
            return role(openbao, "build-east", "apple-builder")

        await eventually(there, "the role to be made")


async def test_a_repository_that_is_not_on_the_code_host_yet_is_named(started):
    nats, openbao, code, _ = started
    async with desk(nats) as place:
        await ready(place, openbao, code, repos=("apple-api-src", "apple-web-src"))
        status = await place.settled(BROKER, SCOPE)
        assert (status.result, status.code) == ("blocked", "no-such-project")
        assert "apple-deploy" in status.message
        assert policy(openbao, "apple-ci") is not None

        await place.index((code.ids["apple-deploy"], "orchard", "apple-deploy"))
        cause = await place.provisioned(code.ids["apple-deploy"], "orchard", "apple-deploy")
        assert (await place.answered(BROKER, SCOPE, cause)).result == "done"
        assert policy(openbao, "apple-test", "deployment") is not None


async def test_a_key_that_somebody_removed_is_put_back_from_what_is_stored(started):
    nats, openbao, code, _ = started
    async with desk(nats) as place:
        await ready(place, openbao, code)
        await place.settled(BROKER, SCOPE)
        before, _ = read_secret(openbao, "git", key_path(code, "apple-deploy"))
        code.remove_key("apple-deploy", code.keys("apple-deploy")[0]["id"])

        status = await place.settled(BROKER, SCOPE)

        assert (status.result, status.written) == ("done", 1)
        after, _ = read_secret(openbao, "git", key_path(code, "apple-deploy"))
        (hosted,) = code.keys("apple-deploy")
        assert after["deploykey"] == before["deploykey"]
        assert after["id"] == str(hosted["id"])


async def test_a_product_is_removed_wholly_only_when_that_is_confirmed(started):
    nats, openbao, code, _ = started
    async with desk(nats) as place:
        await ready(place, openbao, code)
        await place.settled(BROKER, SCOPE)
        without = tenant_files(without=["products/"])
        await place.declare("tenant", without)
        refused = await place.settled(BROKER, SCOPE)
        assert (refused.result, refused.code, refused.written) == ("rejected", "deletion-budget", 0)
        assert len(code.keys("apple-deploy")) == 1

        await place.declare("tenant", without, deletions=True)
        gone = await place.removed(BROKER, SCOPE)
        assert [(one.verb, one.result) for one in gone] == [("delete", "done")] * 10
        for repo in REPOS:
            assert code.keys(repo) == []
            assert read_secret(openbao, "git", key_path(code, repo)) is None
        assert policy(openbao, "apple-ci") is None
        assert role(openbao, "run-east", "apple-deployer") is None
