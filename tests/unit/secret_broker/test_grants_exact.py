"""Whatever is lent to whom, a policy holds the keys of exactly the repositories that are used and allowed."""

from hypothesis import given, settings
from hypothesis import strategies as st

from nautes_domain.catalog import read_product
from nautes_domain.plan import Ref
from nautes_secret_broker.grants import grants
from support.examples import changed, tenant

IDS = {"apple-api-src": 10, "apple-web-src": 11, "apple-deploy": 12}
OWNERS = {"apple-api-src": "apple-api", "apple-web-src": "apple-web", "apple-deploy": "apple-api"}
PIPELINE = "projects/apple-api/apple-ci.yaml"
REPOS = st.sampled_from(sorted(IDS))
PROJECTS = st.sets(st.sampled_from(["apple-api", "apple-web"]))

BINDING = """
apiVersion: nautes.resource.nautes.io/v1alpha1
kind: CodeRepoBinding
metadata: {{name: {name}}}
spec: {{codeRepo: {repo}, product: {product}, projects: [{projects}], permissions: readonly}}
"""


@settings(max_examples=60, deadline=None)
@given(
    project=st.sampled_from(["apple-api", "apple-web"]),
    source=REPOS,
    events=st.lists(REPOS, max_size=3, unique=True),
    bindings=st.lists(st.tuples(REPOS, PROJECTS, st.sampled_from(["orchard", "meadow"])), max_size=4),
)
def test_a_policy_grants_exactly_what_is_used_and_allowed(project, source, events, bindings):
    files = changed({"code-repos/apple-deploy/lend-to-web.yaml": None})
    text = files[PIPELINE].decode().replace("project: apple-api", f"project: {project}")
    text = text.replace("pipelineSource: apple-api-src", f"pipelineSource: {source}")
    start = text.index("  eventSources:")
    end = text.index("  pipelineTriggers:")
    sources = "".join(
        f"    - {{name: e{index}, gitlab: {{repoName: {repo}, events: [push_events]}}}}\n"
        for index, repo in enumerate(events)
    )
    calendar = "    - {name: clock, calendar: {interval: 1h}}\n"
    files[PIPELINE] = (text[:start] + "  eventSources:\n" + calendar + sources + text[end:]).encode()
    for index, (repo, projects, product) in enumerate(bindings):
        lent = BINDING.format(name=f"b{index}", repo=repo, product=product, projects=", ".join(projects))
        files[f"code-repos/{repo}/b{index}.yaml"] = lent.encode()
    catalog, problems = read_product("orchard", files)
    assert not problems

    found = grants(catalog, tenant(), IDS, lambda paths: {"paths": list(paths)})

    allowed = {repo for repo, owner in OWNERS.items() if owner == project}
    allowed |= {repo for repo, projects, product in bindings if product == "orchard" and project in projects}
    expected = sorted(IDS[repo] for repo in {source, *events} & allowed)
    policy = found.state.get(Ref("vault", "Policy", "nautes.orchard.pipeline.apple-ci"))
    paths = [] if policy is None else policy.spec["paths"]
    assert paths == [f"gitlab/repo-{number}/default/readonly" for number in expected]
    denied = {violation.rule for violation in found.denied if violation.name == "apple-ci"}
    assert denied == ({"L11"} if {source, *events} - allowed else set())
