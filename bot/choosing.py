"""What moderators choose: what there is to set in a channel, what is set there, and where that comes from."""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import structlog

from bot.adapter import Adapter, Community, Origin
from bot.asking import settings_key
from bot.commands import Command, commands_of
from bot.errors import UserError
from bot.forms import Form, FormField, form_of
from bot.messages import Channel, Person
from bot.models import Models, Role
from bot.policy import LIMITS, Lowered, Permitted, alone, choice_of, permitted, settings_of, valid
from bot.skill import Settings, Skill
from storage import Store

__all__ = ["Choosing"]

log = structlog.get_logger(__name__)

USUAL = "usual"  # in a form, the model that answers where none was chosen
_MODELS: dict[str, Role] = {
    "chat_model": "chat",
    "image_model": "image",
    "speech_model": "speech",
    "voice_model": "voice",
}


class Choosing:
    """The part of the `Host` that moderators use."""

    def __init__(
        self,
        store: Store,
        skills: Mapping[str, Skill[Any, Any]],
        models: Models,
        adapters: Mapping[str, Adapter] = MappingProxyType({}),
    ) -> None:
        self._store = store
        self._skills = skills
        self._models = models
        self._adapters = adapters
        self._commands = commands_of(skills.values())
        whose = tuple(field for field in form_of(Permitted).fields if field.name != "enabled")
        self._shared = tuple(
            replace(command, settings=Form((*command.settings.fields, *whose))) for command in self._commands
        )

    def settable(self, channel: Channel) -> tuple[Command, ...]:
        """What there is to set."""
        adapter = self._adapters.get(channel.platform)
        if alone(channel):
            return self._commands  # in a chat of one's own, the rest is up to the community
        fields = [self._offered(field) for field in form_of(Lowered).fields]
        form = Form(tuple(field for field in fields if field is not None))
        limits = Command(LIMITS, "Limits and models here", Form(()), form, tool=False)
        commands = self._commands if adapter and adapter.own else self._shared  # there is nobody to tell from others
        name, own = self._own(channel)
        if own is None:
            return (*commands, limits)
        about = (own.__doc__ or "").partition("\n")[0].removesuffix(".")
        return (*commands, limits, Command(name, about, Form(()), form_of(own), tool=False))

    async def choices(self, channel: Channel) -> dict[str, dict[str, Any]]:
        """What is set, as it is now."""
        key = settings_key(channel)
        found: dict[str, dict[str, Any]] = {}
        for name, skill in self._skills.items():
            chosen = await self._store.chosen(key, name)
            found[name] = permitted(chosen).model_dump() | settings_of(skill, chosen).model_dump()
        lowered = valid(Lowered, await self._store.chosen(key, LIMITS)).model_dump()
        found[LIMITS] = lowered | {name: lowered[name] or USUAL for name in _MODELS}
        name, own = self._own(channel)
        if own is not None:
            found[name] = valid(own, await self._store.chosen(key, name)).model_dump()
        return found

    async def origins(self, channel: Channel) -> dict[str, dict[str, Origin]]:
        """Where each of these comes from."""
        platform, tenant, channel_id = settings_key(channel)
        everywhere = await self._store.choices_at((platform, tenant, ""))
        here = await self._store.choices_at((platform, tenant, channel_id)) if channel_id else {}

        def origin(name: str, field: str) -> Origin:
            if field in here.get(name, ()):
                return "here"
            return "community" if field in everywhere.get(name, ()) else "default"

        choices = await self.choices(channel)
        return {name: {field: origin(name, field) for field in values} for name, values in choices.items()}

    async def communities(self, person: Person) -> tuple[Community, ...]:
        """Where the bot is, on every platform. Raises `UserError` for anybody but whoever runs it."""
        if not person.operator:
            raise UserError("Only whoever runs this bot can see this.")
        asked = (adapter.communities() for adapter in self._adapters.values())
        found: list[Community] = []
        for name, each in zip(self._adapters, await asyncio.gather(*asked, return_exceptions=True), strict=True):
            if isinstance(each, BaseException):
                log.error("communities could not be found", platform=name, error=type(each).__name__)
            else:
                found.extend(each)
        return tuple(found)

    async def configure(
        self,
        channel: Channel,
        person: Person,
        name: str,
        chosen: Mapping[str, Any],
        *,
        everywhere: bool = False,
        reset: Collection[str] = (),
    ) -> None:
        """Set what a moderator chose, here or in the whole community. Raises `UserError`."""
        platform, tenant, here = settings_key(channel)
        platform_name, own = self._own(channel)
        which = LIMITS if name == LIMITS else own if name == platform_name else self._skills.get(name)
        if which == LIMITS:
            chosen = {field: "" if field in _MODELS and value == USUAL else value for field, value in chosen.items()}
        checked = choice_of(person, which, chosen, self._models.allowed)
        back = {*reset, *(field for field, value in checked.items() if value is None)}  # what was emptied holds no more
        if alone(channel) and not (person.operator or everywhere):
            if isinstance(which, str | type) or not checked.keys().isdisjoint(("who", "besides")):
                raise UserError("This cannot be set for a chat of your own.")
            if checked.get("enabled"):  # not more than the community lets everybody have
                back.add("enabled")
        checked = {field: value for field, value in checked.items() if field not in back}
        await self._store.change((platform, tenant, "" if everywhere else here), name, checked, back)
        log.info("settings changed", platform=channel.platform, skill=name, everywhere=everywhere)

    def _own(self, channel: Channel) -> tuple[str, type[Settings] | None]:
        """What there is to set about the channel's platform, and under which name."""
        adapter = self._adapters.get(channel.platform)
        return f"@{channel.platform}", adapter.settings_type if adapter else None

    def _offered(self, field: FormField) -> FormField | None:
        """A field of the limits as it is offered: a model out of those that are allowed, where there are several."""
        if field.name not in _MODELS:
            return field
        allowed = self._models.allowed(_MODELS[field.name])
        if len(allowed) < 2:
            return None
        return replace(field, kind="choice", default=USUAL, choices=(USUAL, *allowed), most=None)
