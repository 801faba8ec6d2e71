"""What exists on the loopback Discord, and how Discord writes it as JSON.

Everything here is plain state: who is there, which rooms, what was said. Nothing in it knows of HTTP or websockets.
"""

from __future__ import annotations

import base64
import itertools
import re
import struct
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import IntEnum, IntFlag
from typing import Any

from tests.fakes.discord.rights import EVERYTHING, NO_PERMISSION, ORDINARY, Permission

Json = dict[str, Any]

EPOCH = 1420070400000
_serial = itertools.count()


def snowflake() -> str:
    """A new id, larger than every earlier one."""
    serial = next(_serial)
    return str(((int(time.time() * 1000) - EPOCH) << 22) + serial)


def stamp(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


class Kind(IntEnum):
    """Channel types."""

    TEXT = 0
    DM = 1
    GROUP = 3
    VOICE = 2
    CATEGORY = 4
    NEWS = 5
    NEWS_THREAD = 10
    THREAD = 11
    PRIVATE_THREAD = 12
    STAGE = 13
    FORUM = 15


THREADS = (Kind.NEWS_THREAD, Kind.THREAD, Kind.PRIVATE_THREAD)


class Flag(IntFlag):
    """Message flags."""

    SUPPRESS_EMBEDS = 1 << 2
    HAS_THREAD = 1 << 5
    EPHEMERAL = 1 << 6
    LOADING = 1 << 7
    SUPPRESS_NOTIFICATIONS = 1 << 12
    IS_VOICE_MESSAGE = 1 << 13
    HAS_SNAPSHOT = 1 << 14
    IS_COMPONENTS_V2 = 1 << 15


NO_FLAG = Flag(0)


@dataclass(eq=False)
class User:
    name: str
    bot: bool = False
    id: str = field(default_factory=snowflake)
    display_name: str = ""

    @property
    def mention(self) -> str:
        return f"<@{self.id}>"

    def grow_old(self) -> None:
        """Let them have been on Discord for years."""
        self.id = str(int(self.id) - (2 * 365 * 86400 * 1000 << 22))

    def payload(self) -> Json:
        return {
            "id": self.id,
            "username": self.name if self.bot else re.sub(r"[^a-z0-9_.]", "_", self.name.lower()),
            "global_name": None if self.bot else (self.display_name or self.name),
            "discriminator": self.id[-4:] if self.bot else "0",
            "avatar": None,
            "avatar_decoration_data": None,
            "collectibles": None,
            "primary_guild": None,
            "public_flags": 0,
            "flags": 0,
            **({"bot": True} if self.bot else {}),
        }


@dataclass(eq=False)
class Role:
    name: str
    permissions: Permission = NO_PERMISSION
    id: str = field(default_factory=snowflake)
    of_bot: str = ""

    @property
    def mention(self) -> str:
        return f"<@&{self.id}>"

    def payload(self) -> Json:
        return {
            "id": self.id,
            "name": self.name,
            "color": 0,
            "colors": {"primary_color": 0, "secondary_color": None, "tertiary_color": None},
            "hoist": False,
            "icon": None,
            "unicode_emoji": None,
            "position": 1,
            "permissions": str(int(self.permissions)),
            "managed": bool(self.of_bot),
            "mentionable": not self.of_bot,
            "flags": 0,
            **({"tags": {"bot_id": self.of_bot}} if self.of_bot else {}),
        }


@dataclass(eq=False)
class Guild:
    name: str
    owner: User
    tier: int = 0
    id: str = field(default_factory=snowflake)
    roles: dict[str, Role] = field(default_factory=dict)
    members: dict[str, list[Role]] = field(default_factory=dict)
    nicknames: dict[str, str] = field(default_factory=dict)
    foreign: bool = False  # the bot was not invited; somebody brought it along
    mutes_others: bool = False  # whoever is brought along may only whisper
    timeouts: dict[str, datetime] = field(default_factory=dict)  # until when somebody must be silent
    joined_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __post_init__(self) -> None:
        self.roles[self.id] = Role("@everyone", ORDINARY, id=self.id)

    @property
    def upload_limit(self) -> int:
        """Bytes that one file may have here."""
        return {2: 50, 3: 100}.get(self.tier, 10) * 1024 * 1024

    def member_payload(self, user: User) -> Json:
        return {
            "nick": self.nicknames.get(user.id),
            "avatar": None,
            "banner": None,
            "roles": [role.id for role in self.members.get(user.id, ())],
            "joined_at": stamp(self.joined_at),
            "premium_since": None,
            "communication_disabled_until": stamp(self.timeouts.get(user.id)),
            "deaf": False,
            "mute": False,
            "pending": False,
            "flags": 0,
        }

    def payload(self) -> Json:
        return {
            "id": self.id,
            "name": self.name,
            "icon": None,
            "splash": None,
            "discovery_splash": None,
            "banner": None,
            "description": None,
            "home_header": None,
            "region": "deprecated",
            "owner_id": self.owner.id,
            "afk_channel_id": None,
            "afk_timeout": 300,
            "widget_enabled": False,
            "widget_channel_id": None,
            "verification_level": 0,
            "default_message_notifications": 0,
            "explicit_content_filter": 0,
            "roles": [role.payload() for role in self.roles.values()],
            "emojis": [],
            "stickers": [],
            "features": [],
            "mfa_level": 0,
            "application_id": None,
            "system_channel_id": None,
            "system_channel_flags": 0,
            "rules_channel_id": None,
            "public_updates_channel_id": None,
            "safety_alerts_channel_id": None,
            "max_members": 500000,
            "max_presences": None,
            "max_video_channel_users": 25,
            "max_stage_video_channel_users": 50,
            "incidents_data": None,
            "vanity_url_code": None,
            "premium_tier": self.tier,
            "premium_subscription_count": 0,
            "premium_progress_bar_enabled": False,
            "preferred_locale": "en-US",
            "nsfw_level": 0,
            "nsfw": False,
        }


@dataclass(eq=False)
class Room:
    """A channel of any kind: text, voice, forum, thread, direct messages."""

    kind: Kind
    name: str = ""
    guild: Guild | None = None
    parent: Room | None = None
    recipient: User | None = None
    id: str = field(default_factory=snowflake)
    overwrites: dict[str, tuple[int, Permission, Permission]] = field(default_factory=dict)
    archived: bool = False
    locked: bool = False
    of_others: bool = False  # direct messages of two people who brought the bot along
    closed: bool = False  # direct messages that the person does not accept
    made_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    posts: dict[str, Post] = field(default_factory=dict)

    @property
    def is_thread(self) -> bool:
        return self.kind in THREADS

    def permissions_of(self, user: User) -> Permission:
        """What `user` may do here, as Discord computes it."""
        if user.bot and (self.kind is Kind.GROUP or self.of_others):
            return NO_PERMISSION
        if self.guild is None or self.guild.owner is user:
            return EVERYTHING
        if self.guild.foreign and user.bot:
            return NO_PERMISSION
        roles = self.guild.members.get(user.id, [])
        granted = self.guild.roles[self.guild.id].permissions
        for role in roles:
            granted |= role.permissions
        if Permission.ADMINISTRATOR in granted:
            return EVERYTHING
        overwrites = (self.parent or self).overwrites if self.is_thread else self.overwrites
        allow = deny = NO_PERMISSION
        if self.guild.id in overwrites:
            granted = granted & ~overwrites[self.guild.id][2] | overwrites[self.guild.id][1]
        for role in roles:
            if role.id in overwrites:
                allow |= overwrites[role.id][1]
                deny |= overwrites[role.id][2]
        granted = granted & ~deny | allow
        if user.id in overwrites:
            granted = granted & ~overwrites[user.id][2] | overwrites[user.id][1]
        return Permission(granted)

    def payload(self) -> Json:
        last = next(reversed(self.posts), None)
        if self.kind is Kind.GROUP:
            return {"id": self.id, "type": 3, "last_message_id": last, "recipients": [], "name": self.name, "flags": 0}
        if self.kind is Kind.DM:
            assert self.recipient
            return {
                "id": self.id,
                "type": 1,
                "last_message_id": last,
                "recipients": [self.recipient.payload()],
                "flags": 0,
            }
        assert self.guild
        shown: Json = {
            "id": self.id,
            "type": int(self.kind),
            "guild_id": self.guild.id,
            "name": self.name,
            "parent_id": self.parent.id if self.parent else None,
            "last_message_id": last,
            "rate_limit_per_user": 0,
            "flags": 0,
        }
        if self.is_thread:
            alive = [post for post in self.posts.values() if not post.deleted]
            return shown | {
                "owner_id": self.guild.owner.id,
                "message_count": len(alive),
                "total_message_sent": len(self.posts),
                "member_count": 1,
                "thread_metadata": {
                    "archived": self.archived,
                    "archive_timestamp": stamp(self.made_at),
                    "auto_archive_duration": 1440,
                    "locked": self.locked,
                    "create_timestamp": stamp(self.made_at),
                },
            }
        shown |= {
            "position": 0,
            "topic": None,
            "nsfw": False,
            "permission_overwrites": [
                {"id": key, "type": kind, "allow": str(int(allow)), "deny": str(int(deny))}
                for key, (kind, allow, deny) in self.overwrites.items()
            ],
        }
        if self.kind in (Kind.VOICE, Kind.STAGE):
            shown |= {"bitrate": 64000, "user_limit": 0, "rtc_region": None}
        if self.kind is Kind.FORUM:
            shown |= {
                "available_tags": [],
                "default_reaction_emoji": None,
                "default_sort_order": None,
                "default_forum_layout": 0,
            }
        return shown


@dataclass(eq=False)
class File:
    """An attachment as it lies on the CDN."""

    filename: str
    content_type: str
    data: bytes
    description: str | None = None
    seconds: float | None = None
    id: str = field(default_factory=snowflake)

    @property
    def waveform(self) -> str:
        return base64.b64encode(bytes(range(0, 250, 10))).decode()

    def size_in_pixels(self) -> tuple[int, int] | None:
        if self.data.startswith(b"\x89PNG") and len(self.data) >= 24:
            width, height = struct.unpack(">II", self.data[16:24])
            return width, height
        return (64, 64) if self.content_type.startswith("image/") else None


@dataclass(eq=False)
class Post:
    """One message as it stands now. `versions` are all the texts it ever had, the newest last."""

    room: Room
    author: User
    content: str
    type: int = 0
    flags: Flag = NO_FLAG
    files: list[File] = field(default_factory=list)
    mentions: list[User] = field(default_factory=list)
    mention_roles: list[Role] = field(default_factory=list)
    mention_everyone: bool = False
    reply_to: Post | None = None
    forward_of: Post | None = None
    nonce: str | int | None = None
    webhook_id: str | None = None
    asked_by: Json | None = None  # what is told of the interaction that it answers
    embeds: list[Json] = field(default_factory=list)
    components: list[Json] = field(default_factory=list)
    stickers: list[str] = field(default_factory=list)
    id: str = field(default_factory=snowflake)
    sent_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    edited_at: datetime | None = None
    deleted: bool = False
    reactions: dict[str, list[User]] = field(default_factory=dict)
    seen_by: User | None = None  # an ephemeral message, for one pair of eyes
    versions: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.versions.append(self.content)


@dataclass(eq=False)
class Interaction:
    """Something that somebody did with the bot: a command, a menu entry, a button, a dialog. `response` is what the
    bot answered first; `original` the message that it made, or below which the button stood.
    """

    room: Room
    person: User
    type: int
    data: Json
    post: Post | None = None  # below which the button was pressed
    locale: str = "en-US"
    id: str = field(default_factory=snowflake)
    token: str = field(default_factory=lambda: f"token{snowflake()}")
    began: float = field(default_factory=time.monotonic)
    response: Json | None = None
    original: Post | None = None
    posts: dict[str, Post] = field(default_factory=dict)
    followed: int = 0

    @property
    def age(self) -> float:
        """Seconds since it was made."""
        return time.monotonic() - self.began
