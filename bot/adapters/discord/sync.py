"""Tell Discord what can be called, when that is something else than it was told before."""

import hashlib
import json
from collections.abc import Iterable
from typing import Any

import discord
import structlog

from bot.adapters.discord.commands import command_payloads, for_guild
from bot.adapters.discord.notes import Notes
from bot.commands import Command

__all__ = ["bring_commands"]

log = structlog.get_logger(__name__)

_NOTE = "commands"


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
        await client.http.bulk_upsert_global_commands(client.application_id or 0, payloads)
    await notes.write(_NOTE, present)
    log.info("commands brought to discord", commands=len(payloads), server=guild or "all")


def _hash(payloads: list[dict[str, Any]]) -> str:
    return hashlib.sha256(json.dumps(payloads, sort_keys=True, ensure_ascii=False).encode()).hexdigest()
