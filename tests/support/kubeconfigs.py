"""Kubeconfigs as people send them. Every secret in one is CANARY."""

import base64
import copy

CANARY = "canary-kubeconfig-token"
CA = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
CONFIG = {
    "apiVersion": "v1",
    "kind": "Config",
    "current-context": "admin@build",
    "clusters": [
        {
            "name": "build",
            "cluster": {
                "server": "https://127.0.0.1:6443",
                "certificate-authority-data": base64.b64encode(CA.encode()).decode(),
            },
        }
    ],
    "contexts": [{"name": "admin@build", "context": {"cluster": "build", "user": "admin"}}],
    "users": [{"name": "admin", "user": {"token": CANARY}}],
}


def kubeconfig():
    """A sound one, to be changed."""
    return copy.deepcopy(CONFIG)
