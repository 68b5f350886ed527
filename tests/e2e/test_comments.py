"""Comments on a merge request, on the running platform: who may ask, what it starts, and what is written back."""

import contextlib

import gitlab
import pytest

from nautes_domain.run_table import MARKER, rows_of
from support import tekton
from support.platform import settled
from support.processes import wait_until

SOURCE = "orchard/apple-api-src"
CONFIG = "orchard/default.project"
RUNTIME = "projects/apple-api/apple-proposals.yaml"
MANIFEST = """\
apiVersion: nautes.resource.nautes.io/v1alpha1
kind: ProjectPipelineRuntime
metadata:
  name: apple-proposals
spec:
  project: apple-api
  pipelineSource: apple-api-src
  destination: {environment: build, namespace: apple-proposals}
  isolation: shared
  pipelines:
    - {name: build, path: ci/build.yaml}
  eventSources:
    - name: proposals
      gitlab: {repoName: apple-api-src, revision: main, events: [merge_requests_events]}
  pipelineTriggers:
    - {eventSource: proposals, pipeline: build}
"""


class Talk:
    """A merge request, and people who write beneath it."""

    def __init__(self, platform, root):
        self.platform = platform
        self.root = root
        self.project = root.projects.get(SOURCE)
        self.request = None
        self.clients = contextlib.ExitStack()

    def open(self):
        body = {
            "branch": "proposal",
            "start_branch": "main",
            "commit_message": "Propose",
            "actions": [{"action": "create", "file_path": "proposal.txt", "content": "1"}],
        }
        self.project.commits.create(body)
        opened = {"source_branch": "proposal", "target_branch": "main", "title": "Ripen"}
        self.request = self.project.mergerequests.create(opened)

    def person(self, name, level):
        """Return somebody's own client; a member of the project with a level."""
        user = self.root.users.create(
            {"username": name, "name": name, "email": f"{name}@example.org", "force_random_password": True}
        )
        token = user.personal_access_tokens.create({"name": "talk", "scopes": ["api"]}).token
        self.project.members.create({"user_id": user.id, "access_level": level})
        return self.clients.enter_context(
            gitlab.Gitlab(self.platform.described.gitlab_url, private_token=token)
        )

    def say(self, client, text):
        """Write a comment and wait for the decision about it; return the decision."""
        before = {one["id"] for one in self.decisions()}
        client.auth()
        who = client.user.username
        client.projects.get(SOURCE).mergerequests.get(self.request.iid).notes.create({"body": text})

        def found():
            new = [one for one in self.decisions() if one["id"] not in before and one["kind"] == "note"]
            return [one for one in new if one["cause"]["actor"] == who]

        return self.platform.until(found, f"the decision about {text}")[0]

    def decisions(self):
        found = self.platform.api.get("/decisions")["items"]
        return [one for one in found if one["cause"]["ref"] == f"refs/merge-requests/{self.request.iid}/head"]

    def runs(self):
        return self.platform.runs("apple-proposals")

    def ours(self):
        """The notes of the platform's account."""
        notes = self.project.mergerequests.get(self.request.iid).notes.list(get_all=True, sort="asc")
        return [one.body for one in notes if one.author["username"] == "nautes-reconciler"]

    def table(self, **phases):
        """Wait until the table shows these phases by number of runs; return its rows."""

        def found():
            tables = [one for one in self.ours() if MARKER in one]
            assert len(tables) <= 1
            rows = rows_of(tables[0]) if tables else ()
            counts = {phase: sum(1 for row in rows if row.phase == phase) for phase in phases}
            return rows if rows and counts == phases else None

        return self.platform.until(found, f"a table with {phases}")


@pytest.fixture(scope="module")
def talk(platform):
    platform.push(CONFIG, {RUNTIME: MANIFEST}, "Propose")
    platform.until(
        lambda: platform.systems.kubernetes("build-east", "/api/v1/namespaces/apple-proposals"),
        "its namespace",
    )
    wait_until(lambda: settled(platform), timeout=60, what="every scope being done")
    root = platform.described.tokens["root"].read_text().strip()
    with gitlab.Gitlab(platform.described.gitlab_url, private_token=root) as api:
        found = Talk(platform, api)
        found.open()
        platform.until(found.runs, "the run of the merge request that was opened")
        yield found
        found.clients.close()
        found.project.mergerequests.update(found.request.iid, {"state_event": "close"})
    platform.push(CONFIG, {RUNTIME: None}, "Propose no more")
    wait_until(lambda: settled(platform), timeout=60, what="every scope being done")


def test_people_with_the_right_start_and_stop_runs_and_others_are_answered(talk):
    eve, mallory = talk.person("eve", 30), talk.person("mallory", 20)
    (opened,) = talk.runs()
    assert [row.run for row in talk.table(pending=1)] == [opened["metadata"]["name"]]

    refused = talk.say(mallory, "/test")
    assert refused["summary"] == "mallory is no developer of the project"
    assert len(talk.runs()) == 1
    assert [one for one in talk.ours() if "only who is a Developer" in one]

    decided = talk.say(eve, "Once more, please.\n\n/test")
    (considered,) = [one for one in decided["considered"] if one["fired"]]
    assert considered["reason"] == "comment /test (open) on main of apple-api-src"
    names = {run["metadata"]["name"] for run in talk.runs()}
    assert names == {opened["metadata"]["name"], considered["run"]}
    (asked,) = [run for run in talk.runs() if run["metadata"]["name"] == considered["run"]]
    assert asked["metadata"]["annotations"]["nautes.io/actor"] == "eve"
    talk.table(pending=2)

    talk.platform.play_tekton(opened, tekton.SUCCEEDED)
    talk.platform.play_tekton(asked, tekton.CANCELLED)
    rows = talk.table(succeeded=1, cancelled=1)
    assert {row.run for row in rows} == names

    again = talk.say(eve, "/retest")
    assert len([one for one in again["considered"] if one["fired"]]) == 1
    assert len(talk.runs()) == 3
    talk.table(succeeded=1, cancelled=1, pending=1)

    stopped = talk.say(eve, "/cancel apple-proposals")
    assert [one["trigger"] for one in stopped["considered"]] == ["/cancel apple-proposals"]
    assert [run["spec"]["status"] for run in talk.runs() if run["spec"].get("status")]

    nothing = talk.say(eve, "/test another")
    assert not [one for one in nothing["considered"] if one["fired"]]
    assert [one for one in talk.ours() if "starts nothing" in one]
    assert len(talk.runs()) == 3


def test_our_own_notes_and_edits_ask_for_nothing(talk):
    before = len(talk.runs())
    token = talk.platform.described.tokens["nautes-reconciler"].read_text().strip()
    with gitlab.Gitlab(talk.platform.described.gitlab_url, private_token=token) as ours:
        decided = talk.say(ours, "/test")
    assert decided["summary"] == "it was written by the platform's own account"
    assert len(talk.runs()) == before
