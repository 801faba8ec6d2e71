"""botbuilder over our own wire: its public seams are used, and what is unsound or dear behind them is replaced.

What comes in runs through its pipeline as a turn. What goes out by itself does not: for each request such a turn would
copy the activity, make two more of it and draw an id that nobody needs.
"""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from enum import Enum
from typing import Any

from botbuilder.core import CloudAdapterBase, InvokeResponse, TurnContext
from botbuilder.schema import Activity, ConversationReference, Entity, InputHints, ResourceResponse
from botframework.connector.auth import BotFrameworkAuthentication, ClaimsIdentity
from botframework.connector.auth.authenticate_request_result import AuthenticateRequestResult
from botframework.connector.auth.connector_factory import ConnectorFactory
from msrest.serialization import Model

from bot.adapters.teams.connector import Connector, Method

__all__ = ["Cloud", "FreeEntity", "TurnWork"]

TurnWork = Callable[[TurnContext], Awaitable[None]]


class FreeEntity(Entity):  # type: ignore[misc]
    """An entity that keeps all its fields: botbuilder's own sends nothing but the type."""

    _attribute_map = {  # noqa: RUF012 - msrest reads it from the class
        "type": {"key": "type", "type": "str"},
        "additional_properties": {"key": "", "type": "{object}"},
    }


class Cloud(CloudAdapterBase):  # type: ignore[misc]
    """botbuilder's adapter: a turn for each activity that comes in, and a way out to conversations of before.

    A request is tried for up to `patience` seconds, and raises what the connector raises.
    """

    def __init__(self, connector: Connector) -> None:
        self._connector = connector
        self._factory = _Factory(connector)
        super().__init__(_Authentication(self._factory))

    async def hear(self, claims: Mapping[str, Any], activity: Activity, work: TurnWork) -> InvokeResponse | None:
        """Run `work` on an activity whose sender was verified; what an invoke is answered with."""
        verified = AuthenticateRequestResult()
        verified.claims_identity = ClaimsIdentity(dict(claims), True)
        verified.connector_factory = self._factory
        found: InvokeResponse | None = await self.process_activity(verified, activity, work)
        return found

    async def send(self, where: ConversationReference, activity: Activity, *, patience: float) -> str:
        """Send something new; its id, empty where Teams gives none. It replies to `where.activity_id`."""
        TurnContext.apply_conversation_reference(activity, where)
        activity.id, activity.input_hint = None, InputHints.accepting_input
        there = _Conversations(self._connector, where.service_url, patience)
        conversation = where.conversation.id
        if activity.reply_to_id:
            sent = await there.reply_to_activity(conversation, activity.reply_to_id, activity)
        else:
            sent = await there.send_to_conversation(conversation, activity)
        return str(sent.id)

    async def update(self, where: ConversationReference, activity: Activity, *, patience: float) -> None:
        """Put this in the place of the message `activity.id`."""
        TurnContext.apply_conversation_reference(activity, where)
        there = _Conversations(self._connector, where.service_url, patience)
        await there.update_activity(where.conversation.id, activity.id, activity)

    async def delete(self, where: ConversationReference, message_id: str, *, patience: float) -> None:
        """Delete a message."""
        there = _Conversations(self._connector, where.service_url, patience)
        await there.delete_activity(where.conversation.id, message_id)


class _Conversations:
    """The part of botbuilder's connector client that a turn uses."""

    def __init__(self, connector: Connector, service_url: str, patience: float = 0.0) -> None:
        self._connector = connector
        self._service_url = service_url
        self._patience = patience

    async def send_to_conversation(self, conversation_id: str, activity: Activity) -> ResourceResponse:
        return await self._send("POST", conversation_id, None, activity)

    async def reply_to_activity(self, conversation_id: str, activity_id: str, activity: Activity) -> ResourceResponse:
        return await self._send("POST", conversation_id, activity_id, activity)

    async def update_activity(self, conversation_id: str, activity_id: str, activity: Activity) -> ResourceResponse:
        return await self._send("PUT", conversation_id, activity_id, activity)

    async def delete_activity(self, conversation_id: str, activity_id: str) -> None:
        await self._send("DELETE", conversation_id, activity_id, None)

    async def _send(
        self, method: Method, conversation: str, activity_id: str | None, activity: Activity | None
    ) -> ResourceResponse:
        body = None if activity is None else _plain(activity)
        answer = await self._connector.send(
            method, self._service_url, conversation, activity_id, body, patience=self._patience
        )
        return ResourceResponse(id=str(answer.get("id") or ""))


def _plain(value: Any) -> Any:
    """An activity as JSON: what the library's own way gives, in a tenth of the time."""
    if isinstance(value, Model):
        found: dict[str, Any] = {}
        for name, place in value._attribute_map.items():  # noqa: SLF001 - the library has no other way to ask
            inner = getattr(value, name, None)
            if inner is None:
                continue
            if place["key"]:
                found[place["key"]] = _plain(inner)
            else:
                found |= inner  # fields that the library does not know
        return found
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, datetime):
        return value.isoformat()
    return value.value if isinstance(value, Enum) else value


class _Client:
    def __init__(self, conversations: _Conversations) -> None:
        self.conversations = conversations


class _Factory(ConnectorFactory):  # type: ignore[misc]
    def __init__(self, connector: Connector) -> None:
        self._connector = connector

    async def create(self, service_url: str, audience: str) -> _Client:
        return _Client(_Conversations(self._connector, service_url))


class _Authentication(BotFrameworkAuthentication):  # type: ignore[misc]
    """Requests are verified before they reach botbuilder, so it is never asked to do so itself."""

    def __init__(self, factory: _Factory) -> None:
        self._factory = factory

    async def authenticate_request(self, activity: Activity, auth_header: str) -> AuthenticateRequestResult:
        raise PermissionError("requests are verified by the gate, not here")

    async def authenticate_streaming_request(
        self, auth_header: str, channel_id_header: str
    ) -> AuthenticateRequestResult:
        raise PermissionError("streaming connections are not accepted")

    def create_connector_factory(self, claims_identity: ClaimsIdentity) -> _Factory:
        return self._factory

    async def create_user_token_client(self, claims_identity: ClaimsIdentity) -> None:
        """Nobody signs in to anything through this bot."""
