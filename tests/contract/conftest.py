"""The implementations that the contract suites run over. A new adapter adds one line to its registry."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest

from nautes_adapters.memory import MemoryTarget
from nautes_domain.plan import Ref, Wanted
from support import argocd_cases, vault_cases
from support.openbao import OpenBao, start_openbao
from support.target_contract import TargetCase

Getter = Callable[[str], Any]
"""Gives a fixture by name, so that only the servers start which a case needs."""


@asynccontextmanager
async def memory_target(_fixture: Getter) -> AsyncIterator[TargetCase]:
    target = MemoryTarget("memory", ("Parent", "Child"), lambda ref: ref.scope)
    parent, child = Ref("memory", "Parent", "a", "product_x"), Ref("memory", "Child", "b", "product_x")
    target.foreign[Ref("memory", "Child", "theirs", "product_x")] = {"size": 1}
    desired = {parent: Wanted({"size": 1}, "declared"), child: Wanted({"of": "a"}, "declared")}
    changed = {**desired, parent: Wanted({"size": 2}, "declared")}

    async def remains() -> bool:
        return len(target.foreign) == 1

    yield TargetCase(target, "product_x", desired, changed, remains)


def gitlab_tenant(fixture: Getter) -> AbstractAsyncContextManager[TargetCase]:
    from support import gitlab_cases

    return gitlab_cases.tenant_space(fixture("forge"))


def gitlab_product(fixture: Getter) -> AbstractAsyncContextManager[TargetCase]:
    from support import gitlab_cases

    return gitlab_cases.product_space(fixture("forge"))


TARGETS: dict[str, Callable[[Getter], AbstractAsyncContextManager[TargetCase]]] = {
    "memory": memory_target,
    "vault-product": lambda fixture: vault_cases.product_access(fixture("openbao")),
    "vault-cluster": lambda fixture: vault_cases.cluster_access(fixture("openbao")),
    "gitlab-tenant": gitlab_tenant,
    "gitlab-product": gitlab_product,
    "argocd-repositories": lambda fixture: argocd_cases.repositories(fixture("tmp_path")),
}


@pytest.fixture(scope="session")
def openbao(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenBao]:
    with start_openbao(tmp_path_factory.mktemp("contract")) as server:
        yield server


@pytest.fixture(scope="session")
def forge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    from support.forge import start_forge

    with start_forge(tmp_path_factory.mktemp("contract")) as server:
        yield server


@pytest.fixture(params=list(TARGETS))
async def target_case(request: pytest.FixtureRequest) -> AsyncIterator[TargetCase]:
    async with TARGETS[request.param](request.getfixturevalue) as case:
        yield case
