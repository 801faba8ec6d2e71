"""What crosses every boundary: frozen values without behaviour of their own.

An adapter turns whatever its platform sends into these, and nothing of the platform goes further than that.
All of them can be written to storage as JSON, so that a question survives the process that heard it.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

__all__ = [
    "Attachment",
    "Button",
    "Channel",
    "Footer",
    "Keep",
    "Kept",
    "Message",
    "Person",
    "Press",
    "Preview",
    "Quote",
    "Reply",
    "Said",
    "Status",
]


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who writes in a channel, as the platform vouches for them.

    `operator` is who runs this installation, at its own page or terminal: nobody sets limits to them.
    `new` says that the platform has known them for less than a week. `locale` is a language tag (`en-GB`), `timezone`
    an IANA name (`Europe/Lisbon`), each empty where the platform does not tell. `roles` are the ids of what they are
    in this community, on a platform that has such.
    """

    id: str
    name: str
    moderator: bool = False
    bot: bool = False
    locale: str = ""
    operator: bool = False
    new: bool = False
    timezone: str = ""
    roles: tuple[str, ...] = ()


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
    Outgoing: `data` holds the bytes; `alt` describes a picture to those who cannot see it. A sound with a `waveform`
    (1 to 256 bytes, one for each point) is meant as a voice message; where a platform has none, it is an audio file.
    `seconds` is the length a platform claims for a sound that came; it is not to be believed.
    """

    name: str
    media_type: str
    data: bytes = b""
    size: int = 0
    source: str = ""
    alt: str = ""
    seconds: float | None = None
    waveform: bytes = b""

    @property
    def kind(self) -> str:
        """The first half of the media type: `image`, `audio`, `video`, `text` …"""
        return self.media_type.partition("/")[0].lower()


@dataclass(frozen=True, slots=True)
class Quote:
    """The message that somebody replied to, forwarded, or chose from a menu.

    `earlier` are the messages that it replies to in turn, the oldest first, as far as the platform shows them.
    """

    id: str
    author: Person | None = None
    text: str = ""
    attachments: tuple[Attachment, ...] = ()
    forwarded: bool = False
    earlier: "tuple[Quote, ...]" = ()


@dataclass(frozen=True, slots=True)
class Message:
    """One thing a person said to the bot.

    `id` is the platform's own and unique within the channel: hearing it twice is hearing it once.
    `skill` and `request` are set when the person named a skill by a command, a menu or a button instead of by words.
    `private` says that nobody but its author sees it or its answer: it never becomes part of the channel's context.
    `reply_to` is the message below which the answer is shown, where that is not the question itself: a pressed button
    has none of its own.
    `before` is set by the core: what the same person had asked just before, and what is answered together with this.
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
    private: bool = False
    reply_to: str = ""
    before: "tuple[Said, ...]" = ()


@dataclass(frozen=True, slots=True)
class Button:
    """Something a person may press below an answer.

    `action` is a short word, unique below one answer. The core's own are `stop`, `regenerate`, `continue`, `good` and
    `bad`; any other is a skill's: pressing it asks `skill` (by default the one that yielded it) with this `request`,
    as a reply to the answer it stands below.
    """

    action: str
    label: str
    skill: str = ""
    request: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Press:
    """A button below one of the bot's messages was pressed. `id` is the platform's own for this press.

    `words` is what the person wrote with it, where the platform asked (the reason for a thumb down, for example).
    `private` says that nobody but this person sees the message, and so what comes of it.
    """

    id: str
    channel: Channel
    person: Person
    message_id: str
    action: str
    at: datetime
    words: str = ""
    private: bool = False


@dataclass(frozen=True, slots=True)
class Reply:
    """What an adapter shows as one message: Markdown text, files, a small footer, buttons.

    `running` is true while more is to come, so that an adapter can show that the bot is still at work; `status` that
    the text is not yet any of the answer, but says what is being done. `private` is what only the asker may see.
    """

    text: str = ""
    attachments: tuple[Attachment, ...] = ()
    footer: str = ""
    buttons: tuple[Button, ...] = ()
    running: bool = False
    status: bool = False
    private: bool = False


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


@dataclass(frozen=True, slots=True)
class Preview:
    """A piece that shows an unfinished picture until the next one, or the finished one, takes its place."""

    attachment: Attachment


@dataclass(frozen=True, slots=True)
class Keep:
    """A piece that is not shown but kept with the answer: what a later message that builds on it will need.

    `about` is JSON; `attachments` come back with their bytes. Both go when the answer is deleted or too old.
    """

    about: dict[str, Any]
    attachments: tuple[Attachment, ...] = ()


@dataclass(frozen=True, slots=True)
class Kept:
    """What a skill kept with an earlier answer. `id` finds it again with `Turn.recall`."""

    id: str
    skill: str
    about: dict[str, Any]
    attachments: tuple[Attachment, ...] = ()
