"""Which pushes start which runs, on the running platform: a runtime of its own that hears of every branch and tag."""

from functools import partial

import gitlab
import pytest

from nautes_cli.demo.git import run_git
from support.platform import settled
from support.processes import wait_until

SOURCE = "orchard/apple-api-src"
CONFIG = "orchard/default.project"
RUNTIME = "projects/apple-api/apple-watch.yaml"
MANIFEST = """\
apiVersion: nautes.resource.nautes.io/v1alpha1
kind: ProjectPipelineRuntime
metadata:
  name: apple-watch
spec:
  project: apple-api
  pipelineSource: apple-api-src
  destination: {environment: build, namespace: apple-watch}
  isolation: shared
  pipelines:
    - {name: build, path: ci/build.yaml}
  eventSources:
    - name: branches
      gitlab: {repoName: apple-api-src, revision: "watch/*", events: [push_events]}
    - name: tags
      gitlab: {repoName: apple-api-src, revision: '^v\\d+$', events: [tag_push_events]}
    - name: folder
      gitlab: {repoName: apple-api-src, revision: "paths/*", events: [push_events], paths: [src, "!**/*.md"]}
    - name: proposals
      gitlab: {repoName: apple-api-src, revision: main, events: [merge_requests_events], condition: "!draft"}
  pipelineTriggers:
    - {eventSource: branches, pipeline: build}
    - {eventSource: tags, pipeline: build}
    - {eventSource: folder, pipeline: build}
    - {eventSource: proposals, pipeline: build}
"""


class Repository:
    """A working copy of the sources, and what the platform made of pushes from it."""

    def __init__(self, platform):
        self.platform = platform
        self.clone = platform.story.clone(SOURCE)

    def git(self, *arguments):
        return run_git(self.clone.config, *arguments, folder=self.clone.folder).strip()

    def commit(self, file, text, message="Change something"):
        path = self.clone.folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)
        return self.git("rev-parse", "HEAD")

    def push(self, *refs, options=()):
        """Push, and wait for the decision about each ref that moved."""
        flags = [f"--push-option={option}" for option in options]
        return self.decided(len(refs), lambda: self.git("push", "--quiet", *flags, "origin", *refs))

    def decided(self, count, act):
        """Do something, and return the decisions that it led to."""
        before = {one["id"] for one in self.decisions()}
        act()

        def found():
            new = [one for one in self.decisions() if one["id"] not in before]
            return new if len(new) >= count else None

        return self.platform.until(found, f"{count} decisions")

    def decisions(self):
        """Decisions about the repository, but not about what is written beneath its merge requests."""
        found = self.platform.api.get("/decisions")["items"]
        return [one for one in found if one["cause"]["repository"] == SOURCE and one["kind"] != "note"]

    def runs(self):
        """(ref, commit) of every run, sorted: one that was started twice would stand here twice."""
        marks = [run["metadata"]["annotations"] for run in self.platform.runs("apple-watch")]
        return sorted((one["nautes.io/ref"], one["nautes.io/commit"]) for one in marks)


@pytest.fixture(scope="module")
def repository(platform):
    platform.push(CONFIG, {RUNTIME: MANIFEST}, "Watch")
    watched = platform.until(
        lambda: platform.systems.kubernetes("build-east", "/api/v1/namespaces/apple-watch"), "its namespace"
    )
    assert watched
    wait_until(lambda: settled(platform), timeout=60, what="every scope being done")
    found = Repository(platform)
    found.git("fetch", "--quiet", "origin")
    found.git("checkout", "--quiet", "-B", "work", "origin/main")
    yield found
    found.git("checkout", "--quiet", "-B", "main", "origin/main")
    platform.push(CONFIG, {RUNTIME: None}, "Watch no more")
    wait_until(lambda: settled(platform), timeout=60, what="every scope being done")


def reason(decisions, trigger):
    (one,) = [one for found in decisions for one in found["considered"] if one["trigger"].startswith(trigger)]
    return one["fired"], one["reason"], one["note"]


def started(repository, before):
    """What was started since, in words of refs and commits."""
    left = repository.runs()
    for one in before:
        left.remove(one)
    return left


def test_a_branch_its_removal_and_a_tag(repository):
    before = repository.runs()
    one = repository.commit("src/one.py", "1\n")
    repository.push("work:refs/heads/watch/one")
    assert started(repository, before) == [("refs/heads/watch/one", one)]
    decisions = repository.push(":refs/heads/watch/one")
    assert reason(decisions, "branches") == (False, "refs/heads/watch/one was deleted", "")
    repository.git("tag", "--annotate", "--message", "First", "v1")
    repository.push("v1")
    repository.git("tag", "x1")
    decisions = repository.push("x1")
    assert reason(decisions, "tags") == (False, r"x1 does not match ^v\d+$", "")
    assert started(repository, before) == [("refs/heads/watch/one", one), ("refs/tags/v1", one)]


def test_a_branch_that_is_forced_there_and_back_is_three_runs(repository):
    before = repository.runs()
    first = repository.commit("src/two.py", "1\n")
    repository.push("work:refs/heads/watch/two")
    second = repository.commit("src/two.py", "2\n")
    repository.push("work:refs/heads/watch/two")
    repository.push(f"+{first}:refs/heads/watch/two")
    ref = "refs/heads/watch/two"
    assert started(repository, before) == sorted([(ref, first), (ref, second), (ref, first)])


