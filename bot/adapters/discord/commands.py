"""What can be called on Discord: from the skills' forms to the JSON that Discord keeps. Pure."""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import structlog

from bot.commands import Command
from bot.forms import FormField
from bot.routing import FALLBACK
from bot.translations import languages, translate

__all__ = [
    "PARLEY",
    "PRIVATE",
    "SETTINGS_SKILL",
    "asks_first",
    "command_payloads",
    "file_options",
    "for_guild",
    "localised",
    "menu_entries",
    "offered",
    "option_names",
]

log = structlog.get_logger(__name__)

PARLEY = "parley"  # the group of commands that are about the bot itself
PRIVATE = "private"
SETTINGS_SKILL = "skill"
MOST_COMMANDS = 100
MOST_MENU_ENTRIES = 15
MOST_FILES = 3  # that can be given with one command
MOST_CHARACTERS = 8000  # of one command, all its names, descriptions and values together

_CHAT_INPUT, _MESSAGE = 1, 3
_SUBCOMMAND, _STRING, _INTEGER, _BOOLEAN, _NUMBER, _ATTACHMENT = 1, 3, 4, 5, 10, 11
_EVERYWHERE = {"contexts": [0, 1, 2], "integration_types": [0, 1]}
_NAME = re.compile(r"[-_'\w]{1,32}")
_LARGEST = 2**53
# Where Discord's name of a language is not the name of its file.
_LOCALES = {
    "en": ("en-US", "en-GB"),  # without these two, each would be shown in the language of the other
    "es": ("es-ES", "es-419"),
    "pt": ("pt-BR",),
    "sv": ("sv-SE",),
    "zh": ("zh-CN", "zh-TW"),
}
_KNOWN = frozenset(
    (
        *("id", "da", "de", "en-GB", "en-US", "es-ES", "es-419", "fr", "hr", "it", "lt", "hu", "nl", "no", "pl"),
        *("pt-BR", "ro", "fi", "sv-SE", "vi", "tr", "cs", "el", "bg", "ru", "uk", "hi", "th", "zh-CN", "ja"),
        *("zh-TW", "ko"),
    )
)


def command_payloads(commands: Iterable[Command]) -> list[dict[str, Any]]:
    """Everything that people can call, in all languages: slash commands, menu entries, and `/parley`."""
    commands = offered(commands)
    slash = [_slash(command) for command in commands]
    menus = [_menu(name) for name in menu_entries(commands)]
    return [*(payload for payload in slash if payload), *menus, _parley()]


