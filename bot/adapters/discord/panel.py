"""`/parley`: settings, permissions, help, one's own data. Only its caller sees it."""

import asyncio
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import aiohttp
import discord
import structlog

from bot.adapter import Gone, Host, Origin
from bot.adapters.discord import screens, texts, through
from bot.adapters.discord.commands import SETTINGS_SKILL
from bot.adapters.discord.hearing import manages_server, place_asked
from bot.adapters.discord.here import Here
from bot.adapters.discord.permissions import lacking, rights_in
from bot.adapters.discord.settings import OWN
from bot.commands import Command, titled
from bot.errors import UserError
from bot.forms import FormField
from bot.messages import Attachment, Channel, Person
from bot.policy import allows, ids_in
from bot.translations import translate

if TYPE_CHECKING:
    from bot.adapters.discord.client import Client

__all__ = ["Panel"]

log = structlog.get_logger(__name__)

_CHANNEL_MESSAGE, _LATER, _LATER_IN_PLACE, _MODAL = 4, 5, 6, 9
_EPHEMERAL = 64
_PATIENCE = 1.5  # seconds for storage before a dialog, which has to be the first answer
_HERE, _ALL = "here", "all"


class Panel:
    """Answers `/parley …`, and whatever is pressed and filled in below it."""

    def __init__(self, client: "Client", host: Host, commands: Iterable[Command], here: Here) -> None:
        self._client = client
        self._host = host
        self._here = here
        self._commands = tuple(commands)

    def owns(self, action: str) -> bool:
        """Whether a button, a list or a dialog is one of these."""
        return action.partition(":")[0] in ("skill", "scope", "change", "switch", "reset", "save", "data")

    async def open(self, interaction: discord.Interaction, name: str, given: Mapping[str, Any]) -> None:
        """One of the commands was called."""
        locale = str(interaction.locale)
        await self._respond(interaction, _LATER, {"flags": _EPHEMERAL})
        match name:
            case "settings":
                await self._show_settings(interaction, str(given.get(SETTINGS_SKILL) or ""), _HERE)
            case "check":
                await self._show(interaction, self._check(interaction, locale))
            case "my-data":
                row = screens.row(
                    screens.button("data:export", "Send me what you keep", locale),
                    screens.button("data:ask", "Delete it", locale, style=4),
                )
                await self._show(interaction, translate(texts.MY_DATA, locale), [row])
            case "privacy":
                await self._show(interaction, translate(texts.PRIVACY, locale))
            case _:
                await self._show(interaction, await self._help(interaction, locale))

    def complete(self, interaction: discord.Interaction, data: Mapping[str, Any]) -> list[tuple[str, str]]:
        """What has settings, and begins with what was typed."""
        chosen: Mapping[str, Any] = next(iter(data.get("options", ())), {})
        options: Sequence[Mapping[str, Any]] = chosen.get("options", ())
        typed = str(next((each.get("value", "") for each in options if each.get("focused")), "")).casefold()
        named = [(titled(name, str(interaction.locale)), name) for name in self._settable(interaction)]
        return [(shown, name) for shown, name in named if shown.casefold().startswith(typed)]

    async def press(self, interaction: discord.Interaction, action: str) -> None:
        """A button was pressed, or something was chosen from a list."""
        what, *rest = action.split(":")
        data: Mapping[str, Any] = interaction.data or {}
        chosen = str(next(iter(data.get("values", ())), ""))
        if what == "change":
            await self._open_dialog(interaction, rest[0], rest[1], int(rest[2]))
            return
        await self._respond(interaction, _LATER_IN_PLACE, None)
        match what:
            case "skill":
                await self._show_settings(interaction, chosen, rest[0])
            case "scope":
                await self._show_settings(interaction, rest[0], chosen)
            case "switch":
                await self._set(interaction, rest[0], rest[1], {"enabled": rest[2] == "on"})
            case "reset":
                await self._set(interaction, rest[0], rest[1], {}, back=True)
            case "data":
                await self._own_data(interaction, rest[0])

    async def save(self, interaction: discord.Interaction, action: str, filled: Mapping[str, Any]) -> None:
        """A dialog with settings was filled in."""
        _, name, scope = action.split(":")
        await self._respond(interaction, _LATER_IN_PLACE, None)
        command = self._settable(interaction).get(name)
        fields = {field.name: field for field in command.settings.fields} if command else {}
        now = await self._values(interaction, name, scope)
        read = {key: screens.read(fields[key], value) for key, value in filled.items() if key in fields}
        chosen = {key: value for key, value in read.items() if _differs(value, now.get(key))}
        await self._set(interaction, name, scope, chosen)

    # Settings

    async def _show_settings(self, interaction: discord.Interaction, name: str, scope: str, said: str = "") -> None:
        locale = str(interaction.locale)
        refused = await self._refused(interaction, scope)
        if refused:
            await self._show(interaction, translate(refused, locale))
            return
        settable = self._settable(interaction)
        name = name if name in settable else OWN
        command = settable[name]
        values = await self._values(interaction, name, scope)
        lines = [said and f"{said}\n", _title(interaction, scope, locale), ""]
        lines.append(f"**{titled(name, locale)}** · {translate(command.help, locale)}")
        origins = await self._origins(interaction, name, scope)
        if "enabled" in values:
            state = translate("It is switched on." if values["enabled"] else "It is switched off.", locale)
            lines.append(f"{state}{_origin(origins.get('enabled', 'default'), locale)}")
        for field in command.settings.fields:
            shown = _shown(field, values.get(field.name), interaction.guild, locale)
            origin = _origin(origins.get(field.name, "default"), locale)
            lines.append(f"- {translate(field.description, locale)}: {shown}{origin}")
        await self._show(
            interaction, "\n".join(lines)[:2000], _controls(settable, name, scope, values, origins, locale)
        )

    async def _open_dialog(self, interaction: discord.Interaction, name: str, scope: str, page: int) -> None:
        """The dialog that changes settings. It has to be the first answer, so storage has but a moment."""
        locale, command = str(interaction.locale), self._settable(interaction).get(name)
        try:
            async with asyncio.timeout(_PATIENCE):
                refused = await self._refused(interaction, scope)
                values = await self._values(interaction, name, scope)
        except TimeoutError:
            refused, values = texts.TROUBLE, {}
        if refused or command is None:
            content = translate(refused or texts.TROUBLE, locale)
            await self._respond(interaction, _CHANNEL_MESSAGE, {"content": content, "flags": _EPHEMERAL})
            return
        fields = command.settings.fields[page * screens.MOST_INPUTS :][: screens.MOST_INPUTS]
        components = screens.inputs(
            [(field, _filled(field, values.get(field.name, field.default), interaction.guild)) for field in fields],
            locale,
        )
        title = f"{titled(name, locale)}: {translate('Settings', locale)}"
        await self._respond(interaction, _MODAL, screens.dialog(f"save:{name}:{scope}", title, components, locale))

    async def _set(
        self, interaction: discord.Interaction, name: str, scope: str, chosen: Mapping[str, Any], *, back: bool = False
    ) -> None:
        """Set this, or with `back` take back all that is set in this scope."""
        channel, person = await self._who(interaction)
        locale, everywhere = str(interaction.locale), scope == _ALL
        said = translate("Done.", locale)
        try:
            if refused := await self._refused(interaction, scope):
                raise UserError(refused)
            reset = await self._origins(interaction, name, scope) if back else ()
            await self._host.configure(channel, person, name, chosen, everywhere=everywhere, reset=tuple(reset))
        except UserError as error:
            said = translate(str(error), locale)
        await self._show_settings(interaction, name, scope, said)

    async def _values(self, interaction: discord.Interaction, name: str, scope: str) -> Mapping[str, Any]:
        channel = _scoped(place_asked(interaction), scope)
        return (await self._host.choices(channel)).get(name, {})

    async def _origins(self, interaction: discord.Interaction, name: str, scope: str) -> Mapping[str, Origin]:
        return (await self._host.origins(_scoped(place_asked(interaction), scope))).get(name, {})

    def _settable(self, interaction: discord.Interaction) -> dict[str, Command]:
        """What can be set, by its name: first what is no skill, because a list holds no more than 25."""
        found = self._host.settable(place_asked(interaction))
        return {each.name: each for each in sorted(found, key=lambda each: (each.name[0] != "@", each.name != OWN))}

    async def _refused(self, interaction: discord.Interaction, scope: str) -> str:
        """Why somebody may not change this, on the word of the server that came with this very press."""
        if not interaction.guild_id:
            return texts.NOT_IN_PRIVATE
        _, person = await self._who(interaction)
        if not person.moderator:
            return texts.MODERATORS_ONLY
        return texts.SERVER_ONLY if scope == _ALL and not manages_server(interaction.user) else ""

    async def _who(self, interaction: discord.Interaction) -> tuple[Channel, Person]:
        assert interaction.channel
        person = await self._here.person(interaction.user, interaction.channel, str(interaction.locale))
        return place_asked(interaction), person

    # The rest

    def _check(self, interaction: discord.Interaction, locale: str) -> str:
        room = interaction.channel
        if not interaction.guild_id or room is None:
            return translate(texts.CHECK_PRIVATE, locale)
        guild = self._client.get_guild(interaction.guild_id)
        if guild is None:
            return translate(texts.CHECK_OUTSIDE, locale)
        thread = isinstance(room, discord.Thread)
        missing = lacking(interaction.app_permissions, thread=thread)
        missing = missing or lacking(
            rights_in(guild.get_channel_or_thread(room.id), guild.me) or interaction.app_permissions, thread=thread
        )
        name = f"<#{room.id}>"
        if not missing:
            return translate(texts.CHECK_WELL, locale).format(channel=name)
        lines = [f"- **{need.shown}** – {translate(need.why, locale)}" for need in missing]
        head = translate(texts.CHECK_LACKING, locale).format(channel=name)
        return "\n".join([head, *lines, "", translate(texts.CHECK_REMEDY, locale)])

    async def _help(self, interaction: discord.Interaction, locale: str) -> str:
        """What this person can do here."""
        channel, person = await self._who(interaction)
        choices = await self._host.choices(channel)
        theirs = [each for each in self._commands if allows(choices.get(each.name, {}), person, channel)]
        lines = [f"- **/{each.name}** – {translate(each.help, locale)}" for each in theirs]
        return "\n".join([translate(texts.HELP, locale), "", *lines])[:2000]

    async def _own_data(self, interaction: discord.Interaction, step: str) -> None:
        locale = str(interaction.locale)
        channel, person = await self._who(interaction)
        if step == "ask":
            row = screens.row(screens.button("data:forget", "Yes, delete it", locale, style=4))
            await self._show(interaction, translate(texts.FORGET_SURE, locale), [row])
        elif step == "forget":
            await self._host.forget(person, channel)
            await self._show(interaction, translate(texts.FORGOTTEN, locale))
        elif step == "export":
            file = Attachment("my-data.json", "application/json", await self._host.export(person, channel))
            await self._show(interaction, translate(texts.YOUR_DATA, locale), files=(file,))

    # Discord

    async def _respond(self, interaction: discord.Interaction, kind: int, data: dict[str, Any] | None) -> None:
        await through.respond(self._client, str(interaction.id), interaction.token, kind, data)

    async def _show(
        self,
        interaction: discord.Interaction,
        content: str,
        components: list[dict[str, Any]] | None = None,
        files: tuple[Attachment, ...] = (),
    ) -> None:
        """Show this in the place of what is there."""
        shown = [discord.File(io.BytesIO(file.data), file.name) for file in files]
        try:
            await through.show_screen(self._client, interaction, content, components or [], shown)
        except (Gone, discord.DiscordException, aiohttp.ClientError, OSError) as error:
            log.warning("a screen could not be shown", error=type(error).__name__)


