"""A wish to save or remove one entity, as changes of files in its repository. Pure.

Layouts: sections 2.7 to 2.9 of the original. The index (`production/kustomization.yaml`) lists every file that
declares something; it also carries a digest of them, so that every change of a declaration changes the index.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import yaml
from pydantic import ValidationError

from nautes_domain import names, source
from nautes_domain.access import CREATOR, is_person
from nautes_domain.catalog import Declared, ProductCatalog, TenantCatalog, Tree
from nautes_domain.manifests import KINDS
from nautes_domain.plan import Observed, Plan, Ref, State, Wanted, plan
from nautes_domain.schema import API_VERSION
from nautes_domain.source import Document

Catalog = ProductCatalog | TenantCatalog
Spec = Mapping[str, Any]
"""Fields of a manifest under `spec`, named as in the manifest."""

TENANT_FOLDER: Final = "nautes/overlays/production"
PRODUCT_INDEX: Final = "production/kustomization.yaml"
TENANT_INDEX: Final = f"{TENANT_FOLDER}/kustomization.yaml"

_FOLDERS: Final[Mapping[str, tuple[str, Callable[[str, Spec], Any]]]] = {
    "Project": ("projects/{}", lambda name, _: name),
    "ProjectPipelineRuntime": ("projects/{}", lambda _, spec: spec.get("project")),
    "Environment": ("envs", lambda name, _: name),
    "CodeRepo": ("code-repos/{}", lambda name, _: name),
    "CodeRepoBinding": ("code-repos/{}", lambda _, spec: spec.get("codeRepo")),
    "DeploymentRuntime": ("runtimes", lambda name, _: name),
    "Cluster": (f"{TENANT_FOLDER}/clusters", lambda name, _: name),
    "Product": (f"{TENANT_FOLDER}/products", lambda name, _: name),
}
"""The folder of each kind, and whose name it has."""

_LISTED: Final = re.compile(r"(projects|envs|code-repos|runtimes|artifact-repos)/.+\.ya?ml")
_LISTED_OF_TENANT: Final = re.compile(rf"{TENANT_FOLDER}/[^/]+/[^/]+\.ya?ml")
_INDEX_NAMES: Final = ("/kustomization.yaml", "/kustomization.yml")


def find(catalog: Catalog, kind: str, name: str) -> Declared[Any] | None:
    """Return an entity of a catalog."""
    wanted = (kind, name)
    return next((one for one in catalog.entities() if (one.manifest.kind, one.manifest.name) == wanted), None)


def saved(tree: Tree, catalog: Catalog, kind: str, name: str, spec: Spec, *, creator: str = "") -> Tree:
    """Return the files after an entity was saved; the same tree if it stands there like this already.

    What people wrote beside the spec (labels, annotations) stays, and so do other entities in the same file.
    A new Product is annotated with its `creator`, if one is given.
    """
    before = find(catalog, kind, name)
    metadata: Mapping[str, Any] = {"name": name}
    if before is not None:
        metadata = before.document.value["metadata"]
    elif kind == "Product" and is_person(creator):
        metadata = {"name": name, "annotations": {CREATOR: creator}}
    value = {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": spec}
    if before is not None and _means(value, before):
        return tree
    folder = _folder(kind, name, spec)
    if before is not None and before.file.rpartition("/")[0] == folder:
        return _indexed({**tree, before.file: _replaced(tree, before.document, value)}, catalog)
    rest = _without(tree, before)
    return _indexed({**rest, _free(rest, catalog, folder, kind, name): text_of(value)}, catalog)


def removed(tree: Tree, catalog: Catalog, kind: str, name: str) -> Tree:
    """Return the files after an entity was removed; the same tree if it is not there."""
    before = find(catalog, kind, name)
    return tree if before is None else _indexed(_without(tree, before), catalog)


def index_path(catalog: Catalog) -> str:
    """Return where the index of a repository lies."""
    return PRODUCT_INDEX if isinstance(catalog, ProductCatalog) else TENANT_INDEX


def changes(project: str, before: Tree, after: Tree, because: str, entity: str) -> Plan:
    """Return the plan that turns one tree of a project into another: files are its objects."""
    wanted: State = {
        Ref("git", "File", path, project): Wanted({"content": text}, because, entity)
        for path, text in after.items()
    }
    found: Observed = {Ref("git", "File", path, project): {"content": text} for path, text in before.items()}
    return plan(wanted, found, order=("File",))


def text_of(value: Mapping[str, Any]) -> bytes:
    """Return a document as YAML that `source.parse` reads as the same value."""
    return yaml.dump(
        dict(value), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110, default_flow_style=False
    ).encode()


def _means(value: Mapping[str, Any], declared: Declared[Any]) -> bool:
    """Say whether a document declares what is declared already, however it is written."""
    try:
        return bool(KINDS[declared.manifest.kind].model_validate(value) == declared.manifest)
    except ValidationError:
        return False


def _folder(kind: str, name: str, spec: Spec) -> str:
    """Return the folder of an entity. An owner that is no name gives the entity's own: the judge refuses it."""
    pattern, of = _FOLDERS[kind]
    owner = of(name, spec)
    return pattern.format(owner if isinstance(owner, str) and names.is_label(owner) else name)