def for_guild(payloads: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The same for one server only: where it may be used is a question only for what is everywhere."""
    return [{key: value for key, value in each.items() if key not in _EVERYWHERE} for each in payloads]


def offered(commands: Iterable[Command]) -> list[Command]:
    """Those that can be commands: as many as Discord takes, and none in the place of our own."""
    fitting = [command for command in commands if command.name != PARLEY and _NAME.fullmatch(command.name)]
    return fitting[: MOST_COMMANDS - 1]


def menu_entries(commands: Iterable[Command]) -> dict[str, Command]:
    """What stands in the menu of a message, by what it is called there."""
    entries: dict[str, Command] = {}
    for command in commands:
        if command.menu:
            entries.setdefault(command.menu[:32], command)
    return dict(list(entries.items())[:MOST_MENU_ENTRIES])


def asks_first(command: Command) -> bool:
    """Whether its menu entry opens a dialog: there is something that the message alone does not tell."""
    return command.name == FALLBACK or any(field.required for field in command.request.fields)


def option_names(command: Command) -> dict[str, FormField]:
    """The options of a slash command that fill in its request, by what they are called on Discord."""
    return {_option_name(field.name): field for field in command.request.fields if _fits(field)}


def file_options(command: Command) -> tuple[str, ...]:
    """The options of a slash command that take a file; the first has to be given."""
    if not command.takes:
        return ()
    first = {"image": "picture", "audio": "recording", "video": "recording"}.get(command.takes[0], "file")
    taken = option_names(command)
    names = [first, *(f"{first}-{number}" for number in range(2, MOST_FILES + 1))]
    return tuple(name for name in names if name not in taken)


def localised(key: str, text: str, most: int, *, write: Callable[[str], str] | None = None) -> dict[str, Any]:
    """A text of a command with its translations, cut to the length that Discord takes."""
    write = write or (lambda said: said)
    shown = _cut(write(text), most)
    translated = {
        locale: _cut(write(translate(text, language)), most)
        for language in languages()
        for locale in _LOCALES.get(language, (_spelt(language),))
        if locale in _KNOWN
    }
    return {key: shown, f"{key}_localizations": translated}


def _slash(command: Command) -> dict[str, Any] | None:
    files = [
        {"type": _ATTACHMENT, **_named(name), **_described("What to work on"), "required": number == 0}
        for number, name in enumerate(file_options(command))
    ]
    fields = [_option(name, field) for name, field in option_names(command).items()]
    if command.name == FALLBACK and command.request.words:
        for option in fields:  # whoever calls it has something to say
            option["required"] |= option["name"] == _option_name(command.request.words.name)
    options = sorted([*files, *fields], key=lambda option: not option["required"])
    taken = {option["name"] for option in options}
    if PRIVATE not in taken and len(options) < 25:
        private = {"type": _BOOLEAN, **_named(PRIVATE), **_described("Whether only you see the answer")}
        options.append({**private, "required": False})
    payload = {
        "type": _CHAT_INPUT,
        **_named(command.name, "/"),
        **_described(command.help or command.name),
        "options": options[:25],
        **_EVERYWHERE,
    }
    if _length(payload) > MOST_CHARACTERS:
        payload = _untranslated(payload)
    if len(options) > 25 or _length(payload) > MOST_CHARACTERS:
        log.warning("a skill asks for more than a slash command can hold", skill=command.name)
        return None
    return payload


def _menu(name: str) -> dict[str, Any]:
    return {"type": _MESSAGE, **localised("name", name, 32), **_EVERYWHERE}


def _parley() -> dict[str, Any]:
    """The commands that are about the bot itself. Who may use which is checked when it is used."""
    subcommands = [
        ("settings", "Change what I do here (for moderators)"),
        ("check", "See whether I am allowed everything I need in this channel"),
        ("my-data", "See or delete what I remember of you"),
        ("help", "See what I can do, and how to talk to me"),
        ("privacy", "See what I read, keep and pass on"),
    ]
    options: list[dict[str, Any]] = [
        {"type": _SUBCOMMAND, **_named(name), **_described(text)} for name, text in subcommands
    ]
    options[0]["options"] = [
        {
            "type": _STRING,
            **_named(SETTINGS_SKILL),
            **_described("What to change the settings of"),
            "required": False,
            "autocomplete": True,
        }
    ]
    return {
        "type": _CHAT_INPUT,
        **_named(PARLEY, "/"),
        **_described("Settings, permissions, help and your own data"),
        "options": options,
        **_EVERYWHERE,
    }


def _option(name: str, field: FormField) -> dict[str, Any]:
    option: dict[str, Any] = {**_named(name), **_described(field.description), "required": field.required}
    match field.kind:
        case "bool":
            option["type"] = _BOOLEAN
        case "int":
            option["type"] = _INTEGER
        case "float":
            option["type"] = _NUMBER
        case _:
            option["type"] = _STRING
    if field.kind == "choice":
        if len(field.choices) > 25:
            option["autocomplete"] = True
        else:
            option["choices"] = [
                {**localised("name", str(choice), 100), "value": str(choice)} for choice in field.choices
            ]
    elif field.kind in ("int", "float"):
        if field.least is not None:
            option["min_value"] = max(field.least, -_LARGEST)
        if field.most is not None:
            option["max_value"] = min(field.most, _LARGEST)
    elif field.kind == "str":
        if field.least:
            option["min_length"] = min(int(field.least), 6000)
        if field.most:
            option["max_length"] = min(int(field.most), 6000)
    return option


def _fits(field: FormField) -> bool:
    return bool(_NAME.fullmatch(_option_name(field.name)))


def _option_name(name: str) -> str:
    return name.lower().replace("_", "-")


def _named(name: str, mark: str = "") -> dict[str, Any]:
    """A name with its translations; in the files they are written with their mark: `"/draw" = "/zeichnen"`, and
    `":size" = ":größe"`, so that no other word of the same spelling is meant.
    """
    mark = mark or ":"
    translated = {
        locale: written
        for language in languages()
        for locale in _LOCALES.get(language, (_spelt(language),))
        if locale in _KNOWN and _usable(written := translate(f"{mark}{name}", language).removeprefix(mark))
    }
    return {"name": name, "name_localizations": translated}


def _described(text: str) -> dict[str, Any]:
    return localised("description", text, 100)


def _usable(name: str) -> bool:
    return bool(_NAME.fullmatch(name)) and name == name.lower()


def _spelt(language: str) -> str:
    """`pt-br` as Discord writes it."""
    name, dash, region = language.partition("-")
    return f"{name}{dash}{region.upper()}"


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def _length(payload: Mapping[str, Any]) -> int:
    """Characters that count: for each text, its longest translation."""
    count = 0
    for key in ("name", "description"):
        texts = [str(payload.get(key, "")), *(payload.get(f"{key}_localizations") or {}).values()]
        count += max(len(text) for text in texts)
    count += len(str(payload.get("value", "")))
    return count + sum(_length(each) for key in ("options", "choices") for each in payload.get(key, ()))


def _untranslated(payload: Mapping[str, Any]) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(json.dumps(payload))

    def strip(part: dict[str, Any]) -> None:
        part.pop("name_localizations", None)
        part.pop("description_localizations", None)
        for key in ("options", "choices"):
            for each in part.get(key, ()):
                strip(each)

    strip(plain)
    return plain
