"""A real `git push` through every room of the house, read back from the systems themselves."""

import asyncio
import base64

import nats

from nautes_domain.effects import Cause
from nautes_domain.events import Subjects, Work
from nautes_localstack.layout import SERVICES
from nautes_runtime import reading
from support.platform import settled
from support.processes import wait_until

SOURCE = "orchard/apple-api-src"
DEPLOY = "orchard/apple-deploy"
CONFIG = "orchard/default.project"
RUNTIME = "projects/apple-api/apple-ci.yaml"


def test_a_push_starts_exactly_one_run_of_that_commit_under_the_runtime_account(platform):
    commit = platform.push(SOURCE, {"src/app.py": "print('apples')\n"}, "Sell apples")
    platform.until(lambda: platform.decision(commit), "the decision")
    (run,) = platform.runs_of(commit)
    assert run["apiVersion"] == "tekton.dev/v1"
    assert run["spec"]["taskRunTemplate"]["serviceAccountName"] == "apple-builder"
    assert {"name": "revision", "value": commit} in run["spec"]["params"]
    assert run["metadata"]["labels"]["nautes.io/runtime"] == "apple-ci"
    status = platform.until(lambda: platform.run_status(SOURCE, commit), "the status of the run")
    assert status["status"] == "pending"
    assert run["metadata"]["name"] in status["description"]


def test_the_pipeline_is_the_one_of_the_pushed_commit(platform):
    text = platform.text(SOURCE, "ci/build.yaml")
    first = platform.push(SOURCE, {"ci/build.yaml": text.replace("name: unit", "name: first")}, "First")
    second = platform.push(SOURCE, {"ci/build.yaml": text.replace("name: unit", "name: second")}, "Second")
    for commit, step in ((first, "first"), (second, "second")):
        (run,) = platform.until(lambda commit=commit: platform.runs_of(commit), "the run")
        assert run["spec"]["pipelineSpec"]["tasks"][0]["taskSpec"]["steps"][0]["name"] == step
    platform.push(SOURCE, {"ci/build.yaml": text}, "As before")


def test_a_push_to_another_branch_starts_nothing_and_says_why(platform):
    copy = platform.story.clone(SOURCE)
    (copy.folder / "idea.txt").write_text("pears\n")
    commit = copy.push("An idea", branch="idea")
    decision = platform.until(lambda: platform.decision(commit), "the decision")
    assert platform.runs_of(commit) == []
    (considered,) = [one for one in decision["considered"] if one["runtime"] == "apple-ci"]
    assert not considered["fired"]
    assert considered["reason"] == "idea does not match main"


def test_a_push_of_manifests_refreshes_only_the_application_whose_folder_changed(platform):
    other = platform.push(DEPLOY, {"overlays/production/note.yaml": "kind: ConfigMap\n"}, "Not for test")
    decision = platform.until(lambda: platform.decision(other), "the decision")
    assert [one["fired"] for one in decision["considered"] if one["runtime"] == "apple-test"] == [False]
    mine = platform.push(DEPLOY, {"overlays/test/note.yaml": "kind: ConfigMap\n"}, "For test")
    platform.until(lambda: platform.decision(mine), "the decision")
    application = platform.story.application()
    assert application["metadata"]["annotations"]["nautes.io/refreshed-commit"] == mine


def test_a_missing_pipeline_file_is_a_decision_and_a_failed_status_and_no_crash(platform):
    text = platform.text(SOURCE, "ci/build.yaml")
    commit = platform.push(SOURCE, {"ci/build.yaml": None}, "Lose the pipeline")
    decision = platform.until(lambda: platform.decision(commit), "the decision")
    (fired,) = [one for one in decision["considered"] if one["fired"]]
    assert fired["result"] == "rejected"
    assert "ci/build.yaml" in fired["message"]
    status = platform.commit_statuses(SOURCE, commit)["nautes/apple-ci"]
    assert status["status"] == "failed"
    assert "ci/build.yaml" in status["description"]
    again = platform.push(SOURCE, {"ci/build.yaml": text}, "Find it again")
    platform.until(lambda: platform.runs_of(again), "the run")