def test_a_path_in_the_first_of_25_commits_counts_and_no_other(repository):
    before = repository.runs()
    base = repository.git("rev-parse", "HEAD")
    decisions = repository.push(f"{base}:refs/heads/paths/one")
    fired, _, note = reason(decisions, "folder")
    assert fired
    assert "the branch is new" in note
    repository.commit("src/first.py", "1\n")
    for number in range(24):
        head = repository.commit("docs/note.txt", f"{number}\n")
    decisions = repository.push("work:refs/heads/paths/one")
    assert reason(decisions, "folder")[0]
    assert "first src/first.py" in reason(decisions, "folder")[1]
    repository.commit("src/read.md", "words\n")
    decisions = repository.push("work:refs/heads/paths/one")
    assert reason(decisions, "folder") == (False, "none of 1 changed paths matches src, !**/*.md", "")
    ref = "refs/heads/paths/one"
    assert started(repository, before) == sorted([(ref, base), (ref, head)])


def test_a_push_that_asks_for_no_pipeline(repository):
    before = repository.runs()
    repository.commit("src/quiet.py", "1\n")
    decisions = repository.push("work:refs/heads/watch/quiet", options=["ci.skip"])
    assert reason(decisions, "branches")[1] == "the push option ci.skip was given"
    repository.commit("src/quiet.py", "2\n", "Whisper [skip ci]")
    decisions = repository.push("work:refs/heads/watch/quiet")
    assert reason(decisions, "branches")[1] == "the message of its head commit asks to skip pipelines"
    decisions = repository.push("work:refs/heads/watch/quieter")
    assert reason(decisions, "branches")[1] == "the message of its head commit asks to skip pipelines"
    assert started(repository, before) == []


def test_a_push_of_four_refs_of_which_no_hook_tells_is_found(repository):
    """GitLab calls no hook for more than three refs of a kind; the heads of branches tell."""
    before = repository.runs()
    commit = repository.commit("src/many.py", "1\n")
    refs = [f"refs/heads/watch/many-{number}" for number in range(4)]
    decisions = repository.push(*(f"work:{ref}" for ref in refs))
    assert {one["cause"]["ref"] for one in decisions} == set(refs)
    assert all(one["cause"]["delivery"].startswith("missed-") for one in decisions)
    assert reason(decisions[:1], "branches")[1].startswith("Missed push on watch/many-")
    assert started(repository, before) == [(ref, commit) for ref in refs]


def test_a_merge_request_opened_moved_labelled_closed_and_opened_again(repository):
    before = repository.runs()
    described = repository.platform.described
    first = repository.commit("src/request.py", "1\n")
    repository.push("work:refs/heads/request")
    with gitlab.Gitlab(
        described.gitlab_url, private_token=described.tokens["dev"].read_text().strip()
    ) as api:
        requests = api.projects.get(SOURCE).mergerequests
        opened = {"source_branch": "request", "target_branch": "main", "title": "Ripen"}
        decisions = repository.decided(1, lambda: requests.create(opened))
        assert reason(decisions, "proposals")[1] == "Merge Request Hook (open) on main of apple-api-src"
        (request,) = requests.list(state="opened")
        ref = f"refs/merge-requests/{request.iid}/head"
        assert started(repository, before) == [(ref, first)]

        second = repository.commit("src/request.py", "2\n")
        push = partial(repository.git, "push", "--quiet", "origin", "work:refs/heads/request")
        decisions = repository.decided(2, push)  # the push itself, and the update of the merge request
        updates = [one for one in decisions if one["cause"]["ref"] == ref]
        assert reason(updates, "proposals")[1] == "Merge Request Hook (update) on main of apple-api-src"

        def edit(**changes):
            return repository.decided(1, partial(requests.update, request.iid, changes))

        assert reason(edit(add_labels="ready"), "proposals")[1] == "no code changed, only labels"
        assert reason(edit(title="Draft: Ripen"), "proposals")[1] == "no code changed, only title"
        assert "the action was close" in reason(edit(state_event="close"), "proposals")[1]
        assert reason(edit(state_event="reopen"), "proposals")[1] == "its condition does not hold: !draft"
        edit(title="Ripen")
        edit(state_event="close")
        assert reason(edit(state_event="reopen"), "proposals")[0]
        assert started(repository, before) == sorted([(ref, first), (ref, second), (ref, second)])
        status = repository.platform.commit_statuses(SOURCE, second)["nautes/apple-watch"]
        assert (status["status"], status["ref"]) == ("pending", "request")
        edit(state_event="close")


def test_a_commit_says_that_it_was_skipped_and_a_run_of_it_takes_over(platform, repository):
    repository.commit("src/skip.py", "1\n")
    repository.push("HEAD:refs/heads/paths/skip")
    commit = repository.commit("docs.md", "only words\n")
    (decision,) = repository.push("HEAD:refs/heads/paths/skip")
    fired, words, _ = reason([decision], "folder")
    status = platform.commit_statuses(SOURCE, commit)["nautes/apple-watch"]
    assert (fired, status["status"], status["ref"]) == (False, "skipped", "paths/skip")
    assert status["description"] == words
    other = repository.commit("docs.md", "skipped by words\n")
    repository.push("HEAD:refs/heads/paths/skip", options=("ci.skip",))
    assert "ci.skip" in platform.commit_statuses(SOURCE, other)["nautes/apple-watch"]["description"]
    assert "nautes/apple-ci" not in platform.commit_statuses(SOURCE, other)

    # The same commit on a branch of which every push counts: its run has the word.
    repository.push(f"{commit}:refs/heads/watch/skip")
    (run,) = [
        run
        for run in platform.runs("apple-watch")
        if run["metadata"]["annotations"]["nautes.io/commit"] == commit
    ]
    rows = platform.until(lambda: _pending(platform, commit), "the status of the run")
    assert run["metadata"]["name"] in rows["description"]


def _pending(platform, commit):
    found = platform.commit_statuses(SOURCE, commit)["nautes/apple-watch"]
    return found if found["status"] == "pending" else None
