"""Which hooks are installed: entry points of the group `nautes.pipeline_hooks`, each a sequence of `HookKind`.

The command line, the API server and the reconciler all ask here, so a wheel of hooks is installed beside each.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Final

from nautes_domain.hooks import HookKind, HookKinds
from nautes_hooks.checking import faults

GROUP: Final = "nautes.pipeline_hooks"


@dataclass(frozen=True, slots=True)
class Installed:
    """What was found. A hook with a fault is none, and stops no other."""

    kinds: HookKinds
    problems: tuple[str, ...] = ()
    """Why others are not offered, in words for the platform team."""

    def told(self, tell: Callable[[str], object]) -> HookKinds:
        """Return the hooks, after telling every problem."""
        for problem in self.problems:
            tell(problem)
        return self.kinds


@cache
def installed() -> Installed:
    """Return the hooks of every installed wheel; looked for once in a process."""
    found: list[tuple[str, HookKind]] = []
    problems: list[str] = []
    for point in sorted(entry_points(group=GROUP), key=_home):
        try:
            found += [(_home(point), kind) for kind in _loaded(point)]
        except Exception as error:  # noqa: BLE001 - whatever somebody else's module raises on import
            problems.append(f"{_home(point)} brings no hooks: {type(error).__name__}: {error}"[:500])
    sound = sorted_out(found)
    return Installed(sound.kinds, (*problems, *sound.problems))


def sorted_out(found: Iterable[tuple[str, HookKind]]) -> Installed:
    """Return hooks by component and name, each with where it is from; faulty ones and those of one name are none. Pure."""
    offered: dict[tuple[str, str], list[tuple[str, HookKind]]] = {}
    problems: list[str] = []
    for home, kind in found:
        wrong = list(faults(kind))
        problems += [f"hook {kind.name!r} of {home} is not offered: {fault}" for fault in wrong]
        if not wrong:
            offered.setdefault((kind.component, kind.name), []).append((home, kind))
    kinds: dict[str, dict[str, HookKind]] = {}
    for (component, name), several in sorted(offered.items()):
        if len(several) == 1:
            kinds.setdefault(component, {})[name] = several[0][1]
        else:
            homes = " and ".join(home for home, _ in several)
            problems.append(f"hook {name!r} is not offered: it is there twice, in {homes}; rename one")
    return Installed(kinds, tuple(problems))


def _home(point: EntryPoint) -> str:
    return f"{point.dist.name if point.dist else 'unknown'}:{point.name}"


def _loaded(point: EntryPoint) -> list[HookKind]:
    found = list(point.load())
    for one in found:
        if not isinstance(one, HookKind):
            raise TypeError(f"{point.value} holds {type(one).__name__} where a HookKind is expected")
    return found
