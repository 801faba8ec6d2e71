"""The app's manifest, made from the configuration and from what the bot can do, and the rules it has to keep."""

import re
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bot.adapter import AdapterOff
from bot.adapters.teams.icons import ACCENT
from bot.adapters.teams.manifest_words import LANGUAGES, said
from bot.commands import Command
from bot.translations import translate
from bot.version import __version__

if TYPE_CHECKING:
    from bot.config import Config

__all__ = ["localized", "manifest_of", "mistakes"]

Json = dict[str, Any]

_VERSION = "1.25"
_SCHEMAS = f"https://developer.microsoft.com/json-schemas/teams/v{_VERSION}"
_MOST_COMMANDS = 10
_TITLE, _HELP = 32, 128
_SEE_MEMBERS = ("TeamMember.Read.Group", "ChatMember.Read.Chat")  # who owns a team or a chat
# What was said in a channel or a chat, with its pictures; and who may read a channel.
_SEE_MESSAGES = ("ChannelMessage.Read.Group", "ChatMessage.Read.Chat", "ChannelMember.Read.Group")


def manifest_of(config: "Config", commands: Sequence[Command], *, messages: bool = True) -> Json:
    """The manifest in English. Raises `AdapterOff` with every setting that is missing."""
    missing = [
        f"{name} ({why})"
        for name, value, why in (
            ("TEAMS_APP_ID", config.teams_app_id, "the bot's app id"),
            ("PARLEY_TEAMS_DEVELOPER", config.teams_developer, "your name or your organisation's"),
            ("PARLEY_TEAMS_WEBSITE", config.teams_website, "your page about the bot, beginning with https://"),
        )
        if not value.strip()
    ]
    if missing:
        raise AdapterOff(f"An app package needs {', '.join(missing)}.")
    app_id, name, website = config.teams_app_id.strip().lower(), config.teams_name, config.teams_website
    sight = (*_SEE_MEMBERS, *(_SEE_MESSAGES if messages else ()))
    return {
        "$schema": f"{_SCHEMAS}/MicrosoftTeams.schema.json",
        "manifestVersion": _VERSION,
        "version": _three_numbers(__version__),
        "id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"parley:{app_id}")),
        "developer": {
            "name": config.teams_developer.strip(),
            "websiteUrl": website,
            "privacyUrl": config.teams_privacy_url or f"{website}/privacy",
            "termsOfUseUrl": config.teams_terms_url or f"{website}/terms",
        },
        "name": {"short": name, "full": f"{name}: {said('full name', 'en')}"},
        "description": {"short": said("short", "en"), "full": said("full", "en")},
        "icons": {"color": "color.png", "outline": "outline.png"},
        "accentColor": ACCENT,
        "bots": [
            {
                "botId": app_id,
                "scopes": ["personal", "team", "groupChat"],
                "supportsFiles": True,
                "isNotificationOnly": False,
                "configuration": {"team": {"fetchTask": True}, "groupChat": {"fetchTask": True}},
                "commandLists": [
                    {"scopes": ["personal", "team", "groupChat"], "commands": list(_spoken(commands))[:_MOST_COMMANDS]}
                ],
            }
        ],
        "composeExtensions": [
            {"botId": app_id, "canUpdateConfiguration": False, "commands": list(_menu(commands))[:_MOST_COMMANDS]}
        ],
        "permissions": ["identity", "messageTeamMembers"],
        "validDomains": [],
        "webApplicationInfo": {"id": app_id, "resource": "https://notapplicable.invalid"},
        "authorization": {
            "permissions": {"resourceSpecific": [{"name": each, "type": "Application"} for each in sight]}
        },
        "supportsChannelFeatures": "tier1",  # in private and shared channels too
        "defaultInstallScope": "personal",
        "defaultGroupCapability": {"team": "bot", "groupchat": "bot"},
        "localizationInfo": {
            "defaultLanguageTag": "en",
            "additionalLanguages": [{"languageTag": each, "file": f"{each}.json"} for each in LANGUAGES],
        },
    }


def localized(manifest: Json, language: str) -> Json:
    """What the manifest says in another language, by the paths that Teams wants.

    A command's title stays as it is: it is what Teams writes for the person, and what the bot understands.
    """
    name = manifest["name"]["short"]
    found: Json = {
        "$schema": f"{_SCHEMAS}/MicrosoftTeams.Localization.schema.json",
        "name.short": name,
        "name.full": f"{name}: {said('full name', language)}",
        "description.short": said("short", language),
        "description.full": said("full", language),
    }
    for number, command in enumerate(manifest["bots"][0]["commandLists"][0]["commands"]):
        place = f"bots[0].commandLists[0].commands[{number}]"
        found[f"{place}.title"] = command["title"]
        found[f"{place}.description"] = _short(translate(command["description"], language))
    for number, command in enumerate(manifest["composeExtensions"][0]["commands"]):
        place = f"composeExtensions[0].commands[{number}]"
        found[f"{place}.title"] = translate(command["title"], language)[:_TITLE]
        found[f"{place}.description"] = _short(translate(command["description"], language))
    return found


