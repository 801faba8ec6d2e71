"""The second plug: how a platform is connected.

An adapter hears and shows; it decides nothing. It alone knows who was addressed, who is a moderator and what kind of
room it is, and says so in values. Whatever it calls on the `Host` returns quickly: the work is done elsewhere.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

from bot.messages import Attachment, Channel, Message, Person, Press, Reply, Said

if TYPE_CHECKING:
    from aiohttp.web import AbstractRouteDef

    from bot.commands import Command
    from bot.config import Config
    from bot.skill import Settings
    from storage import Store

__all__ = [
    "Adapter",
    "AdapterOff",
    "Community",
    "Examined",
    "Gone",
    "Host",
    "Limits",
    "Origin",
    "Overloaded",
    "PostFailed",
    "Step",
]

Origin = Literal["here", "community", "default"]


class AdapterOff(Exception):
    """This adapter cannot run as configured; the text names the one thing to set."""


class PostFailed(Exception):
    """The platform did not take a post or an edit. Trying again with the same nonce may help."""


class Gone(PostFailed):
    """The channel or the message is no longer there, or no longer open to the bot: trying again is useless."""


class Overloaded(Exception):
    """More is asked than can be taken on. Nothing was stored: whoever resends may do so in `seconds`."""

    def __init__(self, seconds: int = 5) -> None:
        super().__init__(f"Too much is asked just now. Try again in {seconds} seconds.")
        self.seconds = seconds


@dataclass(frozen=True, slots=True)
class Examined:
    """One thing that was looked at, whether it is well, and the one thing to do where it is not."""

    what: str
    well: bool
    text: str


@dataclass(frozen=True, slots=True)
class Community:
    """A server or an organisation that the bot is in: `id` is what its channels have as their `tenant`.

    `channels` are those that settings can be made for, by name; threads are not among them. `roles` are what people can
    be there, as ids with their names.
    """

    platform: str
    id: str
    name: str
    channels: tuple[Channel, ...] = ()
    roles: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Limits:
    """What a platform can carry in one channel.

    `characters` counts UTF-16 code units, the measure that is never too generous on any platform.
    `pace` is the least number of seconds between two edits of a running answer (see also `Adapter.ready`).
    `typing` is how often, in seconds, the typing sign has to be renewed; 0 where there is none.
    `once` says that a post repeated with the same nonce is shown only once. Where it is false, an answer begins as a
    placeholder and everything later is an edit, which can be repeated without harm.
    `resends` says that a message which `Host.heard` could not take comes again, or that its author is told by the
    platform itself.
    `buttons` is how many buttons can stand below a finished answer; 0 where there are none.
    `messages` is how many messages one answer may take before the whole of it goes into a file; 0 for any number.
    """

    characters: int = 2000
    attachments: int = 10
    attachment_bytes: int = 10 * 1024 * 1024
    pace: float = 1.0
    typing: float = 8.0
    once: bool = True
    resends: bool = False
    buttons: int = 0
    messages: int = 0


Step = Literal["sign", "begin", "grow", "end"]
"""What is shown of an answer: that it is on its way, its first words, more of them, all of it."""


class Host(Protocol):
    """What the core offers to adapters."""

    async def heard(self, message: Message) -> bool:
        """Take a question. When this returns, it is safely stored; `False` means it had been heard before.

        Raises what storage raises when it cannot be stored; its author has been told then, unless the platform resends.
        Raises `Overloaded` where the platform resends and there is too much to answer.
        """

    async def edited(self, message: Message, *, addressed: bool = True) -> None:
        """A person changed what they said: the message as it is now, and whether it is still (or by now) a question."""

    async def deleted(self, channel: Channel, message_ids: Iterable[str]) -> None:
        """Messages were removed, by their author or by a moderator."""

    async def stop(self, channel: Channel, message_id: str, person: Person) -> bool:
        """End the answer to `message_id` (a question's or an answer's id) where it stands.

        `False` when nothing was running or `person` may not stop it: only who asked, or a moderator, may.
        """

    async def pressed(self, press: Press) -> str:
        """Somebody pressed a button below one of the bot's messages; hearing the same press twice is hearing it once.

        Returns a sentence for their eyes only: why nothing comes of it, or thanks. It is empty when the channel shows
        what comes of it. Safe to call again; quick, because whatever takes its time is done later.
        """

    def settable(self, channel: Channel) -> "tuple[Command, ...]":
        """What moderators can set in this channel, each with its form: every skill, the limits of all, and what there
        is to set about the platform, as `@discord`.

        A skill has one thing more than is in its form: `enabled`.
        """

    async def choices(self, channel: Channel) -> Mapping[str, Mapping[str, Any]]:
        """What is set in this channel, by the names of what is `settable`: every field, and `enabled`.

        With a channel whose id is empty: what is set for its whole community.
        """

    async def origins(self, channel: Channel) -> Mapping[str, Mapping[str, "Origin"]]:
        """Where each of these comes from: it was set `here`, for the whole `community`, or is the `default`."""

    async def configure(
        self,
        channel: Channel,
        person: Person,
        name: str,
        chosen: Mapping[str, Any],
        *,
        everywhere: bool = False,
        reset: Collection[str] = (),
    ) -> None:
        """Set what a moderator chose in this channel, or for its whole community.

        `name` is of something `settable`, `chosen` has the names of its fields, and `enabled`. The fields in `reset`
        are taken back, as are those that are None: what goes for the community holds again here, and what is usual in
        the community. Raises `UserError` when `person` is no moderator, or with the remedy for each field that cannot
        be so.
        """

    async def communities(self, person: Person) -> "tuple[Community, ...]":
        """Where the bot is, on every platform. Raises `UserError` for anybody but whoever runs it."""

    async def export(self, person: Person, channel: Channel) -> bytes:
        """Everything kept of a person on the channel's platform, as a JSON document for their eyes only."""

    async def forget(self, person: Person, channel: Channel) -> int:
        """Forget a person on the channel's platform: what they said anywhere, and what was answered to it.

        What is being answered to them ends. Returns how many lines of context went.
        """

    async def left(self, platform: str, tenant: str, *, back: bool = False) -> None:
        """The bot was removed from a community, which is forgotten after a while unless it comes `back` there."""


