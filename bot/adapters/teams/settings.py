"""What a channel's owners set for it: a dialog made from everything that is settable, in Teams' own place for it.

Each page stands for itself: what is on it is set when it is saved, or left for another one that says so. Nothing has to
be remembered between them.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from botbuilder.schema import Activity

from bot.adapter import Host
from bot.adapters.teams.addresses import Address
from bot.adapters.teams.cards import MINE, Json, values_of
from bot.adapters.teams.events import channel_of
from bot.adapters.teams.own import OWN
from bot.adapters.teams.pages import EVERYWHERE, View, overview, page_of, parts_of
from bot.adapters.teams.people import People
from bot.commands import Command
from bot.errors import UserError
from bot.messages import Channel, Person
from bot.translations import translate

__all__ = ["SettingsDialog"]

_NOT_YOURS = "Only an owner of this team or chat can change this, or somebody whom the operator of this bot has named."
_SAVED = "Saved. It holds from the next message on."
_USUAL = "Done. What is usual holds again from the next message on."
_MOST = 200  # characters of what a button says of itself


@dataclass(frozen=True, slots=True)
class _Wish:
    """Which button was pressed on which page."""

    do: str
    skill: str = ""
    part: int = 0
    page: int = 0
    everywhere: bool = False


class SettingsDialog:
    """Shows what is set, and sets what was filled in."""

    def __init__(self, people: People) -> None:
        self._people = people

    async def opened(self, host: Host, activity: Activity, value: Json, address: Address) -> Json:
        """Somebody opens the settings."""
        person = await self._people.surely(activity)
        if not person.moderator:
            return _said(_NOT_YOURS, person.locale)
        channel = channel_of(activity)
        view = await self._view(host, activity, channel, person, everywhere=False)
        return _asked(overview(view, _commands(host, channel)))

    async def submitted(self, host: Host, activity: Activity, value: Json, address: Address) -> Json:
        """Something was filled in, or another page is wanted; whether they may is asked again."""
        given = value.get("data") if isinstance(value.get("data"), dict) else value
        assert isinstance(given, dict)
        channel, person = channel_of(activity), await self._people.surely(activity)
        if not person.moderator:
            return _said(_NOT_YOURS, person.locale)
        wish = _wish(given.get(MINE))
        if wish.everywhere and not self._people.named(activity):
            return _said(_NOT_YOURS, person.locale)
        commands = _commands(host, channel)
        command = next((each for each in commands if each.name == wish.skill), None)
        said = ""
        if wish.do in ("save", "next", "open"):
            changed, failed = await self._save(host, channel, person, given, everywhere=wish.everywhere)
            if failed is not None:
                view = await self._view(host, activity, channel, person, everywhere=wish.everywhere)
                return _asked(_again(view, failed, given, wish))
            if wish.do == "save" and command is None:
                return _said(_SAVED, person.locale)
            said = _SAVED if changed else ""
        if wish.do == "reset" and command is not None:
            names = ("enabled", *(field.name for field in command.settings.fields))
            await host.configure(channel, person, command.name, {}, everywhere=wish.everywhere, reset=names)
            said = _USUAL
        view = await self._view(host, activity, channel, person, everywhere=wish.everywhere)
        said = view.says(said) if said else ""
        if command is not None and wish.do != "save":
            part = wish.part + (wish.do == "next")
            return _asked(page_of(view, command, part, said=said))
        page = wish.page + (wish.do == "next")
        return _asked(overview(view, commands, page, said=said))

    async def _view(
        self, host: Host, activity: Activity, channel: Channel, person: Person, *, everywhere: bool
    ) -> View:
        here = replace(channel, id="", parent="") if everywhere else channel
        return View(
            channel.name,
            person.locale,
            everywhere,
            self._people.named(activity),
            await host.choices(here),
            await host.origins(here),
        )

    async def _save(
        self, host: Host, channel: Channel, person: Person, given: Json, *, everywhere: bool
    ) -> tuple[bool, tuple[Command, str] | None]:
        """Set what is different now: whether anything is, and the first thing that cannot be so, with what is wrong."""
        before = await host.choices(replace(channel, id="", parent="") if everywhere else channel)
        any_changed, failed = False, None
        for command in _commands(host, channel):
            now = before.get(command.name, {})
            chosen, emptied = _read(command, given, now)
            changed = {name: each for name, each in chosen.items() if now.get(name) != each}
            if not changed and not emptied:
                continue
            try:
                await host.configure(channel, person, command.name, changed, everywhere=everywhere, reset=emptied)
                any_changed = True
            except UserError as error:
                failed = failed or (command, str(error))
        return any_changed, failed


def _commands(host: Host, channel: Channel) -> tuple[Command, ...]:
    """What there is to set. A chat has no threads, and so no choice among them."""
    threads = channel.kind in ("channel", "thread")
    return tuple(each for each in host.settable(channel) if threads or each.name != OWN)


def _read(command: Command, given: Json, now: Mapping[str, Any]) -> tuple[Json, tuple[str, ...]]:
    """What was filled in for one thing; and which numbers and choices were emptied, so that what is usual holds."""
    prefix = f"{command.name}."
    chosen = values_of(command.settings, given, prefix=prefix)
    if f"{prefix}enabled" in given:
        chosen["enabled"] = given[f"{prefix}enabled"] == "true"
    emptied = []
    for field in command.settings.fields:
        if given.get(f"{prefix}{field.name}") != "" or now.get(field.name) in (None, ""):
            continue
        if field.kind == "str":
            chosen[field.name] = ""
        elif field.kind != "bool":
            emptied.append(field.name)
    return chosen, tuple(emptied)


def _again(view: View, failed: tuple[Command, str], given: Json, wish: _Wish) -> Json:
    """The page on which something is wrong, as it was filled in, with what is wrong where it is."""
    command, complaint = failed
    prefix = f"{command.name}."
    filled: Json = {
        field.name: given[f"{prefix}{field.name}"]
        for field in command.settings.fields
        if f"{prefix}{field.name}" in given
    }
    filled |= values_of(command.settings, given, prefix=prefix)
    wrong: dict[str, str] = {}
    labels = {field.name: view.says(field.description) for field in command.settings.fields}
    for line in complaint.split("\n"):
        named = re.match(r"“(\w+)”", line)
        name = named[1] if named and named[1] in labels else ""
        if name:
            line = line.replace(f"“{name}”", f"“{labels[name]}”", 1)
        wrong[name] = f"{wrong[name]}\n\n{line}" if name in wrong else line
    part = wish.part if wish.skill == command.name else 0
    if first := next((name for name in wrong if name), ""):
        parts = parts_of(view, command, filled=filled, wrong=wrong)
        part = next(
            (at for at, each in enumerate(parts) if any(item.get("id") == f"{prefix}{first}" for item in each)), part
        )
    return page_of(view, command, part, filled=filled, wrong=wrong)


def _wish(data: Any) -> _Wish:
    """What the pressed button wants; a card of before, which says nothing of it, is saved."""
    data = data if isinstance(data, dict) else {}
    part, page, skill = data.get("part"), data.get("page"), data.get("skill")
    return _Wish(
        str(data.get("do") or "save")[:_MOST],
        skill[:_MOST] if isinstance(skill, str) else "",
        part if isinstance(part, int) else 0,
        page if isinstance(page, int) else 0,
        data.get(EVERYWHERE) is True,
    )


def _asked(form: Json) -> Json:
    return {"responseType": "config", "config": {"type": "continue", "value": form}}


def _said(text: str, locale: str) -> Json:
    return {"responseType": "config", "config": {"type": "message", "value": translate(text, locale)}}
