"""Which platform a command talks to, and as whom: options, environment, context, laptop stack, in this order.

`@connected` gives a command all of these options and hands it an `Api`:

    @app.command()
    @connected
    def show(api: Api, name: str) -> None: ...

A stored token is sent to the server of its context only, whatever address was given beside it.
"""

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Concatenate, Final, ParamSpec, TypeVar

import typer

from nautes_cli.client import Api
from nautes_cli.console import ExitCode, fail, say
from nautes_cli.problems import ApiError, ConfigError

if TYPE_CHECKING:
    from nautes_cli.config import Config, ConfigFile, Context

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")
_PANEL: Final = "Which platform, and as whom"
_TYPER_CONTEXT: Final = "typer_context"

ServerOption = Annotated[
    str,
    typer.Option(
        "--api-server",
        "--api",
        "-s",
        envvar=["API_SERVER", "NAUTES_API"],
        help="Address of the API; the context's if it is not given, else the laptop stack's.",
        rich_help_panel=_PANEL,
        show_default=False,
    ),
]
TokenOption = Annotated[
    str,
    typer.Option(
        "--token",
        "-t",
        envvar="GIT_TOKEN",
        help="Your token of the code host. Others on this machine can see it: `nautes login` is safer.",
        rich_help_panel=_PANEL,
        show_default=False,
        show_envvar=True,
    ),
]
TokenFileOption = Annotated[
    Path | None,
    typer.Option(
        "--token-file", envvar="NAUTES_TOKEN_FILE", help="File with your token.", rich_help_panel=_PANEL
    ),
]
CaFileOption = Annotated[
    Path | None,
    typer.Option(
        "--ca-file",
        envvar="NAUTES_CA_FILE",
        help="Certificates (PEM) to trust besides the system's.",
        rich_help_panel=_PANEL,
    ),
]
ContextOption = Annotated[
    str,
    typer.Option(
        "--context",
        envvar="NAUTES_CONTEXT",
        help="Use this context instead of the current one.",
        rich_help_panel=_PANEL,
        show_default=False,
    ),
]
StackOption = Annotated[
    str,
    typer.Option(
        "--stack",
        "--name",
        "-n",
        help="Talk to this laptop stack.",
        rich_help_panel=_PANEL,
        show_default=False,
    ),
]
ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        envvar="NAUTES_CONFIG",
        help="File with the contexts.",
        rich_help_panel=_PANEL,
        show_default=False,
    ),
]
ProductOption = Annotated[
    str,
    typer.Option(
        "--product",
        "-p",
        envvar="PRODUCT",
        help="The product; the context's if none is given.",
        show_default=False,
    ),
]


@dataclass(frozen=True, slots=True)
class Access:
    """The options as they were given, before anything is looked up."""

    api_server: str = ""
    token: str = field(default="", repr=False)
    token_file: Path | None = None
    ca_file: Path | None = None
    context: str = ""
    stack: str = ""
    config: Path | None = None

    def over(self, outer: "Access") -> "Access":
        """Return these options, and those of `outer` where these were not given."""
        chosen = {one.name: getattr(self, one.name) or getattr(outer, one.name) for one in fields(self)}
        return Access(**chosen)


_OPTIONS: Final[Mapping[str, Any]] = {
    "api_server": ServerOption,
    "token": TokenOption,
    "token_file": TokenFileOption,
    "ca_file": CaFileOption,
    "context": ContextOption,
    "stack": StackOption,
    "config": ConfigOption,
}


def accessing(command: Callable[Concatenate[Access, Parameters], Result]) -> Callable[..., Result]:
    """Give a command the options above; its first argument is what was given, before or after its name."""
    signature = inspect.signature(command, eval_str=True)
    _, *own = signature.parameters.values()
    defaults = Access()
    options = [
        inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY, default=getattr(defaults, name), annotation=option
        )
        for name, option in _OPTIONS.items()
    ]

    @functools.wraps(command)
    def run(**given: Any) -> Result:
        root = given.pop(_TYPER_CONTEXT).find_root()
        access = Access(**{name: given.pop(name) for name in _OPTIONS})
        root.obj = access.over(root.obj or defaults)
        return command(root.obj, **given)  # type: ignore[call-arg]

    keywords = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in own]
    around = inspect.Parameter(_TYPER_CONTEXT, inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)
    _describe(run, [around, *keywords, *options])
    return run


