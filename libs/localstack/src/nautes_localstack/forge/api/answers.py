"""Answers as GitLab gives them: problems, pages. Source: GitLab REST API, "Status codes" and "Pagination"."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from starlette.responses import JSONResponse, Response

PER_PAGE: Final = 20
MOST_PER_PAGE: Final = 100


class Problem(Exception):
    """An answer that is no success."""

    def __init__(self, status: int, body: Any) -> None:
        super().__init__(str(body))
        self.status = status
        self.body = body


def not_found(what: str = "") -> Problem:
    """404: it does not exist, or the caller may not know that it does."""
    return Problem(404, {"message": f"404 {what} Not Found".replace("  ", " ")})


def forbidden(message: str = "403 Forbidden") -> Problem:
    """403: it is visible, but this is not for the caller."""
    return Problem(403, {"message": message})


def unauthorized() -> Problem:
    """401: no token, or none that works."""
    return Problem(401, {"message": "401 Unauthorized"})


def invalid(**messages: Sequence[str]) -> Problem:
    """400: validation failed, with messages per attribute."""
    return Problem(400, {"message": {name: list(texts) for name, texts in messages.items()}})


def bad_request(message: str) -> Problem:
    """400: a parameter is missing or wrong; GitLab's grape says `error` here."""
    return Problem(400, {"error": message})


def conflict(message: str) -> Problem:
    """409."""
    return Problem(409, {"message": message})


def created(body: Any) -> Response:
    """201 with what was created."""
    return JSONResponse(body, 201)


def gone() -> Response:
    """204: deleted."""
    return Response(status_code=204)


def accepted() -> Response:
    """202: groups and projects go in the background on GitLab; here they are gone already."""
    return JSONResponse({"message": "202 Accepted"}, 202)


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of a list is asked for."""

    number: int
    size: int

    @property
    def start(self) -> int:
        """Index of the first row."""
        return (self.number - 1) * self.size


def page_of(query: "dict[str, str]") -> Page:
    """Return the page that a query asks for: the first, of twenty, unless it says otherwise."""
    number, size = query.get("page", "1"), query.get("per_page", str(PER_PAGE))
    if not (number.isdigit() and size.isdigit() and int(number) > 0 and int(size) > 0):
        raise bad_request("page does not have a valid value, per_page does not have a valid value")
    return Page(int(number), min(int(size), MOST_PER_PAGE))


def page_headers(page: Page, total: int, url: str, query: "dict[str, str]") -> dict[str, str]:
    """Return the headers that say where a page stands in its list."""
    last = max((total + page.size - 1) // page.size, 1)
    following = page.number + 1 if page.number < last else None
    previous = page.number - 1 if page.number > 1 else None
    links = {"prev": previous, "next": following, "first": 1, "last": last}

    def link(number: int) -> str:
        return f"{url}?{urlencode({**query, 'page': number, 'per_page': page.size})}"

    return {
        "X-Total": str(total),
        "X-Total-Pages": str(last),
        "X-Page": str(page.number),
        "X-Per-Page": str(page.size),
        "X-Next-Page": str(following or ""),
        "X-Prev-Page": str(previous or ""),
        "Link": ", ".join(f'<{link(number)}>; rel="{name}"' for name, number in links.items() if number),
    }
