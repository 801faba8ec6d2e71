"""Tell Discord what can be called, when that is something else than it was told before."""

import hashlib
import json
from collections.abc import Iterable
from typing import Any

import discord
import structlog
from discord.http import Route

from bot.adapters.discord.commands import command_payloads, for_guild
from bot.adapters.discord.notes import Notes
from bot.commands import Command

__all__ = ["bring_commands"]

log = structlog.get_logger(__name__)

_NOTE = "commands"
_LAUNCH = 4  # the type of an Activity's entry point
_TAKEN = (  # of what Discord tells of a command, what it takes back
    *("id", "type", "name", "name_localizations", "description", "description_localizations", "handler", "nsfw"),
    *("contexts", "integration_types", "default_member_permissions"),
)


async def bring_commands(client: discord.Client, notes: Notes, commands: Iterable[Command], guild: str = "") -> None:
    """Bring the commands to Discord: to everywhere, or with `guild` to that server only, for development.

    Discord takes two hundred new commands a day; so nothing is sent that it has already. Raises what discord.py raises.
    """
    payloads = command_payloads(commands)
    present = {"application": str(client.application_id), "guild": guild, "hash": _hash(payloads)}
    kept = await notes.read(_NOTE)
    if kept == present:
        return
    if (left := str(kept.get("guild", ""))) and left != guild and kept.get("application") == present["application"]:
        await client.http.bulk_upsert_guild_commands(client.application_id or 0, int(left), [])
    if guild:
        await client.http.bulk_upsert_guild_commands(client.application_id or 0, int(guild), for_guild(payloads))
    else:
        launch = await _launch_commands(client)
        await client.http.bulk_upsert_global_commands(client.application_id or 0, [*payloads, *launch])
    await notes.write(_NOTE, present)
    log.info("commands brought to discord", commands=len(payloads), server=guild or "all")


async def _launch_commands(client: discord.Client) -> list[dict[str, Any]]:
    """What starts the Activity of this application, if it has one. Discord takes no list of commands that lacks it."""
    route = Route("GET", "/applications/{application_id}/commands", application_id=client.application_id or 0)
    present = await client.http.request(route, params={"with_localizations": "true"})
    return [{key: each[key] for key in _TAKEN if key in each} for each in present if each.get("type") == _LAUNCH]


def _hash(payloads: list[dict[str, Any]]) -> str:
    return hashlib.sha256(json.dumps(payloads, sort_keys=True, ensure_ascii=False).encode()).hexdigest()
