"""The demo on the Compose stack: the same story, the same reading back from the systems themselves."""

import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from nautes_cli.client import Api
from nautes_cli.demo.story import Story
from nautes_cli.demo.systems import Systems
from nautes_cli.inspect import show_trace, traces
from nautes_compose.addresses import Named
from nautes_localstack import rights
from nautes_localstack.description import ClusterDescription, StackDescription
from nautes_localstack.layout import CLUSTERS, SERVICES, Layout


def described(layout: Layout, chosen: Named) -> StackDescription:
    """Return the stack as the laptop's tools know one; it has no processes of ours."""
    return StackDescription(
        name="compose",
        state=layout.root,
        tenant=chosen.tenant,
        supervisor=0,
        ready=True,
        started=datetime.now(UTC),
        gitlab_url=chosen.url("forge"),
        gateway_url=chosen.url("webhook-gateway"),
        api_url=chosen.url("api-server"),
        nats_url=chosen.url("nats", "nats"),
        nats_monitor_url=chosen.url("nats-monitor"),
        vault_address=chosen.url("openbao"),
        clusters={
            cluster: ClusterDescription(
                url=chosen.url(f"kubernetes-{cluster}", "https"), kubeconfig=layout.kubeconfig(cluster)
            )
            for cluster in CLUSTERS
        },
        tokens={user: layout.token(user) for user in ("root", *rights.GITLAB_BOTS)},
        vault_secret_ids={role: layout.secret_id(role) for role in (*SERVICES, rights.OPERATOR)},
        nats_passwords={user: layout.nats_password(user) for user in (*SERVICES, rights.OPERATOR)},
        parts={},
    )


def tell(layout: Layout, chosen: Named, examples: Path) -> None:
    """Tell the story and show each step. Raises what the story raises when something did not become true."""
    stack = described(layout, chosen)
    systems = Systems(stack)
    api = Api(stack.api_url, stack.tokens["dev"].read_text().strip())
    with tempfile.TemporaryDirectory(prefix="nautes-demo-") as work:
        story = Story(
            stack,
            systems,
            api,
            examples,
            Path(work),
            lambda step: _show(step.title, step.seconds, step.details),
        )
        try:
            for commit in story.tell():
                for found in traces(api, commit):
                    show_trace(found)
        finally:
            systems.close()


def _show(title: str, seconds: float, details: tuple[str, ...]) -> None:
    lines = [f"{title} ({seconds:.1f} s)", *(f"    {detail}" for detail in details)]
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()
