"""The forge's webhooks through the API: kept, disabled, tested, sent again, and what they tell of API commits."""

from typing import Any

import gitlab
import pytest

from support.forge import HookReceiver, start_forge
from support.processes import free_port, wait_until


@pytest.fixture
def project(api: gitlab.Gitlab, request: pytest.FixtureRequest) -> Any:
    name = request.node.name.removeprefix("test_")[:60].strip("_")
    group = api.groups.get("acme")
    return api.projects.create({"name": name, "namespace_id": group.id, "initialize_with_readme": True})


def commit(project: Any, number: int) -> str:
    actions = [{"action": "create", "file_path": f"f{number}.yaml", "content": str(number)}]
    made = project.commits.create({"branch": "main", "commit_message": f"n{number}", "actions": actions})
    return str(made.id)


def events(project: Any, hook: Any, **query: str) -> list[dict[str, Any]]:
    return project.manager.gitlab.http_list(
        f"/projects/{project.id}/hooks/{hook.id}/events", query_data=query, get_all=True
    )


def test_secrets_are_taken_and_never_shown(project: Any, receiver: HookReceiver) -> None:
    secret = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
    made = project.hooks.create(
        {"url": receiver.url, "token": "hush-hush", "signing_token": secret, "name": "n"}
    )
    shown = str(made.attributes) + str(project.hooks.get(made.id).attributes)
    assert "hush-hush" not in shown
    assert secret not in shown
    assert (made.token_present, made.signing_token_present, made.name) == (True, True, "n")
    assert (made.push_events, made.tag_push_events, made.alert_status) == (True, False, "executable")
    commit(project, 1)
    receiver.wait(1)
    (event,) = wait_until(lambda: events(project, made))
    assert event["request_headers"]["X-Gitlab-Token"] == "[REDACTED]"
    assert "hush-hush" not in str(event)


def test_a_changed_hook_keeps_what_was_not_named(project: Any, receiver: HookReceiver) -> None:
    made = project.hooks.create(
        {"url": receiver.url, "token": "first", "tag_push_events": True, "push_events": False}
    )
    project.hooks.update(made.id, {"url": receiver.url, "push_events": True, "description": "v2"})
    commit(project, 1)
    call = receiver.wait(1)[0]
    assert call.headers["X-Gitlab-Token"] == "first"
    assert "webhook-signature" not in call.headers
    shown = project.hooks.get(made.id)
    assert (shown.tag_push_events, shown.description) == (True, "v2")


@pytest.mark.parametrize("url", ["ftp://x", "nothing", "http://", "http://x:99999"])
def test_bad_urls_are_refused(project: Any, url: str) -> None:
    with pytest.raises(gitlab.GitlabCreateError) as refused:
        project.hooks.create({"url": url})
    assert refused.value.response_code == 422


def test_bad_signing_tokens_are_refused(project: Any, receiver: HookReceiver) -> None:
    with pytest.raises(gitlab.GitlabCreateError) as refused:
        project.hooks.create({"url": receiver.url, "signing_token": "whsec_c2hvcnQ="})
    assert refused.value.response_code == 400


def test_api_commits_call_hooks_and_pass_the_event_uuid_on(
    api: gitlab.Gitlab, project: Any, receiver: HookReceiver
) -> None:
    project.hooks.create({"url": receiver.url, "tag_push_events": True})
    sha = commit(project, 1)
    project.branches.create({"branch": "side", "ref": "main"})
    project.tags.create({"tag_name": "v1", "ref": "main", "message": "one"})
    refs = [(call.payload["ref"], call.payload["checkout_sha"]) for call in receiver.wait(3)]
    assert refs == [("refs/heads/main", sha), ("refs/heads/side", sha), ("refs/tags/v1", sha)]
    api.http_post(
        f"/projects/{project.id}/repository/files/echo",
        post_data={"branch": "main", "commit_message": "m", "content": "c"},
        extra_headers={"X-Gitlab-Event-UUID": "11111111-2222-3333-4444-555555555555"},
    )
    assert receiver.wait(4)[3].headers["X-Gitlab-Event-UUID"] == "11111111-2222-3333-4444-555555555555"


