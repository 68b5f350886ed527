"""The command line and the API agree: every request of `apply` goes to a route that there is, with a body that it takes."""

import pytest

from nautes_api_server.kinds import KINDS as SERVED
from nautes_cli.kinds import KINDS
from nautes_cli.reading import read
from support.examples import EXAMPLES
from support.manifests import ORIGINAL

FILES = {
    path.relative_to(EXAMPLES.parent).as_posix(): path.read_bytes()
    for folder in (EXAMPLES, ORIGINAL)
    for path in sorted(folder.rglob("*.yaml"))
}
BY_KIND = {kind.kind: kind for kind in SERVED}


def entries():
    batch = read(FILES)
    assert not batch.problems
    return batch.entries


def test_there_is_a_route_for_each_kind_and_a_kind_for_each_route():
    assert {name: kind.segment for name, kind in KINDS.items()} == {one.kind: one.segment for one in SERVED}
    assert {name: kind.in_product for name, kind in KINDS.items()} == {
        one.kind: not one.tenant for one in SERVED
    }


@pytest.mark.parametrize("entry", entries(), ids=lambda entry: entry.entity)
def test_a_body_is_taken_and_every_field_of_it_is_known(entry):
    served = BY_KIND[entry.kind.name]
    body = served.body.model_validate(dict(entry.body))
    assert set(entry.body) == {
        field.alias or name
        for name, field in served.body.model_fields.items()
        if name in body.model_fields_set
    }
    known = served.item.replace("{product_name}", entry.product or entry.name)
    assert known.replace(f"{{{served.parameter}}}", entry.name) == f"/api/v1{entry.path}"


def test_every_column_shows_a_field_of_the_reply():
    for name, kind in KINDS.items():
        fields = BY_KIND[name].view.model_fields
        shown = {column.path.partition(".")[0] for column in kind.columns}
        assert shown <= {field.alias or key for key, field in fields.items()}, name