def _scoped(channel: Channel, scope: str) -> Channel:
    return Channel(channel.platform, "", channel.tenant) if scope == _ALL else channel


def _controls(
    settable: Mapping[str, Command],
    name: str,
    scope: str,
    values: Mapping[str, Any],
    origins: Mapping[str, Origin],
    locale: str,
) -> list[dict[str, Any]]:
    named = [(each, titled(each, locale), command.help) for each, command in settable.items()]
    scopes = [
        (_HERE, translate("This channel", locale), "What is set here goes before what is set for the server"),
        (_ALL, translate("The whole server", locale), "For every channel where nothing else is set"),
    ]
    buttons = [
        screens.button(f"change:{name}:{scope}:{page}", "Change…" if not page else f"Change ({page + 1})…", locale, 1)
        for page in range(_pages(settable[name]))
    ]
    if "enabled" in values:
        turn, label = ("off", "Switch off") if values["enabled"] else ("on", "Switch on")
        buttons.append(screens.button(f"switch:{name}:{scope}:{turn}", label, locale))
    if ("here" if scope == _HERE else "community") in origins.values():
        label = "Back to the server's settings" if scope == _HERE else "Back to what is usual"
        buttons.append(screens.button(f"reset:{name}:{scope}", label, locale))
    rows = [
        screens.row(screens.select(f"skill:{scope}", "What to change", named, name, locale)),
        screens.row(screens.select(f"scope:{name}", "Where it goes for", scopes, scope, locale)),
    ]
    return [*rows, screens.row(*buttons)] if buttons else rows


