"""What was said to the bot while it was not listening, read up afterwards, as far as Discord still shows it."""

import asyncio
import copy
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import aiohttp
import discord
import structlog
from discord.abc import Snowflake

from bot.adapter import Gone
from bot.adapters.discord.attention import Attention
from bot.adapters.discord.hearing import addressed, place
from bot.adapters.discord.traffic import Traffic

__all__ = ["Silence"]

log = structlog.get_logger(__name__)

MOST_CHANNELS = 50  # of a shard's servers, after one silence
MOST_MESSAGES = 100  # of a channel
PACE = 0.1  # seconds between two calls: what is said now comes first
AGAIN = (2.0, 5.0, 15.0, 30.0, 60.0, *(120.0,) * 6)  # before reading once more what could not be read
_READABLE = (discord.TextChannel, discord.VoiceChannel, discord.StageChannel, discord.Thread)
_DIRECT = "private channels"

Room = tuple[Snowflake, int | None]  # and the server it is in


class Silence:
    """Use `begun` when a shard has a new session, and `returned` when one of its servers is there.

    Until everything is read, `attention` does not move past the point where the silence began; so what is left unread
    by a client that is lost, or by a process that ends, is read by the next.
    """

    def __init__(
        self,
        client: discord.AutoShardedClient,
        attention: Attention,
        traffic: Traffic,
        hear: Callable[[discord.Message], Awaitable[None]],
        failed: Callable[[str], None],
    ) -> None:
        self._client = client
        self._attention = attention
        self._traffic = traffic
        self._hear = hear
        self._failed = failed
        self._left: dict[int, int] = {}
        self._awaited: set[str] = set()  # servers that Discord has named but not shown yet
        self._waiting: dict[str, list[Room]] = {}
        self._members: dict[tuple[int, int], Any] = {}  # while there is something to read
        self._task: asyncio.Task[None] | None = None

    def begun(self, shard: int, guilds: list[int]) -> None:
        """A session without the events before it."""
        since = self._attention.since(shard)
        self._attention.joined(shard)
        self._left[shard] = MOST_CHANNELS
        for guild_id in guilds:
            self._expect(guild_id, since)
        if shard == 0 and self._attention.private_channels:
            self._attention.hold(_DIRECT, since)
            known = [discord.Object(key) for key in self._attention.private_channels]
            self._read_later(_DIRECT, [(room, None) for room in known])

    def lost(self, guild_id: int) -> None:
        """A server is not there, for a while."""
        self._expect(guild_id, self._attention.since((guild_id >> 22) % (self._client.shard_count or 1)))

    def left(self, guild_id: int) -> None:
        """The bot is no longer in this server."""
        self._awaited.discard(_key(guild_id))
        self._waiting.pop(_key(guild_id), None)
        self._attention.release(_key(guild_id))

    def returned(self, guild_id: int) -> None:
        """A server is there, with its channels. One that is new to the bot has nothing to be read."""
        since, guild = self._attention.held(_key(guild_id)), self._client.get_guild(guild_id)
        if since is None or guild is None:
            return
        self._awaited.discard(_key(guild_id))
        shard = guild.shard_id
        rooms = sorted(_rooms_since(guild, since), key=lambda room: room.last_message_id or 0, reverse=True)
        rooms = rooms[: self._left.get(shard, MOST_CHANNELS)]
        self._left[shard] = self._left.get(shard, MOST_CHANNELS) - len(rooms)
        self._read_later(_key(guild_id), [(room, guild_id) for room in rooms])

    async def close(self) -> None:
        """Leave what is not read to the next client."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def _expect(self, guild_id: int, since: int) -> None:
        self._awaited.add(_key(guild_id))
        self._attention.hold(_key(guild_id), since)

    def _read_later(self, key: str, rooms: list[Room]) -> None:
        if not rooms:
            self._attention.release(key)
            return
        self._waiting[key] = rooms
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._read_all(), name="reading what was missed")

    async def _read_all(self) -> None:
        await self._client.wait_until_ready()
        for pause in AGAIN:
            unread: dict[str, list[Room]] = {}
            while self._waiting:
                key = next(iter(self._waiting))
                if left := await self._read_rooms(key, self._waiting.pop(key)):
                    unread[key] = left
                elif key not in self._waiting and key not in self._awaited:  # else there was another silence
                    self._attention.release(key)
            if not unread:
                self._members.clear()
                return
            await asyncio.sleep(pause)
            self._waiting = unread | self._waiting
        log.warning("some channels could not be read after a silence", places=len(self._waiting))
        self._waiting.clear()

    async def _read_rooms(self, key: str, rooms: list[Room]) -> list[Room]:
        """Read these, and return those that could not be read for now."""
        left: list[Room] = []
        for room, guild_id in rooms:
            since = self._attention.held(key)
            if since is None:
                return []  # the bot is no longer in this server
            if not await self._read(room, guild_id, since):
                left.append((room, guild_id))
            await asyncio.sleep(max(PACE, self._traffic.pause))
        return left

    async def _read(self, room: Snowflake, guild_id: int | None, since: int) -> bool:
        """Hear what was said in one channel, in its order. `False` when it could not be read for now."""
        channel = place(room, guild_id)
        try:
            self._traffic.check(channel)
            found = await self._client.http.logs_from(room.id, MOST_MESSAGES, after=since)
        except Gone:
            return True
        except discord.HTTPException as error:
            log.info("a channel could not be read after a silence", status=error.status, code=error.code)
            self._traffic.refused(channel, error)
            if guild_id is None and error.status in (403, 404):
                self._attention.part(room.id)
            return error.status in (403, 404)
        except (discord.RateLimited, aiohttp.ClientError, OSError) as error:
            log.info("a channel could not be read after a silence", error=type(error).__name__)
            return False
        for raw in sorted(found, key=lambda message: int(message["id"])):
            try:
                await self._take(room, guild_id, dict(raw))
            except Exception:  # noqa: BLE001 - whatever it is, it concerns this one message
                self._failed("message after a silence")
        return True

    async def _take(self, room: Any, guild_id: int | None, raw: dict[str, Any]) -> None:
        state = self._client._connection  # noqa: SLF001 - as discord.py makes its own messages
        there = room if guild_id else discord.DMChannel._from_message(state, room.id)  # noqa: SLF001
        message = discord.Message(state=state, channel=there, data=raw)  # type: ignore[arg-type]
        me = self._client.user
        if me is None or message.author.bot or not addressed(message, me.id):
            return
        member = await self._member(guild_id, message.author.id) if guild_id else None
        if member is not None:
            message = discord.Message(state=state, channel=there, data=raw | {"member": member})  # type: ignore[arg-type]
        await self._hear(message)

    async def _member(self, guild_id: int, user_id: int) -> Any:
        """Who somebody is in this server, which messages that are read do not tell. None when they have left since."""
        if (guild_id, user_id) not in self._members:
            await asyncio.sleep(PACE)
            try:
                self._members[guild_id, user_id] = await self._client.http.get_member(guild_id, user_id)
            except discord.NotFound:
                self._members[guild_id, user_id] = None
        return copy.deepcopy(self._members[guild_id, user_id])  # discord.py takes it apart


def _key(guild_id: int) -> str:
    return f"server {guild_id}"


def _rooms_since(guild: discord.Guild, since: int) -> Iterator[Any]:
    """The channels and threads in which something was said later and where the bot may read it."""
    for room in (*guild.channels, *guild.threads):
        if not isinstance(room, _READABLE) or (room.last_message_id or 0) <= since:
            continue
        place_of_rights = room.parent if isinstance(room, discord.Thread) else room
        if place_of_rights is None or guild.me is None:
            yield room
            continue
        rights = place_of_rights.permissions_for(guild.me)
        if rights.view_channel and rights.read_message_history:
            yield room
