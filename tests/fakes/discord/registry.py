"""The commands that a bot has registered, checked as strictly as Discord does it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from tests.fakes.discord.errors import entry_point_missing, invalid_form
from tests.fakes.discord.world import Json, snowflake

NAME = re.compile(r"[-_'\w]{1,32}")
LOCALES = {
    *("id", "da", "de", "en-GB", "en-US", "es-ES", "es-419", "fr", "hr", "it", "lt", "hu", "nl", "no", "pl", "pt-BR"),
    *("ro", "fi", "sv-SE", "vi", "tr", "cs", "el", "bg", "ru", "uk", "hi", "th", "zh-CN", "ja", "zh-TW", "ko"),
}
ENTRY_POINT = 4
SUBCOMMAND, STRING, INTEGER, BOOLEAN, NUMBER, ATTACHMENT = 1, 3, 4, 5, 10, 11
_COMMAND = {
    *("id", "type", "name", "name_localizations", "description", "description_localizations", "options"),
    *("default_member_permissions", "dm_permission", "nsfw", "contexts", "integration_types", "handler"),
}
_OPTION = {
    *("type", "name", "name_localizations", "description", "description_localizations", "required", "choices"),
    *("options", "channel_types", "min_value", "max_value", "min_length", "max_length", "autocomplete"),
}


def register(commands: Any, *, guild: bool) -> list[Json]:
    """The commands as Discord keeps them. Raises what it would answer to them."""
    problems: dict[str, Any] = {}
    if not isinstance(commands, list):
        raise invalid_form({"commands": ("BASE_TYPE_BAD", "Not a list")})
    for kind, most in ((1, 100), (2, 15), (3, 15)):
        names = [each.get("name") for each in commands if each.get("type", 1) == kind]
        if len(names) > most:
            problems[str(kind)] = ("APPLICATION_COMMAND_TOO_MANY", f"No more than {most}")
        if len(set(names)) < len(names):
            problems[str(kind)] = ("APPLICATION_COMMANDS_DUPLICATE_NAME", "Command names must be unique")
    for number, command in enumerate(commands):
        wrong = list(_wrong_command(command, guild=guild))
        if wrong:
            problems[str(number)] = ("BASE_TYPE_BAD", f"{command.get('name')}: {'; '.join(wrong)}")
    if problems:
        raise invalid_form(problems)
    return [{"id": snowflake(), "version": snowflake(), **command} for command in commands]


def keep_entry_point(present: list[Json], registered: list[Json]) -> None:
    """Raise what Discord answers to a list of commands that would end an application's Activity."""
    entries = {command["id"] for command in present if command.get("type") == ENTRY_POINT}
    if entries - {command["id"] for command in registered}:
        raise entry_point_missing()


def _wrong_command(command: Json, *, guild: bool) -> Iterable[str]:
    yield from _strangers(command, _COMMAND)
    slash = command.get("type", 1) == 1
    if command.get("type") == ENTRY_POINT:
        if command.get("handler") not in (1, 2) or command.get("options"):
            yield "an entry point has one of two handlers, and no options"
        yield from _wrong_texts(
            {**command, "description": command.get("description") or "-"}, named=True, described=True
        )
        return
    yield from _wrong_texts(command, named=slash, described=slash)
    if not slash and (command.get("description") or command.get("options")):
        yield "a menu entry has no description and no options"
    if guild and ("contexts" in command or "integration_types" in command):
        yield "contexts are for commands that are everywhere"
    yield from _wrong_options(command.get("options") or [])
    if _length(command) > 8000:
        yield "more than 8000 characters"


def _wrong_options(options: list[Json]) -> Iterable[str]:
    if len(options) > 25:
        yield "more than 25 options"
    names = [option.get("name") for option in options]
    if len(set(names)) < len(names):
        yield "two options of one name"
    required = [bool(option.get("required")) for option in options]
    if required != sorted(required, reverse=True):
        yield "required options come first"
    for option in options:
        yield from _strangers(option, _OPTION)
        yield from _wrong_texts(option, named=True, described=True)
        if option.get("type") == SUBCOMMAND:
            yield from _wrong_options(option.get("options") or [])
        choices = option.get("choices") or []
        if len(choices) > 25 or (choices and option.get("autocomplete")):
            yield f"{option['name']}: the choices"
        if any(not 1 <= len(choice["name"]) <= 100 for choice in choices):
            yield f"{option['name']}: the length of a choice"
        if ("min_value" in option or "max_value" in option) and option["type"] not in (INTEGER, NUMBER):
            yield f"{option['name']}: bounds are for numbers"
        if option["type"] == INTEGER and any(
            not float(option[key]).is_integer() for key in ("min_value", "max_value") if key in option
        ):
            yield f"{option['name']}: whole bounds for whole numbers"
        if ("min_length" in option or "max_length" in option) and option["type"] != STRING:
            yield f"{option['name']}: lengths are for texts"
        if not 1 <= option.get("max_length", 1) <= 6000:
            yield f"{option['name']}: a text has up to 6000 characters"


def _wrong_texts(part: Json, *, named: bool, described: bool) -> Iterable[str]:
    names: list[str] = [part.get("name") or "", *(part.get("name_localizations") or {}).values()]
    for name in names:
        fits = isinstance(name, str) and (
            NAME.fullmatch(name) and name == name.lower() if named else 1 <= len(name) <= 32
        )
        if not fits:
            yield f"the name {name!r}"
    for key in ("name_localizations", "description_localizations"):
        if unknown := set(part.get(key) or ()) - LOCALES:
            yield f"the locales {sorted(unknown)}"
    if described:
        for text in (part.get("description"), *(part.get("description_localizations") or {}).values()):
            if not isinstance(text, str) or not 1 <= len(text) <= 100:
                yield f"the description {text!r}"


def _strangers(part: Json, known: set[str]) -> Iterable[str]:
    if strange := set(part) - known:
        yield f"unknown fields {sorted(strange)}"


def _length(part: Json) -> int:
    """What counts to the 8000: of each text the longest translation."""
    count = len(str(part.get("value", "")))
    for key in ("name", "description"):
        count += max(len(text) for text in (part.get(key) or "", *(part.get(f"{key}_localizations") or {}).values()))
    return count + sum(_length(each) for key in ("options", "choices") for each in part.get(key) or ())


def check_given(option: Json, value: Any) -> None:
    """What Discord's own clients do not let a person give for an option."""
    kinds: dict[int, type | tuple[type, ...]] = {STRING: str, INTEGER: int, BOOLEAN: bool, NUMBER: (int, float)}
    name = option["name"]
    assert option["type"] == ATTACHMENT or isinstance(value, kinds[option["type"]]), f"{name} does not take {value!r}"
    if choices := option.get("choices"):
        assert value in [choice["value"] for choice in choices], f"{value!r} is none of the choices of {name}"
    if option["type"] in (INTEGER, NUMBER):
        assert option.get("min_value", value) <= value <= option.get("max_value", value), f"{name} is out of bounds"
    if option["type"] == STRING:
        assert option.get("min_length", 0) <= len(value) <= option.get("max_length", 6000), (
            f"{name} is too long or short"
        )
