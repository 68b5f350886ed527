"""The table: what GitLab sends × what an event source asks for → whether a run starts, and the reason that people read.

Rows follow what GitLab documents and does (creates, deletes, annotated tags, truncation, merge requests, skips), and
the inputs that broke other receivers.
"""

from typing import Any, NamedTuple

from nautes_domain.triggers import Facts
from support.gitlab_payloads import (
    NEW,
    OLD,
    PROJECT,
    TAG,
    ZERO,
    created,
    deleted,
    deployment,
    issue,
    job,
    merge_request,
    note,
    pipeline,
    push,
    release,
    tag,
    wiki,
)


class Case(NamedTuple):
    name: str
    payload: dict[str, Any]
    source: dict[str, Any]
    """Of the event source: `on` events without `_events`, revision, paths, actions, condition."""
    fires: bool
    reason: str
    facts: Facts = Facts()
    revision: str = ""
    """Of the trigger."""
    note: str = ""


def on(*events: str, **fields: Any) -> dict[str, Any]:
    return {"events": [f"{event}_events" for event in events], **fields}


def changed(*paths: str) -> Facts:
    return Facts(changed=paths)


PUSH, TAGS, MR = on("push"), on("tag_push"), on("merge_requests")
GONE = Facts(unknown="the commit is gone")
YES, NO = True, False
MANY = [{"id": f"{number:040x}", "message": "m", "modified": ["docs/a.md"]} for number in range(1, 20)]
FORK = {"source_project_id": 77}
BOT = {"id": 1, "username": "nautes-bot"}
OURS = Facts(own_account="nautes-bot")

