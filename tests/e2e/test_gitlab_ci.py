"""A cluster whose pipelines GitLab CI serves, on the running platform: declared, pushed to, followed to the end."""

import gitlab
import httpx
import pytest

from support.platform import settled
from support.processes import wait_until

CONFIG, SOURCE = "orchard/default.project", "orchard/apple-api-src"
CLUSTER = "nautes/overlays/production/clusters/build-east.yaml"
TEKTON, GITLAB = (
    "pipeline: {name: tekton, namespace: tekton-pipelines}",
    "pipeline: {name: gitlab-ci, namespace: runners}",
)
RUNTIME = "projects/apple-api/apple-lab.yaml"
MANIFEST = """\
apiVersion: nautes.resource.nautes.io/v1alpha1
kind: ProjectPipelineRuntime
metadata:
  name: apple-lab
spec:
  project: apple-api
  pipelineSource: apple-api-src
  destination: {environment: build, namespace: apple-lab}
  isolation: shared
  pipelines:
    - {name: lab, path: .gitlab-ci.yml}
  eventSources:
    - name: branches
      gitlab: {repoName: apple-api-src, revision: "lab/*", events: [push_events]}
  pipelineTriggers:
    - {eventSource: branches, pipeline: lab}
"""


@pytest.fixture(scope="module")
def project(platform):
    tenant = platform.described.tenant
    text = platform.text(f"{tenant}/management", CLUSTER)
    root = platform.described.tokens["root"].read_text().strip()
    platform.push(f"{tenant}/management", {CLUSTER: text.replace(TEKTON, GITLAB)}, "Let GitLab run pipelines")
    platform.push(CONFIG, {RUNTIME: MANIFEST}, "A laboratory")
    with gitlab.Gitlab(platform.described.gitlab_url, private_token=root) as api:
        found = api.projects.get(SOURCE)
        (account,) = api.users.list(username="nautes-pipelines", get_all=True)
        found.members.create({"user_id": account.id, "access_level": 30})
        namespace = "/api/v1/namespaces/apple-lab"
        platform.until(lambda: platform.systems.kubernetes("build-east", namespace), "its namespace")
        wait_until(lambda: settled(platform), timeout=60, what="every scope being done")
        yield found
    platform.push(CONFIG, {RUNTIME: None}, "No laboratory")
    platform.push(f"{tenant}/management", {CLUSTER: text}, "Let Tekton run pipelines")
    wait_until(lambda: settled(platform), timeout=60, what="every scope being done")


def play(platform, project, state):
    """Do what a runner does with the one job that waits."""
    with httpx.Client(base_url=f"{platform.described.gitlab_url}/api/v4/", trust_env=False) as client:
        token = platform.described.tokens["root"].read_text().strip()
        body = {"runner_type": "project_type", "project_id": project.id}
        runner = client.post("user/runners", json=body, headers={"PRIVATE-TOKEN": token}).json()["token"]
        job = client.post("jobs/request", json={"token": runner}).raise_for_status().json()
        client.put(f"jobs/{job['id']}", json={"token": job["token"], "state": state}).raise_for_status()
        return {one["key"]: one["value"] for one in job["variables"]}


def test_a_push_is_one_pipeline_on_gitlab_and_its_end_is_told(platform, project):
    body = {
        "branch": "lab/one",
        "start_branch": "main",
        "commit_message": "Mix",
        "actions": [
            {"action": "create", "file_path": ".gitlab-ci.yml", "content": "mix: {script: [echo $ref]}\n"}
        ],
    }
    commit = project.commits.create(body).id
    decision = platform.until(lambda: platform.decision(commit), "the decision")
    (considered,) = [one for one in decision["considered"] if one["fired"]]
    assert (considered["runtime"], considered["result"]) == ("apple-lab", "done")
    (pipeline,) = project.pipelines.list(get_all=True, source="api")
    assert (pipeline.sha, pipeline.ref, pipeline.status) == (commit, "lab/one", "pending")
    assert project.pipelines.get(pipeline.id).user["username"] == "nautes-pipelines"

    variables = play(platform, project, "success")
    assert (variables["ref"], variables["NAUTES_RUN"]) == ("refs/heads/lab/one", considered["run"])

    def told():
        return project.pipelines.get(pipeline.id).name == f"{considered['run']} · succeeded"

    platform.until(told, "the end in the pipeline's name")
    assert "nautes/apple-lab" not in platform.commit_statuses(SOURCE, commit)  # GitLab shows it itself
    found = platform.api.get(f"/products/orchard/runs/{considered['run']}")
    assert (found["phase"], found["cluster"]) == ("succeeded", "build-east")
    assert found["url"].endswith(f"/-/pipelines/{pipeline.id}")
    assert len(project.pipelines.list(get_all=True, source="api")) == 1
    assert platform.runs("apple-lab") == []
