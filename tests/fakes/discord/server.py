"""The loopback Discord that a test starts, speaks in, disturbs and looks at."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from aiohttp import web

from tests.fakes.discord.checks import MOST_CHARACTERS, length
from tests.fakes.discord.doing import Doing
from tests.fakes.discord.faults import Fault, Faults
from tests.fakes.discord.gateway import EVERY_INTENT, NO_INTENT, Intent
from tests.fakes.discord.limits import Limits
from tests.fakes.discord.rest import PREFIX, Call, Front
from tests.fakes.discord.rights import NO_PERMISSION, Permission
from tests.fakes.discord.routes import Routes
from tests.fakes.discord.stage import guild_id
from tests.fakes.discord.world import NO_FLAG, File, Flag, Guild, Json, Kind, Post, Room, User, snowflake
from tests.fakes.discord.writing import pinged

T = TypeVar("T")
Given = tuple[str, str, bytes]  # file name, content type, bytes


class FakeDiscord(Doing):
    """A Discord with one bot in it, on a free port of 127.0.0.1.

    `message_content` switches the privileged intent on in the bot's settings; without it a client that asks for it is
    thrown out (4014). `limits` switches the rate limits. Everything the bot calls is kept in `calls`, every download
    in `downloads`, every typing sign in `typed`.
    """

    def __init__(
        self,
        *,
        token: str = "loopback.token.of-the-bot",
        message_content: bool = False,
        limits: bool = True,
        shards: int = 1,
        heartbeat_interval: float = 41.25,
    ) -> None:
        granted = Intent.MESSAGE_CONTENT if message_content else NO_INTENT
        super().__init__(token, granted, shards, heartbeat_interval)
        self.calls: list[Call] = []
        self.downloads: list[tuple[str, dict[str, str]]] = []
        self.faults = Faults()
        self.limits = Limits(limits)
        self.telling_lengths = True  # whether the CDN says how long a file is
        self._front = Front(self, Routes(self).router())
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> FakeDiscord:
        app = web.Application(client_max_size=200 * 1024 * 1024)
        app.router.add_get("/gateway", self.gateway.serve)
        app.router.add_get("/gateway/", self.gateway.serve)
        app.router.add_route("*", "/{path:.*}", self._front.serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.links.base = f"http://{host}:{port}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.faults.clear()
        await self.gateway.close()
        assert self._runner
        await self._runner.cleanup()
        self._record()

    def _record(self) -> None:
        """Add what discord.py called to `discord-*.jsonl` in the folder RECORD_CALLS, if there is one.

        It is held against Discord's own description of its interface.
        """
        if folder := os.environ.get("RECORD_CALLS"):
            own = ("/webhooks/", "/interactions/")  # those discord.py makes without its name
            calls = [
                call
                for call in self.calls
                if "discord.py" in call.headers.get("User-Agent", "") or call.path.startswith(own)
            ]
            with (Path(folder) / f"discord-{os.getpid()}.jsonl").open("a") as record:
                record.writelines(call.line() + "\n" for call in calls)

    @property
    def api(self) -> str:
        return self.cdn + PREFIX

    @property
    def cdn(self) -> str:
        return self.links.base

    # What people do

    async def say(
        self,
        room: Room,
        author: User,
        text: str = "",
        *,
        mention_bot: bool = False,
        attachments: Iterable[Given] = (),
        reply_to: Post | None = None,
        ping: bool = True,
        voice: bool = False,
        seconds: float = 2.0,
        forward_of: Post | None = None,
        stickers: Iterable[str] = (),
        webhook: bool = False,
        type: int | None = None,  # noqa: A002 - Discord's own word
    ) -> Post:
        """Somebody writes a message. `ping` is the switch beside a reply; `type` makes a system message."""
        if mention_bot:
            text = f"{self.bot.mention} {text}".strip()
        assert length(text) <= MOST_CHARACTERS, "a person cannot write that much either"
        given = list(attachments)
        assert not voice or (len(given) == 1 and not text), "a voice message is one sound and nothing else"
        files = [
            File(re.sub(r"[^\w.\-]+", "_", name), kind, content, seconds=seconds if voice else None)
            for name, kind, content in given
        ]
        flags = (Flag.IS_VOICE_MESSAGE if voice else NO_FLAG) | (Flag.HAS_SNAPSHOT if forward_of else NO_FLAG)
        users, roles, everyone = pinged(text, self.people.values(), room.guild, None)
        if reply_to and ping and reply_to.author not in users:
            users.append(reply_to.author)
        post = Post(
            room,
            author,
            text,
            type=type if type is not None else (19 if reply_to else 0),
            flags=flags,
            files=files,
            mentions=users,
            mention_roles=roles,
            mention_everyone=everyone,
            reply_to=reply_to,
            forward_of=forward_of,
            webhook_id=snowflake() if webhook else None,
            stickers=list(stickers),
        )
        await self.publish_post(post)
        return post

    async def change(self, post: Post, text: str) -> None:
        """Its author edits a message."""
        post.mentions, post.mention_roles, post.mention_everyone = pinged(
            text, self.people.values(), post.room.guild, None
        )
        await self.change_text(post, text)

    async def unfurl(self, post: Post, embed: Json) -> None:
        """Discord adds a preview of a link, which is an update but not an edit."""
        post.embeds.append(embed)
        await self.publish("MESSAGE_UPDATE", post)

    async def delete(self, post: Post) -> None:
        post.deleted = True
        gone: Json = {"id": post.id, "channel_id": post.room.id} | guild_id(post.room)
        await self.tell_room(post.room, "MESSAGE_DELETE", Intent.GUILD_MESSAGES, Intent.DIRECT_MESSAGES, gone)

    async def delete_many(self, posts: Iterable[Post]) -> None:
        posts = list(posts)
        for post in posts:
            post.deleted = True
        room = posts[0].room
        gone: Json = {"ids": [post.id for post in posts], "channel_id": room.id} | guild_id(room)
        await self.tell_room(room, "MESSAGE_DELETE_BULK", Intent.GUILD_MESSAGES, NO_INTENT, gone)

    async def react(self, post: Post, person: User, emoji: str) -> None:
        people = post.reactions.setdefault(emoji, [])
        if person not in people:
            people.append(person)
        data = {
            "user_id": person.id,
            "channel_id": post.room.id,
            "message_id": post.id,
            "emoji": {"id": None, "name": emoji},
            "burst": False,
            "type": 0,
        } | guild_id(post.room)
        await self.tell_room(
            post.room,
            "MESSAGE_REACTION_ADD",
            Intent.GUILD_MESSAGE_REACTIONS,
            Intent.DIRECT_MESSAGE_REACTIONS,
            data,
        )

    async def open_thread(self, parent: Room, name: str, *, starter: Post | None = None) -> Room:
        thread = Room(Kind.THREAD, name, parent.guild, parent)
        if starter:
            thread.id = starter.id
            starter.flags |= Flag.HAS_THREAD
        self._add(thread)
        await self.announce(thread)
        return thread

    async def announce(self, room: Room) -> None:
        """Tell connected clients of a channel or thread that was made after they came."""
        event = "THREAD_CREATE" if room.is_thread else "CHANNEL_CREATE"
        await self.tell_room(room, event, Intent.GUILDS, NO_INTENT, room.payload() | {"newly_created": True})

    async def welcome(self, guild: Guild) -> None:
        """The bot is invited to a guild while it is running."""
        shown = self.guild_payload(guild)
        del shown["unavailable"]  # Discord says it only of those that the bot was in before
        await self.gateway.publish("GUILD_CREATE", Intent.GUILDS, guild, lambda _: shown)

    async def forbid(self, room: Room, what: Permission, *, quietly: bool = False) -> None:
        """Take permissions from the bot in a channel; `quietly`, without its being told."""
        assert room.guild
        _, allow, deny = room.overwrites.get(self.bot.id, (1, NO_PERMISSION, NO_PERMISSION))
        room.overwrites[self.bot.id] = (1, allow & ~what, deny | what)
        if not quietly:
            await self.tell_room(room, "CHANNEL_UPDATE", Intent.GUILDS, NO_INTENT, room.payload())

    async def allow(self, room: Room, what: Permission) -> None:
        """Give them back."""
        assert room.guild
        _, allow, deny = room.overwrites[self.bot.id]
        room.overwrites[self.bot.id] = (1, allow, deny & ~what)
        await self.tell_room(room, "CHANNEL_UPDATE", Intent.GUILDS, NO_INTENT, room.payload())

    # Accidents

    def fail(
        self,
        method: str,
        path: str,
        status: int,
        *,
        times: int = 1,
        body: Any = None,
        headers: dict[str, str] | None = None,
        after: bool = False,
    ) -> Fault:
        """The next `times` matching calls are answered like this; with `after`, once they have taken effect."""
        fault = Fault(method, re.compile(path), times, after, status, headers or {}, body)
        return self.faults.add(fault)

    def throttle(
        self, method: str, path: str, seconds: float, *, times: int = 1, everywhere: bool = False, banned: bool = False
    ) -> Fault:
        """The next matching calls are told to wait; `banned` answers as the wall in front of Discord does."""
        body = {"message": "You are being rate limited.", "retry_after": seconds, "global": everywhere}
        headers = {"Retry-After": str(int(seconds) + 1), "X-RateLimit-Scope": "global" if everywhere else "shared"}
        if banned:
            html = {"Content-Type": "text/html", "Via": ""}
            return self.fail(method, path, 429, times=times, body="<h1>banned</h1>", headers=headers | html)
        return self.fail(method, path, 429, times=times, body=body, headers=headers)

    def drop(self, method: str, path: str, *, times: int = 1, after: bool = True, reset: bool = False) -> Fault:
        """The connection of the next matching calls is closed instead of answered, by default once they took effect."""
        return self.faults.add(Fault(method, re.compile(path), times, after, drop=True, reset=reset))

    def hold(self, method: str, path: str, *, after: bool = False) -> Fault:
        """The next matching call waits until `release()`."""
        return self.faults.add(Fault(method, re.compile(path), 1, after, held=asyncio.Event()))

    # Looking

    async def until(self, wanted: Callable[[], T], *, within: float = 10.0) -> T:
        """Wait until `wanted()` is true and return what it returned; an AssertionError after `within` seconds."""
        end = time.monotonic() + within
        while not (found := wanted()):
            left = end - time.monotonic()
            if left <= 0:
                latest = "\n".join(call.line()[:300] for call in self.calls[-8:])
                raise AssertionError(f"did not happen within {within} s; the latest calls were:\n{latest}")
            self._news.clear()
            with contextlib.suppress(TimeoutError):  # what is wanted need not be news of ours: look now and then
                await asyncio.wait_for(self._news.wait(), min(left, 0.05))
        return found

    async def online(self, *, within: float = 10.0) -> None:
        """Wait until every shard of the bot is connected."""
        await self.until(
            lambda: sum(session.line is not None for session in self.gateway.sessions.values()) >= self.shards,
            within=within,
        )

    def messages(self, room: Room) -> list[Post]:
        """What people see in a channel now, oldest first."""
        return [post for post in room.posts.values() if not post.deleted]

    def answers(self, room: Room) -> list[Post]:
        """Those of the bot among them."""
        return [post for post in self.messages(room) if post.author is self.bot]

    def called(self, method: str, path: str) -> list[Call]:
        """The recorded calls whose method and whole path match."""
        return [call for call in self.calls if call.method == method and re.fullmatch(path, call.path)]

    def write_calls(self, path: Path) -> None:
        """Every call as a line of JSON."""
        path.write_text("".join(call.line() + "\n" for call in self.calls))

    async def dispatch(self, event: str, data: Json) -> None:
        """Any event, right or wrong, to every session."""
        await self.gateway.publish(event, EVERY_INTENT, None, lambda _: data)

    async def babble(self, text: str) -> None:
        """A frame that is no event at all."""
        for line in list(self.gateway.lines):
            await line.send_raw(text)