def _title(interaction: discord.Interaction, scope: str, locale: str) -> str:
    if scope == _ALL:
        return f"### {translate('Settings for the whole server', locale)}"
    room = interaction.channel
    parent = room.parent_id if isinstance(room, discord.Thread) else None
    return (
        f"### {translate('Settings for {channel}', locale).format(channel=f'<#{parent or (room.id if room else 0)}>')}"
    )


def _origin(origin: Origin, locale: str) -> str:
    text = {"here": "set here", "community": "set for the server"}.get(origin)
    return f" ({translate(text, locale)})" if text else ""


def _differs(value: Any, now: Any) -> bool:
    """Whether what was filled in, numbers as text, is not what is set."""
    return str("" if value is None else value) != str("" if now is None else now)


def _filled(field: FormField, value: Any, guild: discord.Guild | None) -> Any:
    """A value as an input takes it: people and roles as ids, each with what it is."""
    if field.kind != "people":
        return value
    return [(each, "role" if guild and guild.get_role(int(each)) else "user") for each in _ids(value)]


def _ids(value: Any) -> list[str]:
    return [each for each in sorted(ids_in(str(value or ""))) if each.isdecimal()]


def _shown(field: FormField, value: Any, guild: discord.Guild | None, locale: str) -> str:
    if field.kind == "people":
        return (
            " ".join(f"<@{'&' if what == 'role' else ''}{each}>" for each, what in _filled(field, value, guild)) or "–"
        )
    if isinstance(value, bool):
        return f"**{translate('yes' if value else 'no', locale)}**"
    text = " ".join(str(value if value is not None else "").split())
    return f"**{text[:100]}{'…' if len(text) > 100 else ''}**" if text else "–"


def _pages(command: Command) -> int:
    return -(-len(command.settings.fields) // screens.MOST_INPUTS)
