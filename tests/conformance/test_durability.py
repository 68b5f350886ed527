"""What was written is there after the server was killed."""

import ssl

import httpx

from support.kubernetes import start_kubernetes


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
