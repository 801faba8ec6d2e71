"""The loopback Discord without its door: who and what there is, and who is told when something happens."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime

from tests.fakes.discord.gateway import Gateway, Intent, Session
from tests.fakes.discord.rights import NO_PERMISSION, Permission
from tests.fakes.discord.world import File, Guild, Interaction, Json, Kind, Post, Role, Room, User, stamp
from tests.fakes.discord.writing import Links, message_payload, without_content


class Stage:
    """One bot, its guilds and rooms, the people in them, and what was said."""

    def __init__(self, token: str, granted_intents: Intent, shards: int, heartbeat_interval: float) -> None:
        self.token = token
        self.granted_intents = granted_intents
        self.shards = shards
        self.heartbeat_interval = heartbeat_interval
        self.bot = User("Parley", bot=True)
        self.bot.grow_old()
        self.people: dict[str, User] = {self.bot.id: self.bot}
        self.guilds: dict[str, Guild] = {}
        self.rooms: dict[str, Room] = {}
        self.typed: list[Room] = []
        self.interactions: dict[str, Interaction] = {}
        self.commands: list[Json] = []  # that everybody can call
        self.guild_commands: dict[str, list[Json]] = {}
        self.loose_files: dict[str, File] = {}  # given with commands: they hang on no message
        self.links = Links()
        self.gateway = Gateway(self)
        self._news = asyncio.Event()

    def tell(self) -> None:
        """Something changed: wake whoever waits in `until`."""
        self._news.set()

    @property
    def gateway_url(self) -> str:
        return self.links.base.replace("http", "ws", 1) + "/gateway"

    # Who and what there is. To be set up before the bot comes, or announced with `announce`.

    def person(self, name: str, *, bot: bool = False, new: bool = False) -> User:
        """Somebody; `new` on Discord only on request."""
        user = User(name, bot=bot)
        if not new:
            user.grow_old()
        self.people[user.id] = user
        return user

    def guild(
        self, name: str = "The Harbour", *, owner: User | None = None, tier: int = 0, foreign: bool = False
    ) -> Guild:
        guild = Guild(name, owner or self.person("Owner"), tier, foreign=foreign)
        if foreign:
            return guild  # the bot knows nothing of it
        own = Role(self.bot.name, of_bot=self.bot.id)
        guild.roles[own.id] = own
        guild.members[self.bot.id] = [own]
        self.guilds[guild.id] = guild
        return guild

    def bot_role(self, guild: Guild) -> Role:
        """The role that Discord makes for the bot; people pick it by mistake when they mean the bot."""
        return next(role for role in guild.roles.values() if role.of_bot == self.bot.id)

    def role(self, guild: Guild, name: str, permissions: Permission = NO_PERMISSION) -> Role:
        role = Role(name, permissions)
        guild.roles[role.id] = role
        return role

    def join(self, guild: Guild, person: User, *roles: Role, nickname: str = "") -> None:
        guild.members[person.id] = list(roles)
        if nickname:
            guild.nicknames[person.id] = nickname

    def channel(self, guild: Guild, name: str = "general", *, kind: Kind = Kind.TEXT) -> Room:
        return self._add(Room(kind, name, guild))

    def group(self, name: str = "friends") -> Room:
        """A group of people among themselves, to which somebody brings the bot along."""
        return self._add(Room(Kind.GROUP, name))

    def thread(self, parent: Room, name: str = "a thread") -> Room:
        return self._add(Room(Kind.THREAD, name, parent.guild, parent))

    def dm(self, person: User) -> Room:
        for room in self.rooms.values():
            if room.recipient is person:
                return room
        return self._add(Room(Kind.DM, recipient=person))

    def _add(self, room: Room) -> Room:
        self.rooms[room.id] = room
        return room

    # What the bot's calls and the above have in common

    async def publish_post(self, post: Post) -> None:
        post.room.posts[post.id] = post
        await self.publish("MESSAGE_CREATE", post)

    async def change_text(self, post: Post, text: str) -> None:
        post.content = text
        post.versions.append(text)
        post.edited_at = datetime.now(UTC)
        await self.publish("MESSAGE_UPDATE", post)

    async def publish(self, event: str, post: Post) -> None:
        whole = self.event_payload(post)

        def shape(session: Session) -> Json | None:
            if not post.room.permissions_of(self.bot) & Permission.VIEW_CHANNEL:
                return None
            readable = post.room.guild is None or Intent.MESSAGE_CONTENT in session.intents
            return whole if readable else without_content(whole, self.bot)

        intent = Intent.GUILD_MESSAGES if post.room.guild else Intent.DIRECT_MESSAGES
        await self.gateway.publish(event, intent, post.room.guild, shape)

    async def tell_room(self, room: Room, event: str, in_guild: Intent, in_private: Intent, data: Json) -> None:
        def shape(session: Session) -> Json | None:
            return data if Permission.VIEW_CHANNEL in room.permissions_of(self.bot) else None

        await self.gateway.publish(event, in_guild if room.guild else in_private, room.guild, shape)

    def event_payload(self, post: Post) -> Json:
        """The message as the gateway writes it, whole."""
        shown = message_payload(post, self.links) | guild_id(post.room)
        if (guild := post.room.guild) is not None:
            if not post.webhook_id:
                shown["member"] = guild.member_payload(post.author)
            for user in shown["mentions"]:
                user["member"] = guild.member_payload(self.people[user["id"]])
        return shown

    def shown_to_bot(self, post: Post) -> Json:
        """The message as REST gives it to the bot: gated just like the gateway."""
        shown = message_payload(post, self.links)
        readable = post.room.guild is None or Intent.MESSAGE_CONTENT in self.granted_intents
        return shown if readable else without_content(shown, self.bot)

    def guild_payload(self, guild: Guild) -> Json:
        rooms = [room for room in self.rooms.values() if room.guild is guild]
        bot = guild.member_payload(self.bot) | {"user": self.bot.payload()}
        return guild.payload() | {
            "joined_at": stamp(guild.joined_at),
            "large": False,
            "unavailable": False,
            "member_count": len(guild.members),
            "members": [bot],
            "channels": [room.payload() for room in rooms if not room.is_thread],
            "threads": [room.payload() for room in rooms if room.is_thread and not room.archived],
            "voice_states": [],
            "presences": [],
            "stage_instances": [],
            "guild_scheduled_events": [],
            "soundboard_sounds": [],
        }

    def ready_payload(self, session: Session) -> Json:
        guilds = [guild for guild in self.guilds.values() if session.concerns(guild)]
        return {
            "v": 10,
            "user": self.bot.payload() | {"verified": True, "mfa_enabled": True, "email": None, "flags": 0},
            "guilds": [{"id": guild.id, "unavailable": True} for guild in guilds],
            "session_id": session.id,
            "resume_gateway_url": self.gateway_url,
            "shard": list(session.shard),
            "application": {"id": self.bot.id, "flags": 0},
            "session_type": "normal",
            "private_channels": [],
            "presences": [],
            "relationships": [],
            "user_settings": {},
            "geo_ordered_rtc_regions": [],
            "_trace": [],
        }

    def application_payload(self) -> Json:
        owner = next((user for user in self.people.values() if not user.bot), User("Owner"))
        return {
            "id": self.bot.id,
            "name": self.bot.name,
            "icon": None,
            "description": "",
            "type": None,
            "bot": self.bot.payload(),
            "bot_public": True,
            "bot_require_code_grant": False,
            "verify_key": "0" * 64,
            "flags": 1 << 19 if Intent.MESSAGE_CONTENT in self.granted_intents else 0,
            "owner": owner.payload(),
            "team": None,
            "flags_new": "0",
            "approximate_guild_count": len(self.guilds),
            "approximate_user_install_count": 0,
            "approximate_user_authorization_count": 0,
            "explicit_content_filter": 0,
            "eligible_oauth2_scopes": [],
            "interactions_endpoint_url": None,
            "role_connections_verification_url": None,
            "redirect_uris": [],
            "tags": [],
            "integration_types_config": {},
        }

    def file_at(self, path: str) -> File | None:
        if path.startswith("/ephemeral-attachments/"):
            return self.loose_files.get(path.split("/")[3])
        match = re.fullmatch(r"/attachments/(\d+)/(\d+)/([^/]+)", path)
        room = self.rooms.get(match[1]) if match else None
        if room is None or match is None:
            return None
        whispered = [post for done in self.interactions.values() for post in done.posts.values() if post.seen_by]
        for post in (*room.posts.values(), *whispered):
            for file in post.files:
                if file.id == match[2] and file.filename == match[3] and not post.deleted:
                    return file
        return None

    def interaction_payload(self, done: Interaction) -> Json:
        room, guild = done.room, done.room.guild
        here = guild is not None and not guild.foreign
        shown: Json = {
            "id": done.id,
            "application_id": self.bot.id,
            "type": done.type,
            "token": done.token,
            "version": 1,
            "data": done.data,
            "channel_id": room.id,
            "channel": room.payload() | {"permissions": str(int(room.permissions_of(done.person)))},
            "app_permissions": str(int(room.permissions_of(self.bot))),
            "locale": done.locale,
            "entitlements": [],
            "authorizing_integration_owners": {"0": guild.id if guild else "0"} if here else {"1": done.person.id},
            "context": 0 if guild else 2 if room.kind is Kind.GROUP or room.of_others else 1,
            "attachment_size_limit": guild.upload_limit if guild else 10 * 1024 * 1024,
        }
        if done.post is not None:
            shown["message"] = self.event_payload(done.post)
        if guild is None:
            return shown | {"user": done.person.payload()}
        granted = str(int(room.permissions_of(done.person)))
        member = guild.member_payload(done.person) | {"user": done.person.payload(), "permissions": granted}
        partial = {"id": guild.id, "locale": "en-US", "features": []}
        return shown | {"guild_id": guild.id, "guild": partial, "guild_locale": "en-US", "member": member}


def guild_id(room: Room) -> Json:
    return {"guild_id": room.guild.id} if room.guild else {}
