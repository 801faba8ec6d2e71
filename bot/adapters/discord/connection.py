"""A login at Discord that is kept alive, and calls that are repeated until they are through."""

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import aiohttp
import discord
import structlog
from discord.gateway import KeepAliveHandler

from bot.adapter import AdapterOff, Gone, Host, PostFailed
from bot.adapters.discord.attention import Attention
from bot.adapters.discord.client import Client, keep_private, take_turns
from bot.adapters.discord.desk import Desk
from bot.adapters.discord.endpoints import point_at
from bot.adapters.discord.showing import seconds_of, wait_after
from bot.adapters.discord.starts import Starts, TooSoon
from bot.adapters.discord.traffic import Traffic
from bot.messages import Channel

__all__ = ["Connection"]

log = structlog.get_logger(__name__)

T = TypeVar("T")

PATIENCE = 60.0  # seconds for which a call is tried; what takes longer is the store's business
PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0)
REJOINING = (1.0, 2.0, 5.0, 10.0, 20.0)
LAST_SENDS = 5.0
CONTENT_REFUSED = (
    "Switch on “Message Content Intent” in the developer portal (your application → Bot), or unset "
    "PARLEY_DISCORD_CONTENT. Until then Parley goes on without it."
)
KEEPING = 20.0  # seconds between two notes of what was heard
WALL = 600.0  # seconds without calls when Discord's wall does not say for how long it stands

_PORTAL = "https://discord.com/developers/applications → your application → Bot"
_REFUSED_TOKEN = f"Discord refuses DISCORD_TOKEN. Make a new one and set it: {_PORTAL} → Reset Token"
_REFUSALS = {  # close codes after which trying again is useless
    4004: _REFUSED_TOKEN,
    4010: "Discord refuses this bot's sharding (4010)",
    4011: "Discord requires sharding for this bot (4011)",
    4012: "Discord no longer speaks this version of its gateway (4012): update discord.py",
    4013: f"Discord refuses the intents Parley asks for (4013): {_PORTAL}",
    4014: f"Discord refuses the intents Parley asks for (4014): {_PORTAL}",
}


