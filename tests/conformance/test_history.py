"""Watches from a past that the server has forgotten; only on a server whose memory can be made short."""

import json
import ssl

import httpx

from support.kubernetes import start_kubernetes


def test_a_watch_from_too_long_ago_is_told_to_list_again(tmp_path):
    with start_kubernetes(tmp_path, "short", history=5) as running:
        context = ssl.create_default_context(cafile=str(running.ca_file))
        headers = {"Authorization": f"Bearer {running.token}"}
        with httpx.Client(base_url=running.url, verify=context, headers=headers, trust_env=False) as client:
            path = "/api/v1/namespaces/default/configmaps"
            start = client.get(path).json()["metadata"]["resourceVersion"]
            for number in range(20):
                assert client.post(path, json={"metadata": {"name": f"c{number}"}}).status_code == 201
            params = {"watch": "true", "resourceVersion": start, "timeoutSeconds": "2"}
            with client.stream("GET", path, params=params) as answer:
                assert answer.status_code == 200
                (event,) = [json.loads(line) for line in answer.iter_lines() if line]
    assert event["type"] == "ERROR"
    assert (event["object"]["code"], event["object"]["reason"]) == (410, "Expired")


def test_everything_is_kept_over_a_kill(tmp_path):
    with start_kubernetes(tmp_path, "kept") as running:
        headers = {"Authorization": f"Bearer {running.token}"}
        path = "/api/v1/namespaces/default/configmaps"

        def ask(method, **body):
            context = ssl.create_default_context(cafile=str(running.ca_file))
            with httpx.Client(
                base_url=running.url, verify=context, headers=headers, trust_env=False
            ) as client:
                return client.request(method, path, **body).json()

        made = ask("POST", json={"metadata": {"name": "kept"}})
        running.kill()
        running.start()
        (found,) = [one for one in ask("GET")["items"] if one["metadata"]["name"] == "kept"]
        assert found["metadata"]["uid"] == made["metadata"]["uid"]
        later = ask("POST", json={"metadata": {"name": "later"}})
        assert int(later["metadata"]["resourceVersion"]) > int(made["metadata"]["resourceVersion"])
