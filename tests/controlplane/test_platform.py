"""The whole platform on real clusters: what people push, what Tekton and Argo CD make of it, what people see."""

import itertools
from collections import Counter

import pytest

from nautes_localstack.layout import SERVICES
from support import controlplane
from support.controlplane_node import EXIT_CODE
from support.controlplane_whole import PROGRAMS, whole
from support.platform import running_platform
from support.processes import wait_until

SOURCE, DEPLOY = "orchard/apple-api-src", "orchard/apple-deploy"
PUSHES = 200
CONFIGMAP = "/api/v1/namespaces/apple-test/configmaps/{name}"


@pytest.fixture(scope="module")
def platform(tmp_path_factory):
    if reason := controlplane.absent(*PROGRAMS):
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("whole")
    with whole(folder / "clusters") as clusters:
        files = {name: cluster.kubeconfig for name, cluster in clusters.items()}
        with running_platform(folder / "platform", "real", files) as running:
            yield running


def ended(platform, commit):
    """Return the only run of a commit with its condition, once Tekton has closed it."""

    def closed():
        runs = platform.runs_of(commit)
        conditions = runs[0].get("status", {}).get("conditions") if runs else None
        return (runs, conditions[0]) if conditions and conditions[0]["status"] != "Unknown" else None

    (run,), condition = platform.until(closed, f"the end of the run of {commit}")
    return run, condition


def test_a_push_of_source_ends_in_a_finished_run_and_its_result_stands_beside_the_commit(platform):
    commit = platform.push(SOURCE, {"src/apples.py": "APPLES = 3\n"}, "Count apples")
    run, condition = ended(platform, commit)
    assert (condition["status"], condition["reason"]) == ("True", "Succeeded"), condition
    path = f"/api/v1/namespaces/apple-ci/pods?labelSelector=tekton.dev/pipelineRun={run['metadata']['name']}"
    pods = platform.systems.kubernetes("build-east", path)["items"]
    assert {pod["spec"]["serviceAccountName"] for pod in pods} == {"apple-builder"}
    assert {pod["status"]["phase"] for pod in pods} == {"Succeeded"}

    def told():
        status = platform.commit_statuses(SOURCE, commit).get("nautes/apple-ci", {})
        return status if status.get("status") == "success" else None

    platform.until(told, "the result beside the commit")


def test_a_run_that_fails_says_so_beside_the_commit(platform):
    text = platform.text(SOURCE, "ci/build.yaml")
    failing = text.replace("metadata:\n", f'metadata:\n  annotations: {{{EXIT_CODE}: "7"}}\n', 1)
    commit = platform.push(SOURCE, {"ci/build.yaml": failing}, "Break the build")
    _, condition = ended(platform, commit)
    assert (condition["status"], condition["reason"]) == ("False", "Failed"), condition

    def told():
        status = platform.commit_statuses(SOURCE, commit).get("nautes/apple-ci", {})
        return status if status.get("status") == "failed" else None

    assert "pending" not in platform.until(told, "the failure beside the commit")["description"]
    ended(platform, platform.push(SOURCE, {"ci/build.yaml": text}, "Mend it"))


def test_a_push_of_manifests_is_deployed_by_argo_cd_because_we_ask_it_to_look(platform):
    """Argo CD's own look at Git comes once an hour here."""
    for colour in ("green", "red"):
        manifest = (
            f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: basket}}\ndata: {{colour: {colour}}}\n"
        )
        kustomization = platform.text(DEPLOY, "overlays/test/kustomization.yaml")
        kustomization = kustomization.replace("[configmap.yaml]", "[configmap.yaml, basket.yaml]")
        files = {"overlays/test/basket.yaml": manifest, "overlays/test/kustomization.yaml": kustomization}
        commit = platform.push(DEPLOY, files, f"A {colour} basket")

        def deployed(colour=colour):
            found = platform.systems.kubernetes("run-east", CONFIGMAP.format(name="basket"))
            return found if found and found["data"]["colour"] == colour else None

        platform.until(deployed, f"the {colour} basket on run-east")

        def synced(commit=commit):
            sync = platform.story.application()["status"].get("sync", {})
            return (sync.get("status"), sync.get("revision")) == ("Synced", commit)

        platform.until(synced, "Argo CD saying so")


@pytest.mark.timeout(900)
def test_every_service_is_killed_amid_two_hundred_pushes_and_each_starts_exactly_one_run(platform):
    victims = itertools.cycle(SERVICES)
    commits = []
    for number in range(PUSHES):
        commits.append(platform.push(SOURCE, {"src/counter.txt": f"{number}\n"}, f"Push {number}"))
        if number % 20 == 10:
            victim = next(victims)
            platform.stack.kill(victim)
            if victim == "webhook-gateway":
                # A single gateway that is away for four calls makes GitLab rest its hook for a minute.
                platform.stack.wait_healthy(parts=[victim])

    def started():
        return Counter(run["metadata"]["annotations"].get("nautes.io/commit") for run in platform.runs())

    wait_until(lambda: started().keys() >= set(commits), timeout=600, every=2, what="a run of every push")
    found = started()
    assert {commit: found[commit] for commit in commits} == dict.fromkeys(commits, 1)
