"""From a folder to its objects, folder by folder: read, put together, change. Pure."""

import json
import posixpath
import re
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from nautes_domain.failures import Rejected
from nautes_domain.kustomize import files, objects
from nautes_domain.kustomize.files import Kustomization, Patch
from nautes_domain.kustomize.objects import Object, Unfit
from nautes_domain.kustomize.refusing import refusal, refusal_at
from nautes_domain.source import Path, parse, parse_any

MOST_NEEDS: Final = 60
"""Files and listings that one folder may need, with all that it builds on."""
MOST_BYTES: Final = 1024 * 1024
"""Sum of what is read."""
MOST_OBJECTS: Final = 20

_AWAY: Final = re.compile(r"[a-z+]+://|git@|git::|github\.com[/:]|.*\?(ref|version|timeout|submodules)=")
_UNPRINTABLE: Final = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
"""What JSON writes as it is, and YAML does not take so."""


@dataclass(frozen=True, slots=True)
class Listing:
    """The paths of all plain files below a folder, sorted; none if there is no such folder."""

    folder: str


@dataclass(frozen=True, slots=True)
class Content:
    """The bytes of a file that was listed."""

    path: str


Need = Listing | Content
_Value = TypeVar("_Value")
Steps = Generator[Need, Any, _Value]


@dataclass(slots=True)
class _Reader:
    """What was asked for so far. Counts, so that no folder keeps us busy."""

    needs: int = 0
    read: int = 0
    listed: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def listing(self, folder: str, file: str) -> Steps[tuple[str, ...]]:
        if folder not in self.listed:
            self._count(file)
            found: Sequence[str] = yield Listing(folder)
            self.listed[folder] = tuple(found)
        return self.listed[folder]

    def content(self, path: str, file: str) -> Steps[bytes]:
        self._count(file)
        found: bytes = yield Content(path)
        self.read += len(found)
        if self.read > MOST_BYTES:
            raise refusal(file, f"the folder needs more than {MOST_BYTES} bytes", "build on less")
        return found

    def _count(self, file: str) -> None:
        self.needs += 1
        if self.needs > MOST_NEEDS:
            raise refusal(file, f"the folder needs more than {MOST_NEEDS} files and folders", "build on less")


def build(folder: str) -> Steps[bytes]:
    """Return the PipelineRun of a folder as JSON, after yielding whatever has to be read.

    `folder` is a path in the repository, with or without a slash at its end. Raises Rejected (codes `pipeline-file`,
    `yaml`) for what is not built, with file and line.
    """
    place = posixpath.normpath(folder)
    found = yield from _folder(_Reader(), "" if place == "." else place, ())
    if len(found) != 1:
        names = ", ".join(one.name.name for one in found) or "none"
        raise refusal(
            folder, f"the folder builds {len(found)} runs ({names[:100]}); it has to be one", "keep one"
        )
    try:
        objects.check_size(found[0].value)
    except Unfit as unfit:
        raise refusal(folder, str(unfit), "make it smaller") from None
    text = json.dumps(found[0].value, ensure_ascii=False)
    return _UNPRINTABLE.sub(lambda match: f"\\u{ord(match[0]):04x}", text).encode()


def _folder(reader: _Reader, folder: str, above: tuple[str, ...]) -> Steps[tuple[Object, ...]]:
    present = yield from reader.listing(folder, folder)
    here = [path for name in files.NAMES if (path := posixpath.join(folder, name)) in present]
    if len(here) != 1:
        message = f"{folder or 'the repository'} has {len(here)} kustomization files"
        raise refusal(folder or ".", message, f"keep one, named {files.NAMES[0]}")
    text = yield from reader.content(here[0], here[0])
    said = files.read(text, here[0])
    found: tuple[Object, ...] = ()
    for index, entry in enumerate(said.resources):
        found += yield from _resource(reader, said, index, entry, (*above, folder))
        _check_together(said, found, index)
    for patch in said.patches:
        found = yield from _patched(reader, said, folder, patch, found)
    return tuple(_finished(said, one) for one in found)


def _check_together(said: Kustomization, found: tuple[Object, ...], index: int) -> None:
    place: Path = ("resources", index)
    twice = next(objects.doubles(found), "")
    if twice:
        raise refusal_at(said.document, place, f"{twice} comes from two places", "remove one of them")
    if len(found) > MOST_OBJECTS:
        raise refusal_at(said.document, place, f"there are more than {MOST_OBJECTS} objects", "keep one")