def _free(tree: Tree, catalog: Catalog, folder: str, kind: str, name: str) -> str:
    """Return a file for a new entity: `<name>.yaml`, unless another entity stands there."""
    taken = {one.file for one in catalog.entities()} & tree.keys()
    plain = f"{folder}/{name}.yaml"
    return plain if plain not in taken else f"{folder}/{name}.{kind.lower()}.yaml"


def _without(tree: Tree, declared: Declared[Any] | None) -> Tree:
    if declared is None:
        return tree
    rest = {path: text for path, text in tree.items() if path != declared.file}
    others = _replaced(tree, declared.document, None)
    return {**rest, declared.file: others} if others else rest


def _replaced(tree: Tree, document: Document, value: Mapping[str, Any] | None) -> bytes:
    """Return a file with one of its documents replaced, or left out; others keep their values."""
    values = [
        value if one.lines[()] == document.lines[()] else one.value
        for one in source.parse(tree[document.file], document.file)
    ]
    return b"---\n".join(text_of(one) for one in values if one is not None)


def _indexed(tree: Tree, catalog: Catalog) -> Tree:
    """Return the tree with its index made anew."""
    path = index_path(catalog)
    listed = dict(_listed(tree, catalog))
    start = "../" if path == PRODUCT_INDEX else ""
    root = 0 if path == PRODUCT_INDEX else len(TENANT_FOLDER) + 1
    digest = names.digest(
        *(part for file, text in listed.items() for part in (file, names.digest(repr(text))))
    )
    head = f"# Written by Nautes with every change that comes through its API.\n# Declarations: {digest}\n"
    body = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [f"{start}{file[root:]}" for file in listed],
    }
    return {**tree, path: head.encode() + text_of(body)}


def _listed(tree: Tree, catalog: Catalog) -> Iterator[tuple[str, bytes]]:
    rule = _LISTED if isinstance(catalog, ProductCatalog) else _LISTED_OF_TENANT
    for path in sorted(tree):
        if rule.fullmatch(path) and not path.endswith(_INDEX_NAMES):
            yield path, tree[path]


class _Dumper(yaml.SafeDumper):
    """Writes text in quotes where our reader would take it for something else; never an alias."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - what is written twice is written out twice
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    # Line breaks come in several kinds, and readers fold them: in double quotes they are escaped.
    style = None if source.is_plain_text(text) and text.isprintable() else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


def _numbers(dumper: yaml.SafeDumper, value: float) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:float", repr(value))


_Dumper.add_representer(str, _text)
_Dumper.add_representer(float, _numbers)
