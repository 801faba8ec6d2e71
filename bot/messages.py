"""What crosses every boundary: frozen values without behaviour of their own.

An adapter turns whatever its platform sends into these, and nothing of the platform goes further than that.
All of them can be written to storage as JSON, so that a question survives the process that heard it.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

__all__ = ["Attachment", "Button", "Channel", "Footer", "Message", "Person", "Quote", "Reply", "Said", "Status"]


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who writes in a channel, as the platform vouches for them."""

    id: str
    name: str
    moderator: bool = False
    bot: bool = False
    locale: str = ""


@dataclass(frozen=True, slots=True)
class Channel:
    """A place where one conversation is held: a channel, a thread, a group chat or a private chat.

    `tenant` is the community the channel belongs to (a Discord guild, a Microsoft tenant), empty where there is none.
    `settings_id` is the channel whose settings apply: a thread is set up by the channel it hangs in.
    """

    platform: str
    id: str
    tenant: str = ""
    kind: Literal["direct", "group", "channel", "thread"] = "channel"
    name: str = ""
    parent: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        """What tells this conversation from every other: (platform, tenant, id)."""
        return (self.platform, self.tenant, self.id)

    @property
    def settings_id(self) -> str:
        return self.parent or self.id


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that came with a message, or that goes out with an answer.

    Incoming: `source` is the adapter's own reference, read through `Turn.read`; `data` is empty.
    Outgoing: `data` holds the bytes; `alt` describes a picture to those who cannot see it.
    `seconds` is the length a platform claims for a sound; it is not to be believed.
    """

    name: str
    media_type: str
    data: bytes = b""
    size: int = 0
    source: str = ""
    alt: str = ""
    seconds: float | None = None

    @property
    def kind(self) -> str:
        """The first half of the media type: `image`, `audio`, `video`, `text` …"""
        return self.media_type.partition("/")[0].lower()


@dataclass(frozen=True, slots=True)
class Quote:
    """The message that somebody replied to."""

    id: str
    author: Person | None = None
    text: str = ""
    attachments: tuple[Attachment, ...] = ()


@dataclass(frozen=True, slots=True)
class Message:
    """One thing a person said to the bot.

    `id` is the platform's own and unique within the channel: hearing it twice is hearing it once.
    `skill` and `request` are set when the person named a skill by a command or a menu instead of by words.
    """

    id: str
    channel: Channel
    author: Person
    text: str
    sent_at: datetime
    attachments: tuple[Attachment, ...] = ()
    quote: Quote | None = None
    skill: str = ""
    request: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Button:
    """Something a person may press below an answer. `action` is what the core understands, e.g. `stop`."""

    action: str
    label: str


@dataclass(frozen=True, slots=True)
class Reply:
    """What an adapter shows as one message: Markdown text, files, a small footer, buttons.

    `running` is true while more is to come, so that an adapter can show that the bot is still at work.
    """

    text: str = ""
    attachments: tuple[Attachment, ...] = ()
    footer: str = ""
    buttons: tuple[Button, ...] = ()
    running: bool = False


@dataclass(frozen=True, slots=True)
class Said:
    """One line of a conversation as it was visibly said, oldest first in a history."""

    role: Literal["user", "assistant"]
    text: str
    author: str = ""
    author_id: str = ""
    message_id: str = ""
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Footer:
    """A piece of an answer that is shown small below it: where it came from, what it left out."""

    text: str


@dataclass(frozen=True, slots=True)
class Status:
    """A piece that says what is being done until there is something to show; it is never remembered."""

    text: str
