"""`nautes apply -f` and `remove -f` of the complete example, and of the original's manifests, on a stack of their own."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from nautes_cli.demo.systems import Systems
from nautes_localstack.stack import Stack
from support.examples import EXAMPLES
from support.inventory import inventory
from support.manifests import ORIGINAL
from support.processes import wait_until

NAUTES = str(Path(sys.executable).with_name("nautes"))
CLUSTERS = ("build-east", "run-east")
UNDECLARED = {f"vault/secret/cluster/kubernetes/{name}/default/admin" for name in CLUSTERS}
"""Kubeconfigs that the stack itself put there: they go with their clusters."""


class Commands:
    """A running stack, and the commands of a person who works with it."""

    def __init__(self, stack, work):
        self.described = stack.load()
        self.work = work
        self.config = work / "config.yaml"
        self.secret = self.described.tokens["dev"].read_text().strip()

    def __call__(self, *arguments, code=0, text=None):
        done = subprocess.run(
            [NAUTES, *map(str, arguments), "--config", str(self.config)],
            cwd=self.work, input=text, capture_output=True, text=True, check=False, timeout=300,
        )  # fmt: skip
        assert done.returncode == code, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert self.secret not in done.stdout + done.stderr
        return done

    def login(self):
        self("login", "-s", self.described.api_url, "--token-stdin", text=f"{self.secret}\n")

    def results(self, *arguments, code=0):
        """The results by entity of a command that changes something, as JSON tells them."""
        found = json.loads(self(*arguments, "-o", "json", code=code).stdout)
        return {f"{one['kind']}/{one['name']}": one["result"] for one in found["entities"]}


@pytest.fixture(scope="module")
def commands(tmp_path_factory):
    folder = tmp_path_factory.mktemp("apply")
    stack = Stack(folder / "state", "apply")
    stack.up(bound=True)
    try:
        work = folder / "work"
        shutil.copytree(EXAMPLES, work / "examples")
        shutil.copytree(ORIGINAL, work / "original")
        running = Commands(stack, work)
        for name in CLUSTERS:
            file = work / f"examples/management/nautes/overlays/production/clusters/{name}.yaml"
            address = running.described.clusters[name].url
            text = file.read_text().replace(f"https://{name}.clusters.example:6443", address)
            file.write_text(text.replace("[orchard]", "[orchard, vineyard]"))
        running.login()
        yield running
    finally:
        stack.down()


def settled(described):
    """What is there; archived projects hold what people wrote, and the index says which project is which.

    The tenant's own snapshot and statuses are there from its first push on, with or without clusters in it.
    """
    found = inventory(described)
    archived = {place for place, state in found.items() if state == "archived"}
    groups = {f"forge/group/{place.split('/')[2]}" for place in archived}
    kept = archived | groups | {"bucket/desired/tenant"}
    return {
        place: state
        for place, state in found.items()
        if place not in kept
        and not place.startswith("bucket/index/")
        and not (place.startswith("bucket/status/") and place.endswith(".tenant"))
    }


@pytest.mark.timeout(300)
def test_the_complete_example_is_applied_and_removed_and_nothing_stays_behind(commands):
    before = settled(commands.described)

    saved = commands.results("apply", "-f", "examples", "--wait", "--timeout", 90)
    assert list(saved) == [
        "Cluster/build-east", "Cluster/run-east", "Product/orchard",
        "Environment/build", "Environment/test", "Project/apple-api", "Project/apple-web",
        "CodeRepo/apple-api-src", "CodeRepo/apple-deploy", "CodeRepo/apple-web-src",
        "CodeRepoBinding/lend-to-web", "ProjectPipelineRuntime/apple-ci", "DeploymentRuntime/apple-test",
    ]  # fmt: skip
    assert set(saved.values()) == {"saved"}
    there = inventory(commands.described)
    for place in (
        "forge/project/orchard/apple-api-src",
        "vault/policy/nautes.orchard.pipeline.apple-ci",
        "vault/auth/build-east/orchard.apple-builder",
        "kubernetes/build-east//api/v1/serviceaccounts/apple-ci/apple-builder",
        "kubernetes/management//apis/argoproj.io/v1alpha1/applications/argocd/orchard.apple-test",
        "bucket/desired/product_orchard",
    ):
        assert place in there, place

    again = commands.results("apply", "-f", "examples", "--wait")
    assert set(again.values()) == {"unchanged"}
    assert commands("plan", "-f", "examples", "--exit-code").stderr.splitlines()[-1] == "13 unchanged"

    watched = commands(
        "watch", "-p", "orchard", "--until-done", "--timeout", 30, "--json"
    ).stdout.splitlines()
    told = {(one["event"], one["kind"], one["name"]) for one in map(json.loads, watched)}
    assert {("added", "Environment", "build"), ("added", "Status", "orchard")} <= told

    removed = commands.results("remove", "-f", "examples", "--wait", "--timeout", 90)
    assert list(removed) == list(saved)[::-1]
    assert set(removed.values()) == {"removed"}

    def left():
        return settled(commands.described).items() - before.items()

    # What was asked to wait for is the repository; the cluster itself is deregistered a moment later.
    wait_until(lambda: not left(), timeout=30, every=0.5, what="nothing being left")
    lost = before.keys() - settled(commands.described).keys()
    assert {place for place in lost if not place.startswith("bucket/status/")} == UNDECLARED
    gone = commands.results("remove", "-f", "examples")
    assert set(gone.values()) == {"not there"}


def original_cluster(running):
    """The stack's build cluster as somebody declared it for the original: its kubeconfig as another file writes it."""
    described = running.described.clusters["build-east"]
    config = yaml.safe_load(described.kubeconfig.read_text())
    secret = config["users"][0]["user"]["token"]
    config["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1"
    spec = yaml.safe_load((ORIGINAL / "cluster-physical-worker-pipeline.yaml").read_text())["spec"]
    spec |= {"name": "build-east", "apiServer": described.url, "kubeconfig": yaml.safe_dump(config)}
    manifest = {"apiVersion": "nautes.resource.nautes.io/v1alpha1", "kind": "Cluster", "spec": spec}
    (running.work / "original" / "cluster-here.yaml").write_text(yaml.safe_dump(manifest, sort_keys=False))
    return secret


def test_manifests_of_the_original_apply_unchanged(commands):
    """The clusters lost their kubeconfigs with the test before; one comes with its manifest."""
    secret, described = original_cluster(commands), commands.described
    systems = Systems(described)
    stored = "cluster/data/kubernetes/build-east"
    assert systems.vault(f"{stored}/default/admin") is None
    # What the original cannot say: which products may use a cluster. A manifest without it leaves it as it is.
    clusters = ("-f", "examples/management/nautes/overlays/production/clusters")
    commands.results("apply", *clusters)
    assert set(commands.results("plan", "-f", "original/cluster-here.yaml").values()) == {"planned"}
    folder = commands.results("apply", "-f", "original", "--timeout", 5)
    names = ["Cluster/build-east", "Cluster/metal-a", "Cluster/build-west", "Cluster/ci-east"]
    assert list(folder)[:4] == names
    assert set(folder.values()) == {"saved"}
    wait_until(
        lambda: systems.vault(f"{stored}/nautes-reconciler"), timeout=60, what="the cluster's accounts"
    )
    assert set(commands.results("apply", "-f", "original/cluster-here.yaml").values()) == {"unchanged"}
    seen = commands("get", "cluster", "build-east", "-o", "json").stdout
    seen += commands("history", "cluster", "build-east", "-o", "json").stdout
    logs = [
        path.read_text(errors="replace") for path in (described.parts["api-server"].log.parent).glob("*.log")
    ]
    assert len(logs) > 5
    assert not [text for text in (seen, *logs) if secret in text]

    found = json.loads(commands("get", "ppr", "press-ci", "-p", "vineyard", "-o", "json").stdout)
    assert found["event_sources"][0]["gitlab"]["repo_name"] == "press-src"
    names = commands("get", "crs", "-p", "vineyard", "-o", "name", "-l", "pipeline_runtime=true").stdout
    assert names == "coderepo/press-src\n"
    removed = commands.results("remove", "-f", "original", "--timeout", 5)
    assert list(removed) == list(folder)[::-1]
    assert set(removed.values()) == {"removed"}
    commands.results("remove", *clusters)
    left = ("default/admin", "nautes-reconciler")
    wait_until(
        lambda: not any(systems.vault(f"{stored}/{path}") for path in left),
        timeout=60,
        what="nothing being left",
    )
    # No cluster west or virtual ever answered: what waited for it is gone with its declaration as well.
    wait_until(
        lambda: systems.vault("cluster/metadata/kubernetes?list=true")["keys"] == ["management/"],
        timeout=60,
        what="no kubeconfig being left",
    )
    systems.close()