def test_a_pipeline_file_that_is_something_else_is_refused_with_its_line(platform):
    text = platform.text(SOURCE, "ci/build.yaml")
    commit = platform.push(
        SOURCE, {"ci/build.yaml": "apiVersion: v1\nkind: Secret\nmetadata: {name: x}\n"}, "Try"
    )
    decision = platform.until(lambda: platform.decision(commit), "the decision")
    (fired,) = [one for one in decision["considered"] if one["fired"]]
    assert fired["result"] == "rejected"
    assert platform.commit_statuses(SOURCE, commit)["nautes/apple-ci"]["status"] == "failed"
    assert platform.runs_of(commit) == []
    platform.push(SOURCE, {"ci/build.yaml": text}, "As before")


def test_broken_declarations_change_nothing_and_every_violation_is_reported(platform):
    before = platform.inventory()
    environment, runtime = platform.text(CONFIG, "envs/build.yaml"), platform.text(CONFIG, RUNTIME)
    commit = platform.push(
        CONFIG,
        {
            "envs/build.yaml": environment + "  colour: red\n",
            RUNTIME: runtime.replace("isolation: shared", "isolation: none"),
        },
        "Break two files",
    )

    def refused():
        status = platform.status("orchard", "declarations")
        return status if status and status["commit"] == commit else None

    status = platform.until(refused, "the refusal")
    assert status["result"] == "rejected"
    found = {(one["file"], one["line"], one["field"]) for one in status["violations"]}
    assert found == {("envs/build.yaml", 9, "spec.colour"), (RUNTIME, 12, "spec.isolation")}
    beside = platform.commit_statuses(CONFIG, commit)["nautes/declarations"]
    assert beside["status"] == "failed"
    assert "envs/build.yaml:9" in beside["description"]
    assert platform.inventory() == before
    source = platform.push(SOURCE, {"src/more.py": "1\n"}, "Work goes on with the last good state")
    platform.until(lambda: platform.runs_of(source), "the run")
    platform.push(CONFIG, {"envs/build.yaml": environment, RUNTIME: runtime}, "Mend them")
    wait_until(lambda: settled(platform), timeout=30, what="every scope being done")


def test_one_broken_entity_blocks_no_other_and_stays_as_it_was(platform):
    before = platform.inventory()
    runtime, another = "runtimes/apple-test.yaml", "runtimes/apple-more.yaml"
    text = platform.text(CONFIG, runtime)
    more = text.replace("apple-test", "apple-more").replace("apple-deployer", "apple-other")
    broken = text.replace("environment: test", "environment: nowhere")
    changes = {runtime: broken, another: more.replace("overlays/test", "overlays/production")}
    commit = platform.push(CONFIG, changes, "One good, one broken")
    namespace = "/api/v1/namespaces/apple-more"
    platform.until(lambda: platform.systems.kubernetes("run-east", namespace), "what was not broken")

    def refused():
        status = platform.status("orchard", "declarations")
        return status if status and status["commit"] == commit and status["result"] == "rejected" else None

    status = platform.until(refused, "the refusal")
    assert {(one["rule"], one["file"]) for one in status["violations"]} == {("D2", runtime), ("D8", runtime)}
    assert f"last valid states stay of {runtime}" in status["message"]
    assert platform.commit_statuses(CONFIG, commit)["nautes/declarations"]["status"] == "failed"
    assert before.items() <= platform.inventory().items()
    platform.push(CONFIG, {runtime: text, another: None}, "Mend it, and give the other up")
    platform.until(lambda: platform.inventory().keys() == before.keys(), "everything being as before")
    wait_until(lambda: settled(platform), timeout=30, what="every scope being done")


