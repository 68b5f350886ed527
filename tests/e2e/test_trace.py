"""One push is one trace over all services; what is counted names nothing."""

import json

import httpx

from nautes_localstack import spans
from nautes_localstack.layout import SERVICES

SOURCE = "orchard/apple-api-src"
CONFIG = "orchard/default.project"


def recorded(platform, wanted, traceparent):
    """Wait for spans of these services and names in the trace; return them as (depth, span)."""

    def there():
        found = spans.of_trace(spans.read(platform.stack.layout.traces), traceparent)
        return found if set(wanted) <= {(span.service, span.name) for span in found} else None

    return spans.tree(platform.until(there, f"the spans {wanted}"))


def parents(tree):
    by_id = {span.id: span for _, span in tree}
    return {
        (span.service, span.name): by_id[span.parent].name if span.parent in by_id else "" for _, span in tree
    }


def test_a_push_is_one_tree_from_the_hook_call_to_the_run_and_back(platform):
    commit = platform.push(SOURCE, {"src/traced.py": "1\n"}, "Look where the time goes")
    (run,) = platform.until(lambda: platform.runs_of(commit), "the run")
    notes = run["metadata"]["annotations"]
    traceparent = notes["nautes.io/traceparent"]
    assert json.loads(notes["tekton.dev/pipelinerunSpanContext"]) == {"traceparent": traceparent}
    gateway, reconciler = "webhook-gateway", "reconciler"
    last = [(gateway, "request /hooks/gitlab/{hook}"), (reconciler, "report run")]
    tree = recorded(platform, last, traceparent)
    assert [span.name for depth, span in tree if depth == 0] == ["request /hooks/gitlab/{hook}"]
    above = parents(tree)
    stream = next(span.name.split()[1] for _, span in tree if span.name.startswith("process DELIVERIES"))
    for span, parent in {
        (gateway, "receive"): "request /hooks/gitlab/{hook}",
        (gateway, "verify"): "request /hooks/gitlab/{hook}",
        (gateway, "store"): "request /hooks/gitlab/{hook}",
        (gateway, f"publish {stream}"): "store",
        (reconciler, f"process {stream}"): f"publish {stream}",
        (reconciler, "match"): f"process {stream}",
        (reconciler, "read pipeline file"): f"process {stream}",
        (reconciler, "create run"): f"process {stream}",
        (reconciler, "report run"): "create run",
        (reconciler, "commit status"): "report run",
    }.items():
        assert above[span] == parent, span
    created = next(span for _, span in tree if span.name == "create run")
    assert traceparent.rpartition("-")[0] == f"00-{created.trace}-{created.id}"
    handled = next(span for _, span in tree if span.name == f"process {stream}")
    assert handled.attributes["nautes.outcome"] == "ack"
    assert float(handled.attributes["nautes.queue_seconds"]) >= 0
    assert not any(span.failed for _, span in tree)


def test_a_push_of_declarations_is_followed_into_every_service(platform):
    text = platform.text(CONFIG, "envs/build.yaml")
    commit = platform.push(CONFIG, {"envs/build.yaml": f"{text}# looked at\n"}, "Say it again")

    def traced():
        found = spans.read(platform.stack.layout.traces)
        mine = {span.trace for span in found if span.attributes.get("nautes.cause") == cause}
        return f"00-{mine.pop()}-0-01" if mine else None

    cause = platform.until(lambda: platform.decision(commit), "the decision")["cause"]["delivery"]
    services = ("reconciler", "secret-broker")
    wanted = [(service, name) for service in services for name in ("lock", "plan", "observe", "process WORK")]
    tree = recorded(platform, wanted, platform.until(traced, "a trace"))
    above = parents(tree)
    for service in services:
        assert above[service, "process WORK"] == "publish WORK"
        assert above[service, "lock"] == "process WORK"
        assert above[service, "plan"] == "reconcile"
        assert above[service, "observe"] == "plan"
    assert [depth for depth, _ in tree].count(0) == 1


def test_every_service_shows_what_it_counts_and_no_name(platform):
    commit = platform.push(SOURCE, {"src/counted.py": "1\n"}, "Count")
    platform.until(lambda: platform.runs_of(commit), "the run")
    names = ("orchard", "apple", "build-east", "run-east", commit, "refs/heads", "dev")
    for service in SERVICES:
        text = platform.metrics(service)
        assert f'service="{service}"' in text
        assert [name for name in names if f'"{name}' in text or f"{name}/" in text] == [], service
    assert (
        'nautes_http_requests_total{code="202",method="POST",route="/hooks/gitlab/{hook}"}'
        in platform.metrics("webhook-gateway")
    )
    reconciler = platform.metrics("reconciler")
    assert 'nautes_effects_total{result="done",system="kubernetes",verb="create"}' in reconciler
    assert 'nautes_push_to_effect_seconds_count{system="kubernetes"}' in reconciler
    platform.api.get("/scopes")
    assert 'route="/api/v1/scopes"' in platform.metrics("api-server")


def test_health_answers_nothing_else(platform):
    url = platform.described.parts["reconciler"].health_url.replace("/readyz", "/secrets")
    assert httpx.get(url).status_code == 404
