"""Whatever event, inputs, path and file: the run that comes of it is one that Tekton's own schema takes."""

from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nautes_adapters.tekton import TektonEngine
from nautes_domain.runs import COMMIT
from support.asked_runs import EVENTS, FILE, NAMES_NO_COMMIT, PATHS, PIPELINES, VARIABLES, asked
from support.crd_schemas import problems

ENGINE = TektonEngine(None)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
"""What people write in titles and branches: anything."""
SAID = st.fixed_dictionaries(
    {}, optional={"title": TEXT, "state": TEXT, "labels": st.lists(TEXT, max_size=3).map(tuple), "source_branch": TEXT}
)  # fmt: skip


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    event=st.sampled_from(sorted(EVENTS)),
    variables=st.lists(st.sampled_from(VARIABLES), unique=True),
    path=st.sampled_from(PATHS),
    pinned=st.booleans(),
    held=st.booleans(),
    spec=st.sampled_from(sorted(PIPELINES)),
    said=SAID,
)
def test_every_run_that_is_built_is_one_that_the_schema_takes(
    event, variables, path, pinned, held, spec, said
):
    delivery = EVENTS[event].model_copy(update=said)
    pinned = pinned or event in NAMES_NO_COMMIT
    found = asked(delivery, variables, path, pinned=pinned, held=held, spec=PIPELINES[spec])
    run = ENGINE.build(found.request, found.source, file=path)

    assert problems(run) == []
    metadata, made = run["metadata"], run["spec"]
    assert set(metadata) == {"name", "namespace", "labels", "annotations"}
    assert (metadata["name"], metadata["namespace"]) == (found.request.name, "apple-ci")
    assert metadata["labels"]["nautes.io/product"] == "orchard"
    assert metadata["labels"]["team"] == "web"
    assert "tekton.dev/forged" not in metadata["annotations"]
    assert metadata["annotations"][COMMIT]
    assert all(isinstance(text, str) for part in (metadata["labels"], metadata["annotations"]) for text in part.values())  # fmt: skip
    assert made["taskRunTemplate"]["serviceAccountName"] == "apple-builder"
    assert not any("serviceAccountName" in one for one in made.get("taskRunSpecs", ()))
    assert made.get("status") == ("PipelineRunPending" if held else None)
    given_values = {one["name"]: one["value"] for one in made["params"]}
    for number, name in enumerate(variables):
        assert given_values[f"p{number}"] == found.request.inputs[f"/spec/params/{number}/value"], name


def test_the_schema_would_refuse_a_run_that_is_none():
    found = asked(EVENTS["push"], (), FILE, pinned=False, held=False, spec=PIPELINES["by name"])
    run = ENGINE.build(replace(found.request), found.source, file=FILE)
    assert problems({**run, "spec": {**run["spec"], "pipelineRef": "trunk"}})
    assert problems({**run, "spec": {**run["spec"], "account": "x"}})