def connected(command: Callable[Concatenate[Api, Parameters], Result]) -> Callable[..., Result]:
    """Give a command the options above and an API; what the API refuses ends the command in words."""
    signature = inspect.signature(command, eval_str=True)
    first, *own = signature.parameters.values()

    @functools.wraps(command)
    def run(access: Access, /, **given: Any) -> Result:
        api = connect(access)
        try:
            with explained():
                return command(api, **given)  # type: ignore[call-arg]
        finally:
            api.close()

    _describe(run, [first.replace(annotation=Access), *own])
    return accessing(run)


def _describe(run: Any, parameters: Sequence[inspect.Parameter]) -> None:
    """Tell Typer which parameters a wrapper takes."""
    run.__signature__ = inspect.Signature(parameters)
    run.__annotations__ = {one.name: one.annotation for one in parameters}
    del run.__wrapped__  # or the parameters of the wrapped command would be read instead


def config_file(access: Access) -> "ConfigFile":
    """Return the file with the contexts."""
    from nautes_cli.config import ConfigFile  # noqa: PLC0415 - the models are slow to import

    return ConfigFile(access.config or Path(typer.get_app_dir("nautes")) / "config.yaml")


def connect(access: Access) -> Api:
    """Return the API that was asked for; ends the command if there is none."""
    file = config_file(access)
    with explained():
        chosen = _chosen(access, file.load())
    name, context = chosen or ("", None)
    if access.api_server or context is not None:
        from nautes_cli.config import checked_server  # noqa: PLC0415

        with explained():
            url = checked_server(access.api_server or getattr(context, "server", ""))
        own = context is not None and url == context.server
        token = _given_token(access) or (_stored(file, name) if own else "")
        if not token:
            fail(_no_token(url, name if own else ""), ExitCode.NOT_SIGNED_IN)
        ca_file = access.ca_file or (context.ca_file if context and own else None)
        _warn_of_plain(url)
        return Api(url, token, ca_file, context.product if context and own else "")
    return _laptop(access)


def _chosen(access: Access, config: "Config") -> "tuple[str, Context] | None":
    """Return the context in use, None where a laptop stack is asked for by name or there is no context."""
    if access.stack and not access.context:
        return None
    name = access.context or config.current
    if not name:
        return None
    if name not in config.contexts:
        known = ", ".join(config.contexts) or "none"
        raise ConfigError(f"there is no context {name!r} (there are: {known}); make it with `nautes login`")
    return name, config.contexts[name]


def _given_token(access: Access) -> str:
    if access.token:
        return access.token.strip()
    if access.token_file is None:
        return ""
    try:
        return access.token_file.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        fail(f"{access.token_file}: {getattr(error, 'strerror', None) or 'not text'}", ExitCode.USAGE)


def _stored(file: "ConfigFile", name: str) -> str:
    with explained():
        return file.token(name) or ""


def _no_token(url: str, name: str) -> str:
    how = f"nautes login --context {name}" if name else f"nautes login -s {url}"
    return f"you are not signed in to {url}; use `{how}`, or give --token-file"


def _warn_of_plain(url: str) -> None:
    host = url.partition("://")[2].partition("/")[0].rpartition(":")[0] or url.partition("://")[2]
    if url.startswith("http://") and host not in {"127.0.0.1", "localhost", "[::1]"}:
        say(f"warning: {url} is not encrypted: everybody on the way can read your token")


def _laptop(access: Access) -> Api:
    from nautes_localstack.stack import NotRunningError, default_state, load  # noqa: PLC0415

    try:
        described = load(default_state(access.stack or "local"))
    except NotRunningError as error:
        fail(
            f"{error}; start it with `nautes local up`, or sign in with `nautes login`", ExitCode.NOT_RUNNING
        )
    token = _given_token(access)
    return Api(described.api_url, token or described.tokens["dev"].read_text().strip())


@contextmanager
def explained() -> Iterator[None]:
    """End the command in words instead of a stack trace."""
    try:
        yield
    except ApiError as error:
        *before, last = error.lines()
        for line in before:
            typer.secho(line, err=True, fg=typer.colors.RED)
        fail(last, error.exit_code)
    except ConfigError as error:
        fail(str(error), ExitCode.USAGE)
