"""The scripts of the platform's own hooks, run as Tekton would run them: what they do, and what they do not do with odd text."""

from dataclasses import replace

import pytest
import trustme

from nautes_adapters.tekton import build
from nautes_domain.hooks import PlacedHook, Resource
from nautes_hooks.offered import call_webhook, wait_for
from support.hook_server import server
from support.tekton_tasks import TaskPlayer
from unit.adapters.test_tekton_hooks import FILE
from unit.adapters.test_tekton_run import REQUEST

WILD = '"; $(touch /tmp/x) `id` $HOME $$ {"a": 1} \\ é'


def hook(kind, *, after=False, folders=None, **values):
    given = {name: "" for name in kind.parameters if name != "PipelineStatus"}
    return PlacedHook(kind, kind.name, after, {**given, **values}, folders or {})


def play(tmp_path, *hooks, fails=(), authorities=""):
    run = build(replace(REQUEST, hooks=hooks), FILE, file="ci/trunk.yaml")
    player = TaskPlayer(run, lambda _kind, _name: {"ca.crt": authorities}, tmp_path / "work")
    return {one.name: one for one in player.play(fails)}


@pytest.mark.parametrize(("fails", "status"), [((), "Succeeded"), (("lint",), "Failed")])
def test_a_webhook_is_told_how_the_pipeline_ended_and_every_text_as_it_is(tmp_path, fails, status):
    with server() as (url, heard):
        done = play(
            tmp_path, hook(call_webhook, after=True, url=url, text=WILD, RunName="run-1", ref="refs/heads/`id`"),
            fails=fails,
        )  # fmt: skip
    assert done["nautes-post-call-webhook"].succeeded, done
    (said,) = heard
    assert (said["status"], said["text"], said["run"], said["ref"]) == (
        status,
        WILD,
        "run-1",
        "refs/heads/`id`",
    )
    assert said.keys() == {"text", "run", "status", "repository", "pipelineRepository", "pipelineRevision", "namespace", "ref", "commit"}  # fmt: skip


def test_a_webhook_that_does_not_take_the_call_fails_the_hook_and_with_it_the_run(tmp_path):
    with server(status=500) as (url, heard):
        done = play(tmp_path, hook(call_webhook, url=url))
    assert len(heard) == 1
    assert not done["nautes-pre-call-webhook"].succeeded
    assert "the call failed" in done["nautes-pre-call-webhook"].output
    assert done.keys() == {
        "nautes-pre-call-webhook",
        "clean",
    }  # nothing of the file but what runs in any case


def test_the_tenants_authorities_are_trusted_and_nobody_else(tmp_path):
    ca, other = trustme.CA(), trustme.CA()
    folders = {"authorities": Resource.CA_FILE}
    with server(ca=ca) as (url, heard):
        for number, (authority, trusted) in enumerate(((ca, True), (other, False))):
            pem = authority.cert_pem.bytes().decode()
            one = hook(call_webhook, url=url, folders=folders)
            done = play(tmp_path / str(number), one, authorities=pem)
            assert done["nautes-pre-call-webhook"].succeeded is trusted, done
    assert len(heard) == 1


def test_waiting_ends_with_an_answer_or_with_the_time(tmp_path):
    with server() as (url, _):
        assert play(tmp_path / "a", hook(wait_for, url=url))["nautes-pre-wait-for"].succeeded
    done = play(tmp_path / "b", hook(wait_for, url="http://127.0.0.1:1/x", seconds="1"))
    assert not done["nautes-pre-wait-for"].succeeded
    assert "no answer in time" in done["nautes-pre-wait-for"].output
