"""Says by its exit code whether an address answers 200: the health check of every container.

`healthcheck.py URL [KUBECONFIG]`. Uses the standard library alone and starts in tens of milliseconds
(`python -I -S`). For https the certificate must be of the CA that the kubeconfig names.
"""

import base64
import http.client
import re
import ssl
import sys
from pathlib import Path
from urllib.parse import urlsplit

TIMEOUT = 4.0
"""Seconds; below the timeout that the engine is told."""


def answers(url: str, kubeconfig: str = "") -> bool:
    """Say whether a GET is answered with 200. Whatever goes wrong is a no."""
    parts = urlsplit(url)
    path = f"{parts.path or '/'}?{parts.query}"
    try:
        if parts.scheme == "https":
            connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                parts.netloc, timeout=TIMEOUT, context=_trust(Path(kubeconfig).read_text())
            )
        else:
            connection = http.client.HTTPConnection(parts.netloc, timeout=TIMEOUT)
        connection.request("GET", path.rstrip("?"))
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, ValueError, http.client.HTTPException):
        return False


def _trust(kubeconfig: str) -> ssl.SSLContext:
    found = re.search(r"certificate-authority-data: *['\"]?([A-Za-z0-9+/=]+)", kubeconfig)
    if found is None:
        raise ValueError("the kubeconfig names no certificate authority")
    return ssl.create_default_context(cadata=base64.b64decode(found[1]).decode())


if __name__ == "__main__":
    sys.exit(0 if answers(*sys.argv[1:3]) else 1)