def test_a_link_in_the_tree_of_declarations_is_refused_as_a_whole(platform):
    copy = platform.story.clone(CONFIG)
    link = copy.folder / "envs" / "elsewhere.yaml"
    link.symlink_to("../../../etc/passwd")
    commit = copy.push("Point elsewhere")

    def refused():
        status = platform.status("orchard", "declarations")
        return status if status and status["commit"] == commit else None

    status = platform.until(refused, "the refusal")
    assert (status["result"], [one["rule"] for one in status["violations"]]) == ("rejected", ["symlink"])
    assert platform.commit_statuses(CONFIG, commit)["nautes/declarations"]["status"] == "failed"
    link.unlink()
    copy.push("Do not")
    wait_until(lambda: settled(platform), timeout=30, what="every scope being done")


def test_a_product_that_is_withdrawn_starts_nothing_more_and_keeps_what_it_has(platform):
    before = platform.inventory()
    product = "nautes/overlays/production/products/orchard.yaml"
    tenant = f"{platform.described.tenant}/management"
    text = platform.text(tenant, product)
    platform.push(tenant, {product: None}, "Give the product up")

    def kept():
        status = platform.status("orchard", "reconciler")
        return status if status and status["code"] == "deletion-budget" else None

    platform.until(kept, "the refusal to delete everything")
    commit = platform.push(SOURCE, {"src/orphan.py": "1\n"}, "Anyone there?")
    decision = platform.until(lambda: platform.decision(commit), "the decision")
    assert "no longer declares" in decision["summary"]
    assert platform.runs_of(commit) == []
    kubernetes = {one for one in before if one.startswith(("build-east", "run-east", "argocd"))}
    assert kubernetes <= platform.inventory().keys()
    platform.push(tenant, {product: text}, "Keep it after all")
    platform.until(lambda: platform.inventory().keys() == before.keys(), "everything being as before")
    wait_until(lambda: settled(platform), timeout=60, what="every scope being done")


def test_reconciling_again_writes_nothing(platform):
    wait_until(lambda: settled(platform), timeout=30, what="every scope being done")
    cause = "asked again"

    async def ask_and_count():
        described = platform.described
        password = described.nats_passwords["operator"].read_text().strip()
        client = await nats.connect(described.nats_url, user="operator", password=password)
        js = client.jetstream()
        subjects = Subjects(described.tenant)
        scopes = {
            "reconciler": ("tenant", "product_orchard"),
            "secret-broker": ("tenant", "product_orchard", "cluster_build-east"),
            "cluster-registrar": ("tenant", "cluster_build-east", "cluster_run-east"),
        }
        for service, names in scopes.items():
            for scope in names:
                work = Work(scope=scope, because="a test asks again", cause=Cause(delivery=cause))
                await js.publish(
                    subjects.work(service, scope), work.model_dump_json().encode(), stream="WORK"
                )
        for service in scopes:
            while True:
                info = await js.consumer_info("WORK", f"{service}-work")
                if not info.num_pending and not info.num_ack_pending:
                    break
                await asyncio.sleep(0.05)
        found = [effect async for effect in reading.effects(js, described.tenant, cause=cause)]
        await client.close()
        return found

    assert asyncio.run(ask_and_count()) == []
    assert settled(platform)