def _resource(
    reader: _Reader, said: Kustomization, index: int, entry: str, chain: tuple[str, ...]
) -> Steps[tuple[Object, ...]]:
    folder = chain[-1]
    place: Path = ("resources", index)
    target = _resolved(said, folder, place, entry)
    present = yield from reader.listing(folder, folder)
    if target in present:
        text = yield from reader.content(target, said.document.file)
        return tuple(objects.read(document) for document in parse(text, target))
    below = target.startswith(f"{folder}/") if folder else True
    listed = present if below else (yield from reader.listing(target, said.document.file))
    if not any(not target or path.startswith(f"{target}/") for path in listed):
        fix = "name a file of this folder, or any folder with a kustomization file; links are not followed"
        raise refusal_at(
            said.document, place, f"there is no {entry[:100]} for this folder at this commit", fix
        )
    if any(not target or one == target or one.startswith(f"{target}/") for one in chain):
        message = f"{entry[:100]} is, or holds, a folder that builds on it"
        raise refusal_at(said.document, place, message, "build on a folder beside this one")
    return (yield from _folder(reader, target, chain))


def _resolved(said: Kustomization, folder: str, place: Path, entry: str) -> str:
    """Return the path in the repository that an entry means."""
    if _AWAY.match(entry):
        message = f"{entry[:100]} lies elsewhere, and nothing is fetched"
        raise refusal_at(said.document, place, message, "copy it into the repository")
    path = posixpath.normpath(posixpath.join(folder, entry))
    if not entry or entry.startswith("/") or path == ".." or path.startswith("../"):
        raise refusal_at(
            said.document, place, f"{entry[:100]!r} is not in the repository", "name what is in it"
        )
    return "" if path == "." else path


def _patched(
    reader: _Reader, said: Kustomization, folder: str, patch: Patch, found: tuple[Object, ...]
) -> Steps[tuple[Object, ...]]:
    text, file = patch.text.encode(), said.document.file
    if patch.path:
        file = _resolved(said, folder, (*patch.place, "path"), patch.path)
        present = yield from reader.listing(folder, folder)
        if file not in present:
            message = f"there is no file {patch.path[:100]} in this folder"
            raise refusal_at(
                said.document, (*patch.place, "path"), message, "a patch lies in the folder or below it"
            )
        text = yield from reader.content(file, said.document.file)
    try:
        values = parse_any(text, file)
        if len(values) == 1 and isinstance(values[0], list):
            if text.lstrip().startswith(b"["):  # as kustomize, which reads no YAML there
                json.loads(text)
            return _operated(patch, values[0], found)
        for value in values:
            found = _merged(patch, value, found, alone=len(values) == 1)
    except (Unfit, ValueError) as unfit:
        raise refusal_at(said.document, patch.place, str(unfit), "mend the patch") from None
    except Rejected as refused:
        if patch.path:
            raise
        raise refusal_at(said.document, (*patch.place, "patch"), refused.why, "mend the YAML") from None
    return found


def _operated(patch: Patch, operations: list[Any], found: tuple[Object, ...]) -> tuple[Object, ...]:
    target = patch.target
    if target is None:
        raise Unfit("operations need a target")
    return tuple(
        one.changed(objects.operated(one.value, operations)) if objects.meant(target, one) else one
        for one in found
    )


def _merged(patch: Patch, value: Any, found: tuple[Object, ...], *, alone: bool) -> tuple[Object, ...]:
    metadata = value.get("metadata") if isinstance(value, Mapping) else None
    if not isinstance(metadata, Mapping) or not all(
        isinstance(one, str) and one
        for one in (value.get("apiVersion"), value.get("kind"), metadata.get("name"))
    ):
        raise Unfit("a patch has apiVersion, kind and metadata.name, or is a list of operations")
    change = {key: one for key, one in value.items() if key not in {"apiVersion", "kind"}}
    change["metadata"] = {key: one for key, one in metadata.items() if key not in {"name", "namespace"}}
    if patch.target is not None:
        if not alone:
            raise Unfit("a file with several patches has no target")
        target = patch.target
        chosen = [one for one in found if objects.meant(target, one)]
    else:
        chosen = [
            one for one in found if value["kind"] == objects.KIND and objects.name_of(value) in one.names
        ]
        if value["apiVersion"].partition("/")[0] != objects.GROUP or len(chosen) != 1:
            raise Unfit(f"{len(chosen)} objects are called {metadata['name'][:60]} here; a patch names one")
    return tuple(
        one.changed(objects.merged(one.value, change)) if any(one is other for other in chosen) else one
        for one in found
    )


def _finished(said: Kustomization, one: Object) -> Object:
    """Return an object with what the folder says of all. The order is kustomize's."""
    try:
        if said.namespace:
            one = objects.renamed(one, namespace=said.namespace)
        if said.prefix or said.suffix:
            one = objects.renamed(one, name=f"{said.prefix}{one.name.name}{said.suffix}")
        one = objects.labelled(one, "labels", said.labels)
        return objects.labelled(one, "annotations", said.annotations)
    except Unfit as unfit:
        raise refusal(said.document.file, str(unfit), "mend the object") from None
