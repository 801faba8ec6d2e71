"""discord.py's client, set up to hear what is said to the bot and nothing else."""

import asyncio
import contextlib
import functools
import logging
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any
from weakref import WeakSet

import aiohttp
import discord
import structlog
import yarl
from discord.gateway import DiscordWebSocket, ReconnectWebSocket

from bot.adapter import Host
from bot.adapters.discord.attention import Attention
from bot.adapters.discord.desk import Desk
from bot.adapters.discord.endpoints import gateway_found
from bot.adapters.discord.hearing import addressed, heard_message, hidden, place, place_of
from bot.adapters.discord.history import Chains
from bot.adapters.discord.interactions import Interactions
from bot.adapters.discord.permissions import invite_link
from bot.adapters.discord.silence import Silence
from bot.adapters.discord.starts import Starts
from bot.adapters.discord.sync import bring_commands
from bot.adapters.discord.threads import begun_at, thread_for
from bot.adapters.discord.traffic import Traffic
from bot.messages import Channel, Message

__all__ = ["Client", "keep_private", "take_turns"]

log = structlog.get_logger(__name__)

INTENTS = discord.Intents(guilds=True, guild_messages=True, dm_messages=True)  # none of them privileged
LAUNCHES = 12  # attempts at a shard's first connection, 5 s apart
IDENTIFY_PAUSE = 5.0  # seconds before every IDENTIFY but the first, as Discord wants it
_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=15)
_MOST_EDITS = 500  # remembered, to tell an edit from a link's preview that comes after it
_LAST_CALLS = 2.0  # seconds that calls may take when the client is closed
_LONGEST_PAUSE = 4  # as a power of two: 16 s between attempts at a lost gateway


def _with_content() -> discord.Intents:
    return INTENTS | discord.Intents(message_content=True)


def keep_private() -> None:
    """Keep message texts and tokens, which discord.py logs at DEBUG, out of every log."""
    level = max(logging.INFO, logging.getLogger().getEffectiveLevel())
    for name in ("discord", *(name for name in logging.root.manager.loggerDict if name.startswith("discord."))):
        logging.getLogger(name).setLevel(level)


