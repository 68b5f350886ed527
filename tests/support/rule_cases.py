"""Every rule with a change of the examples that breaks it, and one near it that does not: for each door to judge.

Paths start with `t/` for the tenant's repository, `o/` for the product orchard, `v/` for another product,
vineyard. A change is a file's new text, None for no file, or pairs of old and new text.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from nautes_hooks import installed
from support.examples import tree

Edit = str | None | tuple[tuple[str, str], ...]

ROOTS = {"t": "management", "o": "orchard/default.project", "v": "vineyard/default.project"}
CLUSTERS = "t/nautes/overlays/production/clusters"
BUILD, RUN = f"{CLUSTERS}/build-east.yaml", f"{CLUSTERS}/run-east.yaml"
PRODUCT = "t/nautes/overlays/production/products/orchard.yaml"
PROVIDER = "t/nautes/overlays/production/product-provider/gitlab.yaml"
HOST = "t/nautes/overlays/production/code-repo-providers/gitlab.yaml"
TENANT = "t/nautes/overlays/production/tenant/acme.yaml"
PPR = "o/projects/apple-api/apple-ci.yaml"
PROJECT = "o/projects/apple-api/apple-api.yaml"
WEB = "o/projects/apple-web/apple-web.yaml"
DR = "o/runtimes/apple-test.yaml"
BINDING = "o/code-repos/apple-deploy/lend-to-web.yaml"
REPO = "o/code-repos/apple-web-src/apple-web-src.yaml"
SOURCE = "o/code-repos/apple-api-src/apple-api-src.yaml"
DEPLOY = "o/code-repos/apple-deploy/apple-deploy.yaml"
ENV, TEST = "o/envs/build.yaml", "o/envs/test.yaml"
PACKAGES = "o/artifact-repos/apple-pypi/apple-pypi.yaml"
PUBLISH = "o/artifact-repos/apple-pypi/publish.yaml"
HEAD = "apiVersion: nautes.resource.nautes.io/v1alpha1\n"

HOOKS = installed().kinds

BASE: dict[str, str] = {
    f"{short}/{path}": text.decode()
    for short, folder in ROOTS.items()
    if short != "v"
    for path, text in tree(folder).items()
    if path.endswith(".yaml")
}


def host(name: str = "metal", more: str = "") -> str:
    """Return the manifest of a physical host."""
    return (
        f"{HEAD}kind: Cluster\nmetadata: {{name: {name}}}\nspec:\n  apiServer: https://{name}.clusters.example:6443\n"
        "  clusterType: physical\n  usage: host\n  componentsList:\n"
        "    oauthProxy: {name: oauth2-proxy, namespace: oauth2-proxy}\n"
        f"    gateway: {{name: traefik, namespace: traefik{more}}}\n"
        "    secretManagement: {name: vault, namespace: vault}\n"
    )


METAL = f"{CLUSTERS}/metal.yaml"
VIRTUAL = (("clusterType: physical", "clusterType: virtual\n  hostCluster: metal"),)
AGAIN = BASE[PPR].replace("name: apple-ci", "name: again").replace("account: apple-builder", "account: other")
AGAIN_ELSEWHERE = AGAIN.replace("namespace: apple-ci", "namespace: again")
SECOND = (
    BASE[DR].replace("name: apple-test", "name: second").replace("account: apple-deployer", "account: other")
)
OTHER_PATH = SECOND.replace("overlays/test", "overlays/production")
OTHER_REPO = (
    OTHER_PATH.replace("account: other", "account: apple-deployer")
    .replace("codeRepo: apple-deploy", "codeRepo: apple-web-src")
    .replace("[apple-api, apple-web]", "[apple-web]")
)
WEB_CI = (
    BASE[PPR].replace("name: apple-ci", "name: web-ci").replace("namespace: apple-ci", "namespace: web-ci")
    .replace("project: apple-api", "project: apple-web").replace("apple-api-src", "apple-web-src")
)  # fmt: skip
GITLAB_CI = (("pipeline: {name: tekton,", "pipeline: {name: gitlab-ci,"),)
CALENDAR = "    - {{name: night, calendar: {{{}}}}}\n  pipelineTriggers:\n    - {{eventSource: night, pipeline: build, revision: main}}"
INPUT = "pipeline: build, inputs: [{{source: {}, transmissionMethod: {{kustomization: {{path: {}}}}}}}]}}"


WAITS = "{name: wait-for, vars: {url: 'https://db.acme.example/ready'}}"
CALLS = "{name: call-webhook, vars: {url: 'https://chat.acme.example/x'}}"
LISTS = "{name: list-path, vars: {path: ci}}"
KNOWN = (
    (
        "spec:\n",
        "spec:\n  sshKnownHosts: |\n    [git.acme.example]:2222 ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA==\n",
    ),
)


def calendar(text: str) -> Edit:
    """Return the pipeline runtime with an event source of the clock."""
    return (("  pipelineTriggers:", CALENDAR.format(text)),)


def unpinned(text: str) -> Edit:
    """Return the same with a trigger that names no revision."""
    ((old, new),) = calendar(text)
    return ((old, new.replace(", revision: main", "")),)


def more(text: str) -> Edit:
    """Return the pipeline runtime with further fields."""
    return (("  isolation: shared", f"  {text}\n  isolation: shared"),)


def given(text: str, pointer: str = "/spec/params/0/value") -> Edit:
    """Return the pipeline runtime with an input of a trigger."""
    return (("pipeline: build}", INPUT.format(text, pointer)),)


def lent_to(project: str, repo: str) -> dict[str, Edit]:
    """Return a binding that lends a repository to a project of the examples."""
    text = BASE[BINDING].replace("lend-to-web", f"{repo}-to-{project}").replace("apple-deploy", repo)
    return {f"o/code-repos/{repo}/lent.yaml": text.replace("[apple-web]", f"[apple-{project}]")}


def vineyard(runtime: str = "vine-test") -> dict[str, Edit]:
    """Return another product with a deployment on the same cluster."""
    files = {"v/projects/vine/vine.yaml": PROJECT, "v/envs/test.yaml": TEST}
    found: dict[str, Edit] = {path: BASE[one].replace("orchard", "vineyard").replace("apple-api", "vine") for path, one in files.items()}  # fmt: skip
    repo = (
        BASE[DEPLOY]
        .replace("orchard", "vineyard")
        .replace("apple-api", "vine")
        .replace("apple-deploy", "vine-deploy")
    )
    found["v/code-repos/vine-deploy/vine-deploy.yaml"] = repo
    text = BASE[DR].replace("orchard", "vineyard").replace("[apple-api, apple-web]", "[vine]")
    text = text.replace("apple-deploy\n", "vine-deploy\n").replace("name: apple-test", "name: vine-test")
    found["v/runtimes/vine-test.yaml"] = text.replace("[apple-test]", f"[{runtime}]")
    found[RUN] = (("[orchard]", "[orchard, vineyard]"),)
    found["t/nautes/overlays/production/products/vineyard.yaml"] = BASE[PRODUCT].replace(
        "orchard", "vineyard"
    )
    return found


@dataclass(frozen=True)
class Case:
    """One rule: what breaks it at which field, and what does not."""

    rule: str
    field: str
    refuse: Mapping[str, Edit]
    accept: Mapping[str, Edit] = field(default_factory=dict)
    reported: str = ""
    """The rule id that is shown, where it is another's."""
    warning: bool = False
    changed: bool = False
    """The state before is known: it is the examples, with `before` applied."""
    before: Mapping[str, Edit] = field(default_factory=dict)

    @property
    def shown(self) -> str:
        """The rule id in violations."""
        return self.reported or self.rule


