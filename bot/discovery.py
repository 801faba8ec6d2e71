"""Entry points → skills and adapters. One that cannot be used is left out with the reason; the others run."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import structlog

from bot.adapter import Adapter
from bot.forms import FormRefused, form_of
from bot.policy import Permitted
from bot.skill import Skill

__all__ = ["Found", "find_adapters", "find_skills"]

log = structlog.get_logger(__name__)

_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")
_OWN = "parleybot"


@dataclass(frozen=True, slots=True)
class Found:
    """An entry point of a skill: what it is called, where it comes from, and the skill or why it is refused."""

    name: str
    package: str
    skill: Skill[Any, Any] | None = None
    refused: str = ""


def find_skills(points: Iterable[EntryPoint] | None = None) -> list[Found]:
    """Every installed skill, the built-in ones first. Nothing a skill's package does wrong is raised."""
    found: list[Found] = []
    for point in _ordered(entry_points(group="parley.skills") if points is None else points):
        package = _package(point)
        try:
            skill = _checked(point.load()())
        except FormRefused as error:
            found.append(Found(point.name, package, refused=str(error)))
            continue
        except Exception as error:
            log.exception("a skill could not be loaded", skill=point.name, package=package)
            found.append(Found(point.name, package, refused=f"it could not be loaded: {type(error).__name__}: {error}"))
            continue
        first = next((each for each in found if each.skill and each.skill.name == skill.name), None)
        if first is not None:
            refused = f"the name “{skill.name}” is taken by {first.package}; one of the two has to be uninstalled."
            found.append(Found(point.name, package, refused=refused))
        else:
            found.append(Found(skill.name, package, skill))
    return found


def find_adapters() -> dict[str, Callable[[], type[Adapter]]]:
    """The installed adapters by name, each to be loaded by calling it: a platform's library is imported only then."""
    adapters: dict[str, Callable[[], type[Adapter]]] = {}
    for point in _ordered(entry_points(group="parley.adapters")):
        adapters.setdefault(point.name, point.load)
    return adapters


def _checked(skill: object) -> Skill[Any, Any]:
    if not isinstance(skill, Skill):
        raise FormRefused(f"{type(skill).__name__} is not a bot.Skill: its class has to be a subclass.")
    name = getattr(skill, "name", "")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise FormRefused(
            f"{type(skill).__name__}.name is {name!r}: use lower-case letters, digits and “-”, at most 32."
        )
    if not skill.help:
        raise FormRefused(f"{type(skill).__name__} has no docstring: its first line is the help that people see.")
    if type(skill).reply is Skill.reply:
        raise FormRefused(f"{type(skill).__name__} has no `reply`: write `async def reply(self, turn)` that yields.")
    taken = [field.name for field in form_of(skill.settings_type).fields if field.name in Permitted.model_fields]
    if taken:
        raise FormRefused(f"{skill.settings_type.__name__}.{taken[0]}: every skill has this; name it otherwise.")
    form_of(skill.request_type)
    return skill


def _ordered(points: Iterable[EntryPoint]) -> list[EntryPoint]:
    return sorted(points, key=lambda point: (_package(point) != _OWN, _package(point), point.name))


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist else "unknown"