class Client(discord.AutoShardedClient):
    """One login. It lives until its connection is lost beyond repair; then a new one is needed."""

    def __init__(
        self,
        host: Host,
        attention: Attention,
        traffic: Traffic,
        starts: Starts,
        desk: Desk,
    ) -> None:
        discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False  # we do not join voice calls
        super().__init__(
            intents=_with_content() if desk.content else INTENTS,
            allowed_mentions=discord.AllowedMentions.none(),
            member_cache_flags=discord.MemberCacheFlags.none(),
            max_messages=None,
            chunk_guilds_at_startup=False,
            guild_ready_timeout=0,  # nothing waits until discord.py has heard of the last server
            max_ratelimit_timeout=60,
            http_trace=traffic.trace(desk.pace),
        )
        self._host = host
        self._attention = attention
        self._traffic = traffic
        self._starts = starts
        self._desk = desk
        self._interactions = Interactions(self, host, desk.commands, desk.tokens, desk.here)
        self._chains = Chains(self)
        self._tasks: set[asyncio.Task[None]] = set()
        self._silence = Silence(self, attention, traffic, self._hear, _note_failure)
        self._launches: dict[int, int] = {}
        self._sockets: WeakSet[aiohttp.ClientWebSocketResponse] = WeakSet()
        self._edits: dict[int, datetime] = {}
        self._watch_events()
        self._heed_limits()
        self._keep_sockets()

    def _watch_events(self) -> None:
        """Learn of events that discord.py keeps to itself or tells too late, and survive malformed ones.

        An exception in one of its parsers ends the whole connection. One event that Discord sent with a field missing
        is better lost alone. Without READY there is no connection, so that one may fail.
        """
        parsers = self._connection.parsers
        watched = self._watched()
        for event, parse in parsers.items():
            followed = _followed(parse, watched[event]) if event in watched else parse
            followed = _completed(followed) if event == "INTERACTION_CREATE" else followed
            parsers[event] = followed if event == "READY" else _contained(event, followed)

    def _watched(self) -> Mapping[str, Callable[[Any], None]]:
        def ready(data: Any) -> None:
            self._silence.begun(data["shard"][0], [int(guild["id"]) for guild in data["guilds"]])

        def guild_create(data: Any) -> None:
            self._traffic.changed(guild_id=str(data["id"]))
            self._silence.returned(int(data["id"]))

        def guild_delete(data: Any) -> None:
            (self._silence.lost if data.get("unavailable") else self._silence.left)(int(data["id"]))

        def room(data: Any) -> None:
            self._traffic.changed(channel_id=str(data["id"]))

        def rights(data: Any) -> None:
            self._traffic.changed(guild_id=str(data["guild_id"]))

        return {
            "READY": ready,
            "GUILD_CREATE": guild_create,
            "GUILD_DELETE": guild_delete,
            **dict.fromkeys(("CHANNEL_CREATE", "CHANNEL_UPDATE", "THREAD_CREATE", "THREAD_UPDATE"), room),
            **dict.fromkeys(("GUILD_ROLE_CREATE", "GUILD_ROLE_UPDATE", "GUILD_ROLE_DELETE"), rights),
            "GUILD_MEMBER_UPDATE": rights,  # without the privileged intent only the bot's own
        }

    def _heed_limits(self) -> None:
        """Look at what discord.py learns before it joins, and then ignores: how many sessions are left."""
        ask = self.http.get_bot_gateway

        async def get_bot_gateway() -> Any:
            shards, gateway, limit = await ask()
            self._starts.heed(dict(limit or {}), shards)
            return shards, gateway, limit

        self.http.get_bot_gateway = get_bot_gateway  # type: ignore[method-assign]

    def _keep_sockets(self) -> None:
        """Know each connection to the gateway: discord.py leaves open the one on which no session could be begun."""
        connect = self.http.ws_connect

        async def ws_connect(url: str, *, compress: int = 0) -> aiohttp.ClientWebSocketResponse:
            socket = await connect(url, compress=compress)
            self._sockets.add(socket)
            return socket

        self.http.ws_connect = ws_connect  # type: ignore[method-assign]

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        if not initial:
            await asyncio.sleep(IDENTIFY_PAUSE)
        await self._starts.spend(shard_id or 0)

    async def close(self) -> None:
        await self._silence.close()
        if self._tasks:  # a call to Discord is not cut off, unless it waits and waits
            _, waiting = await asyncio.wait(self._tasks, timeout=_LAST_CALLS)
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
        joined = {shard._parent.ws.socket for shard in self.shards.values()}  # noqa: SLF001 - they are closed in order
        for socket in set(self._sockets) - joined:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(socket.close(), _LAST_CALLS)
        await super().close()

    async def setup_hook(self) -> None:
        # discord.py has no timeout of its own: a call that stalls would hold its channel for five minutes.
        self.http._HTTPClient__session._timeout = _TIMEOUT  # type: ignore[attr-defined] # noqa: SLF001
        self._desk.pace.opened = self.http._global_over.is_set  # noqa: SLF001 - where it waits while all is refused
        task = asyncio.create_task(self._bring_commands(), name="commands")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _bring_commands(self) -> None:
        """At the start, and never when the connection is taken up again."""
        try:
            await bring_commands(self, self._desk.notes, self._desk.commands, self._desk.development)
        except (discord.DiscordException, aiohttp.ClientError, OSError, ValueError) as error:
            code = error.code if isinstance(error, discord.HTTPException) else 0
            log.error("discord did not take the commands", error=type(error).__name__, code=code)

    async def launch_shard(self, gateway: yarl.URL, shard_id: int, *, initial: bool = False) -> None:
        """Join; discord.py calls itself again after a failure, for ever, ever deeper in the stack."""
        gateway_found(gateway)
        self._launches[shard_id] = self._launches.get(shard_id, 0) + 1
        if self._launches[shard_id] > LAUNCHES:
            raise discord.GatewayNotFound
        await super().launch_shard(gateway, shard_id, initial=initial)
        shard = self.get_shard(shard_id)
        if shard is not None:
            _make_patient(shard._parent)  # noqa: SLF001

    # What is heard

    async def on_message(self, message: discord.Message) -> None:
        guild_id = message.guild.id if message.guild else getattr(message.channel, "guild_id", None) or 0
        self._attention.seen((guild_id >> 22) % (self.shard_count or 1), message.id)
        self._chains.see(message)
        if self.user and addressed(message, self.user.id, self._desk.loops.allowed):
            await self._hear(message)

    async def _hear(self, message: discord.Message) -> None:
        """Pass it on. If it is not taken, it stays where the next reading begins."""
        room = str(message.channel.id)
        if not message.author.bot:
            self._desk.loops.person_spoke(room)
        elif not self._desk.loops.may_ask(str(message.author.id), room):
            log.info("another bot is not answered for a while", bot=message.author.id)
            return
        self._attention.hold(message.id, message.id - 1)
        heard = await self._heard(message)
        if heard.quote is not None:
            heard = replace(heard, quote=await self._chains.follow(message, heard.quote))
        if heard.channel.kind == "direct":
            self._traffic.accepted(heard.channel)
            await self._attention.meet(message.channel.id)
        elif heard.channel.kind == "channel" and (await self._desk.here.chosen(heard.channel)).threads:
            heard = replace(heard, channel=await thread_for(self, message, heard))
        self._desk.asked(heard.id, heard.author.id)
        if sentence := hidden(message, self.user.id if self.user else 0):
            self._desk.remark(heard.id, sentence)
        await self._host.heard(heard)
        self._attention.release(message.id)

    async def _heard(self, message: discord.Message) -> Message:
        assert self.user
        chosen = await self._desk.here.chosen(place_of(message))
        return heard_message(message, self.user.id, chosen.roles)

    async def on_raw_message_edit(self, event: discord.RawMessageUpdateEvent) -> None:
        message = event.message
        if not (
            self.user and message.edited_at and not message.author.bot and addressed(message, self.user.id)
        ):  # a link's preview is no edit
            return
        if self._edits.pop(message.id, None) == message.edited_at:  # nor one after an edit
            self._edits[message.id] = message.edited_at
            return
        self._edits[message.id] = message.edited_at
        while len(self._edits) > _MOST_EDITS:
            del self._edits[next(iter(self._edits))]
        heard = await self._heard(message)
        thread = begun_at(message.guild, message.id)
        await self._host.edited(replace(heard, channel=thread) if thread else heard)

    async def on_raw_message_delete(self, event: discord.RawMessageDeleteEvent) -> None:
        await self._deleted(event.channel_id, event.guild_id, {event.message_id})

    async def on_raw_bulk_message_delete(self, event: discord.RawBulkMessageDeleteEvent) -> None:
        await self._deleted(event.channel_id, event.guild_id, event.message_ids)

    async def _deleted(self, channel_id: int, guild_id: int | None, message_ids: set[int]) -> None:
        guild = self.get_guild(guild_id) if guild_id else None
        for message_id in message_ids:
            self._chains.forget(message_id)
            if thread := begun_at(guild, message_id):  # it was answered there
                await self._host.deleted(thread, [str(message_id)])
        await self._host.deleted(self._place(channel_id, guild_id), sorted(str(each) for each in message_ids))

    async def on_interaction(self, interaction: discord.Interaction) -> None:
        await self._interactions.take(interaction)

    def is_in(self, channel: Channel) -> bool:
        """Whether the bot itself is there, not only somebody who uses it there."""
        if not channel.tenant:
            return channel.kind == "direct"
        return self.get_guild(int(channel.tenant)) is not None

    def _place(self, channel_id: int, guild_id: int | None) -> Channel:
        guild = self.get_guild(guild_id) if guild_id else None
        room = guild.get_channel_or_thread(channel_id) if guild else None
        return place(room or discord.Object(channel_id), guild_id)

    async def on_guild_join(self, guild: discord.Guild) -> None:
        await self._host.left("discord", str(guild.id), back=True)

    async def on_guild_remove(self, guild: discord.Guild) -> None:
        await self._host.left("discord", str(guild.id))

    # What is noted

    async def on_connect(self) -> None:
        invite = invite_link(self.application_id or 0)
        log.info("joined discord", bot=str(self.user), servers=len(self.guilds), invite=invite)

    async def on_resumed(self) -> None:
        log.info("resumed the discord session")

    async def on_disconnect(self) -> None:
        log.info("discord connection lost")

    async def on_error(self, event_method: str, /, *args: Any, **kwargs: Any) -> None:
        _note_failure(event_method)