def applied(*changes: Mapping[str, Edit]) -> dict[str, str]:
    """Return the examples with changes."""
    files = dict(BASE)
    for change in changes:
        for path, edit in change.items():
            if edit is None:
                del files[path]
            elif isinstance(edit, str):
                files[path] = edit
            else:
                for old, new in edit:
                    assert old in files[path], (path, old)
                    files[path] = files[path].replace(old, new)
    return files


def repository(files: Mapping[str, str], short: str) -> dict[str, bytes]:
    """Return the files of one repository, by their paths in it."""
    start = f"{short}/"
    return {path[2:]: text.encode() for path, text in files.items() if path.startswith(start)}


CASES = (
    Case("C1", "spec.apiServer", {BUILD: (("https://build-east.clusters.example:6443", "ftp://build-east"),)}, {BUILD: (("https://build-east.clusters.example:6443", "https://10.8.0.21:6443/"),)}),
    Case("C2", "spec.usage", {BUILD: (("usage: worker", "usage: tenant"),)}),
    Case("C3", "spec.workerType", {METAL: host().replace("usage: host", "usage: host\n  workerType: pipeline")}, {METAL: host()}),
    Case("C4", "spec.hostCluster", {METAL: host(), BUILD: (("usage: worker", "usage: worker\n  hostCluster: metal"),)}, {METAL: host()}),
    Case("C5", "spec.hostCluster", {RUN: VIRTUAL}, {METAL: host(), RUN: VIRTUAL}),
    Case("C5", "spec.hostCluster", {RUN: (("clusterType: physical", "clusterType: virtual\n  hostCluster: build-east"),)}, {METAL: host(), RUN: VIRTUAL}),
    Case("C6", "spec.workerType", {METAL: host().replace("usage: host", "usage: worker")}, {METAL: host()}),
    Case("C7", "spec.kubeconfig", {BUILD: (("usage: worker", "usage: worker\n  kubeconfig: YXBpVmVyc2lvbjogdjE="),)}),
    Case("C8", "spec.reservedNamespacesAllowedProducts.nowhere", {BUILD: (("  allowedProducts", "  reservedNamespacesAllowedProducts: {nowhere: [orchard]}\n  allowedProducts"),)}, {BUILD: (("  allowedProducts", "  reservedNamespacesAllowedProducts: {traefik: [orchard]}\n  allowedProducts"),)}),
    Case("C9", "spec.productAllowedClusterResources.orchard.0.group", {BUILD: (("  allowedProducts", "  productAllowedClusterResources: {orchard: [{kind: ClusterRole, group: ''}]}\n  allowedProducts"),)}, {BUILD: (("  allowedProducts", "  productAllowedClusterResources: {orchard: [{kind: ClusterRole, group: rbac.authorization.k8s.io}]}\n  allowedProducts"),)}),
    Case("C10", "spec.componentsList.oauthProxy", {BUILD: (("    oauthProxy: {name: oauth2-proxy, namespace: oauth2-proxy}\n", ""),)}),
    Case("C11", "spec.componentsList.gateway.name", {BUILD: (("name: traefik,", "name: trafic,"),)}),
    Case("C11", "spec.componentsList.gateway.additions.httpNodePort", {METAL: host(more=", additions: {httpNodePort: '80', httpsNodePort: '30443'}")}, {METAL: host(more=", additions: {httpNodePort: '30080', httpsNodePort: '30443'}")}),
    Case("C11", "spec.componentsList.gateway.additions.httpNodePort", {METAL: host(more=", additions: {httpNodePort: '30080'}")}, {METAL: host(more=", additions: {httpNodePort: '30080', httpsNodePort: '30443'}")}),
    Case("C12", "spec.workerType", {BUILD: (("workerType: pipeline", "workerType: deployment"), ("    pipeline:", "    progressiveDelivery: {name: argo-rollouts, namespace: argo-rollouts}\n    pipeline:"))}, {BUILD: (("allowedProducts: [orchard]", "allowedProducts: [orchard]\n  primaryDomain: east.example"),)}, changed=True),
    Case("C13", "", {METAL: None}, {METAL: None, RUN: (("clusterType: virtual\n  hostCluster: metal", "clusterType: physical"),), **dict.fromkeys((TEST, DR))}, changed=True, before={METAL: host(), RUN: VIRTUAL}),
    Case("C14", "", {RUN: None}, {METAL: None}, changed=True, before={METAL: host()}),
    Case("C15", "metadata.name", {METAL: host("acme")}, {METAL: host()}),
    Case("C16", "spec.allowedProducts.1", {RUN: (("[orchard]", "[orchard, pears]"),)}, warning=True),
    Case("P1", "spec.name", {PRODUCT: (("spec:\n  name: orchard", "spec:\n  name: trees"),)}),
    Case("P1", "spec.git.gitlab.path", {PRODUCT: (("spec:\n", "spec:\n  git: {gitlab: {path: trees}}\n"),)}, {PRODUCT: (("spec:\n", "spec:\n  git: {gitlab: {path: orchard}}\n"),)}),
    Case("P2", "spec.git.gitlab.visibility", {PRODUCT: (("spec:\n", "spec:\n  git: {gitlab: {visibility: internal}}\n"),)}, {PRODUCT: (("spec:\n", "spec:\n  git: {gitlab: {visibility: public}}\n"),)}),
    Case("P3", "", {PRODUCT: None}, changed=True, warning=True),
    Case("P4", "spec.name", {PRODUCT: (("spec:\n  name: orchard", "spec:\n  name: fruit/orchard"),)}),
    Case("P5", "", {PROVIDER: None}, {PROVIDER: (("metadata:\n  name: gitlab", "metadata:\n  name: other"),)}, changed=True),
    Case("P6", "", {PROVIDER.replace("gitlab.yaml", "more.yaml"): BASE[PROVIDER].replace("metadata:\n  name: gitlab", "metadata:\n  name: more")}),
    Case("T1", "", {"o/elsewhere/x.yaml": BASE[ENV]}, {"o/production/kustomization.yaml": "resources: []\n"}),
    Case("T1", "kind", {"o/envs/x.yaml": BASE[WEB]}),
    Case("T2", "metadata.name", {WEB: None, "o/projects/pear/apple-web.yaml": BASE[WEB]}),
    Case("T3", "metadata.name", {"o/envs/copy.yaml": BASE[ENV]}, {"o/envs/build.yaml": None, "o/envs/copy.yaml": BASE[ENV]}),
    Case("T4", "spec.product", {REPO: (("product: orchard", "product: vineyard"),)}),
    Case("T5", "", {"o/code-repos/gone/lend.yaml": BASE[BINDING].replace("lend-to-web", "lend").replace("codeRepo: apple-deploy", "codeRepo: gone")}, {"o/code-repos/apple-deploy/lend.yaml": BASE[BINDING].replace("lend-to-web", "lend")}),
    Case("T6", "spec.artifactRepo", {PUBLISH: (("artifactRepo: apple-pypi", "artifactRepo: none"),)}),
    Case("T6", "spec.projects.0", {PACKAGES: (("[apple-api]", "[pear]"),)}, {PACKAGES: (("[apple-api]", "[apple-api, apple-web]"),)}),
    Case("R1", "spec.repoName", {REPO: (("repoName: apple-web-src", "repoName: web"),)}),
    Case("R1", "spec.git.gitlab.path", {REPO: (("spec:\n", "spec:\n  git: {gitlab: {path: web}}\n"),)}, {REPO: (("spec:\n", "spec:\n  git: {gitlab: {path: apple-web-src}}\n"),)}),
    Case("R2", "spec.git.gitlab.visibility", {REPO: (("spec:\n", "spec:\n  git: {gitlab: {visibility: secret}}\n"),)}, {REPO: (("spec:\n", "spec:\n  git: {gitlab: {visibility: private}}\n"),)}),
    Case("R2", "spec.git.gitlab.visibility", {REPO: (("spec:\n", "spec:\n  git: {gitlab: {visibility: public}}\n"),)}, {REPO: (("spec:\n", "spec:\n  git: {gitlab: {visibility: public}}\n"),), PRODUCT: (("spec:\n", "spec:\n  git: {gitlab: {visibility: public}}\n"),)}),
    Case("R3", "spec.webhook.events.1", {REPO: (("[push_events, tag_push_events]", "[push_events, wiki_events]"),)}, {REPO: (("[push_events, tag_push_events]", "[push_events, releases_events]"),)}),
    Case("R4", "spec.project", {REPO: (("project: apple-web", "project: pear"),)}, {REPO: (("  project: apple-web\n", ""),)}),
    Case("R5", "spec.codeRepoProvider", {REPO: (("spec:\n", "spec:\n  codeRepoProvider: github\n"),)}, {REPO: (("spec:\n", "spec:\n  codeRepoProvider: gitlab\n"),)}),
    Case("R6", "spec.url", {REPO: (("spec:\n", "spec:\n  url: https://user:pass@git.acme.example/orchard/apple-web-src.git\n"),)}, {REPO: (("spec:\n", "spec:\n  url: ssh://git@git.acme.example:2222/orchard/apple-web-src.git\n"),)}),
    Case("R6", "spec.url", {REPO: (("spec:\n", "spec:\n  url: git@git.acme.example:vineyard/apple-web-src.git\n"),)}, {REPO: (("spec:\n", "spec:\n  url: git@git.acme.example:fruit/orchard/apple-web-src.git\n"),)}),
    Case("R6", "spec.url", {REPO: (("spec:\n", "spec:\n  url: git@git.evil.example:orchard/apple-web-src.git\n"),)}),
    Case("R7", "", {SOURCE: None}, {REPO: None}, changed=True),
    Case("B1", "spec.permissions", {BINDING: (("permissions: readonly", "permissions: admin"),)}, {BINDING: (("permissions: readonly", "permissions: readwrite"),)}),
    Case("B2", "spec.codeRepo", {BINDING: (("codeRepo: apple-deploy", "codeRepo: gone"),)}),
    Case("B3", "spec.codeRepo", {"o/code-repos/apple-deploy/b.yaml": None, "o/code-repos/apple-web-src/b.yaml": BASE[BINDING].replace("lend-to-web", "b").replace("codeRepo: apple-deploy", "codeRepo: apple-web-src")}, {BINDING: (("[apple-web]", "[apple-web, apple-api]"),)}, changed=True, before={"o/code-repos/apple-deploy/b.yaml": BASE[BINDING].replace("lend-to-web", "b")}),
    Case("B4", "spec.product", {BINDING: (("product: orchard", "product: vineyard"),)}),
    Case("B5", "spec.projects.0", {BINDING: (("[apple-web]", "[pear, apple-web]"),)}),
    Case("J1", "spec.product", {WEB: (("product: orchard", "product: vineyard"),)}),
    Case("J2", "metadata.name", {WEB: None, "o/projects/pear/apple-web.yaml": BASE[WEB]}, reported="T2"),
    Case("J3", "", {WEB: None}, {"o/projects/pear/pear.yaml": None}, changed=True, before={"o/projects/pear/pear.yaml": BASE[WEB].replace("apple-web", "pear")}),
    Case("E1", "spec.envType", {ENV: (("envType: build", "envType: ''"),)}),
    Case("E2", "spec.cluster", {ENV: (("build-east", "build-west"),)}),
    Case("E2", "spec.cluster", {BUILD: (("[orchard]", "[]"),)}),
    Case("E3", "spec.cluster", {"o/envs/more.yaml": BASE[ENV].replace("name: build", "name: more")}),
    Case("E4", "", {TEST: None}, {TEST: None, DR: None}, changed=True),
    Case("E5", "spec.cluster", {TEST: (("cluster: run-east", "cluster: run-west"),)}, {TEST: (("cluster: run-east", "cluster: run-west"),), DR: None}, changed=True, before={RUN.replace("run-east", "run-west"): BASE[RUN].replace("run-east", "run-west")}),
    Case("D1", "spec.manifestSource.path", {DR: (("path: overlays/test", "path: ''"),)}),
    Case("D1", "spec.manifestSource.path", {DR: (("path: overlays/test", "path: overlays/../../etc"),)}, {DR: (("path: overlays/test", "path: ./overlays/test..old"),)}),
    Case("D1", "spec.manifestSource.targetRevision", {DR: (("targetRevision: main", "targetRevision: --upload-pack=x"),)}, {DR: (("targetRevision: main", "targetRevision: v1.2"),)}),
    Case("D2", "spec.destination.environment", {DR: (("environment: test", "environment: stage"),)}),
    Case("D3", "spec.manifestSource", {"o/runtimes/second.yaml": SECOND}, {"o/runtimes/second.yaml": OTHER_PATH}),
    Case("D4", "spec.destination.environment", {DR: (("environment: test", "environment: build"),)}),
    Case("D5", "spec.destination.namespaces", {DR: (("[apple-test]", "[traefik]"),)}, {DR: (("[apple-test]", "[traefik]"),), RUN: (("  allowedProducts", "  reservedNamespacesAllowedProducts: {traefik: [orchard]}\n  allowedProducts"),)}),
    Case("D5", "spec.destination.namespaces", {DR: (("name: apple-test", "name: traefik"), ("    namespaces: [apple-test]\n", ""))}, {DR: (("    namespaces: [apple-test]\n", ""),)}),
    Case("D6", "spec.destination.namespaces", vineyard("apple-test"), vineyard()),
    Case("D7", "spec.projectsRef.1", {BINDING: None}),
    Case("D7", "spec.projectsRef", {DR: (("[apple-api, apple-web]", "[]"),)}, {DR: (("[apple-api, apple-web]", "[apple-api]"),)}),
    Case("D8", "spec.destination.environment", {DR: (("environment: test", "environment: other"),)}, {DR: (("targetRevision: main", "targetRevision: next"),)}, changed=True, before={RUN.replace("run-east", "run-west"): BASE[RUN].replace("run-east", "run-west"), "o/envs/other.yaml": BASE[TEST].replace("name: test", "name: other").replace("run-east", "run-west")}),
    Case("D9", "spec.projectsRef.1", {BINDING: None}, {}, reported="D7", changed=True),
    Case("L1", "spec.pipelines", {PPR: (("  pipelines:\n    - {name: build, label: main, path: ci/build.yaml}", "  pipelines: []"),)}),
    Case("L1", "spec.isolation", {PPR: (("isolation: shared", "isolation: none"),)}, {PPR: (("isolation: shared", "isolation: exclusive"),)}),
    Case("L2", "spec.pipelines.0.name", {PPR: (("{name: build,", "{name: Build,"),)}),
    Case("L3", "spec.pipelines.1.path", {PPR: (("label: main, path: ci/build.yaml}", "path: ci/*.yaml}\n    - {name: more, path: ci/build.yaml}"),)}, {PPR: (("label: main, path: ci/build.yaml}", "path: ci/b*.yaml}\n    - {name: more, path: ci/more/build.yaml}"),)}),
    Case("L3", "spec.pipelines.0.path", {PPR: (("path: ci/build.yaml", "path: ci/*/"),)}, {PPR: (("path: ci/build.yaml", "path: ci/over/"),)}),
    Case("L4", "spec.eventSources.0.gitlab.repoName", {PPR: (("repoName: apple-api-src", "repoName: none"),)}),
    Case("L5", "spec.pipelines.0.path", {"o/projects/apple-api/again.yaml": AGAIN}, {"o/projects/apple-api/again.yaml": AGAIN_ELSEWHERE}),
    Case("L6", "spec.pipelines.1.name", {PPR: (("label: main, path: ci/build.yaml}", "path: ci/build.yaml}\n    - {name: build, path: ci/b.yaml}"),)}, {PPR: (("label: main, path: ci/build.yaml}", "path: ci/build.yaml}\n    - {name: other, path: ci/b.yaml}"),)}),
    Case("L7", "spec.pipelineTriggers.0.pipeline", {PPR: (("pipeline: build}", "pipeline: none}"),)}),
    Case("L8", "spec.pipelineTriggers.0.inputs.0.source", {PPR: given("{builtInVar: Namespace, fromEvent: ref}")}, {PPR: given("{builtInVar: Namespace}")}),
    Case("L8", "spec.pipelineTriggers.0.inputs.0.source.fromEvent", {PPR: given("{fromEvent: author}")}, {PPR: given("{fromEvent: commitID}")}),
    Case("L9", "spec.additionalResources.git", {PPR: more("additionalResources: {git: {revision: main, path: ci}}")}, {PPR: more("additionalResources: {git: {url: 'https://git.other.example/a/b.git', revision: main, path: ci}}")}),
    Case("L9", "spec.additionalResources.git.url", {PPR: more("additionalResources: {git: {url: 'ssh://git@git.acme.example:2222/vineyard/b.git', revision: main, path: ci}}")}, {PPR: more("additionalResources: {git: {codeRepo: apple-api-src, revision: main, path: ci}}")}),
    Case("L10", "spec.destination.environment", {PPR: (("environment: build", "environment: test"),)}),
    Case("L11", "spec.pipelineSource", {PPR: (("pipelineSource: apple-api-src", "pipelineSource: apple-web-src"),)}, {PPR: (("pipelineSource: apple-api-src", "pipelineSource: apple-deploy"),)}),
    Case("L11", "spec.additionalResources.git.codeRepo", {PPR: more("additionalResources: {git: {codeRepo: apple-web-src, revision: main, path: ci}}")}, {PPR: more("additionalResources: {git: {codeRepo: apple-deploy, revision: main, path: ci}}")}),
    Case("L12", "spec.destination.namespace", {"o/projects/apple-api/again.yaml": AGAIN}, {"o/projects/apple-api/again.yaml": AGAIN_ELSEWHERE}),
    Case("L13", "spec.hooks.preHooks.0.name", {PPR: more("hooks: {preHooks: [{name: notify}]}")}, {PPR: more(f"hooks: {{preHooks: [{WAITS}]}}")}),
    Case("L13", "spec.hooks.postHooks.0.name", {PPR: more(f"hooks: {{postHooks: [{WAITS}]}}")}, {PPR: more(f"hooks: {{postHooks: [{CALLS}]}}")}),
    Case("L13", "spec.hooks.preHooks.0.vars", {PPR: more("hooks: {preHooks: [{name: wait-for, vars: {seconds: '5'}}]}")}, {PPR: more(f"hooks: {{preHooks: [{WAITS}]}}")}),
    Case("L13", "spec.hooks.preHooks.0.vars.url", {PPR: more("hooks: {preHooks: [{name: wait-for, vars: {url: 'https://me:secret@acme.example'}}]}")}, {PPR: more(f"hooks: {{preHooks: [{WAITS}]}}")}),
    Case("L13", "spec.hooks.postHooks.0.name", {PPR: more(f"hooks: {{preHooks: [{CALLS}], postHooks: [{CALLS}]}}")}, {PPR: more(f"hooks: {{preHooks: [{CALLS}], postHooks: [{CALLS.replace('vars', 'alias: result, vars')}]}}")}),
    Case("L13", "spec.hooks.preHooks.0.name", {PPR: more(f"hooks: {{preHooks: [{LISTS}]}}")}, {PPR: more(f"hooks: {{preHooks: [{LISTS}]}}"), TENANT: KNOWN}),
    Case("L13", "spec.hooks.preHooks.0.name", {PPR: more(f"hooks: {{preHooks: [{WAITS}]}}"), BUILD: (("pipeline: {name: tekton", "pipeline: {name: gitlab-ci"),)}, {PPR: more(f"hooks: {{preHooks: [{WAITS}]}}")}),
    Case("L14", "spec.project", {PPR: None, "o/projects/apple-web/apple-ci.yaml": BASE[PPR].replace("project: apple-api\n", "project: apple-web\n").replace("apple-api-src", "apple-web-src")}, {PPR: (("isolation: shared", "isolation: exclusive"),)}, changed=True),
    Case("A1", "metadata.name", {TENANT: (("name: acme", "name: zenith"),)}),
    Case("A2", "spec.eventSources.1", {PPR: (("  pipelineTriggers:", "    - {name: empty}\n  pipelineTriggers:"),)}, {PPR: calendar("interval: 1h")}),
    Case("A3", "spec.destination.namespaces", {DR: (("[apple-test]", "[monitoring]"),)}, {DR: (("[apple-test]", "[monitored]"),)}, reported="D5"),
    Case("A3", "spec.destination.namespace", {PPR: (("namespace: apple-ci", "namespace: kube-system"),)}, reported="L12"),
    Case("A4", "spec.account", {"o/projects/apple-web/web-ci.yaml": WEB_CI}, {"o/projects/apple-api/again.yaml": AGAIN_ELSEWHERE.replace("account: other", "account: apple-builder")}),
    Case("A4", "spec.account", {"o/projects/apple-web/web-ci.yaml": WEB_CI, **lent_to("web", "apple-api-src")}, {"o/projects/apple-web/web-ci.yaml": WEB_CI, **lent_to("web", "apple-api-src"), **lent_to("api", "apple-web-src")}),
    Case("A4", "spec.account", {"o/runtimes/second.yaml": OTHER_REPO}, {"o/runtimes/second.yaml": OTHER_PATH.replace("account: other", "account: apple-deployer")}),
    Case("A4", "spec.destination.namespaces", {"o/runtimes/second.yaml": OTHER_REPO.replace("apple-deployer", "other")}, {"o/runtimes/second.yaml": OTHER_REPO.replace("apple-deployer", "other").replace("[apple-test]", "[second]")}),
    Case("A5", "spec.isolation", {"o/projects/apple-api/again.yaml": AGAIN_ELSEWHERE.replace("isolation: shared", "isolation: exclusive")}, {"o/projects/apple-api/again.yaml": AGAIN_ELSEWHERE}),
    Case("A6", "spec.eventSources.1.calendar.schedule", {PPR: calendar("schedule: '5 25 * * *'")}, {PPR: calendar("schedule: '5 2 * jan-mar,dec mon', exclusionDates: ['2026-12-24'], timezone: Europe/Lisbon")}),
    Case("A6", "spec.eventSources.1.calendar", {PPR: calendar("timezone: UTC")}, {PPR: calendar("interval: 1h30m")}),
    Case("A6", "spec.eventSources.1.calendar", {PPR: calendar("schedule: '0 0 30 2 *'")}, {PPR: calendar("schedule: '0 0 29 2 *'")}),
    Case("A6", "spec.eventSources.1.calendar", {PPR: calendar("interval: 1h, timezone: Europe/Atlantis")}, {PPR: calendar("interval: 1h, timezone: Europe/Athens")}),
    Case("A7", "spec.providerType", {HOST: (("providerType: gitlab", "providerType: github"),)}),
    Case("A7", "spec.artifactRepoProvider", {PACKAGES: (("artifactRepoProvider: nexus", "artifactRepoProvider: harbor"),)}),
    Case("A8", "spec.apiServer", {RUN: (("run-east.clusters", "build-east.clusters"),)}),
    Case("A9", "spec.projects.0", {"o/code-repos/apple-deploy/more.yaml": BASE[BINDING].replace("lend-to-web", "more").replace("readonly", "readwrite")}, {"o/code-repos/apple-deploy/more.yaml": BASE[BINDING].replace("lend-to-web", "more")}),
    Case("A10", "spec.pipelineTriggers.0.revision", {PPR: unpinned("interval: 1h")}, {PPR: calendar("interval: 1h")}),
    Case("A11", "spec.pipelineTriggers.0.inputs.0.transmissionMethod.kustomization.path", {PPR: given("{fromEvent: title}", "/spec/pipelineSpec/tasks/0/taskSpec/steps/0/script")}, {PPR: given("{builtInVar: Namespace}", "/spec/workspaces/0/subPath")}),
    Case("A12", "spec.concurrency.limit", {PPR: more("concurrency: {limit: 2}"), BUILD: GITLAB_CI}, {PPR: more("concurrency: {cancelPrevious: true}"), BUILD: GITLAB_CI}),
    Case("A12", "spec.pipelines.0.path", {PPR: (("path: ci/build.yaml", "path: ci/over/"),), BUILD: GITLAB_CI}, {PPR: (("path: ci/build.yaml", "path: ci/over/"), *more("concurrency: {limit: 2}"))}),
)  # fmt: skip

IDS = [f"{case.rule}-{number}" for number, case in enumerate(CASES)]
ELSEWHERE = {
    "B6": "who declares is known to no file; tests/contract/rules/test_rules.py",
    "E6": "a deletion by name, which is none in Git; tests/unit/cli/test_lint.py",
}
"""Rules that no change of files can break, and where they are proven."""
