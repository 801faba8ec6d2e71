"""What Teams asks and wants answered within the call: pressed buttons, thumbs, menus, dialogs, settings, files."""

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import orjson
import structlog
from botbuilder.core import InvokeResponse
from botbuilder.schema import Activity

from bot.adapter import Host
from bot.adapters.teams.addresses import Address, Addresses
from bot.adapters.teams.cards import dialog, pressed_in
from bot.adapters.teams.consent import Consents
from bot.adapters.teams.events import channel_of, person_of, when
from bot.adapters.teams.menus import Menus
from bot.adapters.teams.people import People
from bot.adapters.teams.settings import SettingsDialog
from bot.messages import Press
from bot.translations import translate

__all__ = ["Invokes", "press_of"]

log = structlog.get_logger(__name__)

Json = dict[str, Any]

_MESSAGE = "application/vnd.microsoft.activity.message"
_ERROR = "application/vnd.microsoft.error"
_DONE = "I am on it."
_WORDS = 2000


class Invokes:
    """Answers each by its name. Whatever takes its time is begun here and done later."""

    def __init__(
        self,
        people: People,
        addresses: Addresses,
        menus: Menus,
        settings: SettingsDialog,
        consents: Consents,
        start: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        self._people = people
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
        said = await host.pressed(await self._by(press, activity))
        return {"statusCode": 200, "type": _MESSAGE, "value": translate(said or _DONE, press.person.locale)}

    async def _judged(self, host: Host, activity: Activity, value: Json, address: Address) -> Json:
        given = value.get("actionValue")
        given = given if isinstance(given, dict) else {}
        action = {"like": "good", "dislike": "bad"}.get(str(given.get("reaction", "")).lower(), "")
        if value.get("actionName") == "feedback" and action and activity.reply_to_id:
            press = Press(
                _id(activity),
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
        """A person agreed to a file, or not. That is kept before it is answered; what comes of it takes its time."""
        channel, card, locale = channel_of(activity), str(activity.reply_to_id or ""), person_of(activity).locale
        if value.get("action") == "accept":
            upload = await self._consents.accept(channel, value)
            self._start(self._consents.hand_over(address, upload, value, card, locale))
        else:
            self._start(self._consents.decline(channel, address, value, card, locale))
        return {}

    async def _by(self, press: Press, activity: Activity) -> Press:
        person = await self._people.surely(activity)
        channel = await self._addresses.origin(press.channel)
        return Press(press.id, channel, person, press.message_id, press.action, press.at, press.words)


def press_of(activity: Activity, data: Any) -> Press | None:
    """The press of a button of ours, or None for any other."""
    meant = pressed_in(data)
    if meant is None:
        return None
    action, answer = meant
    return Press(_id(activity), channel_of(activity), person_of(activity), answer, action, when(activity))


def _id(activity: Activity) -> str:
    """What tells this press from others: Teams' id, or what comes closest to one."""
    sender = activity.from_property.id if activity.from_property else ""
    return str(activity.id or f"{sender} {when(activity).isoformat()}")[:200]


def _said(feedback: Any) -> str:
    """The words that came with a thumb: Teams sends them as JSON within JSON."""
    if isinstance(feedback, str):
        try:
            feedback = orjson.loads(feedback)
        except ValueError:
            return str(feedback)[:_WORDS]
    text = feedback.get("feedbackText") if isinstance(feedback, dict) else None
    return text[:_WORDS] if isinstance(text, str) else ""
