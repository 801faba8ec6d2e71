"""What Teams asks and wants answered within the call: pressed buttons, thumbs, menus, dialogs, settings, files."""

import asyncio
import hashlib
import json
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import orjson
import structlog
from botbuilder.core import InvokeResponse
from botbuilder.schema import Activity

from bot.adapter import Host
from bot.adapters.teams.addresses import Address, Addresses
from bot.adapters.teams.cards import CARD, card_of, dialog, words
from bot.adapters.teams.consent import Consents
from bot.adapters.teams.events import channel_of, person_of, tenant_of, when
from bot.adapters.teams.menus import Menus
from bot.adapters.teams.newest import keep
from bot.adapters.teams.presses import Presses, press_of, sign_of
from bot.adapters.teams.settings import SettingsDialog
from bot.messages import Channel, Press
from bot.translations import translate

__all__ = ["Invokes"]

log = structlog.get_logger(__name__)

Json = dict[str, Any]

_MESSAGE = "application/vnd.microsoft.activity.message"
_ERROR = "application/vnd.microsoft.error"
_DONE, _STOPPED = "I am on it.", "I have stopped."
_WORDS = 2000
_REMEMBERED = 500  # invokes whose answer is given again when they come again


class Invokes:
    """Answers each by its name. Whatever takes its time is begun here, with `start`, and done later.

    `tidy` puts away a button that should have stopped an answer and found none. `meant` tells which answer a thumb is
    for where a client does not say it; without it such a thumb counts nothing.
    """

    def __init__(
        self,
        addresses: Addresses,
        menus: Menus,
        settings: SettingsDialog,
        consents: Consents,
        presses: Presses,
        tidy: Callable[[Channel, str, str], Coroutine[Any, Any, None]],
        start: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        self.meant: Callable[[Channel], Awaitable[str]] | None = None
        self._presses = presses
        self._tidy = tidy
        self._addresses = addresses
        self._consents = consents
        self._start = start
        self._given: OrderedDict[str, asyncio.Task[Json]] = OrderedDict()
        self._answers: dict[str, Callable[[Host, Activity, Json, Address], Awaitable[Json]]] = {
            "adaptiveCard/action": self._pressed,
            "message/submitAction": self._judged,
            "message/fetchTask": self._reason,
            "composeExtension/fetchTask": menus.opened,
            "composeExtension/submitAction": menus.submitted,
            "composeExtension/query": self._nothing_found,
            "composeExtension/selectItem": self._nothing_found,
            "composeExtension/queryLink": self._no_preview,
            "composeExtension/anonymousQueryLink": self._no_preview,
            "task/fetch": menus.asked_for,
            "task/submit": menus.filled_in,
            "config/fetch": settings.opened,
            "config/submit": settings.submitted,
            "fileConsent/invoke": self._consented,
        }

    async def answer(self, host: Host, activity: Activity, address: Address) -> InvokeResponse:
        """The response to one invoke: always one with a body."""
        work = self._answers.get(str(activity.name or ""))
        if work is None:
            error = {"code": "NotImplemented", "message": "This bot does not answer such requests."}
            return InvokeResponse(status=501, body={"error": error})
        value = activity.value if isinstance(activity.value, dict) else {}
        mark = _mark(activity)
        given = self._given.get(mark)
        if given is None:
            log.info("teams invoke", name=activity.name)
            given = asyncio.create_task(_done(work(host, activity, value, address)), name="teams invoke")
            if mark:
                keep(self._given, mark, given, _REMEMBERED)
        try:
            return InvokeResponse(status=200, body=await asyncio.shield(given))
        except BaseException:
            self._given.pop(mark, None)  # it may come again, and work then
            raise

    async def _pressed(self, host: Host, activity: Activity, value: Json, address: Address) -> Json:
        action = value.get("action")
        press = press_of(activity, action.get("data") if isinstance(action, dict) else None)
        if press is None:
            error = {"code": "BadRequest", "message": "This is no button of this bot."}
            return {"statusCode": 400, "type": _ERROR, "value": error}
        said, stopped = await self._presses.take(host, activity, press)
        if press.action == "stop" and not stopped and activity.reply_to_id:
            channel = await self._addresses.origin(press.channel)
            self._start(self._tidy(channel, press.message_id, str(activity.reply_to_id)))
        done = translate(_STOPPED if stopped else _DONE, press.person.locale)
        return {"statusCode": 200, "type": _MESSAGE, "value": said or done}

    async def _judged(self, host: Host, activity: Activity, value: Json, address: Address) -> Json:
        given = value.get("actionValue")
        given = given if isinstance(given, dict) else {}
        action = {"like": "good", "dislike": "bad"}.get(str(given.get("reaction", "")).lower(), "")
        channel = await self._addresses.origin(channel_of(activity))
        judged = activity.reply_to_id or (await self.meant(channel) if self.meant is not None else "")
        if value.get("actionName") == "feedback" and action and judged:
            press = Press(
                sign_of(activity),
                channel,
                person_of(activity),
                judged,
                action,
                when(activity),
                _said(given.get("feedback")),
            )
            await host.pressed(press)
        return {}  # Teams wants an empty object

    async def _reason(self, host: Host, activity: Activity, value: Json, address: Address) -> Json:
        """The form for the reason, for clients that leave it to the bot."""
        ask = {"type": "Input.Text", "id": "feedbackText", "isMultiline": True, "maxLength": _WORDS}
        locale = person_of(activity).locale
        ask |= {"label": translate("What was good about it, or what was wrong?", locale)}
        form = dialog(translate("Your opinion", locale), [ask], translate("Send", locale), {})
        return {"task": {"type": "continue", "value": form}}

    async def _nothing_found(self, host: Host, activity: Activity, value: Json, address: Address) -> Json:
        """There is nothing to search in."""
        return {"composeExtension": {"type": "result", "attachmentLayout": "list", "attachments": []}}

    async def _no_preview(self, host: Host, activity: Activity, value: Json, address: Address) -> Json:
        """Links are not previewed. That is a card, because a client that asks may expect one."""
        text = translate("I show no previews of links. Ask me about it in a message.", person_of(activity).locale)
        card = {"contentType": CARD, "content": card_of([words(text)])}
        return {"composeExtension": {"type": "result", "attachmentLayout": "list", "attachments": [card]}}

    async def _consented(self, host: Host, activity: Activity, value: Json, address: Address) -> Json:
        """A person agreed to a file, or not. That is kept before it is answered; what comes of it takes its time."""
        channel, card, locale = channel_of(activity), str(activity.reply_to_id or ""), person_of(activity).locale
        if value.get("action") == "accept":
            upload = await self._consents.accept(channel, value)
            self._start(self._consents.hand_over(address, upload, value, card, locale))
        else:
            self._start(self._consents.decline(channel, address, value, card, locale))
        return {}


async def _done(work: Awaitable[Json]) -> Json:
    return await work


def _mark(activity: Activity) -> str:
    """The same for the same invoke when it is sent again; empty where Teams names none."""
    if not activity.id:
        return ""
    told = (activity.conversation.id, tenant_of(activity), activity.id, str(activity.timestamp), activity.name)
    written = json.dumps((told, activity.from_property.id, activity.reply_to_id, activity.value), default=str)
    return hashlib.sha256(written.encode()).hexdigest()


def _said(feedback: Any) -> str:
    """The words that came with a thumb: Teams sends them as JSON within JSON."""
    if isinstance(feedback, str):
        try:
            feedback = orjson.loads(feedback)
        except ValueError:
            return str(feedback)[:_WORDS]
    text = feedback.get("feedbackText") if isinstance(feedback, dict) else None
    return text[:_WORDS] if isinstance(text, str) else ""
