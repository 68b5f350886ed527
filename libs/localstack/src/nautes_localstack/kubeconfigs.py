"""What a kubeconfig says of its first cluster and user, as the laptop stack needs it: everything stands inline."""

import base64
import binascii
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import yaml


@dataclass(frozen=True)
class ClusterAccess:
    """How a cluster is reached: address, CA as PEM text, bearer token."""

    server: str
    ca: str = field(repr=False)
    token: str = field(repr=False)

    @classmethod
    def read(cls, kubeconfig: Path) -> Self:
        """Read a file. Raises ValueError with what is missing, OSError where there is no such file."""
        try:
            found = yaml.safe_load(kubeconfig.read_text())
            cluster, user = found["clusters"][0]["cluster"], found["users"][0]["user"]
            ca = base64.b64decode(cluster["certificate-authority-data"], validate=True).decode()
            return cls(str(cluster["server"]), ca, str(user["token"]))
        except (yaml.YAMLError, KeyError, IndexError, TypeError, binascii.Error) as error:
            raise ValueError(
                f"{kubeconfig} must hold server, certificate-authority-data and token inline"
            ) from error

    def trust(self) -> ssl.SSLContext:
        """Return a context that trusts this CA alone."""
        # Loading the system's authorities would take 20 ms a time.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=self.ca)
        return context
