"""Which branches, tags and paths people mean: names, globs and regular expressions, always of the whole text. Pure.

Everything becomes one expression of RE2, whose matching takes time linear in the text and whose memory is
bounded (RE2 wiki, "WhyRE2"): no declaration can hold up the answer to a push.

A revision is a name, a glob (`*` any text, `?` one character, `[a-z]`, `[!a-z]`) or, if it begins with `^`, a
regular expression (RE2 wiki, "Syntax"). One that begins with `refs/` or `^refs/` is held against the full ref.
A path is a file, a folder with everything below it, or a glob in which `*` stays within a folder and `**` does not.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import re2

MEMORY: Final = 256 * 1024
"""Bytes that one compiled expression may take."""


@dataclass(frozen=True, slots=True)
class Explained:
    """Whether something is meant, and why or why not in words."""

    matches: bool
    words: str


def explain_revision(pattern: str, ref: str) -> Explained:
    """Hold a full ref (or a bare name) against a revision pattern; empty means any. Never raises."""
    short = ref.removeprefix("refs/heads/").removeprefix("refs/tags/")
    if not pattern:
        return Explained(matches=True, words=f"{short} is one of any")
    text = ref if pattern.startswith(("refs/", "^refs/")) else short
    if text == pattern:
        return Explained(matches=True, words=f"{text} is named")
    if _fits(_revision(pattern), text):
        return Explained(matches=True, words=f"{text} matches {pattern}")
    return Explained(matches=False, words=f"{text} does not match {pattern}")


def matches_revision(pattern: str, name: str) -> bool:
    """Say whether a branch or tag is meant by a pattern."""
    return explain_revision(pattern, name).matches


def whole(expression: str, text: str) -> bool:
    """Say whether a regular expression means the whole text. Raises ValueError, in words, for what is none."""
    return _fits(_checked(expression, expression), text)


def means_files(path: str) -> bool:
    """Say whether the path of a pipeline is a pattern, and so may mean several files."""
    return "*" in path or "?" in path


def fixed_folder(pattern: str) -> str:
    """Return the folder that every file meant by a pattern lies below; empty for the whole repository."""
    parts = pattern.split("/")[:-1]
    fixed = next((index for index, part in enumerate(parts) if means_files(part)), len(parts))
    return "/".join(parts[:fixed])


def files_meant(pattern: str, paths: Iterable[str]) -> tuple[str, ...]:
    """Return the paths that a pattern means, sorted: `*` and `?` stay within one folder."""
    parts = pattern.split("/")
    rules = [_path(part) for part in parts]

    def fits(path: str) -> bool:
        found = path.split("/")
        return len(found) == len(parts) and all(map(_fits, rules, found))

    return tuple(sorted(filter(fits, paths)))


def explain_paths(wanted: Sequence[str], changed: Iterable[str]) -> Explained:
    """Hold changed paths against path patterns: for each path the last pattern that fits decides. Never raises."""
    # what nothing fits is meant only if nothing but exceptions were given
    otherwise = all(one.startswith("!") for one in wanted)
    rules = [(_path(one.removeprefix("!")), not one.startswith("!")) for one in reversed(wanted)]
    count, hits, first = 0, 0, ""
    for path in changed:
        count += 1
        if next((meant for rule, meant in rules if _fits(rule, path)), otherwise):
            hits, first = hits + 1, first or path
    shown = ", ".join(wanted)
    if hits:
        return Explained(matches=True, words=f"{hits} of {count} changed paths match {shown}, first {first}")
    return Explained(matches=False, words=f"none of {count} changed paths matches {shown}")


def checked_revision(pattern: str) -> str:
    """Return a revision pattern. Raises ValueError, in words for people, for one that can match nothing."""
    return _checked(pattern, _revision(pattern))


def checked_path(pattern: str) -> str:
    """Return a path pattern. Raises ValueError for one that can match nothing."""
    bare = pattern.removeprefix("!")
    if bare.startswith(("/", "./", "../")):
        raise ValueError(
            f"{pattern} never matches: paths begin at the root of the repository, without a slash"
        )
    return _checked(pattern, _path(bare))


def _checked(pattern: str, expression: str) -> str:
    try:
        _compile(expression)
    except re2.error as error:
        reason = error.args[0] if error.args else ""
        words = reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
        raise ValueError(f"{pattern} is no pattern: {words}") from None
    except UnicodeEncodeError:
        raise ValueError("a pattern is text in Unicode") from None
    return pattern


def _fits(expression: str, text: str) -> bool:
    try:
        return _compile(expression).fullmatch(text) is not None
    except (re2.error, UnicodeEncodeError):
        return False


@lru_cache(maxsize=4096)
def _compile(expression: str) -> Any:
    options = re2.Options()
    options.log_errors = False
    options.dot_nl = True
    options.max_mem = MEMORY
    return re2.compile(expression, options)


def _revision(pattern: str) -> str:
    return pattern if pattern.startswith("^") else _glob(pattern, any_text=".*", one=".")


def _path(pattern: str) -> str:
    return f"{_glob(pattern.rstrip('/'), any_text='[^/]*', one='[^/]')}(?:/.*)?"


def _glob(pattern: str, *, any_text: str, one: str) -> str:
    """Return a glob as an expression; what opens a class and does not close it stands for itself, as in fnmatch."""
    parts: list[str] = []
    rest = pattern
    while rest:
        taken, part = 1, re.escape(rest[0])
        if rest.startswith("**/"):
            taken, part = 3, "(?:.*/)?"
        elif rest.startswith("**"):
            taken, part = 2, ".*"
        elif rest[0] == "*":
            part = any_text
        elif rest[0] == "?":
            part = one
        elif rest[0] == "[" and (end := rest.find("]", 3 if rest[1:2] == "!" else 2)) > 0:
            taken, part = end + 1, _class(rest[1:end])
        parts.append(part)
        rest = rest[taken:]
    return "".join(parts)


def _class(content: str) -> str:
    negated = content.startswith("!")
    escaped = content.removeprefix("!").replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]")
    return f"[{'^' if negated else ''}{escaped.replace('^', chr(92) + '^')}]"
