"""What to do with an activity that was let in. It returns at once: the work is done elsewhere."""

from collections.abc import Callable
from dataclasses import replace

import structlog
from botbuilder.core import TurnContext
from botbuilder.schema import Activity, ActivityTypes

from bot.adapter import Host
from bot.adapters.teams.addresses import Address, Addresses
from bot.adapters.teams.attached import has_pictures
from bot.adapters.teams.chats import Chats
from bot.adapters.teams.events import (
    channel_of,
    concerns_bot,
    is_addressed,
    is_from_bot,
    message_of,
    named_channel,
    person_of,
    team_id_of,
    tenant_of,
)
from bot.adapters.teams.gate import Turned
from bot.adapters.teams.hosts import Hosts
from bot.adapters.teams.invokes import Invokes
from bot.adapters.teams.offered import Offered
from bot.adapters.teams.people import People
from bot.adapters.teams.presses import Presses, press_of
from bot.adapters.teams.quoting import Quoting
from bot.budget import Seldom
from bot.messages import Channel, Message, Press
from bot.translations import translate

__all__ = ["Hearing"]

log = structlog.get_logger(__name__)

_TAKEN, _NOTHING_TO_DO = 202, 200


class Hearing:
    """Turns activities into what the core understands. `host` is set while the bot runs.

    `taken` is told of each channel in which a question is about to be heard. With `greets` the bot says hello each time
    that it is added and it is due, and not once.
    """

    def __init__(
        self,
        addresses: Addresses,
        hosts: Hosts,
        people: People,
        invokes: Invokes,
        presses: Presses,
        offered: Offered,
        chats: Chats,
        quoting: Quoting,
        tell: Callable[[Channel, str, tuple[str, ...]], None],
    ) -> None:
        self.host: Host | None = None
        self.taken: Callable[[Channel], None] | None = None
        self.greets: Seldom | None = None
        self._addresses = addresses
        self._hosts = hosts
        self._people = people
        self._invokes = invokes
        self._presses = presses
        self._offered = offered
        self._chats = chats
        self._quoting = quoting
        self._tell = tell

    async def turn(self, context: TurnContext) -> int:
        """The HTTP status for this activity. What it raises makes Teams send the activity again."""
        if self.host is None:
            raise Turned(503, "Unavailable", "The bot is starting or stopping.")
        activity = context.activity
        if activity.type == ActivityTypes.invoke:
            answer = await self._invokes.answer(self.host, activity, _address(activity))
            await context.send_activity(Activity(type=ActivityTypes.invoke_response, value=answer))
        elif activity.type == ActivityTypes.message:
            return await self._message(self.host, activity)
        elif activity.type == ActivityTypes.message_update:
            await self._changed(self.host, activity)
        elif activity.type == ActivityTypes.message_delete:
            await self.host.deleted(channel_of(activity), (activity.id,))
        elif activity.type in (ActivityTypes.conversation_update, ActivityTypes.installation_update):
            await self._membership(activity)
        return _NOTHING_TO_DO

    async def _message(self, host: Host, activity: Activity) -> int:
        if is_from_bot(activity):
            return _NOTHING_TO_DO
        if activity.value is not None and not activity.text:
            await self._submitted(host, activity)
            return _NOTHING_TO_DO
        if not is_addressed(activity):
            return _NOTHING_TO_DO
        message = await self._heard(host, activity)
        self._offered.asked(message.channel, message.id, message.author.locale)
        await self._note(message.channel, activity)
        if await self._pressed_in_words(host, activity, message):
            return _NOTHING_TO_DO
        if self.taken is not None and message.channel.kind in ("channel", "thread"):
            self.taken(message.channel)
        new = await host.heard(await self._whole(message, activity))
        log.debug(  # the core has told of it already
            "teams message",
            id=message.id,
            kind=message.channel.kind,
            characters=len(message.text),
            attachments=len(message.attachments),
            new=new,
        )
        return _TAKEN if new else _NOTHING_TO_DO

    async def _changed(self, host: Host, activity: Activity) -> None:
        """A message was edited; one that was deleted and is put back stays forgotten."""
        if is_from_bot(activity) or _event(activity) == "undeleteMessage":
            return
        addressed = is_addressed(activity)
        message = await self._heard(host, activity)
        if addressed:  # it may be a question only now, from a place where nothing was heard before
            self._offered.asked(message.channel, message.id, message.author.locale)
            await self._note(message.channel, activity)
            message = await self._whole(message, activity)
        await host.edited(message, addressed=addressed)

    async def _heard(self, host: Host, activity: Activity) -> Message:
        return message_of(activity, self._hosts, moderator=await self._people.soon(host, activity))

    async def _whole(self, message: Message, activity: Activity) -> Message:
        """The message with what it replies to, and with pictures of its own that Teams does not pass on."""
        attached = activity.attachments or ()
        left_out = not message.attachments and has_pictures(attached)
        return await self._quoting.complete(message, pictures=left_out)

    async def _note(self, channel: Channel, activity: Activity) -> None:
        """Remember the way back, and that the bot is in this team."""
        address = _address(activity)
        await self._addresses.note(channel, address)
        if address.team:
            await self._addresses.belongs(address.tenant, address.team, there=True)

    async def _submitted(self, host: Host, activity: Activity) -> None:
        """A button was pressed in a client that sends it as a message."""
        press = press_of(activity, activity.value)
        if press is None:
            return
        said, _ = await self._presses.take(host, activity, press)
        if said:
            channel = channel_of(activity)
            if channel.kind != "direct":  # it is for whoever pressed, and not for everybody
                channel = await self._chats.own(activity, _address(activity)) or channel
            self._tell(channel, said, ())

    async def _pressed_in_words(self, host: Host, activity: Activity, message: Message) -> bool:
        """Whether these words are the label of a button below an answer, and did what it does."""
        channel = await self._addresses.origin(message.channel)
        named = await self._offered.named(message, channel)
        if named is None:
            return False
        press = Press(message.id, message.channel, message.author, named[0], named[1], message.sent_at)
        said, _ = await self._presses.take(host, activity, press)
        if said:
            self._tell(message.channel, said, ())
        return True

    async def _membership(self, activity: Activity) -> None:
        """The bot was added to a conversation, or removed from it. Two events tell of it, in any order.

        In a team it is welcomed, and says hello, where everybody is: in the channel that has the team's own id.
        """
        channel, address, event = channel_of(activity), _address(activity), _event(activity)
        if event in ("channelDeleted", "teamDeleted", "teamHardDeleted"):
            await self._closed(activity, whole=event != "channelDeleted")
            return
        if address.team and channel.kind in ("channel", "thread"):
            channel = replace(channel, id=address.team, kind="channel", parent="")
            address = replace(address, conversation=address.team, sort="")
        if activity.action in ("add", "add-upgrade") or concerns_bot(activity.members_added, activity):
            if address.team:
                await self._addresses.belongs(address.tenant, address.team, there=True)
            self._people.added()
            new = await self._addresses.welcome(channel, address)
            if (self.greets.due(channel.key) if self.greets else new) and activity.action != "add-upgrade":
                locale = person_of(activity).locale
                suggestions = tuple(translate(each, locale) for each in _SUGGESTIONS)
                self._tell(channel, _welcome(address.bot_name, channel, locale), suggestions)
        elif activity.action in ("remove", "remove-upgrade") or concerns_bot(activity.members_removed, activity):
            if activity.action == "remove-upgrade":
                return  # it comes back at once
            if address.team:
                await self._addresses.belongs(address.tenant, address.team, there=False)
            await self._addresses.close(channel)

    async def _closed(self, activity: Activity, *, whole: bool) -> None:
        """A channel is gone, or the `whole` team."""
        channel, address = channel_of(activity), _address(activity)
        if whole and address.team:
            await self._addresses.belongs(address.tenant, address.team, there=False)
        gone = address.team if whole else named_channel(activity)
        if gone:
            await self._addresses.close(replace(channel, id=gone, kind="channel", parent=""))