def _followed(parse: Callable[[Any], None], then: Callable[[Any], None]) -> Callable[[Any], None]:
    @functools.wraps(parse)
    def followed(data: Any) -> None:
        parse(data)
        then(data)

    return followed


def _completed(parse: Callable[[Any], None]) -> Callable[[Any], None]:
    """What discord.py takes for granted in an interaction, though it may be left out."""

    @functools.wraps(parse)
    def completed(data: Any) -> None:
        data.setdefault("attachment_size_limit", discord.utils.DEFAULT_FILE_SIZE_LIMIT_BYTES)
        if not data.get("channel") and data.get("channel_id"):
            kind = discord.ChannelType.text if data.get("guild_id") else discord.ChannelType.private
            data["channel"] = {"id": data["channel_id"], "type": kind.value, "name": "", "position": 0}
        parse(data)

    return completed


def _contained(event: str, parse: Callable[[Any], None]) -> Callable[[Any], None]:
    @functools.wraps(parse)
    def contained(data: Any) -> None:
        try:
            parse(data)
        except Exception:  # noqa: BLE001 - whatever it is, it concerns this one event
            _note_failure(event)

    return contained


def _note_failure(event: str) -> None:
    """Log what failed and where, but not the exception's text: it may quote what somebody said."""
    kind, _, trace = sys.exc_info()
    steps = [f"{step.filename}:{step.lineno} {step.name}" for step in traceback.extract_tb(trace)]
    log.error("an event from discord was lost", event_name=event, error=kind.__name__ if kind else "", where=steps[-3:])


def take_turns() -> None:
    """Let other work go on between two events from the gateway.

    discord.py reads whatever has come by now without ever letting go of the event loop; a burst of thousands would
    stand in the way of everything else for as long as it lasts.
    """
    read = DiscordWebSocket.poll_event
    if hasattr(read, "__wrapped__"):
        return

    @functools.wraps(read)
    async def poll_event(self: DiscordWebSocket) -> None:
        await read(self)
        await asyncio.sleep(0)

    DiscordWebSocket.poll_event = poll_event  # type: ignore[method-assign]


def _make_patient(shard: Any) -> None:
    """Let a shard that cannot reach the gateway try again soon, and resume rather than begin anew.

    Left alone, discord.py pauses for up to 17 minutes and then starts a new session, to which nothing that was said
    in the meantime is replayed. Discord itself says when a session cannot be resumed.
    """
    begin_anew = shard.reconnect
    shard._backoff._max = _LONGEST_PAUSE  # noqa: SLF001

    async def reconnect() -> None:
        if shard.ws.session_id is None:
            await begin_anew()
        else:
            await shard.reidentify(ReconnectWebSocket(shard.id, resume=True))

    shard.reconnect = reconnect
