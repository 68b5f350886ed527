"""Where files lie and to whom they belong: rules T2, T4, T5, B4, J1, J2. Pure."""

from collections.abc import Iterator
from typing import Any

from nautes_domain.catalog import Declared
from nautes_domain.failures import Violation
from nautes_domain.source import Path
from nautes_domain.validation.setting import Setting


def folders(setting: Setting) -> Iterator[Violation]:
    """T2, J2: an entity lies in the folder that its name or owner gives."""
    catalog = setting.catalog
    if not catalog.laid_out:
        return
    expected: list[tuple[Declared[Any], str, Path]] = [
        *((one, one.manifest.name, ("metadata", "name")) for one in catalog.projects.values()),
        *((one, one.manifest.name, ("metadata", "name")) for one in catalog.repos.values()),
        *((one, one.manifest.spec.project, ("spec", "project")) for one in catalog.pipelines.values()),
        *((one, one.manifest.spec.code_repo, ("spec", "codeRepo")) for one in catalog.bindings.values()),
    ]
    for declared, folder, path in expected:
        found = _folder(declared)
        if found != folder:
            fix = f"move the file to the folder {folder}"
            yield declared.violation(path, "T2", f"the file lies in the folder {found!r}", fix)


def owners_of_folders(setting: Setting) -> Iterator[Violation]:
    """T5: whose folder it is lies in it: no runtime without its project, no binding without its repository."""
    catalog = setting.catalog
    if not catalog.laid_out:
        return
    projects = {_folder(one) for one in catalog.projects.values()}
    repos = {_folder(one) for one in catalog.repos.values()}
    guests: list[tuple[Declared[Any], str, set[str]]] = [
        *((one, "Project", projects) for one in catalog.pipelines.values()),
        *((one, "CodeRepo", repos) for one in catalog.bindings.values()),
    ]
    for guest, kind, owners in guests:
        folder = _folder(guest)
        if folder not in owners:
            fix = f"add {folder}/{folder}.yaml, or remove this file"
            yield guest.violation((), "T5", f"the folder {folder!r} holds no {kind}", fix)


def owners(setting: Setting) -> Iterator[Violation]:
    """T4, B4, J1: everything in a product's repository belongs to that product."""
    product = setting.catalog.product
    for declared in setting.catalog.entities():
        named = getattr(declared.manifest.spec, "product", product)
        if named == product:
            continue
        rule = {"CodeRepoBinding": "B4", "Project": "J1"}.get(declared.manifest.kind, "T4")
        message = f"names product {named!r}, but lies in the repository of {product!r}"
        yield declared.violation(("spec", "product"), rule, message, f"write {product}")


def _folder(declared: Declared[Any]) -> str:
    return declared.file.rpartition("/")[0].rpartition("/")[2]