_SUGGESTIONS = ("What can you do?", "Draw a fox in the snow", "Help me to write a friendly e-mail")


def _address(activity: Activity) -> Address:
    said = activity.channel_data if isinstance(activity.channel_data, dict) else {}
    channel = said.get("channel")
    sort = channel.get("type") if isinstance(channel, dict) else None
    return Address(
        service_url=activity.service_url,
        channel_id=activity.channel_id,
        conversation=activity.conversation.id,
        kind=str(activity.conversation.conversation_type or ""),
        tenant=tenant_of(activity),
        bot_id=str(activity.recipient.id or "") if activity.recipient else "",
        bot_name=str(activity.recipient.name or "") if activity.recipient else "",
        team=team_id_of(activity),
        sort=sort.lower()[:20] if isinstance(sort, str) else "",
        locale=person_of(activity).locale,
    )


def _event(activity: Activity) -> object:
    return activity.channel_data.get("eventType") if isinstance(activity.channel_data, dict) else None


_WELCOME = (
    "Hello, I am {}. Ask me anything, send me a picture to look at, or ask me to draw one. "
    "To say something aloud, attach an audio file: Teams does not pass its own voice messages on to bots. "
    "Write “stop” to end an answer, and “help” to see what I can do."
)
_WELCOME_ALL = "Hello, I am {}. Mention me in a message and I will answer; write “help” to see what I can do."


def _welcome(bot_name: str, channel: Channel, locale: str) -> str:
    text = translate(_WELCOME if channel.kind == "direct" else _WELCOME_ALL, locale)
    return text.replace("{}", bot_name or "Parley")
