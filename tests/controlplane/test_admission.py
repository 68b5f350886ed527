"""Tekton's own webhook as judge of what we build, and of what we refuse in its name."""

import secrets
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from contract import test_pipeline_engine
from nautes_adapters.kubernetes import SPACE_KINDS, KubernetesTarget, ProductSpaces
from nautes_adapters.tekton import TektonEngine
from nautes_domain.capabilities import RunRequest, Space
from nautes_domain.failures import Rejected, Retry
from nautes_domain.hooks import PlacedHook
from nautes_domain.plan import Action, Verb
from nautes_hooks.offered import HOOKS
from nautes_localstack import ports
from support.controlplane_real import client_of
from support.hooks import AROUND, GREEDY, placed
from unit.adapters import test_tekton_hooks, test_tekton_run

EXAMPLES = Path(__file__).parents[2] / "examples"
REQUEST = RunRequest(
    "apple-ci-0123", "default", "builder", {"nautes.io/runtime": "apple-ci"}, {"nautes.io/delivery": "d-1"},
    {"revision": "0a1b", "ref": "refs/heads/main"},
)  # fmt: skip
STRICTER = ("managedBy: me", "- {value: x}")
"""What Tekton takes and we do not: a run that nobody would run, a parameter that would reach nothing."""
OURS = ("tekton-", "unknown-field", "metadata")


def refused():
    """Files of one PipelineRun that we refuse in Tekton's name."""
    (mark,) = test_tekton_run.test_a_file_that_is_not_one_run_is_refused_with_its_line.pytestmark
    for source, rule, _line in mark.args[1]:
        if not rule.startswith(OURS) or any(one in source for one in STRICTER):
            continue
        yield pytest.param(yaml.safe_load(source), id=f"{rule}: {source.splitlines()[-1].strip()}")


def written():
    """Pipeline files that people may write: those of the suites and of the examples."""
    yield from test_pipeline_engine.RUNS
    yield test_tekton_run.TRUNK
    for path in sorted(EXAMPLES.rglob("ci/*.yaml")):
        yield path.read_bytes()


@pytest.fixture
def judge(worker):
    """What the server says of a run, without keeping it; empty if it takes it."""
    with worker.http() as http:

        def verdict(run):
            named = {**run, "metadata": {**(run.get("metadata") or {}), "name": "x", "namespace": "default"}}
            answer = http.post(
                "/apis/tekton.dev/v1/namespaces/default/pipelineruns",
                params={"dryRun": "All", "fieldValidation": "Strict"},
                json=named,
            )
            return "" if answer.status_code == 201 else answer.json()["message"]

        yield verdict


@pytest.fixture
async def place(worker):
    """A client, and a request for a namespace of its own, in which the account may start runs."""
    name = f"judged-{secrets.token_hex(3)}"
    async with client_of(worker) as client:
        space = Space("orchard", name, "worker", name, "builder", may_run=True, entity="Runtime/apple")
        target = KubernetesTarget(client, "worker", SPACE_KINDS)
        state = ProductSpaces().space_state("product_judged", (space,))
        for ref in sorted(state, key=lambda one: SPACE_KINDS.index(one.kind)):
            await target.apply(Action(Verb.CREATE, ref, None, state[ref].spec, "declared"))
        yield client, replace(REQUEST, namespace=name)


@pytest.mark.parametrize("source", list(written()))
def test_what_we_build_is_taken(judge, source):
    run = TektonEngine(None).build(REQUEST, source, file="ci/trunk.yaml")
    assert judge(run) == ""


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_what_we_build_with_hooks_is_taken(judge, after):
    own = [one for one in HOOKS if (one.is_post_hook if after else one.is_pre_hook)]
    hooks = (*AROUND, placed("greedy", GREEDY, after=after))
    for kind in own:
        values = dict.fromkeys((name for name in kind.parameters if name != "PipelineStatus"), "x")
        hooks = (*hooks, PlacedHook(kind, kind.name, after, values, kind.resources, "apple-api-src"))
    request = replace(REQUEST, hooks=hooks)
    run = TektonEngine(None).build(request, test_tekton_hooks.FILE, file="ci/trunk.yaml")
    assert judge(run) == ""


@pytest.mark.parametrize("run", list(refused()))
def test_what_we_refuse_in_its_name_it_refuses_too(judge, run):
    assert judge(run)


async def test_what_only_tekton_refuses_comes_back_in_its_words(place):
    client, request = place
    twice = test_pipeline_engine.RUNS[0].replace(
        b"    - name: test\n", b"    - {name: test, taskRef: {name: a}}\n    - name: test\n"
    )
    engine = TektonEngine(client)
    run = engine.build(request, twice, file="ci/trunk.yaml")
    with pytest.raises(Rejected, match=r"pipelineSpec\.tasks"):
        await engine.start(request, run)
    assert await client.list("PipelineRun", request.namespace) == []


async def test_a_webhook_that_does_not_answer_is_tried_again(worker, place):
    client, request = place
    name = f"deaf-{request.namespace}"
    rule = {
        "apiGroups": ["tekton.dev"],
        "apiVersions": ["v1"],
        "operations": ["CREATE"],
        "resources": ["pipelineruns"],
    }
    webhook = {
        "name": "deaf.nautes.io",
        "clientConfig": {"url": f"https://127.0.0.1:{ports.choose(1)[0]}"},
        "rules": [rule],
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": request.namespace}},
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
    }
    path = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
    engine = TektonEngine(client)
    run = engine.build(request, test_pipeline_engine.RUNS[0], file="ci/trunk.yaml")
    with worker.http() as http:
        http.post(path, json={"metadata": {"name": name}, "webhooks": [webhook]}).raise_for_status()
        try:
            with pytest.raises(Retry):
                await until_refused(engine, request, run)
        finally:
            http.delete(f"{path}/{name}").raise_for_status()


async def until_refused(engine, request, run):
    """It takes the server a moment to know its webhooks; what came through before then is no matter."""
    for number in range(100):
        await engine.start(request, {**run, "metadata": {**run["metadata"], "name": f"run-{number}"}})
