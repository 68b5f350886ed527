"""A kubeconfig in a cluster's body goes to the secret broker, wrapped, after the commit; nowhere else, and never in vain."""

import base64
import copy
import json

import pytest
import yaml

from nautes_domain.failures import Rejected
from support.kubeconfigs import CANARY, CONFIG, kubeconfig

CLUSTER = "/clusters/build-east"


@pytest.fixture
async def body(world):
    """The cluster build-east as it is declared, as somebody would send it with a kubeconfig."""
    read = (await world.call("GET", CLUSTER, token="manager")).json()
    world.host.calls.clear()
    return {key: copy.deepcopy(one) for key, one in read.items() if key != "name"} | {
        "kubeconfig": yaml.safe_dump(CONFIG)
    }


def offers(world):
    return [one for one in world.news.facts if one.kind == "kubeconfig"]


async def opened(world):
    """Return what the only offer holds, as the secret broker sees it."""
    (offer,) = offers(world)
    return json.loads((await world.secrets.unwrap(offer.data["wrapped"]))["kubeconfig"])


async def test_it_is_handed_over_with_the_declared_address_and_the_current_context_alone(world, body):
    body |= {"primary_domain": "east.example"}
    answer = await world.call("POST", CLUSTER, body, token="manager")
    assert answer.status_code == 200, answer.text
    assert answer.json()["message"] == (
        "Cluster/build-east is saved; its kubeconfig was handed to the secret broker"
    )
    (offer,) = offers(world)
    assert (offer.verb, offer.scope, offer.name, offer.by) == (
        "offered", "cluster_build-east", "build-east", "api-server",
    )  # fmt: skip
    assert (offer.cause.actor, offer.cause.commit) == ("manager", answer.json()["commit"])
    assert set(offer.data) == {"cluster", "wrapped", "offered_at"}
    found = await opened(world)
    ((cluster,), (user,)) = found["clusters"], found["users"]
    assert cluster["cluster"]["server"] == body["api_server"]
    assert cluster["cluster"]["certificate-authority-data"] == CONFIG["clusters"][0]["cluster"]["certificate-authority-data"]  # fmt: skip
    assert user["user"] == {"token": CANARY}
    with pytest.raises(Rejected):
        await world.secrets.unwrap(offer.data["wrapped"])


async def test_base64_is_taken_as_well(world, body):
    body["kubeconfig"] = base64.encodebytes(body["kubeconfig"].encode()).decode()
    assert (await world.call("POST", CLUSTER, body, token="manager")).status_code == 200
    assert (await opened(world))["users"][0]["user"] == {"token": CANARY}


async def test_it_is_handed_over_again_for_a_cluster_that_is_declared_already(world, body):
    for _ in range(2):
        answer = await world.call("POST", CLUSTER, body, token="manager")
        assert (answer.status_code, answer.json()["result"]) == (200, "unchanged")
    first, second = offers(world)
    assert first.data["wrapped"] != second.data["wrapped"]
    assert "commit" not in world.host.calls


async def test_a_dry_run_judges_it_and_moves_nothing(world, body):
    assert (await world.call("POST", f"{CLUSTER}?dry_run=true", body, token="manager")).status_code == 200
    body["kubeconfig"] = "{}"
    refused = await world.call("POST", f"{CLUSTER}?dry_run=true", body, token="manager")
    assert {one["rule"] for one in refused.json()["violations"]} == {"C7"}
    assert (offers(world), world.secrets._wrapped) == ([], {})


@pytest.mark.parametrize(
    ("token", "more", "status"),
    [
        ("stranger", {}, 404),
        ("owner", {}, 404),
        ("manager", {"worker_type": ""}, 422),
        ("manager", {"components_list": {"gateway": {"name": "none", "namespace": "x"}}}, 422),
    ],
)
async def test_what_is_refused_hands_nothing_over(world, body, token, more, status):
    answer = await world.call("POST", CLUSTER, body | more, token=token)
    assert answer.status_code == status, answer.text
    assert offers(world) == []


async def test_a_commit_that_is_refused_hands_nothing_over(world, body):
    world.away.add("commit")
    assert (await world.call("POST", CLUSTER, body | {"primary_domain": "x.example"}, token="manager")).status_code == 503  # fmt: skip
    assert offers(world) == []


async def test_a_secret_store_that_is_away_is_told_before_anything_is_declared(world, body):
    world.away.add("wrap")
    answer = await world.call("POST", CLUSTER, body | {"primary_domain": "x.example"}, token="manager")
    assert answer.status_code == 503
    assert answer.headers["retry-after"]
    assert "commit" not in world.host.calls


