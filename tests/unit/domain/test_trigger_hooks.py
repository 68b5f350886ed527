"""The hooks of a run: which, in which order, and with which values."""

from dataclasses import replace

import pytest

from nautes_domain.capabilities import Origin
from nautes_domain.failures import Rejected
from nautes_domain.hooks import Resource
from nautes_domain.triggers import asks_for_dashboards, match, placed_hooks, run_of_file
from nautes_domain.validation.pipelines import BUILT_IN, FROM_EVENT
from support.examples import EXAMPLES, orchard
from support.hooks import GREEDY
from unit.domain.test_trigger_inputs import EXPECTED, FACTS, FILE, delivery

ALL = replace(GREEDY, name="all", wants=(*sorted(BUILT_IN | FROM_EVENT), "RunName", "PipelineStatus"))
KINDS = {"tekton": {"greedy": GREEDY, "all": ALL}}
PRESENT = frozenset({Resource.EMPTY, Resource.SSH_KEY})
HOOKS = """\
  hooks:
    preHooks: [{name: greedy, vars: {room: ops}}, {name: all, alias: other, vars: {room: dev, text: hi}}]
    postHooks: [{name: greedy, alias: end, vars: {room: ops}}]
  isolation: shared"""


def catalog(hooks=HOOKS):
    text = (EXAMPLES / "orchard/default.project" / FILE).read_text()
    return orchard({FILE: text.replace("  isolation: shared", hooks)})


def run(hooks=HOOKS):
    (found,) = match(delivery(), catalog(hooks), "apple-api-src", FACTS).runs
    return found


def test_hooks_are_placed_as_they_are_declared():
    found = placed_hooks(run(), "tekton", KINDS, PRESENT)
    assert [(one.kind.name, one.label, one.after) for one in found] == [
        ("greedy", "greedy", False),
        ("all", "other", False),
        ("greedy", "end", True),
    ]
    assert {one.repository for one in found} == {"apple-api-src"}


def test_a_hook_is_given_its_variables_and_what_it_wants_and_nothing_else():
    first, other, _ = placed_hooks(run(), "tekton", KINDS, PRESENT)
    name = run().request.name
    assert first.values == {"room": "ops", "text": "", "ref": "refs/heads/main", "RunName": name}
    assert other.values == {"room": "dev", "text": "hi", "RunName": name, **EXPECTED}


def test_each_run_of_several_files_tells_hooks_its_own_name_and_file():
    several = [run_of_file(run(), Origin(7, path, "main", "b" * 40)) for path in ("ci/a.yaml", "ci/b.yaml")]
    told = [placed_hooks(one, "tekton", KINDS, PRESENT)[1].values for one in several]
    assert [one["PipelineFilePath"] for one in told] == ["ci/a.yaml", "ci/b.yaml"]
    assert [one["RunName"] for one in told] == [one.request.name for one in several]


def test_an_optional_folder_is_left_out_where_the_tenant_has_nothing_for_it():
    (first, *_), (whole, *_) = (
        placed_hooks(run(), "tekton", KINDS, present) for present in (PRESENT, frozenset(Resource))
    )
    assert first.folders.keys() == {"key", "copy"}
    assert whole.folders == GREEDY.resources


def test_a_hook_that_is_not_installed_any_more_is_refused_in_words():
    with pytest.raises(Rejected) as raised:
        placed_hooks(run(), "tekton", {"tekton": {"greedy": GREEDY}}, PRESENT)
    assert raised.value.code == "no-such-hook"
    assert "'all'" in str(raised.value)


def test_no_hooks_need_nothing():
    assert placed_hooks(run("  isolation: shared"), "gitlab-ci", {}, frozenset()) == ()
    assert asks_for_dashboards(catalog())
    assert not asks_for_dashboards(catalog("  isolation: shared"))
