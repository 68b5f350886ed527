"""Users and their tokens. Source: GitLab API, "Users", "User tokens", "Personal access tokens", "Version"."""

import secrets
from datetime import date, timedelta
from typing import Any, Final

from starlette.responses import Response

from nautes_localstack.forge.api import views
from nautes_localstack.forge.api.answers import (
    bad_request,
    conflict,
    created,
    forbidden,
    gone,
    invalid,
    not_found,
)
from nautes_localstack.forge.api.call import Call
from nautes_localstack.forge.api.paths import is_path
from nautes_localstack.forge.api.router import Route
from nautes_localstack.forge.hosting import VERSION, digest
from nautes_localstack.forge.records import AccessToken, User
from nautes_localstack.forge.rights import SCOPES

LONGEST_LIFE: Final = timedelta(days=365)
"""GitLab issues no token for longer, and gives this to one without an expiry date."""


async def version(_call: Call) -> dict[str, Any]:
    """Say what this is."""
    return {"version": VERSION, "revision": "nautes-local", "enterprise": False, "kas": {"enabled": False}}


async def me(call: Call) -> dict[str, Any]:
    """Return the caller."""
    return views.user(call.user, call.host.url)


async def list_users(call: Call) -> Response:
    """List users, by exact user name or by search."""
    username, search = call.query.get("username"), call.query.get("search", "").lower()

    def wanted(user: User) -> bool:
        named = username is None or user.username.lower() == username.lower()
        return named and (search in user.username.lower() or search in user.name.lower())

    view = views.user if call.user.is_admin else views.user_basic
    return call.page(call.store.users.where(wanted)[::-1], lambda user: view(user, call.host.url))


async def get_user(call: Call) -> dict[str, Any]:
    """Return a user."""
    view = views.user if call.user.is_admin else views.user_basic
    return view(_user(call), call.host.url)


async def create_user(call: Call) -> Response:
    """Make a user; administrators only. Passwords are not kept: tokens are the only way in."""
    call.admin()
    username, name, email = call.text("username"), call.text("name"), call.text("email")
    if not is_path(username):
        raise invalid(username=["can contain only letters, digits, '_', '-' and '.'."])
    taken = call.store.users.first(lambda user: user.username.lower() == username.lower())
    if taken or call.host.group(username):
        raise conflict("Username has already been taken")
    if call.store.users.first(lambda user: user.email.lower() == email.lower()):
        raise conflict("Email has already been taken")
    user = User(
        id=call.store.users.next_id(),
        username=username,
        name=name,
        email=email,
        is_admin=call.flag("admin", default=False),
        created_at=call.host.now(),
    )
    return created(views.user(call.store.users.put(user), call.host.url))


async def delete_user(call: Call) -> Response:
    """Forget a user with tokens and memberships; administrators only."""
    call.admin()
    user = _user(call)
    if user.id == call.user.id:
        raise forbidden("403 Forbidden - You cannot delete yourself")
    with call.store.together():
        call.store.tokens.delete_where(lambda one: one.user_id == user.id)
        call.store.members.delete_where(lambda one: one.user_id == user.id)
        call.store.users.delete(user.id)
    return gone()


async def create_token(call: Call) -> Response:
    """Make a token for a user; administrators only. Its value is shown this once."""
    call.admin()
    user = _user(call)
    name, scopes = call.text("name"), call.texts("scopes")
    if not scopes or not set(scopes) <= SCOPES:
        raise bad_request("scopes does not have a valid value")
    value = f"glpat-{secrets.token_urlsafe(24)}"
    token = AccessToken(
        id=call.store.tokens.next_id(),
        user_id=user.id,
        name=name,
        description=call.text("description", ""),
        digest=digest(value),
        scopes=scopes,
        created_at=call.host.now(),
        expires_at=_expiry(call),
    )
    return created({**_token_view(call, call.store.tokens.put(token)), "token": value})


async def list_tokens(call: Call) -> Response:
    """List the caller's tokens; an administrator may ask for another user's, or for all."""
    asked = call.query.get("user_id")
    if asked is not None and not call.user.is_admin and asked != str(call.user.id):
        raise forbidden()
    owner = asked or (None if call.user.is_admin else str(call.user.id))
    rows = call.store.tokens.where(lambda one: owner is None or str(one.user_id) == owner)
    return call.page(rows, lambda token: _token_view(call, token))


async def own_token(call: Call) -> dict[str, Any]:
    """Return the token that the call was made with."""
    return _token_view(call, call.caller.token)


async def rotate_own_token(call: Call) -> dict[str, Any]:
    """Revoke the token that the call was made with and return a new one like it."""
    old = call.caller.token
    value = f"glpat-{secrets.token_urlsafe(24)}"
    with call.store.together():
        call.store.tokens.change(old, revoked=True)
        new = call.store.tokens.put(
            old.model_copy(
                update={
                    "id": call.store.tokens.next_id(),
                    "digest": digest(value),
                    "created_at": call.host.now(),
                    "expires_at": _expiry(call, timedelta(days=7)),
                }
            )
        )
    return {**_token_view(call, new), "token": value}


async def revoke_own_token(call: Call) -> Response:
    """Revoke the token that the call was made with."""
    call.store.tokens.change(call.caller.token, revoked=True)
    return gone()


async def revoke_token(call: Call) -> Response:
    """Revoke a token of the caller; an administrator may revoke any."""
    token = call.store.tokens.get(call.number("token", "Personal Access Token"))
    if token is None or (token.user_id != call.user.id and not call.user.is_admin):
        raise not_found()
    call.store.tokens.change(token, revoked=True)
    return gone()


def _user(call: Call) -> User:
    found = call.store.users.get(call.number("id", "User"))
    if found is None:
        raise not_found("User")
    return found


def _expiry(call: Call, life: timedelta = LONGEST_LIFE) -> date:
    today = call.host.now().date()
    given = call.body.get("expires_at")
    if given is None:
        return today + life
    try:
        expires = date.fromisoformat(str(given))
    except ValueError:
        raise bad_request("expires_at is invalid") from None
    if not today < expires <= today + LONGEST_LIFE:
        raise invalid(expires_at=[f"must be between tomorrow and {today + LONGEST_LIFE}"])
    return expires


def _token_view(call: Call, token: AccessToken) -> dict[str, Any]:
    return views.token(token, active=call.host.is_active(token))


ROUTES: Final = (
    Route("GET version", version),
    Route("GET metadata", version),
    Route("GET user", me),
    Route("GET users", list_users),
    Route("POST users", create_user),
    Route("GET users/:id", get_user),
    Route("DELETE users/:id", delete_user),
    Route("POST users/:id/personal_access_tokens", create_token),
    Route("GET personal_access_tokens", list_tokens),
    Route("GET personal_access_tokens/self", own_token),
    Route("POST personal_access_tokens/self/rotate", rotate_own_token),
    Route("DELETE personal_access_tokens/self", revoke_own_token),
    Route("DELETE personal_access_tokens/:token", revoke_token),
)