async def test_who_is_told_that_it_was_not_handed_over_sends_the_same_again(world, body):
    body |= {"primary_domain": "east.example"}
    world.away.add("state")
    answer = await world.call("POST", CLUSTER, body, token="manager")
    assert (answer.status_code, answer.json()["next_step"]) == (503, "send the same request again")
    assert "is saved, but its kubeconfig was not handed over" in answer.json()["detail"]
    world.away.clear()
    again = await world.call("POST", CLUSTER, body, token="manager")
    assert again.json()["result"] == "unchanged"
    assert (await opened(world))["users"][0]["user"] == {"token": CANARY}


async def test_that_of_a_host_is_judged_and_not_kept(world, body):
    path = "/clusters/metal-b"
    host = {"api_server": "https://10.9.0.1:6443", "cluster_type": "physical", "usage": "host"}
    host |= {"components_list": {"gateway": {"name": "traefik", "namespace": "traefik"}}, "kubeconfig": body["kubeconfig"]}  # fmt: skip
    answer = await world.call("POST", path, host, token="manager")
    assert answer.status_code == 200, answer.text
    (warning,) = answer.json()["warnings"]
    assert (warning["rule"], warning["field"]) == ("C7", "spec.kubeconfig")
    assert answer.json()["message"] == "Cluster/metal-b is saved"
    assert (offers(world), world.secrets._wrapped) == ([], {})
    refused = await world.call("POST", path, host | {"kubeconfig": "{}"}, token="manager")
    assert refused.status_code == 422


def broken():
    """A kubeconfig with everything that is refused (security rule 7)."""
    config = kubeconfig()
    config["clusters"][0]["cluster"] |= {
        "proxy-url": f"http://{CANARY}", "insecure-skip-tls-verify": True, "server": f"http://{CANARY}",
        "certificate-authority": f"/etc/{CANARY}",
    }  # fmt: skip
    config["users"].append(
        {"name": "x", "user": {"exec": {"command": CANARY}, "auth-provider": {"name": CANARY}}}
    )
    config["users"][0]["user"] |= {"tokenFile": CANARY, "client-key": CANARY, "password": CANARY}
    config["current-context"] = "nowhere"
    return config


async def test_everything_that_is_wrong_with_it_comes_at_once_with_its_place(world, body):
    body |= {"kubeconfig": yaml.safe_dump(broken()), "api_server": "http://build-east.clusters.example:6443"}
    answer = await world.call("POST", CLUSTER, body, token="manager")
    assert answer.status_code == 422
    found = answer.json()["violations"]
    assert {one["rule"] for one in found} == {"C7"}
    assert all(one["fix"] and one["pointer"] in {"/kubeconfig", "/api_server"} for one in found)
    words = " ".join(one["message"] for one in found)
    for place in (
        "clusters.0.cluster.proxy-url", "clusters.0.cluster.insecure-skip-tls-verify", "clusters.0.cluster.server",
        "clusters.0.cluster.certificate-authority", "users.1.user.exec", "users.1.user.auth-provider",
        "users.0.user.tokenFile", "users.0.user.client-key", "users.0.user.password", "current-context", "https only",
    ):  # fmt: skip
        assert place in words, place


@pytest.mark.parametrize(
    "text",
    [
        yaml.safe_dump(CONFIG), yaml.safe_dump(broken()), CANARY, f"client-key-data: {CANARY}", f"{CANARY}: x",
        f"{CANARY}: 1\n{CANARY}: 2", f"a: *{CANARY}", f"a: !{CANARY} x", f"a: '{CANARY}", f"users: [{{{CANARY}: x}}]",
        base64.b64encode(CANARY.encode()).decode(), f"\ud800{CANARY}", f"{CANARY}\ud800: x", "é" + CANARY,
        "[" * 5_000, f"a: &a [{CANARY}]\nb: &b [*a,*a]\n<<: *a",
    ],
)  # fmt: skip
@pytest.mark.parametrize("more", [{}, {"usage": 7}, {"unknown": CANARY, "kubeconfig": [CANARY]}])
async def test_no_answer_commit_record_or_log_holds_it(world, body, text, more, capfd):
    body = body | {"kubeconfig": text, "primary_domain": "east.example"} | more
    content = json.dumps(body)
    headers = {"Content-Type": "application/json"}
    async with world.client("manager") as client:
        answer = await client.post(f"/api/v1{CLUSTER}", content=content, headers=headers)
    assert answer.status_code in ({200} if text == yaml.safe_dump(CONFIG) and not more else {400, 422})
    everything = (
        answer.text,
        str(answer.headers),
        "".join(capfd.readouterr()),
        world.message("tenant"),
        *(one.model_dump_json() for one in (*world.news.told, *world.news.facts)),
        *map(repr, world.files("tenant").items()),
    )
    assert not [one for one in everything if CANARY in one]
