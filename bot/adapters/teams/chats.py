"""People's own chats with the bot, found from wherever they did something."""

from dataclasses import replace

import structlog
from botbuilder.schema import Activity

from bot.adapters.teams.addresses import Address, Addresses
from bot.adapters.teams.connector import Connector, Unsent
from bot.adapters.teams.events import channel_of, tenant_of
from bot.messages import Channel

__all__ = ["Chats"]

log = structlog.get_logger(__name__)


class Chats:
    """Finds the chat of whoever did something, if they have added the bot for themselves."""

    def __init__(self, addresses: Addresses, connector: Connector) -> None:
        self._addresses = addresses
        self._connector = connector

    async def own(self, activity: Activity, address: Address) -> Channel | None:
        """Their chat with the bot, and the way there is remembered; None where they have none."""
        sender = activity.from_property
        body = {
            "bot": {"id": address.bot_id, "name": address.bot_name},
            "members": [{"id": sender.id}],
            "isGroup": False,
            "tenantId": tenant_of(activity),
            "channelData": {"tenant": {"id": tenant_of(activity)}},
        }
        try:
            made = await self._connector.call(
                "POST", activity.service_url, "/v3/conversations", body, lane=f"person {sender.id}", patience=3
            )
        except Unsent as error:
            log.info("a person has no chat with the bot", reason=str(error))
            return None
        chat = made.get("id")
        if not isinstance(chat, str) or not chat:
            return None
        own = Channel("teams", chat, channel_of(activity).tenant, "direct")
        await self._addresses.note(own, replace(address, conversation=chat, kind="personal", team="", sort=""))
        return own
