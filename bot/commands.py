"""What people can call, as values that every surface can show: from the skills alone."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from bot.forms import Form, form_of
from bot.skill import Skill
from bot.translations import translate

__all__ = ["Command", "commands_of", "titled"]


@dataclass(frozen=True, slots=True)
class Command:
    """A skill as a slash command, a menu entry, a dialog or a tool: what it is called and what it asks for.

    `request` is what a person fills in, `settings` what a moderator may change. `takes`, `menu`, `tool` and `private`
    are as in `Skill`. One whose name begins with “@” is no skill: nobody can call it, and it cannot be switched off.
    """

    name: str
    help: str
    request: Form
    settings: Form
    takes: tuple[str, ...] = ()
    menu: str = ""
    tool: bool = True
    private: bool = False


def titled(name: str, locale: str) -> str:
    """What a command is called on screens, in the language of whoever reads it."""
    if name.startswith("@"):
        return translate(name, locale).removeprefix("@")
    return translate(f"/{name}", locale).removeprefix("/")


def commands_of(skills: Iterable[Skill[Any, Any]]) -> tuple[Command, ...]:
    """One command for each skill, in the same order."""
    return tuple(
        Command(
            skill.name,
            skill.help,
            form_of(skill.request_type),
            form_of(skill.settings_type),
            skill.takes,
            skill.menu,
            skill.tool,
            skill.private,
        )
        for skill in skills
    )
