"""What each REST call does to the loopback Discord."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.fakes.discord import errors
from tests.fakes.discord.answers import Answers
from tests.fakes.discord.checks import MOST_FILES, check_message, length
from tests.fakes.discord.rest import Answer, Call, Router, unquoted
from tests.fakes.discord.rights import NO_PERMISSION, Permission
from tests.fakes.discord.world import THREADS, File, Flag, Json, Kind, Post, Room
from tests.fakes.discord.writing import pinged

if TYPE_CHECKING:
    from tests.fakes.discord.server import FakeDiscord

Match = re.Match[str]


class Routes:
    """The calls a bot can make, as its own user."""

    def __init__(self, discord: FakeDiscord) -> None:
        self._discord = discord
        self._by_nonce: dict[str, Post] = {}

    def router(self) -> Router:
        router = Router()
        add = router.add
        add("GET", "/users/@me", self.me)
        add("GET", "/users/{user}", self.user)
        add("POST", "/users/@me/channels", self.open_dm)
        add("GET", "/users/@me/guilds", self.guilds)
        add("GET", "/guilds/{guild}/channels", self.channels)
        add("GET", "/applications/@me", self.application)
        add("GET", "/oauth2/applications/@me", self.application)
        add("GET", "/gateway", self.gateway)
        add("GET", "/gateway/bot", self.gateway)
        add("GET", "/guilds/{guild}", self.guild)
        add("GET", "/guilds/{guild}/members/{user}", self.member)
        add("GET", "/channels/{channel}", self.channel)
        add("GET", "/channels/{channel}/messages", self.history)
        add("POST", "/channels/{channel}/messages", self.create, "create")
        add("POST", "/channels/{channel}/messages/bulk-delete", self.bulk_delete)
        add("GET", "/channels/{channel}/messages/{message}", self.get)
        add("PATCH", "/channels/{channel}/messages/{message}", self.edit, "edit")
        add("DELETE", "/channels/{channel}/messages/{message}", self.delete)
        add("POST", "/channels/{channel}/typing", self.typing, "typing")
        add("POST", "/channels/{channel}/threads", self.start_thread)
        add("POST", "/channels/{channel}/messages/{message}/threads", self.start_thread)
        reaction = "/channels/{channel}/messages/{message}/reactions/{emoji}"
        add("PUT", f"{reaction}/@me", self.react, "reaction")
        add("DELETE", f"{reaction}/@me", self.unreact, "reaction")
        add("GET", reaction, self.reactions)
        Answers(self._discord, self).add_to(router)
        return router

    # Finding what a path names, with the permissions it takes

    def _room(self, match: Match, needs: Permission = NO_PERMISSION) -> Room:
        room = self._discord.rooms.get(match["channel"])
        if room is None:
            raise errors.unknown_channel()
        granted = room.permissions_of(self._discord.bot)
        if Permission.VIEW_CHANNEL not in granted:
            raise errors.missing_access()
        if needs & ~granted:
            raise errors.missing_permissions()
        return room

    def _post(self, match: Match, needs: Permission = NO_PERMISSION) -> Post:
        room = self._room(match, needs)
        post = room.posts.get(match["message"])
        if post is None or post.deleted:
            raise errors.unknown_message()
        return post

    # Who and where

    async def me(self, call: Call, match: Match) -> Answer:
        own = {"verified": True, "mfa_enabled": True, "locale": "en-US", "email": None, "flags": 0}
        return 200, self._discord.bot.payload() | own

    async def user(self, call: Call, match: Match) -> Answer:
        user = self._discord.people.get(match["user"])
        if user is None:
            raise errors.unknown_user()
        return 200, user.payload()

    async def application(self, call: Call, match: Match) -> Answer:
        return 200, self._discord.application_payload()

    async def gateway(self, call: Call, match: Match) -> Answer:
        shown: Json = {"url": self._discord.gateway_url}
        if call.path.endswith("/bot"):
            started = len(self._discord.gateway.identifies)
            limit = {"total": 1000, "remaining": 1000 - started, "reset_after": 86400000, "max_concurrency": 1}
            shown |= {"shards": self._discord.shards, "session_start_limit": limit}
        return 200, shown

    async def guild(self, call: Call, match: Match) -> Answer:
        guild = self._discord.guilds.get(match["guild"])
        if guild is None:
            raise errors.unknown_guild()
        return 200, guild.payload()

    async def guilds(self, call: Call, match: Match) -> Answer:
        shown = [{"id": guild.id, "name": guild.name, "icon": None} for guild in self._discord.guilds.values()]
        more: Json = {"owner": False, "permissions": "0", "features": [], "banner": None}
        return 200, [each | more for each in shown if int(each["id"] or 0) > int(call.query.get("after", "0"))]

    async def channels(self, call: Call, match: Match) -> Answer:
        rooms = self._discord.rooms.values()
        return 200, [
            room.payload() for room in rooms if room.guild and room.guild.id == match["guild"] and not room.is_thread
        ]

    async def member(self, call: Call, match: Match) -> Answer:
        guild, user = self._discord.guilds.get(match["guild"]), self._discord.people.get(match["user"])
        if guild is None:
            raise errors.unknown_guild()
        if user is None:
            raise errors.unknown_user()
        return 200, guild.member_payload(user) | {"user": user.payload()}

    async def channel(self, call: Call, match: Match) -> Answer:
        return 200, self._room(match).payload()

    async def open_dm(self, call: Call, match: Match) -> Answer:
        user = self._discord.people.get(str((call.json or {}).get("recipient_id")))
        if user is None:
            raise errors.unknown_user()
        return 200, self._discord.dm(user).payload()

    # Messages

    async def history(self, call: Call, match: Match) -> Answer:
        room = self._room(match)
        limit = int(call.query.get("limit", "50"))
        if not 1 <= limit <= 100:
            raise errors.invalid_form({"limit": ("NUMBER_TYPE_MAX", "int value should be between 1 and 100.")})
        if Permission.READ_MESSAGE_HISTORY not in room.permissions_of(self._discord.bot):
            return 200, []
        found = sorted((post for post in room.posts.values() if not post.deleted), key=lambda post: int(post.id))
        if "before" in call.query:
            found = [post for post in found if int(post.id) < int(call.query["before"])]
        if "after" in call.query:
            found = [post for post in found if int(post.id) > int(call.query["after"])][:limit]
        return 200, [self._discord.shown_to_bot(post) for post in reversed(found[-limit:])]

    async def get(self, call: Call, match: Match) -> Answer:
        return 200, self._discord.shown_to_bot(self._post(match, Permission.READ_MESSAGE_HISTORY))

    async def create(self, call: Call, match: Match) -> Answer:
        room = self._room(match)
        body = call.json if isinstance(call.json, dict) else {}
        self._may_send(room, files=bool(call.files))
        speaks = int(body.get("flags") or 0) & Flag.IS_VOICE_MESSAGE
        if speaks and Permission.SEND_VOICE_MESSAGES not in room.permissions_of(self._discord.bot):
            raise errors.missing_permissions()
        check_message(body, call.files, room.guild)
        content = (body.get("content") or "").strip()
        if not (content or call.files or body.get("embeds") or body.get("components") or body.get("sticker_ids")):
            raise errors.empty_message()

        nonce = body.get("nonce")
        if body.get("enforce_nonce") and nonce is not None:
            earlier = self._by_nonce.get(str(nonce))
            if earlier is not None and earlier.deleted:
                raise errors.unknown_message()
            if earlier is not None:
                return 200, self._discord.shown_to_bot(earlier) | {"nonce": nonce}

        reply_to = self._replied(room, body.get("message_reference"))
        post = Post(
            room,
            self._discord.bot,
            content,
            type=19 if reply_to else 0,
            flags=Flag(body.get("flags") or 0),
            files=self.uploaded(call),
            reply_to=reply_to,
            nonce=nonce,
            components=body.get("components") or [],
            embeds=body.get("embeds") or [],
        )
        self.mark_mentions(post, body)
        if nonce is not None:
            self._by_nonce[str(nonce)] = post
        if room.archived:
            room.archived = False
        await self._discord.publish_post(post)
        return 200, self._discord.shown_to_bot(post) | ({"nonce": nonce} if nonce is not None else {})

    def _may_send(self, room: Room, *, files: bool) -> None:
        granted = room.permissions_of(self._discord.bot)
        if room.closed:
            raise errors.closed_to_you()
        if room.kind in (Kind.FORUM, Kind.CATEGORY):
            raise errors.ApiError(400, 50008, "Cannot send messages in a non-text channel")
        if (Permission.SEND_MESSAGES_IN_THREADS if room.is_thread else Permission.SEND_MESSAGES) not in granted:
            raise errors.missing_permissions()
        if room.locked and Permission.MANAGE_THREADS not in granted:
            raise errors.locked()
        if files and Permission.ATTACH_FILES not in granted:
            raise errors.missing_permissions()

    def _replied(self, room: Room, reference: Json | None) -> Post | None:
        if reference is None:
            return None
        if Permission.READ_MESSAGE_HISTORY not in room.permissions_of(self._discord.bot):
            raise errors.needs_history()
        known = room.posts.get(str(reference.get("message_id")))
        elsewhere = str(reference.get("channel_id", room.id)) != room.id
        if known is None or known.deleted or elsewhere:
            if reference.get("fail_if_not_exists", True) or elsewhere:
                raise errors.invalid_form({"message_reference": ("REPLIES_UNKNOWN_MESSAGE", "Unknown message")})
            return None
        return known

    def uploaded(self, call: Call) -> list[File]:
        described = {str(one["id"]): one for one in (call.json.get("attachments") or [])}
        files = []
        for field, filename, content_type, content in call.files:
            one = described.get(field.removeprefix("files[").removesuffix("]"), {})
            name = re.sub(r"[^\w.\-]+", "_", one.get("filename") or filename) or "file"
            if content_type == "application/octet-stream":
                content_type = _guess(name)
            files.append(File(name, content_type, content, one.get("description"), one.get("duration_secs")))
        return files

    def mark_mentions(self, post: Post, body: Json) -> None:
        allowed = body.get("allowed_mentions")
        people = self._discord.people.values()
        post.mentions, post.mention_roles, post.mention_everyone = pinged(
            post.content, people, post.room.guild, allowed
        )
        replied = post.reply_to.author if post.reply_to else None
        if replied and (allowed is None or allowed.get("replied_user")) and replied not in post.mentions:
            post.mentions.append(replied)

    async def edit(self, call: Call, match: Match) -> Answer:
        post = self._post(match)
        body = call.json if isinstance(call.json, dict) else {}
        if post.author is not self._discord.bot:
            raise errors.not_yours()
        if post.room.archived:
            raise errors.archived()
        check_message(body, call.files, post.room.guild, editing=True)
        if call.files and Permission.ATTACH_FILES not in post.room.permissions_of(self._discord.bot):
            raise errors.missing_permissions()
        content = (body["content"] or "").strip() if "content" in body else post.content
        kept = post.files
        if body.get("attachments") is not None:
            keep = {str(one["id"]) for one in body["attachments"]}
            kept = [file for file in post.files if file.id in keep]
        files = kept + self.uploaded(call)
        if not (content or files or post.embeds or post.components):
            raise errors.empty_message()
        if len(files) > MOST_FILES:
            raise errors.invalid_form({"attachments": ("BASE_TYPE_MAX_LENGTH", "Must be 10 or fewer in length.")})
        post.files = files
        if "components" in body:
            post.components = body["components"] or []
        if "flags" in body:
            post.flags = Flag(body["flags"] or 0)
        post.content = content
        self.mark_mentions(post, body)
        await self._discord.change_text(post, content)
        return 200, self._discord.shown_to_bot(post)

    async def delete(self, call: Call, match: Match) -> Answer:
        post = self._post(match)
        others = post.author is not self._discord.bot
        if others and Permission.MANAGE_MESSAGES not in post.room.permissions_of(self._discord.bot):
            raise errors.missing_permissions()
        await self._discord.delete(post)
        return 204, None

    async def bulk_delete(self, call: Call, match: Match) -> Answer:
        room = self._room(match, Permission.MANAGE_MESSAGES)
        ids = [str(one) for one in (call.json or {}).get("messages", ())]
        if not 2 <= len(ids) <= 100:
            raise errors.ApiError(400, 50016, "Provided too few or too many messages to delete")
        await self._discord.delete_many([room.posts[one] for one in ids if one in room.posts])
        return 204, None

    async def typing(self, call: Call, match: Match) -> Answer:
        room = self._room(match)
        self._may_send(room, files=False)
        self._discord.typed.append(room)
        return 204, None

    # Reactions and threads

    async def react(self, call: Call, match: Match) -> Answer:
        post = self._post(match, Permission.ADD_REACTIONS | Permission.READ_MESSAGE_HISTORY)
        await self._discord.react(post, self._discord.bot, unquoted(match["emoji"]))
        return 204, None

    async def unreact(self, call: Call, match: Match) -> Answer:
        post = self._post(match)
        people = post.reactions.get(unquoted(match["emoji"]), [])
        if self._discord.bot in people:
            people.remove(self._discord.bot)
        return 204, None

    async def reactions(self, call: Call, match: Match) -> Answer:
        post = self._post(match)
        return 200, [person.payload() for person in post.reactions.get(unquoted(match["emoji"]), [])]

    async def start_thread(self, call: Call, match: Match) -> Answer:
        room = self._room(match, Permission.CREATE_PUBLIC_THREADS)
        body = call.json if isinstance(call.json, dict) else {}
        name = body.get("name")
        if not isinstance(name, str) or not 1 <= length(name) <= 100:
            raise errors.invalid_form({"name": ("BASE_TYPE_BAD_LENGTH", "Must be between 1 and 100 in length.")})
        if room.kind in THREADS or room.guild is None:
            raise errors.ApiError(400, 50024, "Cannot execute action on this channel type")
        starter = self._post(match) if "message" in match.groupdict() else None
        thread = await self._discord.open_thread(room, name, starter=starter)
        if room.kind is Kind.FORUM:
            message = body.get("message") or {}
            check_message(message, call.files, room.guild)
            post = Post(thread, self._discord.bot, message.get("content") or "", id=thread.id)
            await self._discord.publish_post(post)
        return 201, thread.payload()


def _guess(name: str) -> str:
    ends = {".png": "image/png", ".jpg": "image/jpeg", ".webp": "image/webp", ".gif": "image/gif"}
    ends |= {".ogg": "audio/ogg", ".mp3": "audio/mpeg", ".txt": "text/plain; charset=utf-8"}
    return next((kind for end, kind in ends.items() if name.endswith(end)), "application/octet-stream")
