"""What Argo CD's own kinds of Secret have in common: their type, and a digest that shows tampering. Pure."""

import base64
from collections.abc import Mapping
from typing import Final

from nautes_domain import names

TYPE_LABEL: Final = "argocd.argoproj.io/secret-type"
"""Argo CD, "Declarative Setup", Clusters and Repositories."""
CONTENT: Final = "nautes.io/content"


def encoded(text: str) -> str:
    """Return a value as `data` of a Secret holds it."""
    return base64.b64encode(text.encode()).decode()


def decoded(data: Mapping[str, str], key: str) -> str:
    """Return a value of `data` as text, empty where there is none."""
    return base64.b64decode(data.get(key) or "").decode("utf-8", "replace")


def content_digest(data: Mapping[str, str]) -> str:
    """Return a digest that shows tampering and no value: the token or key in it is long and random."""
    return names.digest(*(f"{key}={data[key]}" for key in sorted(data)), length=40)
