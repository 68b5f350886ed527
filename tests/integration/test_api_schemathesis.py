"""Requests of any kind that the description allows, and many that it does not: the API never fails with a 5xx."""

import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance

from support.api_server import World

WORLD = World()
BRIEF = 0.05
"""Seconds."""
SCHEMA = schemathesis.openapi.from_asgi("/openapi.json", WORLD.app)


@SCHEMA.exclude(operation_id="watch_product").parametrize()  # it has no end
@settings(max_examples=15, suppress_health_check=list(HealthCheck))
def test_no_request_makes_the_api_fail(case):
    wait = (case.query or {}).get("wait")
    if (
        isinstance(wait, int | float) and not isinstance(wait, bool) and wait > BRIEF
    ):  # nobody reconciles here, so it would be waited for in full
        case.query["wait"] = BRIEF
    for token in ("owner", "manager"):
        case.query = {
            key: one for key, one in (case.query or {}).items() if key != "watch"
        }  # nor has a watched list
        case.headers = {**(case.headers or {}), "Authorization": f"Bearer {token}"}
        case.call_and_validate(
            checks=[not_a_server_error, content_type_conformance, response_schema_conformance]
        )
