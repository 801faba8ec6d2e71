"""What a channel's owners set for it: a dialog made from the `Settings` of every skill, in Teams' own place for it."""

from typing import Any

from botbuilder.schema import Activity

from bot.adapter import Host
from bot.adapters.teams.addresses import Address, Addresses
from bot.adapters.teams.cards import dialog, fields_of, values_of, words
from bot.adapters.teams.events import channel_of
from bot.adapters.teams.people import People
from bot.commands import titled
from bot.errors import UserError
from bot.messages import Channel
from bot.translations import translate

__all__ = ["NEW_POST", "SettingsDialog"]

Json = dict[str, Any]

NEW_POST = "post"
_STYLE = "teams.replies"
_EVERYWHERE = "teams.everywhere"
_NOT_YOURS = "Only an owner of this team or chat can change this, or somebody whom the operator of this bot has named."
_EVERYWHERE_TEXT = "In the whole organisation, where a channel has no choice of its own"
_SAVED = "Saved. It holds from the next message on."


class SettingsDialog:
    """Shows what is set, and sets what was filled in."""

    def __init__(self, people: People, addresses: Addresses) -> None:
        self._people = people
        self._addresses = addresses

    async def opened(self, host: Host, activity: Activity, value: Json, address: Address) -> Json:
        """Somebody opens the settings."""
        person = await self._people.surely(activity)
        if not person.moderator:
            return _said(_NOT_YOURS, person.locale)
        form = await self._form(host, channel_of(activity), person.locale, everywhere=self._people.named(activity))
        return _asked(form)

    async def submitted(self, host: Host, activity: Activity, value: Json, address: Address) -> Json:
        """Somebody filled them in; whether they may is asked again."""
        given = value.get("data") if isinstance(value.get("data"), dict) else value
        assert isinstance(given, dict)
        channel, person = channel_of(activity), await self._people.surely(activity)
        if not person.moderator:
            return _said(_NOT_YOURS, person.locale)
        everywhere = given.get(_EVERYWHERE) == "true" and self._people.named(activity)
        before = await host.choices(channel)
        wrong = []
        for command in host.settable(channel):
            prefix = f"{command.name}."
            chosen = values_of(command.settings, given, prefix=prefix)
            if f"{prefix}enabled" in given:
                chosen["enabled"] = given[f"{prefix}enabled"] == "true"
            now = before.get(command.name, {})
            emptied = {
                field.name: ""
                for field in command.settings.fields
                if field.kind == "str" and given.get(f"{prefix}{field.name}") == "" and now.get(field.name)
            }
            changed = {name: each for name, each in (chosen | emptied).items() if everywhere or now.get(name) != each}
            if changed:
                try:
                    await host.configure(channel, person, command.name, changed, everywhere=everywhere)
                except UserError as error:
                    wrong.append(f"**{command.name}**: {error}")
        if _STYLE in given:
            await self._addresses.choose(channel, str(given[_STYLE]))
        if wrong:
            form = await self._form(
                host, channel, person.locale, everywhere=self._people.named(activity), filled=given, wrong=wrong
            )
            return _asked(form)
        return _said(_SAVED, person.locale)

    async def _form(
        self,
        host: Host,
        channel: Channel,
        locale: str,
        *,
        everywhere: bool,
        filled: Json | None = None,
        wrong: list[str] | None = None,
    ) -> Json:
        choices = await host.choices(channel)
        body: list[Json] = [words(each, color="Attention") for each in wrong or ()]
        if channel.kind in ("channel", "thread"):
            body.append(
                {
                    "type": "Input.ChoiceSet",
                    "id": _STYLE,
                    "label": translate("Where I answer in this channel", locale),
                    "value": await self._addresses.chosen(channel) or "thread",
                    "choices": [
                        {"title": translate("In the thread of the question", locale), "value": "thread"},
                        {"title": translate("In a new post", locale), "value": NEW_POST},
                    ],
                }
            )
        for command in host.settable(channel):
            now = {
                **choices.get(command.name, {}),
                **(values_of(command.settings, filled, prefix=f"{command.name}.") if filled else {}),
            }
            body += [
                words(
                    titled(command.name, locale).capitalize(),
                    weight="Bolder",
                    separator=True,
                    spacing="Medium",
                ),
                {
                    "type": "Input.Toggle",
                    "id": f"{command.name}.enabled",
                    "title": translate(command.help, locale),
                    "valueOn": "true",
                    "valueOff": "false",
                    "value": "true" if now.get("enabled", True) else "false",
                }
                if not command.name.startswith("@")
                else words(translate(command.help, locale)),
                *fields_of(command.settings, locale, filled=now, prefix=f"{command.name}."),
            ]
        if everywhere:
            text = {"title": translate(_EVERYWHERE_TEXT, locale), "separator": True}
            body.append({"type": "Input.Toggle", "id": _EVERYWHERE, "valueOn": "true", "valueOff": "false"} | text)
        return dialog(translate("Settings", locale), body, translate("Save", locale), {})


def _asked(form: Json) -> Json:
    return {"responseType": "config", "config": {"type": "continue", "value": form}}


def _said(text: str, locale: str) -> Json:
    return {"responseType": "config", "config": {"type": "message", "value": translate(text, locale)}}