def _spoken(commands: Iterable[Command]) -> Iterable[Json]:
    """What Teams offers where somebody writes to the bot."""
    for command in commands:
        if command.name != "chat":  # whatever is written without a command
            yield {"title": command.name[:_TITLE], "description": _short(command.help)}


def _menu(commands: Sequence[Command]) -> Iterable[Json]:
    """Entries in the menu of a message, then those beside the box that people write in."""
    for command in commands:
        if command.menu:
            yield _entry(command.name, command.menu, command.help, "message")
    for command in commands:
        if command.name == "draw":
            yield _entry(command.name, command.name.capitalize(), command.help, "compose")


def _entry(name: str, title: str, text: str, where: str) -> Json:
    return {
        "id": name,
        "type": "action",
        "title": title[:_TITLE],
        "description": _short(text),
        "context": [where] if where == "message" else ["compose", "commandBox"],
        "fetchTask": True,
    }


def _short(text: str) -> str:
    return text if len(text) <= _HELP else f"{text[: _HELP - 1]}…"


def _three_numbers(version: str) -> str:
    numbers = re.findall(r"\d+", version)[:3]
    return ".".join([*numbers, "0", "0"][:3])


# The rules of the published schema, and those that the store adds.

_LENGTHS = {
    ("name", "short"): 30,
    ("name", "full"): 100,
    ("description", "short"): 80,
    ("description", "full"): 4000,
    ("developer", "name"): 32,
}
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_SCOPES = {"personal", "team", "groupChat"}
_CONTEXTS = {"message", "compose", "commandBox"}


def mistakes(manifest: Json, files: Mapping[str, Any]) -> list[str]:
    """Everything in a manifest that Teams would not take, a sentence each. `files` are the translations by name."""
    found = [
        f"{'.'.join(path)} has to be 1 to {most} characters long"
        for path, most in _LENGTHS.items()
        if not 0 < len(manifest[path[0]][path[1]]) <= most
    ]
    found += [
        f"developer.{name} has to begin with https:// and to be at most 2048 characters long"
        for name in ("websiteUrl", "privacyUrl", "termsOfUseUrl")
        if not manifest["developer"][name].startswith("https://") or len(manifest["developer"][name]) > 2048
    ]
    bot, extension = manifest["bots"][0], manifest["composeExtensions"][0]
    for what, value in (("id", manifest["id"]), ("TEAMS_APP_ID", bot["botId"])):
        if not _ID.fullmatch(value):
            found.append(f"{what} has to be a GUID such as 12345678-1234-1234-1234-123456789abc")
    if bot["botId"] != manifest["webApplicationInfo"]["id"] or bot["botId"] != extension["botId"]:
        found.append("the bot's id has to be the same everywhere")
    if "teams" in manifest["name"]["short"].lower().split():
        found.append("PARLEY_TEAMS_NAME must not contain “Teams”")
    if set(bot["scopes"]) - _SCOPES:
        found.append("a bot's scopes are personal, team and groupChat")
    lists = [("bots", each["commands"]) for each in bot["commandLists"]]
    for where, commands in (*lists, ("composeExtensions", extension["commands"])):
        if not 1 <= len(commands) <= _MOST_COMMANDS:
            found.append(f"{where} has to have 1 to {_MOST_COMMANDS} commands")
        for command in commands:
            if not 0 < len(command["title"]) <= _TITLE or not 0 < len(command["description"]) <= _HELP:
                found.append(f"{where}: “{command['title']}” has too long a title or description, or none")
    ids = [each["id"] for each in extension["commands"]]
    if len(ids) != len(set(ids)) or any(len(each) > 64 for each in ids):
        found.append("each command needs an id of its own of at most 64 characters")
    if any(set(each["context"]) - _CONTEXTS or each["type"] != "action" for each in extension["commands"]):
        found.append("a command's context is message, compose or commandBox")
    if any("*" in each for each in manifest["validDomains"]):
        found.append("validDomains must have no wildcard")
    languages = manifest["localizationInfo"]["additionalLanguages"]
    for each in languages:
        if each["file"] not in files:
            found.append(f"{each['file']} is missing")
    for name, words in files.items():
        for path, text in words.items():
            if path != "$schema" and (_at(manifest, path) is None or not text):
                found.append(f"{name}: there is no {path}")
        for path, most in _LENGTHS.items():
            if len(words.get(".".join(path), "")) > most:
                found.append(f"{name}: {'.'.join(path)} is longer than {most} characters")
    return found


def _at(manifest: Json, path: str) -> Any:
    """What is at a path such as `bots[0].commandLists[0].commands[1].title`."""
    value: Any = manifest
    for step in re.findall(r"[A-Za-z]+|\d+", path):
        try:
            value = value[int(step) if step.isdecimal() else step]
        except (KeyError, IndexError, TypeError):
            return None
    return value
