"""Deploy keys: who may read (and write) a project over SSH. Source: GitLab API, "Deploy keys"."""

import base64
import binascii
import hashlib
from typing import Any, Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_ssh_public_key
from starlette.responses import Response

from nautes_localstack.forge.api import views
from nautes_localstack.forge.api.answers import created, gone, invalid, not_found
from nautes_localstack.forge.api.call import Call
from nautes_localstack.forge.api.router import Route
from nautes_localstack.forge.records import DeployKey
from nautes_localstack.forge.rights import Level


async def list_keys(call: Call) -> Response:
    """List a project's keys."""
    project = call.project(Level.MAINTAINER)
    rows = call.store.deploy_keys.where(lambda one: one.project_id == project.id)
    return call.page(rows, views.deploy_key)


async def get_key(call: Call) -> dict[str, Any]:
    """Return a key."""
    return views.deploy_key(_key(call))


async def create_key(call: Call) -> Response:
    """Add a public key to a project."""
    project = call.project(Level.MAINTAINER)
    title, text = call.text("title"), call.text("key").strip()
    blob = _blob(text)
    fingerprint = "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
    known = call.store.deploy_keys.where(lambda one: one.project_id == project.id)
    if any(key.fingerprint_sha256 == fingerprint for key in known):
        raise invalid(**{"deploy_key.fingerprint_sha256": ["has already been taken"]})
    plain = hashlib.md5(blob, usedforsecurity=False).hexdigest()
    key = DeployKey(
        id=call.store.deploy_keys.next_id(),
        project_id=project.id,
        title=title,
        key=text,
        fingerprint=":".join(plain[index : index + 2] for index in range(0, 32, 2)),
        fingerprint_sha256=fingerprint,
        can_push=call.flag("can_push", default=False),
        creator_id=call.user.id,
        created_at=call.host.now(),
    )
    return created(views.deploy_key(call.store.deploy_keys.put(key)))


async def edit_key(call: Call) -> dict[str, Any]:
    """Change title or right of a key."""
    key = _key(call)
    changed = call.store.deploy_keys.change(
        key, title=call.text("title", key.title), can_push=call.flag("can_push", default=key.can_push)
    )
    return views.deploy_key(changed)


async def delete_key(call: Call) -> Response:
    """Remove a key."""
    call.store.deploy_keys.delete(_key(call).id)
    return gone()


def _key(call: Call) -> DeployKey:
    project = call.project(Level.MAINTAINER)
    key = call.store.deploy_keys.get(call.number("key", "Deploy Key"))
    if key is None or key.project_id != project.id:
        raise not_found("Deploy Key")
    return key


def _blob(text: str) -> bytes:
    """Return the binary key in an OpenSSH line; 400 if it is none."""
    try:
        load_ssh_public_key(text.encode())
        return base64.b64decode(text.split()[1], validate=True)
    except (ValueError, IndexError, UnsupportedAlgorithm, binascii.Error):
        raise invalid(key=["is invalid"]) from None


ROUTES: Final = (
    Route("GET projects/:id/deploy_keys", list_keys),
    Route("POST projects/:id/deploy_keys", create_key),
    Route("GET projects/:id/deploy_keys/:key", get_key),
    Route("PUT projects/:id/deploy_keys/:key", edit_key),
    Route("DELETE projects/:id/deploy_keys/:key", delete_key),
)
