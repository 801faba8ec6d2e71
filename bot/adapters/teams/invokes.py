"""What Teams asks and wants answered within the call: pressed buttons, thumbs, menus, dialogs, settings, files."""

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import orjson
import structlog
from botbuilder.core import InvokeResponse
from botbuilder.schema import Activity

from bot.adapter import Host
from bot.adapters.teams.addresses import Address, Addresses
from bot.adapters.teams.cards import dialog
from bot.adapters.teams.consent import Consents
from bot.adapters.teams.events import channel_of, person_of, when
from bot.adapters.teams.menus import Menus
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


class Invokes:
    """Answers each by its name. Whatever takes its time is begun here, with `start`, and done later.

    `tidy` puts away a button that should have stopped an answer and found none.
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
        self._presses = presses
        self._tidy = tidy
        self._addresses = addresses
        self._consents = consents
        self._start = start
        self._answers: dict[str, Callable[[Host, Activity, Json, Address], Awaitable[Json]]] = {
            "adaptiveCard/action": self._pressed,
            "message/submitAction": self._judged,
            "message/fetchTask": self._reason,
            "composeExtension/fetchTask": menus.opened,
            "composeExtension/submitAction": menus.submitted,
            "composeExtension/query": self._nothing_found,
            "composeExtension/selectItem": self._nothing_found,
            "composeExtension/queryLink": self._nothing_found,
            "composeExtension/anonymousQueryLink": self._nothing_found,
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
        log.info("teams invoke", name=activity.name)
        return InvokeResponse(status=200, body=await work(host, activity, value, address))

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
        if value.get("actionName") == "feedback" and action and activity.reply_to_id:
            press = Press(
                sign_of(activity),
                await self._addresses.origin(channel_of(activity)),
                person_of(activity),
                activity.reply_to_id,
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

    async def _consented(self, host: Host, activity: Activity, value: Json, address: Address) -> Json:
        file = self._consents.taken(activity.conversation.id, value)
        if value.get("action") == "accept":
            card, locale = str(activity.reply_to_id or ""), person_of(activity).locale
            self._start(self._consents.hand_over(address, file, value, card, locale))
        return {}


def _said(feedback: Any) -> str:
    """The words that came with a thumb: Teams sends them as JSON within JSON."""
    if isinstance(feedback, str):
        try:
            feedback = orjson.loads(feedback)
        except ValueError:
            return str(feedback)[:_WORDS]
    text = feedback.get("feedbackText") if isinstance(feedback, dict) else None
    return text[:_WORDS] if isinstance(text, str) else ""