class Adapter(ABC):
    """One platform. A subclass is found by its entry point in the group `parley.adapters`."""

    name: ClassVar[str]
    settings_type: "ClassVar[type[Settings] | None]" = None  # what moderators may set about the bot on this platform
    own: ClassVar[bool] = False  # whether it serves only whoever runs the bot, as the page and the terminal do

    def __init__(self, config: "Config", store: "Store") -> None:
        """Raise `AdapterOff` with the remedy when the configuration does not switch this platform on."""
        self.config = config
        self.store = store
        self.port = config.port  # the real one, once the server listens
        self.commands: tuple[Command, ...] = ()  # what people can call, set before `run`
        self.status: Callable[[], dict[str, Any]] | None = None  # what runs here, for an adapter that shows it

    @classmethod
    def package(cls, config: "Config", commands: "Sequence[Command]", *, messages: bool = True) -> bytes:
        """What has to be uploaded to this platform, where there is such a thing: a zip file.

        With `messages` it asks for the right to read those around the bot. Raises `AdapterOff` with what is missing.
        """
        raise AdapterOff(f"{cls.name} needs no app package.")

    @property
    def greeting(self) -> str:
        """One line for the person who started the bot: where to find it on this platform."""
        return f"{self.name}: on"

    @property
    def trouble(self) -> str:
        """Why nobody can be heard on this platform just now; empty when all is well."""
        return ""

    def facts(self) -> Mapping[str, float]:
        """How the connection is, in numbers with a unit in their name: `heartbeat_seconds_ago`, `latency_seconds` …"""
        return {}

    def reload(self, config: "Config") -> Collection[str]:
        """Take over what can be of a configuration that was read anew, while it runs; the names of what was."""
        return ()

    @abstractmethod
    def limits(self, channel: Channel) -> Limits:
        """What may be posted in this channel."""

    @abstractmethod
    async def run(self, host: Host) -> None:
        """Listen until cancelled. Returning or raising means the platform is lost."""

    async def ready(self, channel: Channel, step: Step, answers: str) -> bool:
        """Wait until the platform takes one more call in this channel, for the answer to the message `answers`.

        What is shown is put together after this, so that it is the newest there is. `False` when this step need not be
        shown. Waiting may be cancelled when nobody wants the step any more. A platform that sets no pace keeps this.
        """
        return True

    @abstractmethod
    async def post(self, channel: Channel, reply: Reply, *, answers: str, nonce: str) -> str:
        """Show `reply` as an answer to the message `answers` and return the new message's id.

        `nonce` (at most 25 characters) is the same for every attempt at the same post.
        Raises `PostFailed` or `Gone`.
        """

    @abstractmethod
    async def edit(self, channel: Channel, message_id: str, reply: Reply) -> None:
        """Replace what message `message_id` shows. Raises `PostFailed` or `Gone`."""

    @abstractmethod
    async def read(self, channel: Channel, attachment: Attachment, limit: int) -> bytes:
        """The bytes of a received attachment; raises `UserError` above `limit` bytes or when it cannot be had."""

    def shape(self, text: str) -> str:
        """The Markdown of an answer as this platform's people read it best, before it is split. Pure and quick."""
        return text

    async def finish(self, text: str) -> tuple[str, tuple[Attachment, ...]]:
        """The same for an answer that is whole, with pictures of what the platform cannot write. It cannot fail."""
        return self.shape(text), ()

    async def remove(self, channel: Channel, message_id: str) -> None:
        """Take a message of the bot's own away, or leave a sign that it no longer counts. Raises as `edit` does."""
        await self.edit(channel, message_id, Reply("…"))

    async def typing(self, channel: Channel) -> None:  # noqa: B027 - a platform without a typing sign has nothing to do
        """Show once that the bot is at work. Failure must not matter."""

    async def earlier(
        self, channel: Channel, limit: int, since: datetime | None, reader: Person
    ) -> tuple[Said, ...] | None:
        """The newest `limit` messages of a channel, everybody's, the oldest first; with `since`, those after that.

        Only what `reader` may read there as well. `None` where the platform does not let the bot read them. Raises
        `UserError` with the remedy when somebody could let it.
        """
        return None

    def link(self, channel: Channel, message_id: str) -> str:
        """The address of a message, for people who can open it; empty where messages have none."""
        return ""

    async def examine(self) -> list[Examined]:
        """Ask the platform whether the bot has there what it needs, without disturbing a Parley that runs."""
        return []

    async def invite(self) -> str:
        """The address at which somebody adds the bot to their community; empty where there is none."""
        return ""

    async def communities(self) -> "Sequence[Community]":
        """The communities that the bot is in, for whoever runs it; what cannot be found out is left out."""
        return ()

    def routes(self) -> "Iterable[AbstractRouteDef]":
        """Paths this platform needs on the one HTTP server that all adapters share."""
        return ()
