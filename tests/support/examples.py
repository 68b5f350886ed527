"""The shipped examples as trees, for tests that need a valid tenant and product to start from."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from nautes_domain.catalog import ProductCatalog, TenantCatalog, read_product, read_tenant

EXAMPLES = Path(__file__).parents[2] / "examples"


def tree(folder: str) -> dict[str, bytes]:
    """Return the files of an example repository by path."""
    return dict(_files(folder))


@cache
def _files(folder: str) -> Mapping[str, bytes]:
    root = EXAMPLES / folder
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def tenant() -> TenantCatalog:
    """Return the example tenant."""
    catalog, problems = read_tenant(tree("management"))
    assert not problems
    return catalog


def orchard(changes: Mapping[str, str | None] | None = None) -> ProductCatalog:
    """Return the example product; `changes` replace files by path, None removes one."""
    catalog, problems = read_product("orchard", changed(changes))
    assert not problems, problems
    return catalog


def changed(changes: Mapping[str, str | None] | None = None) -> dict[str, bytes]:
    """Return the files of the example product with changes."""
    files = tree("orchard/default.project")
    for path, text in (changes or {}).items():
        if text is None:
            del files[path]
        else:
            files[path] = text.encode()
    return files
