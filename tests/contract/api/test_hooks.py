"""Hooks through the API: what the original publishes of them, for everybody whom GitLab knows."""

import jsonschema

# `nautes-hooks-metadata`, section 1.13 of the original: {name, isPreHook, isPostHook, supportEventSourceTypes, varsDefinition}.
ORIGINAL = {"name", "is_pre_hook", "is_post_hook", "support_event_source_types", "vars_definition"}


async def test_every_hook_is_listed_with_what_it_says_of_itself(world):
    answer = (await world.call("GET", "/hooks", token="guest")).json()
    assert [one["name"] for one in answer["items"]] == ["call-webhook", "list-path", "wait-for"]
    assert answer["total"] == 3
    assert all(one.keys() >= ORIGINAL for one in answer["items"])
    assert all(
        jsonschema.Draft202012Validator.check_schema(one["vars_definition"]) is None
        for one in answer["items"]
    )


async def test_one_hook_is_shown_and_an_unknown_one_is_not_there(world):
    one = (await world.call("GET", "/hooks/list-path", token="stranger")).json()
    assert one["vars_definition"]["required"] == ["path"]
    assert one["requested_resources"] == {"key": "sshKey", "copy": "empty"}
    assert (one["is_pre_hook"], one["is_post_hook"]) == (True, False)
    assert (await world.call("GET", "/hooks/none", token="stranger")).status_code == 404


async def test_a_runtime_with_hooks_is_saved_and_one_that_breaks_their_rules_is_not(world):
    path = "/products/orchard/projectpipelineruntimes/apple-ci"
    body = (await world.call("GET", path)).json()
    body = {key: value for key, value in body.items() if key != "name"}
    url = "https://chat.acme.example/x"
    body["hooks"] = {
        "pre_hooks": [],
        "post_hooks": [{"name": "call-webhook", "alias": "tell", "vars": {"url": url}}],
    }
    saved = await world.call("POST", path, body, token="maintainer")
    assert saved.status_code == 200, saved.text
    world.take_in("product_orchard")
    assert (await world.call("GET", path)).json()["hooks"] == body["hooks"]
    body["hooks"]["post_hooks"][0]["vars"] = {"url": "gopher://x", "more": "y"}
    refused = await world.call("POST", path, body, token="maintainer")
    assert refused.status_code == 422
    assert {(one["rule"], one["field"]) for one in refused.json()["violations"]} == {
        ("L13", "spec.hooks.postHooks.0.vars"),
        ("L13", "spec.hooks.postHooks.0.vars.url"),
    }
