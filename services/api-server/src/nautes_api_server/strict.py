"""JSON from the net: bounded in size and depth, no NaN, no duplicate keys, no halves of characters (security rule 8)."""

import json
import re
from collections.abc import Callable, Coroutine
from typing import Any, Final

from fastapi import Request, Response
from fastapi.routing import APIRoute

from nautes_api_server.problems import Problem

MAX_BYTES: Final = 262_144
"""A hundred times the largest example."""
MAX_TOKENS: Final = 20_000
"""Brackets and texts in a body."""
MAX_DEPTH: Final = 60
"""As for manifests."""

_TOKENS: Final = re.compile(rb'"(?:[^"\\]|\\.?)*+(?:"|\Z)|[\[{\]}]', re.DOTALL)
_STEPS: Final = {b"[": 1, b"{": 1, b"]": -1, b"}": -1}


def read(text: bytes) -> Any:
    """Return the value of a JSON text. Raises ValueError, in words, for anything else."""
    _check_depth(text)
    try:
        value = json.loads(
            text.decode(), object_pairs_hook=_object, parse_constant=_constant, parse_int=_integer
        )
        json.dumps(value, ensure_ascii=False).encode()  # half of a surrogate pair is no character
    except UnicodeError:
        raise ValueError("the body is not UTF-8") from None
    except RecursionError:  # pragma: no cover - the depth was checked
        raise ValueError("values are nested too deeply") from None
    return value


def _check_depth(text: bytes) -> None:
    """Count brackets outside of strings, before anything is built."""
    depth = 0
    for count, found in enumerate(_TOKENS.finditer(text)):
        if count > MAX_TOKENS:
            raise ValueError("the body has too many values")
        depth += _STEPS.get(found[0], 0)
        if depth > MAX_DEPTH:
            raise ValueError(f"values are nested deeper than {MAX_DEPTH} levels")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {key[:80]!r} stands twice in one object")
        found[key] = value
    return found


def _constant(text: str) -> Any:
    raise ValueError(f"{text} is no number of JSON")


def _integer(text: str) -> int:
    if len(text) > 20:
        raise ValueError("a number has at most 20 digits")
    return int(text)


class StrictRequest(Request):
    """A request whose JSON is read by our rules."""

    async def body(self) -> bytes:
        """Return the body; 413 as soon as it is too large."""
        if not hasattr(self, "_body"):
            chunks, size = [], 0
            async for chunk in self.stream():
                size += len(chunk)
                if size > MAX_BYTES:
                    raise Problem(413, "TOO_LARGE", f"a body has at most {MAX_BYTES} bytes")
                chunks.append(chunk)
            self._body = b"".join(chunks)
        return self._body

    async def json(self) -> Any:
        """Return the value of the body."""
        try:
            return read(await self.body())
        except ValueError as error:
            raise Problem(400, "BAD_JSON", str(error)) from None


class StrictRoute(APIRoute):
    """A route that reads strictly."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler (FastAPI, "Custom Request and APIRoute class")."""
        handle = super().get_route_handler()

        async def strict(request: Request) -> Response:
            return await handle(StrictRequest(request.scope, request.receive))

        return strict
