"""The programs of a real control plane: where each comes from, how it is built, where it lies once built.

Everything comes from the Go module proxy. Each folder of `tests/controlplane/tools` pins one set of versions
(go.mod and go.sum); the programs need folders of their own because their `k8s.io` versions differ.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

HOME: Final = Path(__file__).parents[1] / "controlplane"
TOOLS: Final = HOME / "tools"
CACHE: Final = HOME / ".cache"
BIN: Final = CACHE / "bin"
MANIFESTS: Final = CACHE / "manifests"

_BASE = "k8s.io/component-base/version"
# Without it the server calls itself v0.0.0-master, and Tekton's version check ends on that.
_KUBERNETES = f"-X {_BASE}.gitVersion=v1.36.3 -X {_BASE}.gitMajor=1 -X {_BASE}.gitMinor=36"


@dataclass(frozen=True)
class Program:
    """One program: `package` of the module pinned in `tools/<folder>`, and what building it takes from nothing."""

    name: str
    folder: str
    package: str
    seconds: int
    """Cold, on two cores, after the programs before it; for the estimate only."""
    variables: str = ""
    """Linker flags beside `-s -w`."""

    @property
    def binary(self) -> Path:
        """Where it lies once built."""
        return BIN / self.name

    @property
    def stamp(self) -> Path:
        """Beside the binary: the pins that it was built from."""
        return BIN / f"{self.name}.pins"

    def pins(self) -> str:
        """Digest of everything that decides what the binary is, but for the Go version."""
        return pins(self.folder, f"{self.package}\n{self.variables}\n")

    @property
    def built(self) -> bool:
        """Whether a binary of exactly these pins is there."""
        return self.binary.exists() and self.stamp.exists() and self.stamp.read_text() == self.pins()


# In order of use: what comes first is of use without what comes after.
PROGRAMS: Final = (
    Program("etcd", "etcd", "go.etcd.io/etcd/server/v3", 80),
    Program("kube-apiserver", "kubernetes", "k8s.io/kubernetes/cmd/kube-apiserver", 380, _KUBERNETES),
    Program("kube-controller-manager", "kubernetes", "k8s.io/kubernetes/cmd/kube-controller-manager", 90, _KUBERNETES),
    Program("tekton-webhook", "tekton", "github.com/tektoncd/pipeline/cmd/webhook", 240),
    Program("tekton-controller", "tekton", "github.com/tektoncd/pipeline/cmd/controller", 60),
    Program("kube-scheduler", "kubernetes", "k8s.io/kubernetes/cmd/kube-scheduler", 20, _KUBERNETES),
    Program(
        "argocd", "argocd", "github.com/argoproj/argo-cd/v3/cmd", 480,
        "-X github.com/argoproj/argo-cd/v3/common.version=3.1.9",
    ),
    Program("redis", "redis", ".", 5),
    Program("kustomize", "kustomize", "sigs.k8s.io/kustomize/kustomize/v5", 40),
)  # fmt: skip

MANIFEST_FOLDERS: Final[Mapping[str, tuple[str, str]]] = {
    "tekton": ("github.com/tektoncd/pipeline", "config"),
    "argocd": ("github.com/argoproj/argo-cd/v3", "manifests"),
}
"""Folder of tools -> module and its folder that is copied to `MANIFESTS/<folder>`; so running needs no Go."""


OPERATORS: Final = "operators"
DEFINITIONS: Final[Mapping[str, tuple[str, str]]] = {
    "external-secrets": ("github.com/external-secrets/external-secrets", "config/crds/bases"),
    "keda": ("github.com/kedacore/keda/v2", "config/crd/bases"),
    "prometheus-operator": (
        "github.com/prometheus-operator/prometheus-operator", "example/prometheus-operator-crd",
    ),
}  # fmt: skip
"""Operators that are not built: name -> module pinned in `tools/operators` and its folder of custom resources, which
is copied to `MANIFESTS/operators/<name>`."""


def definitions_there() -> bool:
    """Whether the operators' custom resources of exactly the present pins are there."""
    stamp = MANIFESTS / OPERATORS / "pins"
    return stamp.exists() and stamp.read_text() == pins(OPERATORS, str(DEFINITIONS))


def pins(folder: str, more: str) -> str:
    """Digest of everything that is pinned in a folder of tools, and of `more`."""
    digest = hashlib.sha256(more.encode())
    for file in sorted((TOOLS / folder).iterdir()):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def missing(*names: str) -> list[str]:
    """Return which of these programs are not built from the present pins."""
    return [program.name for program in PROGRAMS if program.name in names and not program.built]
