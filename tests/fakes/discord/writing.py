"""How Discord writes a message, and what it leaves out for a bot that may not read everything."""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from collections.abc import Iterable

from tests.fakes.discord.world import File, Guild, Json, Post, Role, Room, User, stamp

USER_MENTION = re.compile(r"<@!?(\d+)>")
ROLE_MENTION = re.compile(r"<@&(\d+)>")


class Links:
    """The signed addresses of attachments. After `expire()` every address given out before is dead."""

    def __init__(self) -> None:
        self.base = ""
        self._secret = b"1"

    def expire(self) -> None:
        self._secret += b"1"

    def sign(self, path: str, until: str) -> str:
        return hmac.new(self._secret, f"{path}?{until}".encode(), hashlib.sha256).hexdigest()

    def to(self, room: Room, file: File) -> str:
        return self._signed(f"/attachments/{room.id}/{file.id}/{file.filename}")

    def to_loose(self, file: File) -> str:
        """A file that was given with a command."""
        return self._signed(f"/ephemeral-attachments/1/{file.id}/{file.filename}")

    def _signed(self, path: str) -> str:
        until = f"{int(time.time()) + 86400:x}"
        return f"{self.base}{path}?ex={until}&is={int(time.time()):x}&hm={self.sign(path, until)}&"


def attachment_payload(post: Post, file: File, links: Links) -> Json:
    link = links.to(post.room, file)
    shown: Json = {
        "id": file.id,
        "filename": file.filename,
        "size": len(file.data),
        "url": link,
        "proxy_url": link,
        "content_type": file.content_type,
    }
    if pixels := file.size_in_pixels():
        shown |= {"width": pixels[0], "height": pixels[1]}
    if file.description is not None:
        shown["description"] = file.description
    if file.seconds is not None:
        shown |= {"duration_secs": file.seconds, "waveform": file.waveform}
    return shown


def message_payload(post: Post, links: Links, *, nested: bool = False) -> Json:
    """The message as REST shows it to somebody who may read everything."""
    shown: Json = {
        "id": post.id,
        "channel_id": post.room.id,
        "type": post.type,
        "content": post.content,
        "author": post.author.payload(),
        "timestamp": stamp(post.sent_at),
        "edited_timestamp": stamp(post.edited_at),
        "tts": False,
        "pinned": False,
        "mention_everyone": post.mention_everyone,
        "mentions": [user.payload() for user in post.mentions],
        "mention_roles": [role.id for role in post.mention_roles],
        "attachments": [attachment_payload(post, file, links) for file in post.files],
        "embeds": post.embeds,
        "components": post.components,
        "flags": int(post.flags),
    }
    if post.webhook_id:
        shown["webhook_id"] = post.webhook_id
    if post.asked_by is not None:
        shown["interaction_metadata"] = {**post.asked_by, "authorizing_integration_owners": {}}
    if post.stickers:
        shown["sticker_items"] = [{"id": post.id, "name": name, "format_type": 1} for name in post.stickers]
    if post.reactions and not nested:
        shown["reactions"] = [
            {
                "emoji": {"id": None, "name": emoji},
                "count": len(people),
                "count_details": {"burst": 0, "normal": len(people)},
                "burst_colors": [],
                "me": any(person.bot for person in people),
                "me_burst": False,
            }
            for emoji, people in post.reactions.items()
        ]
    origin = post.reply_to or post.forward_of
    if origin:
        shown["message_reference"] = {
            "type": 1 if post.forward_of else 0,
            "channel_id": origin.room.id,
            "message_id": origin.id,
            **({"guild_id": origin.room.guild.id} if origin.room.guild else {}),
        }
    if post.reply_to and not nested:
        shown["referenced_message"] = (
            None if post.reply_to.deleted else message_payload(post.reply_to, links, nested=True)
        )
    if post.forward_of:
        whole = message_payload(post.forward_of, links, nested=True)
        kept = ("type", "content", "embeds", "attachments", "timestamp", "edited_timestamp", "flags", "components")
        snapshot = {key: whole[key] for key in (*kept, "mentions", "mention_roles")}
        shown["message_snapshots"] = [{"message": snapshot}]
    return shown


def without_content(shown: Json, reader: User) -> Json:
    """What a bot without the Message Content intent is given of a message: nothing of what was said, unless it wrote
    the message itself, was mentioned in it, or it was said in private (there the caller does not ask)."""
    shown = dict(shown)
    mine = shown["author"]["id"] == reader.id or any(user["id"] == reader.id for user in shown["mentions"])
    if not mine:
        shown |= {"content": "", "embeds": [], "attachments": [], "components": []}
        shown.pop("poll", None)
        for snapshot in shown.get("message_snapshots", ()):
            snapshot["message"] |= {"content": "", "embeds": [], "attachments": [], "components": []}
    if shown.get("referenced_message"):
        shown["referenced_message"] = without_content(shown["referenced_message"], reader)
    return shown


def pinged(
    content: str, people: Iterable[User], guild: Guild | None, allowed: Json | None
) -> tuple[list[User], list[Role], bool]:
    """Whom a text mentions under `allowed_mentions`; without it, everything in the text counts."""
    known = {user.id: user for user in people}
    roles = guild.roles if guild else {}
    if allowed is None:
        allowed = {"parse": ["users", "roles", "everyone"]}
    parse = allowed.get("parse") or []
    users = set(USER_MENTION.findall(content))
    named = set(ROLE_MENTION.findall(content))
    if "users" not in parse:
        users &= {str(user) for user in allowed.get("users") or ()}
    if "roles" not in parse:
        named &= {str(role) for role in allowed.get("roles") or ()}
    everyone = "everyone" in parse and bool(re.search(r"@(everyone|here)\b", content))
    return [known[key] for key in users if key in known], [roles[key] for key in named if key in roles], everyone
