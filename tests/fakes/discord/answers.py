"""What a bot answers to interactions, and the messages it shows through their tokens; and the commands it registers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.fakes.discord import errors
from tests.fakes.discord.checks import check_message, check_modal
from tests.fakes.discord.registry import keep_entry_point, register
from tests.fakes.discord.rest import Answer, Call, Router
from tests.fakes.discord.world import NO_FLAG, Flag, Interaction, Json, Post
from tests.fakes.discord.writing import message_payload

if TYPE_CHECKING:
    from tests.fakes.discord.routes import Routes
    from tests.fakes.discord.server import FakeDiscord

Match = re.Match[str]

FIRST_ANSWER = 3.0  # seconds
LIFETIME = 15 * 60.0
_ALLOWED = {2: (4, 5, 9), 3: (4, 5, 6, 7, 9), 4: (8,), 5: (4, 5, 6, 7)}
_MOST_FOLLOWING = 5  # where the bot was brought along


class Answers:
    """Interaction callbacks, their webhooks, and the registry of commands."""

    def __init__(self, discord: FakeDiscord, routes: Routes) -> None:
        self._discord = discord
        self._routes = routes

    def add_to(self, router: Router) -> None:
        add = router.add
        add("POST", "/interactions/{interaction}/{token}/callback", self.respond)
        message = "/webhooks/{application}/{token}/messages/{message}"
        add("GET", message, self.get)
        add("PATCH", message, self.edit)
        add("DELETE", message, self.delete)
        add("POST", "/webhooks/{application}/{token}", self.follow)
        add("GET", "/applications/{application}/commands", self.commands)
        add("PUT", "/applications/{application}/commands", self.commands)
        add("GET", "/applications/{application}/guilds/{guild}/commands", self.commands)
        add("PUT", "/applications/{application}/guilds/{guild}/commands", self.commands)

    # The first answer

    async def respond(self, call: Call, match: Match) -> Answer:
        done = self._discord.interactions.get(match["interaction"])
        if done is None or done.token != match["token"] or (done.response is None and done.age > FIRST_ANSWER):
            raise errors.unknown_interaction()
        if done.response is not None:
            raise errors.already_acknowledged()
        body = call.json if isinstance(call.json, dict) else {}
        kind, data = body.get("type"), body.get("data") or {}
        if kind not in _ALLOWED[done.type]:
            raise errors.invalid_form({"type": ("BASE_TYPE_CHOICES", f"Value must be one of {_ALLOWED[done.type]}.")})
        await self._take(done, int(kind), data, call)
        done.response = body
        if call.query.get("with_response") not in ("1", "true"):
            return 204, None
        told: Json = {"interaction": {"id": done.id, "type": done.type}}
        if kind in (4, 5) and done.original is not None:
            told["resource"] = {"type": kind, "message": self._shown(done.original)}
        return 200, told

    async def _take(self, done: Interaction, kind: int, data: Json, call: Call) -> None:
        if kind in (4, 7):
            check_message(data, call.files, done.room.guild, responding=True)
        if kind == 5 and int(data.get("flags") or 0) & ~int(Flag.EPHEMERAL):
            raise errors.invalid_form({"flags": ("BASE_TYPE_BAD", "Only EPHEMERAL can be set when deferring")})
        if kind == 8 and len(data.get("choices") or ()) > 25:
            raise errors.invalid_form({"choices": ("BASE_TYPE_MAX_LENGTH", "Must be 25 or fewer in length.")})
        if kind == 9:
            check_modal(data)
        if kind in (6, 7):
            if done.post is None:
                raise errors.invalid_form({"type": ("BASE_TYPE_CHOICES", "There is no message to update")})
            done.original = done.post
            done.posts[done.post.id] = done.post
        if kind in (4, 5):
            loading = Flag.LOADING if kind == 5 else NO_FLAG
            done.original = await self._add(done, data, call, Flag(int(data.get("flags") or 0)) | loading)

    async def _add(self, done: Interaction, body: Json, call: Call, flags: Flag) -> Post:
        hidden = Flag.EPHEMERAL in flags or self._must_hide(done)
        post = Post(
            done.room,
            self._discord.bot,
            body.get("content") or "",
            type=20,
            flags=flags | Flag.EPHEMERAL if hidden else flags,
            files=self._routes.uploaded(call) if call.files else [],
            components=body.get("components") or [],
            webhook_id=self._discord.bot.id,
            asked_by={"id": done.id, "type": done.type, "user": done.person.payload()},
            seen_by=done.person if hidden else None,
        )
        self._routes.mark_mentions(post, body)
        done.posts[post.id] = post
        if hidden:
            self._discord.tell()
        else:
            await self._discord.publish_post(post)
        return post

    def _must_hide(self, done: Interaction) -> bool:
        """Whether the bot, brought along by somebody, may not speak up there."""
        return done.room.guild is not None and done.room.guild.foreign and done.room.guild.mutes_others

    # Afterwards, through the token

    def _done(self, match: Match) -> Interaction:
        if match["application"] != self._discord.bot.id:
            raise errors.unknown_webhook()
        done = next((each for each in self._discord.interactions.values() if each.token == match["token"]), None)
        if done is None:
            raise errors.unknown_webhook()
        if done.age > LIFETIME:
            raise errors.invalid_webhook_token()
        return done

    def _post(self, match: Match) -> tuple[Interaction, Post]:
        done = self._done(match)
        post = done.original if match["message"] == "@original" else done.posts.get(match["message"])
        if post is None or post.deleted:
            raise errors.unknown_message()
        return done, post

    async def get(self, call: Call, match: Match) -> Answer:
        return 200, self._shown(self._post(match)[1])

    async def edit(self, call: Call, match: Match) -> Answer:
        _, post = self._post(match)
        body = call.json if isinstance(call.json, dict) else {}
        check_message(body, call.files, post.room.guild, editing=True)
        if "content" in body:
            post.content = (body["content"] or "").strip()
        kept = post.files
        if body.get("attachments") is not None:
            keep = {str(one["id"]) for one in body["attachments"]}
            kept = [file for file in post.files if file.id in keep]
        post.files = kept + (self._routes.uploaded(call) if call.files else [])
        if "components" in body:
            post.components = body["components"] or []
        if not (post.content or post.files or post.components):
            raise errors.empty_message()
        post.flags &= ~Flag.LOADING
        if "flags" in body:
            post.flags = post.flags & ~Flag.SUPPRESS_EMBEDS | Flag(body["flags"] or 0)
        self._routes.mark_mentions(post, body)
        if post.seen_by is None:
            await self._discord.change_text(post, post.content)
        else:
            post.versions.append(post.content)
            self._discord.tell()
        return 200, self._shown(post)

    async def delete(self, call: Call, match: Match) -> Answer:
        _, post = self._post(match)
        if post.seen_by is None:
            await self._discord.delete(post)
        post.deleted = True
        return 204, None

    async def follow(self, call: Call, match: Match) -> Answer:
        done = self._done(match)
        body = call.json if isinstance(call.json, dict) else {}
        if done.response is None:
            raise errors.unknown_webhook()
        check_message(body, call.files, done.room.guild, webhook=True)
        if not ((body.get("content") or "").strip() or call.files or body.get("components")):
            raise errors.empty_message()
        if done.original is not None and Flag.LOADING in done.original.flags:
            # The first one takes the place that is held open, and is seen by whom that was opened for.
            done.original.flags &= ~Flag.LOADING
            done.original.content = body.get("content") or ""
            done.original.files = self._routes.uploaded(call) if call.files else []
            done.original.components = body.get("components") or []
            self._discord.tell()
            return 200, self._shown(done.original)
        done.followed += 1
        if done.room.guild is not None and done.room.guild.foreign and done.followed > _MOST_FOLLOWING:
            raise errors.ApiError(400, 40094, "Maximum number of follow up messages for this interaction reached")
        post = await self._add(done, body, call, Flag(int(body.get("flags") or 0)))
        return (200, self._shown(post)) if call.query.get("wait") in ("1", "true") else (204, None)

    def _shown(self, post: Post) -> Json:
        return message_payload(post, self._discord.links)

    # What can be called

    async def commands(self, call: Call, match: Match) -> Answer:
        guild = match.groupdict().get("guild")
        if match["application"] != self._discord.bot.id or (guild and guild not in self._discord.guilds):
            raise errors.missing_access()
        if call.method == "PUT":
            registered = register(call.json, guild=guild is not None)
            if guild:
                self._discord.guild_commands[guild] = registered
            else:
                keep_entry_point(self._discord.commands, registered)
                self._discord.commands = registered
        return 200, self._discord.guild_commands.get(guild, []) if guild else self._discord.commands
