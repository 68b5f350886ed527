"""Many writers of one product on a real code host: everything lands or is told to try again, and nothing is lost."""

import asyncio
import itertools
import subprocess
from contextlib import asynccontextmanager

import httpx
import pytest

from nautes_adapters.gitlab import GitLabPersonal
from nautes_adapters.memory import MemorySecretStore
from nautes_api_server.callers import Callers
from nautes_api_server.declarations import Declarations
from nautes_api_server.http import application
from nautes_api_server.kinds import Addresses
from nautes_api_server.kubeconfigs import Kubeconfigs
from nautes_api_server.parts import Parts
from nautes_api_server.recording import Audit
from nautes_api_server.writing import Writer
from nautes_domain import drafts
from nautes_domain.effects import Cause
from nautes_domain.kubeconfig import closed_kubeconfig
from nautes_domain.snapshot import Snapshot
from support.api_server import AT, TENANT, MemoryLogs, MemoryNews, MemoryRecords
from support.examples import tree
from support.gitlab_cases import add_group, forge_api

_NUMBERS = itertools.count(1)
WRITERS = 50


@asynccontextmanager
async def no_lock(_scope):
    """Stand for replicas that do not know of each other: only the code host keeps them apart."""
    yield 1


class Replica:
    """One API server over the forge; its read model knows the tenant and nothing of the product."""

    def __init__(self, url, product):
        self.host = GitLabPersonal(url)
        self.calls = []
        news = MemoryNews()
        text = tree("management")["nautes/overlays/production/products/orchard.yaml"].decode()
        files = {
            **{path: text for path, text in tree("management").items() if path.endswith(".yaml")},
            f"nautes/overlays/production/products/{product}.yaml": text.replace("orchard", product).encode(),
        }
        cause = Cause(delivery="d")
        news.put(Snapshot(scope="tenant", commit="c" * 40, project_id=1, cause=cause, files=files))
        ids = (f"r{number}" for number in itertools.count())
        callers = Callers(TENANT, self.host, lambda: 0.0)
        addresses = Addresses(url)
        declarations = Declarations(news.snapshots, addresses)
        writer = Writer(
            tenant=TENANT, host=self.host, callers=callers, declarations=declarations,
            audit=Audit(TENANT, news, lambda: AT, lambda: 0.0), lock=no_lock,
            kubeconfigs=Kubeconfigs(closed_kubeconfig, MemorySecretStore(), news, lambda: AT),
        )  # fmt: skip
        parts = Parts(
            tenant=TENANT, callers=callers, host=self.host, records=MemoryRecords(news), news=news, logs=MemoryLogs(), runs=news.runs, decided=news.decides,
            declarations=declarations, writer=writer, request_id=lambda: next(ids), now=lambda: AT,
        )  # fmt: skip
        self.app = application(parts)

    async def post(self, token, product, name, language="go", **headers):
        transport = httpx.ASGITransport(self.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://api", timeout=60) as client:
            return await client.post(
                f"/api/v1/products/{product}/projects/{name}",
                json={"language": language},
                headers={"Authorization": f"Bearer {token}", **headers},
            )


@pytest.fixture
async def product(forge):
    name = f"writers{next(_NUMBERS)}"
    async with forge_api(forge) as api:
        group = await add_group(api, name, "")
        body = {"name": "default.project", "path": "default.project", "namespace_id": group, "initialize_with_readme": True}  # fmt: skip
        await api.post("/projects", body)
    return name


async def landed(replica, token, product):
    tip = await replica.host.tip(token, f"{product}/default.project", "main")
    return await replica.host.tree(token, f"{product}/default.project", tip.commit)


async def test_fifty_writers_of_one_product_lose_nothing(forge, product):
    replica = Replica(forge.url, product)
    answers = await asyncio.gather(
        *(replica.post(forge.token, product, f"p{number}") for number in range(WRITERS))
    )
    assert {answer.status_code for answer in answers} <= {200, 409}
    done = {f"p{number}" for number, answer in enumerate(answers) if answer.status_code == 200}
    files = await landed(replica, forge.token, product)
    assert {path.split("/")[1] for path in files if path.startswith("projects/")} == done
    assert files[drafts.PRODUCT_INDEX].count(b"- ../projects/") == len(done)
    assert len(done) == WRITERS  # those of one replica take turns
    await replica.host.close()


async def test_replicas_that_do_not_know_of_each_other_lose_nothing_either(forge, product):
    replicas = [Replica(forge.url, product) for _ in range(3)]
    answers = await asyncio.gather(
        *(
            replica.post(forge.token, product, f"r{which}-{number}")
            for which, replica in enumerate(replicas)
            for number in range(4)
        )
    )
    assert {answer.status_code for answer in answers} <= {200, 409}
    names = [f"r{which}-{number}" for which in range(3) for number in range(4)]
    done = {name for name, answer in zip(names, answers, strict=True) if answer.status_code == 200}
    files = await landed(replicas[0], forge.token, product)
    assert {path.split("/")[1] for path in files if path.startswith("projects/")} == done
    assert files[drafts.PRODUCT_INDEX].count(b"- ../projects/") == len(done)
    for replica in replicas:
        await replica.host.close()


async def test_one_entity_saved_by_many_who_saw_the_same_is_changed_by_one(forge, product):
    replica = Replica(forge.url, product)
    first = await replica.post(forge.token, product, "shared", "go")
    seen = {"If-Match": first.headers["etag"]}
    answers = await asyncio.gather(
        *(replica.post(forge.token, product, "shared", f"language{number}", **seen) for number in range(8))
    )
    assert sorted(answer.status_code for answer in answers) == [200] + [412] * 7
    await replica.host.close()


async def test_a_push_in_between_is_built_upon(forge, product, tmp_path):
    replica = Replica(forge.url, product)
    await replica.post(forge.token, product, "one")
    world_url = forge.url.replace("://", f"://oauth2:{forge.token}@")
    clone = tmp_path / "clone"

    def git(*arguments):
        command = ["git", "-c", "user.name=Dev", "-c", "user.email=dev@acme.example", *arguments]
        subprocess.run(command, check=True, capture_output=True, cwd=clone if clone.exists() else tmp_path)

    await asyncio.to_thread(git, "clone", "-q", f"{world_url}/{product}/default.project.git", str(clone))
    file = clone / "projects" / "pushed" / "pushed.yaml"
    file.parent.mkdir(parents=True)
    file.write_text((clone / "projects/one/one.yaml").read_text().replace("name: one", "name: pushed"))
    await asyncio.to_thread(git, "add", "-A")
    await asyncio.to_thread(git, "commit", "-qm", "Push")
    await asyncio.to_thread(git, "push", "-q", "origin", "HEAD:main")
    assert (await replica.post(forge.token, product, "two")).status_code == 200
    files = await landed(replica, forge.token, product)
    assert {path.split("/")[1] for path in files if path.startswith("projects/")} == {"one", "pushed", "two"}
    assert files[drafts.PRODUCT_INDEX].count(b"- ../projects/") == 3
    await replica.host.close()
