"""One request about a conversation each: a new message, a change, a deletion."""

from typing import TYPE_CHECKING

import structlog
from botbuilder.schema import Activity, ActivityTypes, ChannelAccount, ConversationAccount, ConversationReference
from botbuilder.schema import Attachment as Attached

from bot.adapter import Gone, PostFailed
from bot.adapters.teams.addresses import Address, Addresses
from bot.adapters.teams.cards import CARD
from bot.adapters.teams.cloud import Cloud
from bot.adapters.teams.connector import Refused, Unsent
from bot.adapters.teams.hosts import Hosts
from bot.messages import Channel

if TYPE_CHECKING:
    from bot.adapters.teams.cards import Json

__all__ = ["ASKED", "PATIENCE", "PATIENCE_RUNNING", "Doubtful", "Sending", "carded", "written"]

log = structlog.get_logger(__name__)

# Seconds for which sending is tried. What is still being written is soon followed by more; an end has nothing after it.
PATIENCE_RUNNING, PATIENCE = 10.0, 60.0
ASKED = "asked-"  # begins the id of a question that no message shows: it was asked in a dialog
_GONE = (403, 404, 410)
_NOT_DONE_HERE = 501  # what the Agents Playground says to deletions
_NOTHING = "–"


class Doubtful(PostFailed):
    """A post that Teams may have shown all the same."""


class Sending:
    """The way to the conversations that were heard from."""

    def __init__(self, cloud: Cloud, addresses: Addresses, hosts: Hosts) -> None:
        self._cloud = cloud
        self._addresses = addresses
        self._hosts = hosts

    async def address(self, channel: Channel) -> Address:
        """Where a conversation is answered. Raises `Gone`."""
        address = await self._addresses.find(channel)
        if address is None:
            raise Gone("nothing was ever heard from this conversation")
        if address.gone:
            raise Gone("the bot is no longer in this conversation")
        if not self._hosts.trusts(address.service_url):
            log.error("a stored conversation's host is not allowed", remedy="see PARLEY_TEAMS_SERVICE_HOSTS")
            raise Gone("the conversation's host is not allowed")
        return address

    async def failure(self, error: Unsent, channel: Channel, *, new: bool) -> PostFailed:
        """What the core is told; a `new` message that Teams takes nowhere means that the bot is no longer there."""
        if not isinstance(error, Refused) or error.status not in _GONE:
            return Doubtful(str(error)) if error.doubtful else PostFailed(str(error))
        if new:
            await self._addresses.close(channel)
        return Gone(str(error))

    async def send(self, address: Address, activity: Activity, *, patience: float, answers: str = "") -> str:
        """Send something new; its id, empty where Teams gives none. Raises `Unsent`."""
        below = None if not answers or answers.startswith(ASKED) or "~" in answers else answers
        return await self._cloud.send(_reference(address, below), activity, patience=patience)

    async def update(self, address: Address, message_id: str, activity: Activity, *, patience: float) -> None:
        """Put something else in the place of a message. Raises `Unsent`."""
        activity.id = message_id
        await self._cloud.update(_reference(address), activity, patience=patience)

    async def delete(self, address: Address, message_id: str) -> None:
        """Delete a message, or leave next to nothing of it where nothing can be deleted. Raises `Unsent`."""
        try:
            await self._cloud.delete(_reference(address), message_id, patience=PATIENCE)
        except Refused as error:
            if error.status != _NOT_DONE_HERE:
                raise
            await self.update(address, message_id, written(_NOTHING), patience=PATIENCE)

    async def take_away(self, address: Address, message_id: str) -> None:
        """Delete a message if it can be deleted: an old picture does less harm than an answer that is held up."""
        try:
            if message_id:
                await self.delete(address, message_id)
        except Unsent as error:
            log.warning("something old stays in teams", reason=str(error))


def written(text: str) -> Activity:
    """A message of text."""
    return Activity(type=ActivityTypes.message, text=text, text_format="markdown")


def carded(card: "Json", summary: str = "") -> Activity:
    """A message that is a card; `summary` is what a notification says of it."""
    attached = Attached(content_type=CARD, content=card)
    return Activity(type=ActivityTypes.message, attachments=[attached], summary=summary or None)


def _reference(address: Address, answers: str | None = None) -> ConversationReference:
    return ConversationReference(
        activity_id=answers,
        channel_id=address.channel_id,
        service_url=address.service_url,
        conversation=ConversationAccount(id=address.conversation, conversation_type=address.kind or None),
        bot=ChannelAccount(id=address.bot_id, name=address.bot_name),
    )