class Connection:
    """The present client, or the next one while there is none."""

    def __init__(self, token: str, api: str, desk: Desk) -> None:
        self._token = token
        self._desk = desk
        self._client: Client | None = None
        self._joined = asyncio.Event()
        self._sends: set[asyncio.Task[Any]] = set()
        self._leaving: asyncio.Task[None] | None = None
        self._attention = Attention(desk.notes)
        self._traffic = Traffic()
        self._starts = Starts(desk.notes)
        self._waiting = ""
        self._refused = False
        if api:
            point_at(api)

    @property
    def trouble(self) -> str:
        """Why nothing can be heard just now; empty when the gateway is joined."""
        client = self._client
        if self._refused:
            return _REFUSED_TOKEN
        if client is None or not client.is_ready():
            return self._waiting or "there is no connection to Discord"
        if any(shard.is_closed() for shard in client.shards.values()):
            return "the connection to Discord was lost and is being taken up again"
        if self._traffic.pause:
            return f"Discord refuses too much: nothing is called for {self._traffic.pause:.0f} s"
        return ""

    def facts(self) -> dict[str, float]:
        """How the gateway is; of several shards, the one that is worst off."""
        beating = []
        for shard in self._client.shards.values() if self._client is not None else ():
            socket = shard._parent.ws  # noqa: SLF001 - discord.py tells the latency only
            keeper = getattr(socket, "_keep_alive", None)
            if keeper is not None:
                beating.append(keeper)
        if not beating:
            return {}
        now = time.perf_counter()
        return {
            "heartbeat_seconds_ago": max(now - keeper._last_ack for keeper in beating),  # noqa: SLF001
            "event_seconds_ago": max(now - keeper._last_recv for keeper in beating),  # noqa: SLF001
            "latency_seconds": max(keeper.latency for keeper in beating if keeper.latency < float("inf"))
            if any(keeper.latency < float("inf") for keeper in beating)
            else 0.0,
        }

    @property
    def client(self) -> Client | None:
        """The present one."""
        return self._client

    async def run(self, host: Host) -> None:
        """Stay joined until cancelled. Raises `AdapterOff` when Discord refuses us."""
        keep_private()
        take_turns()
        self._refused = False
        await self._starts.load()
        await self._attention.load()
        await self._desk.tokens.load()
        keeping = asyncio.create_task(self._keep_notes(), name="notes")
        joined = asyncio.create_task(self._stay_joined(host), name="discord")
        try:
            await asyncio.wait([joined])
            joined.result()
        finally:
            await self._end(joined)
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)
            await self._attention.save()

    async def _end(self, joined: "asyncio.Task[None]") -> None:
        """Cancel it, and again if discord.py has just been connecting and overheard it."""
        joined.cancel()
        while not joined.done():
            await asyncio.wait([joined], timeout=1.0)
            if self._client is not None:
                joined.cancel()

    async def _keep_notes(self) -> None:
        while True:
            await asyncio.sleep(KEEPING)
            await self._attention.save()

    async def _stay_joined(self, host: Host) -> None:
        clock = asyncio.get_running_loop().time
        failures = 0
        while True:
            started, pause = clock(), 0.0
            try:
                self._starts.check()
                await self._join(host)
            except discord.LoginFailure:
                self._refused = True
            except discord.PrivilegedIntentsRequired:
                if not self._desk.content:
                    raise AdapterOff(_REFUSALS[4014]) from None
                self._desk.content = False  # it goes on without
                log.error("discord refuses the Message Content intent", remedy=CONTENT_REFUSED)
                continue
            except discord.ConnectionClosed as error:
                if error.code in _REFUSALS:
                    raise AdapterOff(_REFUSALS[error.code]) from None
                log.warning("lost discord", code=error.code)
            except TooSoon as error:
                pause, self._waiting = error.seconds, f"{error.reason}; the next try is in {error.seconds:.0f} s"
                log.error("discord is not joined yet", reason=error.reason, seconds=round(pause))
            except Exception as error:  # noqa: BLE001 - one malformed frame is enough to end a client of discord.py
                log.warning("lost discord", error=type(error).__name__)
            if self._refused:
                raise AdapterOff(_REFUSED_TOKEN)
            failures = 0 if clock() - started > PATIENCE else failures
            await asyncio.sleep(max(pause, self._traffic.pause, REJOINING[min(failures, len(REJOINING) - 1)]))
            failures, self._waiting = failures + 1, ""

    async def _join(self, host: Host) -> None:
        client = Client(host, self._attention, self._traffic, self._starts, self._desk)
        try:
            await client.login(self._token)
            self._client = client
            self._joined.set()
            await client.connect()
        finally:
            self._client = None
            self._joined.clear()
            self._leaving = asyncio.create_task(self._leave(client))
            await asyncio.shield(self._leaving)  # whoever is in a hurry and cancels twice leaves no socket open

    def use(self, token: str) -> None:
        """Come with this token from now on: the present client leaves, and the next one brings it."""
        self._token, self._refused = token, False
        if self._client is not None:
            self._leaving = asyncio.create_task(self._leave(self._client))

    async def _leave(self, client: Client) -> None:
        """Give what is being sent a moment, then close the client under it."""
        if self._sends:
            await asyncio.wait(set(self._sends), timeout=LAST_SENDS)
        await client.close()
        await asyncio.to_thread(_end_heartbeats, client)

    async def persist(
        self, channel: Channel, call: Callable[[Client], Coroutine[Any, Any, T]], *, through_token: bool = False
    ) -> T:
        """Make a call in a channel until it is through, for about a minute. It has to be one that may be repeated.

        With `through_token` it is made through that of an interaction, and its refusal says nothing of the channel or
        of the bot. Raises `Gone` or `PostFailed`.
        """
        clock = asyncio.get_running_loop().time
        deadline = clock() + PATIENCE
        pauses = iter(PAUSES)
        while True:
            if not through_token:
                self._traffic.check(channel)
            await self._wait_for_traffic(deadline - clock())
            client = await self._present(deadline - clock())
            try:
                answer = await self._unhurried(call(client))
            except Exception as error:
                if not through_token:
                    self._note_refusal(client, channel, error)
                closing = isinstance(error, RuntimeError) and client.is_closed()
                pause = max(next(pauses, PAUSES[-1]), 0 if closing else wait_after(error))
                log.info("discord call failed", error=type(error).__name__, again_in=pause)
                if clock() + pause > deadline:
                    raise PostFailed(
                        f"Discord did not take it for {PATIENCE:.0f} s ({type(error).__name__})"
                    ) from error
            else:
                if not through_token:
                    self._traffic.accepted(channel)
                return answer
            await asyncio.sleep(pause)

    async def _wait_for_traffic(self, patience: float) -> None:
        pause = self._traffic.pause
        if pause > patience:
            raise PostFailed(f"Discord refuses too much: nothing is called for {pause:.0f} s")
        if pause:
            await asyncio.sleep(pause)

    def _note_refusal(self, client: Client, channel: Channel, error: Exception) -> None:
        """What a refusal means for the calls after it."""
        self._traffic.refused(channel, error)
        if not isinstance(error, discord.HTTPException):
            return
        if error.status == 401 and not self._refused:
            log.error("discord refuses the token", remedy=_REFUSED_TOKEN)
            self._refused = True  # everything stops: `run` ends with the remedy
            self._leaving = asyncio.create_task(self._leave(client))
        if error.status == 429 and not error.response.headers.get("Via"):  # not Discord, but the wall before it
            self._traffic.wall(seconds_of(error) or WALL)

    async def _present(self, patience: float) -> Client:
        if self._refused:
            raise PostFailed(_REFUSED_TOKEN)
        if self._client is None:
            try:
                await asyncio.wait_for(self._joined.wait(), patience)
            except TimeoutError:
                raise PostFailed("there is no connection to Discord") from None
        assert self._client
        return self._client

    async def _unhurried(self, call: Coroutine[Any, Any, T]) -> T:
        """Await a call of discord.py in a task of its own.

        It must not be cancelled: one that is cancelled while Discord limits the whole bot blocks all later ones, and
        one that merely waits for its turn may long have been shown.
        """
        task = asyncio.create_task(call)
        self._sends.add(task)
        task.add_done_callback(self._sent)
        return await asyncio.shield(task)

    def _sent(self, task: asyncio.Task[Any]) -> None:
        self._sends.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.debug("discord call ended", error=type(error).__name__)

    async def show_typing(self, channel: Channel) -> None:
        """Once, if it can be done at all."""
        client = self._client
        if client is None or self._traffic.pause or not client.is_in(channel):
            return
        try:
            self._traffic.check(channel)
            await self._unhurried(_typing(client, int(channel.id)))
        except Gone:
            return
        except (discord.DiscordException, aiohttp.ClientError, OSError, RuntimeError) as error:
            self._note_refusal(client, channel, error)
            log.debug("the typing sign was not shown", error=type(error).__name__)

    async def fetch_message(self, channel_id: str, message_id: str) -> dict[str, Any]:
        """The message as Discord writes it. Raises `Gone` or `PostFailed`."""
        channel = Channel("discord", channel_id)
        return await self.persist(channel, lambda client: _raw_message(client, int(channel_id), int(message_id)))

    async def private_channel(self, person: str) -> Channel:
        """Where to write to somebody alone. Raises `Gone` or `PostFailed`."""
        nobody = Channel("discord", f"private channel of {person}", kind="direct")
        room = await self.persist(nobody, lambda client: _open_private(client, int(person)))
        return Channel("discord", room, kind="direct")

    def locale(self, channel: Channel) -> str:
        """The language of a server, where its owners have chosen one."""
        guild = self._client.get_guild(int(channel.tenant)) if self._client and channel.tenant else None
        return str(guild.preferred_locale) if guild else ""

    def knows(self, channel: Channel) -> bool:
        """Whether the bot itself is there, not only somebody who uses it there."""
        return self._client is not None and self._client.is_in(channel)

    def upload_limit(self, channel: Channel) -> int:
        """Bytes that one file may have in this channel."""
        guild = self._client.get_guild(int(channel.tenant)) if self._client and channel.tenant else None
        return guild.filesize_limit if guild else discord.utils.DEFAULT_FILE_SIZE_LIMIT_BYTES


def _end_heartbeats(client: Client) -> None:
    """End the threads that beat for this client: discord.py may leave one behind when a connection breaks off."""
    beating = [
        thread
        for thread in threading.enumerate()
        if isinstance(thread, KeepAliveHandler) and thread.ws._connection is client._connection  # noqa: SLF001
    ]
    for thread in beating:
        thread.stop()
    for thread in beating:
        thread.join(LAST_SENDS)


async def _typing(client: discord.Client, channel_id: int) -> None:
    await client.http.send_typing(channel_id)


async def _open_private(client: discord.Client, user_id: int) -> str:
    return str((await client.http.start_private_message(user_id))["id"])


async def _raw_message(client: discord.Client, channel_id: int, message_id: int) -> dict[str, Any]:
    message = await client.http.get_message(channel_id, message_id)
    return dict(message)
