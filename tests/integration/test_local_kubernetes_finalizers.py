"""Finalizers of controllers that do not run: the laptop's API takes those off that it is told of, and no others."""

import ssl

import httpx
import pytest

from support.kubernetes import start_kubernetes
from support.processes import wait_until

MAPS = "/api/v1/namespaces/default/configmaps"


@pytest.mark.parametrize(
    ("finalizer", "goes"), [("absent.example.com/x", True), ("present.example.com/x", False)]
)
def test_only_named_finalizers_are_taken_off_and_only_from_what_is_deleted(tmp_path, finalizer, goes):
    with start_kubernetes(tmp_path, absent_finalizer="absent.example.com/x") as running:
        context = ssl.create_default_context(cafile=str(running.ca_file))
        headers = {"Authorization": f"Bearer {running.token}"}
        with httpx.Client(base_url=running.url, verify=context, headers=headers, trust_env=False) as client:
            body = {"metadata": {"name": "held", "finalizers": [finalizer]}}
            assert client.post(MAPS, json=body).json()["metadata"]["finalizers"] == [finalizer]
            assert client.get(f"{MAPS}/held").json()["metadata"]["finalizers"] == [finalizer]
            client.delete(f"{MAPS}/held")
            if goes:
                wait_until(
                    lambda: client.get(f"{MAPS}/held").status_code == 404, what="the end of the object"
                )
            else:
                client.post(MAPS, json={"metadata": {"name": "other"}})
                client.delete(f"{MAPS}/other")
                assert client.get(f"{MAPS}/held").json()["metadata"]["deletionTimestamp"]
