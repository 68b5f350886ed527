"""The platform's API as the commands use it: one place for addresses, tokens and errors."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from nautes_cli.console import ExitCode, fail

TIMEOUT: Final = 10.0

ApiOption = Annotated[
    str,
    typer.Option(
        "--api", envvar="NAUTES_API", help="Address of the API; the laptop stack's if it is not given."
    ),
]
TokenOption = Annotated[
    Path | None,
    typer.Option(
        "--token-file",
        envvar="NAUTES_TOKEN_FILE",
        help="File with your token of the code host; the laptop stack's user dev if it is not given.",
    ),
]
NameOption = Annotated[
    str, typer.Option("--name", "-n", help="Which laptop stack, if no API address is given.")
]


class ApiError(Exception):
    """The API refused, or could not be reached; the message is for people."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Api:
    """A connected API."""

    url: str
    token: str = field(repr=False)

    def get(self, path: str, **query: str) -> Any:
        """Return the JSON of a GET. Raises ApiError with the API's own words."""
        import httpx  # noqa: PLC0415 - only commands that call the API pay for it

        headers = {"Authorization": f"Bearer {self.token}"}
        try:
            answer = httpx.get(
                f"{self.url.rstrip('/')}/api/v1{path}", params=query, headers=headers, timeout=TIMEOUT
            )
        except httpx.HTTPError as error:
            raise ApiError(f"{self.url} does not answer: {error}") from None
        try:
            body = answer.json()
        except ValueError:
            body = {}
        if answer.is_success:
            return body
        words = body.get("detail") if isinstance(body, Mapping) else None
        raise ApiError(str(words or f"the API answered {answer.status_code}"), answer.status_code)


def connect(api: str, token_file: Path | None, name: str) -> Api:
    """Return the API that was asked for; ends the command if there is none."""
    if api:
        if token_file is None:
            fail("give --token-file with --api", ExitCode.USAGE)
        return Api(api, _token(token_file))
    from nautes_localstack.stack import NotRunningError, default_state, load  # noqa: PLC0415

    try:
        described = load(default_state(name))
    except NotRunningError as error:
        fail(f"{error}; start it with `nautes local up`, or give --api", ExitCode.NOT_RUNNING)
    return Api(described.api_url, _token(token_file or described.tokens["dev"]))


@contextmanager
def explained() -> Iterator[None]:
    """End the command with the API's words instead of a stack trace."""
    try:
        yield
    except ApiError as error:
        fail(str(error))


def _token(file: Path) -> str:
    try:
        return file.read_text().strip()
    except OSError as error:
        fail(f"{file}: {error.strerror}", ExitCode.USAGE)