# fmt: off
CASES = [
    # pushes and revisions
    Case("push to any branch", push("idea"), PUSH, YES, "Push Hook on idea of apple-api-src"),
    Case("push to the named branch", push(), on("push", revision="main"), YES, "on main"),
    Case("push to another branch", push("idea"), on("push", revision="main"), NO, "idea does not match main"),
    Case("a name is anchored at its end", push("mainline"), on("push", revision="main"), NO, "does not match"),
    Case("a name is anchored at its start", push("domain"), on("push", revision="main"), NO, "does not match"),
    Case("case counts", push("Main"), on("push", revision="main"), NO, "Main does not match main"),
    Case("a glob reaches over slashes", push("release/1/2"), on("push", revision="release/*"), YES, "on release/1/2"),
    Case("a glob is anchored", push("my/release/1"), on("push", revision="release/*"), NO, "does not match"),
    Case("a glob with a class", push("v1"), on("push", revision="v[0-9]"), YES, "on v1"),
    Case("a glob with an excluding class", push("v1"), on("push", revision="v[!0-9]"), NO, "does not match"),
    Case("a glob with one character", push("v12"), on("push", revision="v?"), NO, "v12 does not match v?"),
    Case("a regular expression", push("release-12"), on("push", revision=r"^release-\d+$"), YES, "on release-12"),
    Case("a regular expression is of the whole name", push("release-12x"), on("push", revision=r"^release-\d+"), NO, "does not match"),
    Case("alternatives are anchored both", push("mainx"), on("push", revision="^main|dev"), NO, "does not match"),
    Case("a dot in a name is a dot", push("v1x2"), on("push", revision="v1.2"), NO, "does not match"),
    Case("a full ref", push(), on("push", revision="refs/heads/main"), YES, "on main"),
    Case("a full ref of a tag is no branch", push("v1"), on("push", revision="refs/tags/v1"), NO, "refs/heads/v1 does not match"),
    Case("a regular expression of full refs", push("v1"), on("push", revision="^refs/(heads|tags)/v1$"), YES, "on v1"),
    Case("a branch in Unicode", push("größe"), on("push", revision="gr*"), YES, "on größe"),
    Case("a branch with shell in it", push("x;$(rm)"), PUSH, YES, "x;$(rm)"),
    Case("a branch named like a pattern", push("v{1}"), on("push", revision="^v{1}$"), NO, "v{1} does not match ^v{1}$"),
    Case("a catastrophic expression is linear", push("a" * 900), on("push", revision="^(a+)+b$"), NO, "does not match"),
    # events
    Case("a push is no tag push", push(), TAGS, NO, "it listens to tag_push_events, not to Push Hook"),
    Case("a tag push is no push", tag(), PUSH, NO, "not to Tag Push Hook"),
    Case("one of several events", tag(), on("push", "tag_push"), YES, "Tag Push Hook on v1.0"),
    Case("an event that nobody can listen to", wiki(), on("push", "tag_push"), NO, "not to Wiki Page Hook"),
    Case("another repository", push(), {**PUSH, "repoName": "apple-web-src"}, NO, "it listens to apple-web-src"),
    # creates, deletes, force pushes
    Case("a new branch with commits", push("idea", before=ZERO), PUSH, YES, "on idea"),
    Case("a new branch without new commits", created("idea"), PUSH, YES, "on idea"),
    Case("a new branch that is not meant", created("idea"), on("push", revision="main"), NO, "does not match"),
    Case("a deleted branch", deleted("main"), PUSH, NO, "refs/heads/main was deleted"),
    Case("a deleted branch with a commit to build", deleted("main", checkout_sha=NEW), PUSH, NO, "was deleted"),
    Case("a deleted branch, SHA-256", deleted("main", before="a" * 64, after="0" * 64), PUSH, NO, "was deleted"),
    Case("a deleted branch, pinned trigger", deleted("main"), PUSH, NO, "was deleted", revision="main"),
    Case("a force push", push(before=NEW, after=OLD), PUSH, YES, "on main", changed("src/a")),
    Case("a push in a SHA-256 repository", push(before="a" * 64, after="b" * 64), PUSH, YES, "on main"),
    Case("a push that names no commit", push(checkout_sha=None), PUSH, NO, "names no commit"),
    # tags
    Case("an annotated tag", tag(), TAGS, YES, "on v1.0"),
    Case("a lightweight tag", tag(after=NEW), TAGS, YES, "on v1.0"),
    Case("a tag that matches", tag("v2.1"), on("tag_push", revision="v*"), YES, "on v2.1"),
    Case("a tag that does not", tag("rc1"), on("tag_push", revision="v*"), NO, "rc1 does not match v*"),
    Case("a deleted tag", tag(before=TAG, after=ZERO, checkout_sha=None), TAGS, NO, "refs/tags/v1.0 was deleted"),
    Case("a moved tag", tag(before=OLD), TAGS, YES, "on v1.0"),
    Case("a tag of something that is no commit", tag(checkout_sha=None), TAGS, NO, "names no commit"),
    Case("a tag knows no paths", tag(), on("tag_push", paths=["src"]), YES, "on v1.0", GONE, note="the commit is gone"),
    # paths
    Case("a path that matches", push(), on("push", paths=["src/**"]), YES, "1 of 2 changed paths match src/**, first src/a", changed("README.md", "src/a")),
    Case("no path that matches", push(), on("push", paths=["src/**"]), NO, "none of 1 changed paths matches src/**", changed("docs/a")),
    Case("a folder is everything below it", push(), on("push", paths=["src"]), YES, "first src/a/b", changed("src/a/b")),
    Case("a folder with a slash", push(), on("push", paths=["src/"]), YES, "first src/a", changed("src/a")),
    Case("a folder is no prefix", push(), on("push", paths=["src"]), NO, "none of 1", changed("src-more/a")),
    Case("a star stays within a folder", push(), on("push", paths=["*.md"]), NO, "none of 1", changed("docs/a.md")),
    Case("two stars do not", push(), on("push", paths=["**/*.md"]), YES, "1 of 1", changed("docs/deep/a.md")),
    Case("two stars match no folder too", push(), on("push", paths=["**/*.md"]), YES, "1 of 1", changed("a.md")),
    Case("an exception", push(), on("push", paths=["src", "!src/docs"]), NO, "none of 1", changed("src/docs/a")),
    Case("an exception from the exception", push(), on("push", paths=["src", "!src/docs", "src/docs/api"]), YES, "1 of 1", changed("src/docs/api/a")),
    Case("exceptions only", push(), on("push", paths=["!docs"]), NO, "none of 1", changed("docs/a")),
    Case("exceptions only, and something else", push(), on("push", paths=["!docs"]), YES, "1 of 2", changed("docs/a", "src/a")),
    Case("an empty push changes nothing", push(), on("push", paths=["src"]), NO, "none of 0", changed()),
    Case("paths are not those of the listed commits", push(commits=MANY, total_commits_count=25), on("push", paths=["src"]), YES, "first src/old", changed("docs/a.md", "src/old")),
    Case("the host cannot compare", push(), on("push", paths=["src"]), YES, "on main", GONE, note="its path filter was not applied: the commit is gone"),
    Case("a new branch has no base", created("idea"), on("push", paths=["src"]), YES, "on idea", Facts(unknown="the branch is new"), note="the branch is new"),
    Case("a file name with a line break", push(), on("push", paths=["src/*"]), YES, "1 of 1", changed("src/a\nb")),
    Case("a file name that is no text", push(), on("push", paths=["src/*"]), NO, "none of 1", changed("src/\udcff")),
    # skipping
    Case("push option ci.skip", push(push_options={"ci": {"skip": True}}), PUSH, NO, "the push option ci.skip was given"),
    Case("another push option", push(push_options={"merge_request": {"create": True}}), PUSH, YES, "on main"),
    Case("push options that are none", push(push_options="ci.skip"), PUSH, YES, "on main"),
    Case("[ci skip]", push(message="Docs [ci skip]"), PUSH, NO, "asks to skip pipelines"),
    Case("[skip ci] in the body", push(message="Docs\n\n[Skip CI]"), PUSH, NO, "asks to skip pipelines"),
    Case("[skip-ci]", push(message="[skip-ci] Docs"), PUSH, NO, "asks to skip pipelines"),
    Case("skip ci without brackets", push(message="skip ci"), PUSH, YES, "on main"),
    Case("[skip ci] of an older commit", push(commits=[{"id": OLD, "message": "[skip ci]"}, {"id": NEW, "message": "m"}]), PUSH, YES, "on main"),
    Case("[skip ci] found by asking", created("idea"), PUSH, NO, "asks to skip pipelines", Facts(message_skips=True)),
    Case("a tag on a commit that skips", tag(message="x"), TAGS, YES, "on v1.0"),
    # our own work
    Case("pushed by the platform", push(user_username="nautes-bot"), PUSH, NO, "by the platform's own account nautes-bot", OURS),
    Case("a person with a similar name", push(user_username="nautes-bots"), PUSH, YES, "on main", OURS),
    Case("our status makes a pipeline event", pipeline(user=BOT), on("pipeline"), NO, "the platform's own account", OURS),
    Case("our comment", {**note(), "user": BOT}, on("note"), NO, "the platform's own account", OURS),
    # merge requests
    Case("opened", merge_request("open"), MR, YES, "Merge Request Hook (open) on main"),
    Case("opened again", merge_request("reopen"), MR, YES, "(reopen)"),
    Case("new code", merge_request("update", oldrev=OLD), MR, YES, "(update)"),
    Case("only labels", merge_request("update", changed=("labels", "updated_at")), MR, NO, "no code changed, only labels"),
    Case("only words", merge_request("update", changed=("title", "description")), MR, NO, "only description, title"),
    Case("an update that changed nothing", merge_request("update"), MR, NO, "only something else"),
    Case("closed", merge_request("close", state="closed"), MR, NO, "the action was close"),
    Case("merged", merge_request("merge", state="merged"), MR, NO, "the action was merge"),
    Case("approved", merge_request("approved"), MR, NO, "the action was approved"),
    Case("merged, and asked for", merge_request("merge"), on("merge_requests", actions=["merge"]), YES, "(merge)"),
    Case("labels, and asked for", merge_request("update", changed=("labels",)), on("merge_requests", actions=["edit"]), YES, "(edit)"),
    Case("opened, but asked for new code", merge_request(), on("merge_requests", actions=["update"]), NO, "was open"),
    Case("into the named branch", merge_request(), on("merge_requests", revision="main"), YES, "on main"),
    Case("the source is not what is named", merge_request(), on("merge_requests", revision="feature"), NO, "main does not match feature"),
    Case("into another branch", merge_request(target_branch="dev"), on("merge_requests", revision="main"), NO, "dev does not match main"),
    Case("from a fork", merge_request(**FORK), MR, NO, "the code is that of a fork (project 77)"),
    Case("from a fork, pinned trigger", merge_request(**FORK), MR, NO, "fork", revision="main"),
    Case("a merge request whose head asks to skip", merge_request(last_commit={"id": NEW, "message": "[skip ci]"}), MR, NO, "asks to skip"),
    Case("a merge request without its commit yet", merge_request(last_commit=None), MR, NO, "names no commit"),
    Case("its paths match", merge_request(), on("merge_requests", paths=["src"]), YES, "first src/a", changed("src/a")),
    Case("its paths do not", merge_request(), on("merge_requests", paths=["src"]), NO, "none of 1", changed("docs")),
    Case("a merge request is no push", merge_request(), PUSH, NO, "not to Merge Request Hook"),
    Case("drafts are left out by a condition", merge_request(draft=True), on("merge_requests", condition="!draft"), NO, "its condition does not hold: !draft"),
    Case("a label that is asked for", merge_request(labels=[{"title": "ci"}]), on("merge_requests", condition="'ci' in labels"), YES, "(open)"),
    # notes, issues
    Case("a comment on a merge request", note(merge_request()), on("note"), YES, "Note Hook (create) on main"),
    Case("a command", note(merge_request()), on("note", condition="text.startsWith('/test')"), YES, "(create)"),
    Case("no command", note(merge_request(), "nice"), on("note", condition="text.startsWith('/test')"), NO, "does not hold"),
    Case("a comment on a fork", note(merge_request(**FORK)), on("note"), NO, "fork"),
    Case("a comment on a commit", note(), on("note"), YES, "Note Hook (create)"),
    Case("a comment on a commit names no branch", note(), on("note", revision="main"), NO, "it names no branch or tag"),
    Case("an edited comment", note(action="update"), on("note"), NO, "the action was update"),
    Case("an issue names no commit", issue(), on("issues"), NO, "the trigger gives no revision"),
    Case("an issue, pinned trigger", issue(), on("issues"), YES, "Issue Hook (open)", revision="main"),
    Case("an issue closed, opened wanted", issue("close"), on("issues", actions=["open"]), NO, "was close", revision="main"),
    Case("a confidential issue is another event", issue(event_type="confidential_issue"), on("issues"), NO, "not to", revision="main"),
    Case("a confidential issue, asked for", issue(event_type="confidential_issue"), on("confidential_issues"), YES, "(open)", revision="main"),
    # jobs, pipelines, deployments, releases
    Case("a job", job(), on("job"), YES, "Job Hook on main"),
    Case("a job of a tag", job(ref="v1", tag=True), on("job", revision="refs/tags/v1"), YES, "on v1"),
    Case("a job that failed", job("failed"), on("job", condition="state == 'success'"), NO, "does not hold"),
    Case("a pipeline", pipeline(), on("pipeline", revision="main"), YES, "Pipeline Hook on main"),
    Case("a pipeline of another branch", pipeline(ref="dev"), on("pipeline", revision="main"), NO, "dev does not match"),
    Case("a deployment", deployment(), on("deployment"), YES, "Deployment Hook on main"),
    Case("a deployment elsewhere", deployment(environment="test"), on("deployment", condition="about == 'staging'"), NO, "does not hold"),
    Case("a deployment without its commit", deployment(commit_url="x"), on("deployment"), NO, "names no commit"),
    Case("a release", release(), on("releases", revision="v*"), YES, "Release Hook (create) on v1.0"),
    Case("an edited release", release("update"), on("releases"), NO, "the action was update"),
    # conditions
    Case("a condition on who", push(), on("push", condition="actor == 'ada'"), YES, "on main"),
    Case("a condition on what is not there", push(), on("push", condition="labels[0] == 'x'"), NO, "its condition cannot be evaluated"),
    Case("a condition on a variable", push(push_options={"ci": {"variable": {"DEEP=1": 1}}}), on("push", condition="'DEEP' in variables"), YES, "on main"),
    Case("a renamed project is known by its id", push(project={**PROJECT, "path_with_namespace": "moved/away"}), PUSH, YES, "on main"),
]
# fmt: on
