"""pytest plugin: `pytest -p support.controlplane_suites tests/...` runs suites on real API servers.

The suites start a Kubernetes API by `support.kubernetes.start_kubernetes`. This plugin gives them that module with
the same face over real clusters, which start once, when first asked for, and are put back after each test. On each
are the custom resources of Argo CD and all of Tekton but its controller, so that what is written stays as it is;
the one for the conformance suite is bare, as the one was that the recordings were made with.
"""

import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import ClassVar, Self

import pytest

from support import controlplane, controlplane_argocd, controlplane_tekton
from support.controlplane import Cluster
from support.controlplane_etcd import Etcd, Kept
from support.processes import Process

NAMES = ("management", "build-east")
BARE = "conformance"


@dataclass
class Lent:
    """A real cluster as the suites know one: empty when it is given, and put back when it is stopped."""

    url: str
    token: str = field(repr=False)
    ca_file: Path
    kubeconfig: Path
    process: Process
    etcd: Etcd
    kept: Kept
    is_real: ClassVar[bool] = True

    def stop(self) -> None:
        """Put the cluster back to how it was lent."""
        self.etcd.restore(self.kept)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()


class Pool:
    """The clusters of one run of tests."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._etcd: Etcd | None = None
        self._folder = Path()
        self._kept: dict[str, tuple[Cluster, Kept]] = {}

    def start_kubernetes(self, _tmp_path: Path, name: str = "build-east", **special: object) -> Lent:
        """Lend a cluster; those with Tekton and Argo CD all start with the first of them.

        Skips where a server is wanted that behaves specially, or that is the test's own to kill.
        """
        if special or name not in (*NAMES, BARE):
            pytest.skip("what is asked of the small server here is not asked of a shared one")
        etcd = self._etcd or self._start_etcd()
        if name not in self._kept:
            self._start(NAMES if name in NAMES else [name])
        cluster, kept = self._kept[name]
        return Lent(
            cluster.url, cluster.token, cluster.ca_file, cluster.kubeconfig, cluster.process, etcd, kept
        )

    def close(self) -> None:
        """Stop everything."""
        self._stack.close()

    def _start_etcd(self) -> Etcd:
        if reason := controlplane.absent():
            pytest.skip(reason)
        self._folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="controlplane-")))
        self._etcd = self._stack.enter_context(controlplane.start_etcd(self._folder / "etcd"))
        return self._etcd

    def _start(self, names: Sequence[str]) -> None:
        assert self._etcd is not None
        with ThreadPoolExecutor() as pool:
            clusters = list(pool.map(self._prepared, names))
        for cluster in clusters:
            self._kept[cluster.name] = (cluster, self._etcd.keep(cluster.prefix))

    def _prepared(self, name: str) -> Cluster:
        assert self._etcd is not None
        started = controlplane.start_cluster(self._folder / name, name, self._etcd)
        cluster = self._stack.enter_context(started)
        if name != BARE:
            controlplane_argocd.install_definitions(cluster)
            controlplane_tekton.install(cluster)
        return cluster


POOL = Pool()


@pytest.fixture(scope="session", autouse=True)
def _clusters_end() -> Iterator[None]:
    yield
    POOL.close()


_stand_in = ModuleType("support.kubernetes", __doc__)
_stand_in.start_kubernetes = POOL.start_kubernetes  # type: ignore[attr-defined]
sys.modules["support.kubernetes"] = _stand_in
