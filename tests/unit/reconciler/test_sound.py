"""What is taken in of a commit that is broken in part: the broken and its dependants stay as they were last good."""

from hypothesis import given
from hypothesis import strategies as st

from nautes_domain.catalog import read_product
from nautes_reconciler import judging
from support.examples import changed, tenant

ENV, RUN, REPO = "envs/test.yaml", "runtimes/apple-test.yaml", "code-repos/apple-web-src/apple-web-src.yaml"
PPR, BINDING = "projects/apple-api/apple-ci.yaml", "code-repos/apple-deploy/lend-to-web.yaml"
GOOD = changed()
WAS = read_product("orchard", GOOD)[0]


def judge(tree):
    return judging.judge_product("orchard", tree, tenant(), {}, WAS)


def edited(path, old, new):
    text = GOOD[path].decode()
    assert old in text
    return text.replace(old, new)


def sound(changes):
    return judging.sound(changed(changes), GOOD, judge)


def test_a_broken_entity_stays_as_it_was_and_everything_else_is_taken_in():
    web = edited(REPO, "pipelineRuntime: true", "pipelineRuntime: false")
    found = sound({REPO: web, PPR: edited(PPR, "pipeline: build}", "pipeline: none}")})
    assert found.held == (PPR,)
    assert found.judgement.violations == ()
    assert found.files == changed({REPO: web})


def test_what_depends_on_something_new_and_broken_stays_as_it_was():
    found = sound(
        {
            "envs/next.yaml": edited(ENV, "name: test", "name: next").replace("run-east", "nowhere"),
            "runtimes/next.yaml": edited(RUN, "name: apple-test", "name: next").replace("environment: test", "environment: next"),
            REPO: edited(REPO, "pipelineRuntime: true", "pipelineRuntime: false"),
        }
    )  # fmt: skip
    assert found.held == ("envs/next.yaml", "runtimes/next.yaml")
    assert found.files.keys() == GOOD.keys()
    assert found.files[REPO] != GOOD[REPO]


def test_what_others_need_is_not_removed_and_what_nobody_needs_is():
    found = sound({ENV: None, REPO: None})
    assert found.held == (ENV,)
    assert found.files == changed({REPO: None})


def test_an_entity_that_moved_and_broke_is_not_lost():
    moved = edited(RUN, "environment: test", "environment: gone")
    found = sound({RUN: None, "runtimes/moved.yaml": moved})
    assert found.held == (RUN, "runtimes/moved.yaml")
    assert found.files == GOOD


def test_a_file_that_cannot_be_read_may_have_held_anything():
    assert sound({REPO: None, "envs/more.yaml": "a: ["}) is None


def test_a_right_that_is_needed_cannot_be_taken_in_part():
    assert sound({BINDING: None}) is None


def test_a_first_commit_is_taken_in_but_for_what_is_broken():
    files = changed({RUN: edited(RUN, "environment: test", "environment: gone")})
    found = judging.sound(files, {}, lambda tree: judging.judge_product("orchard", tree, tenant(), {}))
    assert found.held == (RUN,)
    assert found.files == changed({RUN: None})


EDITS = st.sampled_from(sorted(GOOD)).flatmap(
    lambda path: st.sampled_from(GOOD[path].decode().split()).flatmap(
        lambda word: st.sampled_from(["none", "apple-api", "test", "build"]).map(
            lambda other: (path, GOOD[path].decode().replace(word, other))
        )
    )
)


@given(st.lists(EDITS, max_size=4).map(dict), st.sets(st.sampled_from(sorted(GOOD)), max_size=3))
def test_what_is_taken_in_is_always_valid_and_made_of_old_and_new_files_alone(edits, gone):
    tree = changed({**edits, **dict.fromkeys(gone)})
    found = judging.sound(tree, GOOD, judge)
    if found is None:
        return
    assert judge(found.files).violations == ()
    for path, data in found.files.items():
        assert data in {tree.get(path), GOOD.get(path)}
    for path in tree.keys() - set(found.held):
        assert found.files[path] == tree[path]