def test_four_failures_disable_a_hook_until_a_test_succeeds(project: Any, receiver: HookReceiver) -> None:
    hook = project.hooks.create({"url": receiver.url})
    receiver.status = 500
    for number in range(4):
        commit(project, number)
        wait_until(lambda: len(events(project, hook)) > number)  # noqa: B023 - used before the next turn
    disabled = project.hooks.get(hook.id)
    assert disabled.alert_status == "temporarily_disabled"
    assert disabled.disabled_until
    commit(project, 4)
    with pytest.raises(gitlab.GitlabHttpError) as refused:
        project.manager.gitlab.http_post(f"/projects/{project.id}/hooks/{hook.id}/test/push_events")
    assert refused.value.response_code == 422
    assert len(receiver.calls) == 5
    assert receiver.calls[4].payload["commits"]
    receiver.status = 204
    project.manager.gitlab.http_post(f"/projects/{project.id}/hooks/{hook.id}/test/push_events")
    enabled = project.hooks.get(hook.id)
    assert (enabled.alert_status, enabled.disabled_until) == ("executable", None)


def test_a_receiver_that_is_not_there_is_a_failure_without_retry(project: Any) -> None:
    hook = project.hooks.create({"url": f"http://127.0.0.1:{free_port()}"})
    commit(project, 1)
    (event,) = wait_until(lambda: events(project, hook))
    assert (event["response_status"], event["response_body"]) == ("internal error", "")
    assert events(project, hook, status="server_failure") == [event]
    assert events(project, hook, status="successful") == []


def test_an_event_is_sent_again_under_its_first_key_five_times_a_minute(
    project: Any, receiver: HookReceiver
) -> None:
    hook = project.hooks.create({"url": receiver.url, "token": "old"})
    commit(project, 1)
    (event,) = wait_until(lambda: events(project, hook))
    project.hooks.update(hook.id, {"url": receiver.url, "token": "new"})
    path = f"/projects/{project.id}/hooks/{hook.id}/events/{event['id']}/resend"
    api = project.manager.gitlab
    assert api.http_post(path) == {"response_status": 200}
    first, again = receiver.wait(2)
    assert first.headers["Idempotency-Key"] == again.headers["Idempotency-Key"]
    assert first.headers["X-Gitlab-Webhook-UUID"] != again.headers["X-Gitlab-Webhook-UUID"]
    assert first.body == again.body
    assert again.headers["X-Gitlab-Token"] == "new"
    for _ in range(4):
        api.http_post(path)
    with pytest.raises(gitlab.GitlabHttpError) as refused:
        api.http_post(path, obey_rate_limit=False)
    assert refused.value.response_code == 429


def test_a_redirect_counts_as_success_and_is_not_followed(project: Any, receiver: HookReceiver) -> None:
    hook = project.hooks.create({"url": receiver.url})
    receiver.status = 302
    commit(project, 1)
    (event,) = wait_until(lambda: events(project, hook))
    assert event["response_status"] == "302"
    assert len(receiver.calls) == 1


def test_local_addresses_can_be_refused(tmp_path: Any) -> None:
    with (
        start_forge(tmp_path, "--no-allow-local-hooks") as forge,
        gitlab.Gitlab(forge.url, private_token=forge.token) as api,
    ):
        group = api.groups.create({"name": "a", "path": "a"})
        project = api.projects.create({"name": "p", "namespace_id": group.id})
        for url in ("http://127.0.0.1:1", "http://localhost", "http://[::1]", "http://10.0.0.1"):
            with pytest.raises(gitlab.GitlabCreateError) as refused:
                project.hooks.create({"url": url})
            assert "is blocked" in str(refused.value)
        assert project.hooks.create({"url": "https://example.com"}).id
