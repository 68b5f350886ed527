"""The platform's API as the commands call it: requests, retries, errors. Where it is and as whom: `access`."""

import json
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import sleep
from typing import TYPE_CHECKING, Any, Final

from nautes_cli.problems import ApiError, refused

if TYPE_CHECKING:
    import httpx

__all__ = ["Answer", "Api", "ApiError", "Event"]

TIMEOUT: Final = 10.0
TRIES: Final = 4
LONGEST_PAUSE: Final = 10.0
"""Seconds between two tries, whatever `Retry-After` says."""
SILENCE: Final = 60.0
"""Seconds after which a stream that says nothing, not even that it is there, is taken for dead."""
PAGE: Final = 500
"""Entities that are asked for at once."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A successful answer: its JSON, and the headers in lower case."""

    status: int
    body: Any
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Event:
    """One server-sent event: its name and its JSON."""

    id: str
    name: str
    data: Any


class Api:
    """A connected API. `product` is the one that is meant where none is named."""

    def __init__(self, url: str, token: str, ca_file: Path | None = None, product: str = "") -> None:
        self.url = url.rstrip("/")
        self.product = product
        self._token = token
        self._ca_file = ca_file
        self._client: httpx.Client | None = None

    def get(self, path: str, **query: str) -> Any:
        """Return the JSON of a GET below `/api/v1`. Raises ApiError with the API's own words."""
        return self.call("GET", path, query=query).body

    def items(self, path: str, **query: str) -> list[Mapping[str, Any]]:
        """Return every entity of a listing, page by page: `next` of one page is `after` of the following."""
        found: list[Mapping[str, Any]] = []
        after = ""
        while True:
            page = {"limit": str(PAGE), **({"after": after} if after else {})}
            body = self.get(path, **query, **page)
            found.extend(body.get("items") or ())
            after = str(body.get("next") or "")
            if not after:
                return found

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = TIMEOUT,
    ) -> Answer:
        """Send a request; raise ApiError for everything that is not a success.

        Saves and deletions may be sent again: they say how things should be, not what to add. An answer of 429
        or 503 is waited for as it asks.
        """
        import httpx  # noqa: PLC0415 - only commands that call the API pay for it

        for left in reversed(range(TRIES)):
            try:
                answer = self._connected().request(
                    method, f"/api/v1{path}", params=query, json=body, headers=headers, timeout=timeout
                )
            except httpx.TimeoutException:
                raise ApiError(f"{self.url} did not answer within {timeout:.0f} s", timed_out=True) from None
            except httpx.HTTPError as error:
                raise ApiError(f"{self.url} does not answer: {error}") from None
            if answer.is_success:
                return Answer(answer.status_code, _json(answer), dict(answer.headers))
            if answer.status_code not in {429, 503} or not left:
                break
            sleep(_pause(answer))
        raise refused(answer.status_code, _json(answer))

    def events(self, path: str, **query: str) -> Iterator[Event]:
        """Yield server-sent events until the server ends the stream. Raises ApiError."""
        yield from read_events(self._streamed(path, "text/event-stream", query))

    def lines(self, path: str, **query: str) -> Iterator[Any]:
        """Yield the objects of a stream of JSON lines, None for an empty line: nothing was said for a while.

        Raises ApiError.
        """
        for line in self._streamed(path, "application/x-ndjson, application/problem+json", query):
            yield json.loads(line) if line else None

    def _streamed(self, path: str, accept: str, query: Mapping[str, str]) -> Iterator[str]:
        """Yield the lines of an answer that comes bit by bit. Raises ApiError."""
        import httpx  # noqa: PLC0415

        limits = httpx.Timeout(TIMEOUT, read=SILENCE)
        try:
            with self._connected().stream(
                "GET", f"/api/v1{path}", params=query, headers={"Accept": accept}, timeout=limits
            ) as answer:
                if not answer.is_success:
                    answer.read()
                    raise refused(answer.status_code, _json(answer))
                yield from answer.iter_lines()
        except httpx.HTTPError as error:
            raise ApiError(f"{self.url} does not answer: {error}") from None

    def close(self) -> None:
        """Close the connection."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def _connected(self) -> "httpx.Client":
        import httpx  # noqa: PLC0415

        if self._client is None:
            self._client = httpx.Client(
                base_url=self.url,
                headers={"Authorization": f"Bearer {self._token}", "Accept": "application/json"},
                verify=self._trusted(),
                follow_redirects=False,  # the token goes to the address that was given, and to no other
            )
        return self._client

    def _trusted(self) -> ssl.SSLContext | bool:
        if self._ca_file is None:
            return True
        try:
            context = ssl.create_default_context()
            context.load_verify_locations(self._ca_file)
        except (OSError, ssl.SSLError) as error:
            raise ApiError(f"{self._ca_file} holds no certificates that can be read: {error}") from None
        return context


def read_events(lines: Iterator[str]) -> Iterator[Event]:
    """Yield the events of a stream of lines (HTML standard, section 9.2.6); what is no JSON is left out."""
    fields: dict[str, str] = {}
    for line in lines:
        if line:
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            fields[name] = f"{fields[name]}\n{value}" if name == "data" and name in fields else value
            continue
        if "data" in fields:
            try:
                data = json.loads(fields["data"])
            except ValueError:
                data = None
            if data is not None:
                yield Event(fields.get("id", ""), fields.get("event", "message"), data)
        fields = {}


def _json(answer: "httpx.Response") -> Any:
    try:
        return answer.json()
    except ValueError:
        return None


def _pause(answer: "httpx.Response") -> float:
    """Return the seconds that an answer asks to wait for."""
    asked = answer.headers.get("retry-after", "")
    return min(float(asked), LONGEST_PAUSE) if asked.isdigit() else 1.0
