"""What to do with an activity that was let in. It returns at once: the work is done elsewhere."""

from collections.abc import Callable

import structlog
from botbuilder.core import InvokeResponse, TurnContext
from botbuilder.schema import Activity, ActivityTypes

from bot.adapter import Host
from bot.adapters.teams.addresses import Address, Addresses
from bot.adapters.teams.events import channel_of, concerns_bot, is_addressed, is_from_bot, message_of, tenant_of
from bot.adapters.teams.gate import Turned
from bot.adapters.teams.hosts import Hosts
from bot.adapters.teams.showing import Showing
from bot.messages import Channel

__all__ = ["Hearing"]

log = structlog.get_logger(__name__)

_TAKEN, _NOTHING_TO_DO = 202, 200
_FEEDBACK = "message/submitAction"


class Hearing:
    """Turns activities into what the core understands. `host` is set while the bot runs."""

    def __init__(
        self, addresses: Addresses, hosts: Hosts, showing: Showing, greet: Callable[[Channel, str], None]
    ) -> None:
        self.host: Host | None = None
        self._addresses = addresses
        self._hosts = hosts
        self._showing = showing
        self._greet = greet

    async def turn(self, context: TurnContext) -> int:
        """The HTTP status for this activity. What it raises makes Teams send the activity again."""
        if self.host is None:
            raise Turned(503, "Unavailable", "The bot is starting or stopping.")
        activity = context.activity
        if activity.type == ActivityTypes.invoke:
            await context.send_activity(Activity(type=ActivityTypes.invoke_response, value=_answer(activity)))
        elif activity.type == ActivityTypes.message:
            return await self._message(self.host, activity)
        elif activity.type == ActivityTypes.message_update:
            if not is_from_bot(activity) and _event(activity) != "undeleteMessage":
                await self.host.edited(message_of(activity, self._hosts), addressed=is_addressed(activity))
        elif activity.type == ActivityTypes.message_delete:
            await self.host.deleted(channel_of(activity), (activity.id,))
        elif activity.type in (ActivityTypes.conversation_update, ActivityTypes.installation_update):
            await self._membership(activity)
        return _NOTHING_TO_DO

    async def _message(self, host: Host, activity: Activity) -> int:
        if is_from_bot(activity) or not is_addressed(activity):
            return _NOTHING_TO_DO
        if activity.value is not None and not activity.text:
            return _NOTHING_TO_DO  # a card's button; the bot shows no cards
        message = message_of(activity, self._hosts)
        await self._addresses.note(message.channel, _address(activity))
        pressed = self._showing.pressed(message.channel, message.text)
        if pressed and pressed[1] == "stop" and await host.stop(message.channel, pressed[0], message.author):
            return _NOTHING_TO_DO
        new = await host.heard(message)
        log.info(
            "teams message",
            id=message.id,
            kind=message.channel.kind,
            characters=len(message.text),
            attachments=len(message.attachments),
            new=new,
        )
        return _TAKEN if new else _NOTHING_TO_DO

    async def _membership(self, activity: Activity) -> None:
        """The bot was added to a conversation, or removed from it. Two events tell of it, in any order."""
        channel = channel_of(activity)
        if activity.action == "add" or concerns_bot(activity.members_added, activity):
            address = _address(activity)
            if await self._addresses.welcome(channel, address):
                self._greet(channel, _welcome(address.bot_name, channel))
        elif activity.action == "remove" or concerns_bot(activity.members_removed, activity):
            await self._addresses.close(channel)


def _address(activity: Activity) -> Address:
    return Address(
        service_url=activity.service_url,
        channel_id=activity.channel_id,
        conversation=activity.conversation.id,
        kind=str(activity.conversation.conversation_type or ""),
        tenant=tenant_of(activity),
        bot_id=str(activity.recipient.id or "") if activity.recipient else "",
        bot_name=str(activity.recipient.name or "") if activity.recipient else "",
    )


def _event(activity: Activity) -> object:
    return activity.channel_data.get("eventType") if isinstance(activity.channel_data, dict) else None


def _answer(activity: Activity) -> InvokeResponse:
    """Feedback on an answer is taken (Teams wants an empty object); nothing else is asked of this bot."""
    if activity.name == _FEEDBACK:
        return InvokeResponse(status=200, body={})
    error = {"code": "NotImplemented", "message": "This bot does not answer such requests."}
    return InvokeResponse(status=501, body={"error": error})


def _welcome(bot_name: str, channel: Channel) -> str:
    name = bot_name or "Parley"
    if channel.kind == "direct":
        return (
            f"Hello, I am {name}. Ask me anything, send me a picture to look at, or ask me to draw one. "
            "To say something aloud, attach an audio file: Teams does not pass its own voice messages on to bots. "
            "Write **stop** to end an answer."
        )
    return f"Hello, I am {name}. Mention me in a message and I will answer; write **help** to see what I can do."