def test_removing_the_pipeline_runtime_removes_what_it_created_and_nothing_else(platform):
    before = platform.inventory()
    text = platform.text(CONFIG, RUNTIME)
    platform.push(CONFIG, {RUNTIME: None}, "Build no more")

    def gone():
        after = platform.inventory()
        return (
            after
            if "vault/policy/nautes.orchard.pipeline.apple-ci" not in after
            and not [address for address in after if "apple-ci" in address]
            else None
        )

    after = platform.until(gone, "the removal")
    removed = before.keys() - after.keys()
    assert removed == {
        "build-east/api/v1/namespaces//apple-ci",
        "build-east/api/v1/serviceaccounts/apple-ci/apple-builder",
        "build-east/apis/rbac.authorization.k8s.io/v1/roles/apple-ci/nautes.apple-builder",
        "build-east/apis/rbac.authorization.k8s.io/v1/rolebindings/apple-ci/nautes.apple-builder",
        "vault/auth/build-east/orchard.apple-builder",
        "vault/policy/nautes.orchard.pipeline.apple-ci",
    }
    assert after == {address: value for address, value in before.items() if address in after}
    wait_until(lambda: platform.systems.kubernetes("build-east", "/api/v1/namespaces/apple-ci") is None,
               timeout=30, what="the namespace being gone")  # fmt: skip
    platform.push(CONFIG, {RUNTIME: text}, "Build again")
    platform.until(lambda: platform.inventory().keys() == before.keys(), "everything being back")
    wait_until(lambda: settled(platform), timeout=30, what="every scope being done")


def test_a_deployment_that_is_removed_and_comes_back_is_the_same_again(platform):
    before = platform.inventory()
    runtime = "runtimes/apple-test.yaml"
    text = platform.text(CONFIG, runtime)
    platform.push(CONFIG, {runtime: None}, "Deploy no more")
    platform.until(lambda: platform.story.application() is None, "the Application being gone")

    def gone():  # systems are looked at one after the other, so that what is met may be of two moments
        found = platform.inventory()
        return None if {one for one in found if "apple-test" in one or one.endswith("/orchard")} else found

    after = platform.until(gone, "the removal of all that it had")
    platform.until(lambda: platform.repository_secret() is None, "the key being taken from Argo CD")
    assert "vault/policy/nautes.orchard.pipeline.apple-ci" in after
    platform.push(CONFIG, {runtime: text}, "Deploy again")
    platform.until(lambda: platform.inventory().keys() == before.keys(), "everything being back")
    wait_until(lambda: settled(platform), timeout=30, what="every scope being done")


def test_a_cluster_that_is_withdrawn_starts_nothing_more(platform):
    cluster = "nautes/overlays/production/clusters/build-east.yaml"
    tenant = f"{platform.described.tenant}/management"
    text = platform.text(tenant, cluster)
    platform.push(
        tenant, {cluster: text.replace("allowedProducts: [orchard]", "allowedProducts: []")}, "Withdraw"
    )

    def rejected():
        status = platform.status("orchard", "reconciler")
        return status if status and status["code"] == "invalid-declarations" else None

    status = platform.until(rejected, "the suspension")
    assert [one["rule"] for one in status["violations"]] == ["E2"]
    commit = platform.push(SOURCE, {"src/late.py": "1\n"}, "Too late")
    decision = platform.until(lambda: platform.decision(commit), "the decision")
    assert "suspended" in decision["summary"]
    assert platform.runs_of(commit) == []
    platform.push(tenant, {cluster: text}, "Give it back")
    wait_until(lambda: settled(platform), timeout=30, what="every scope being done")
    commit = platform.push(SOURCE, {"src/again.py": "1\n"}, "Now")
    platform.until(lambda: platform.runs_of(commit), "the run")


def test_a_cluster_that_a_product_stands_on_is_not_removed_and_the_product_is_named(platform):
    before = platform.inventory()
    cluster = "nautes/overlays/production/clusters/build-east.yaml"
    tenant = f"{platform.described.tenant}/management"
    text = platform.text(tenant, cluster)
    commit = platform.push(tenant, {cluster: None}, "Is anyone using this?")
    beside = platform.until(
        lambda: platform.commit_statuses(tenant, commit).get("nautes/declarations"), "the verdict"
    )
    assert beside["status"] == "failed"
    assert "orchard: ProjectPipelineRuntime/apple-ci" in beside["description"]
    assert "[C14]" in beside["description"]
    assert platform.inventory() == before
    platform.push(tenant, {cluster: text}, "Somebody is")
    wait_until(lambda: settled(platform), timeout=30, what="every scope being done")


def test_an_emptied_repository_deletes_nothing_until_that_is_confirmed(platform):
    before = platform.inventory()
    copy = platform.story.clone(CONFIG)
    files = {
        str(path.relative_to(copy.folder)): path.read_text()
        for folder in ("projects", "envs", "code-repos", "runtimes", "artifact-repos")
        for path in (copy.folder / folder).rglob("*.yaml")
    }
    commit = platform.push(CONFIG, dict.fromkeys(files), "Empty everything")

    def refused():
        status = platform.status("orchard", "reconciler")
        return status if status and status["commit"] == commit else None

    status = platform.until(refused, "the refusal")
    assert (status["result"], status["code"]) == ("rejected", "deletion-budget")
    kept = platform.inventory()
    assert {one for one in before if not one.startswith("vault/")} <= kept.keys()
    platform.push(CONFIG, dict(files), "Restore everything")
    platform.until(lambda: platform.inventory().keys() == before.keys(), "everything being as before")
    wait_until(lambda: settled(platform), timeout=30, what="every scope being done")


def test_no_secret_leaves_its_place(platform):
    described = platform.described
    secrets = {
        path.read_text().strip()
        for path in (
            *described.tokens.values(),
            *described.vault_secret_ids.values(),
            *described.nats_passwords.values(),
        )
    }
    keys = []
    for mount, paths in (("hook", "gitlab/"), ("git", "gitlab/"), ("cluster", "kubernetes/build-east/")):
        for path in _leaves(platform, mount, paths):
            values = platform.systems.vault(f"{mount}/data/{path}")["data"]
            secrets |= {text for name, text in values.items() if name in {"token", "signing_token"}}
            keys += [values["deploykey"]] if "deploykey" in values else []
    assert len(keys) >= 3
    keys.append((platform.stack.layout.data("forge") / "ssh_host_ed25519_key").read_text())
    secrets |= {form for key in keys for form in _written_forms(key)}
    assert len(secrets) > 40
    layout = platform.stack.layout
    written = [*layout.logs.glob("*.log"), *layout.traces.glob("*.jsonl")]
    assert len({file.stem for file in written if file.suffix == ".jsonl"}) == 5
    seen = b"".join(file.read_bytes() for file in written)
    seen += "".join(platform.metrics(service) for service in SERVICES).encode()

    async def everything():
        password = described.nats_passwords["operator"].read_text().strip()
        client = await nats.connect(described.nats_url, user="operator", password=password)
        js = client.jetstream()
        streams = ("DELIVERIES_0", "DELIVERIES_1", "DELIVERIES_2", "DELIVERIES_3", "FACTS", "WORK", "EFFECTS", "DEAD",
                   "KV_desired", "KV_index", "KV_status")  # fmt: skip
        found = [message.data + str(message.headers).encode()
                 for stream in streams async for message in reading.replay(js, stream, ">")]  # fmt: skip
        await client.close()
        return b"".join(found)

    seen += asyncio.run(everything())
    assert len(seen) > 10_000
    assert [secret[:4] for secret in secrets if secret and secret.encode() in seen] == []


def _written_forms(key):
    """Yield how a private key would look in a log: its lines, since their breaks may be escaped, and base64 of all.

    Its first line begins alike in every key of its kind, so that finding it is finding any of them.
    """
    yield from (line for line in key.splitlines() if line and not line.startswith("-----"))
    yield base64.b64encode(key.encode()).decode()[:120]
    yield base64.b64encode(key.strip().encode()).decode()[64:120]


def _leaves(platform, mount, path):
    for key in (platform.systems.vault(f"{mount}/metadata/{path}?list=true") or {"keys": []})["keys"]:
        if key.endswith("/"):
            yield from _leaves(platform, mount, f"{path}{key}")
        else:
            yield f"{path}{key}"
