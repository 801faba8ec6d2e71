"""What Teams accepts as a bot's activity, and how it says no."""

from __future__ import annotations

import base64
import io
import json
from typing import Any

from PIL import Image, UnidentifiedImageError

from tests.fakes.teams.world import Conversation, Json

MOST_BYTES = 80 * 1024
MOST_CARD_BYTES = 28 * 1024
MOST_PICTURE_BYTES = 1024 * 1024
MOST_PICTURE_SIDE = 1024
AI_ENTITY = "https://schema.org/Message"


class Refusal(Exception):
    def __init__(self, status: int, code: str, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"error": {"code": code, "message": message}}
        self.headers = headers or {}


def read_activity(body: bytes, content_type: str) -> Json:
    if content_type != "application/json":
        raise Refusal(415, "UnsupportedMediaType", f"{content_type} is not application/json")
    try:
        activity = json.loads(body.decode())
    except ValueError:
        raise Refusal(400, "BadSyntax", "the body is not JSON") from None
    if not isinstance(activity, dict):
        raise Refusal(400, "BadSyntax", "the body is not an object")
    return activity


def check_activity(activity: Json, conversation: Conversation, bot: Json, *, editing: str = "") -> None:
    """Raises `Refusal` for what Teams would not show."""
    if editing and (activity.get("text") or "") and activity.get("attachments"):
        raise Refusal(400, "BadSyntax", "Activity resulted into multiple skype activities")
    if activity.get("type") not in ("message", "typing"):
        raise Refusal(400, "BadArgument", f"activity type {activity.get('type')!r}")
    if editing and (activity["type"] != "message" or activity.get("id") not in (None, editing)):
        raise Refusal(400, "BadArgument", "an edit is a message with the id of the path")
    if activity.get("conversation", {}).get("id") not in (None, conversation.id):
        raise Refusal(400, "BadArgument", "the conversation of the body is not that of the path")
    if activity.get("from", {}).get("id") not in (None, bot["id"]):
        raise Refusal(403, "Forbidden", "a bot writes in its own name")
    if activity["type"] == "typing":
        return
    text = activity.get("text")
    attached = activity.get("attachments") or []
    if text is not None and not isinstance(text, str):
        raise Refusal(400, "BadArgument", "text must be a string")
    if not (text or "").strip() and not attached:
        raise Refusal(400, "BadArgument", "a message needs text or attachments")
    if activity.get("textFormat") not in (None, "markdown", "plain", "xml"):
        raise Refusal(400, "BadArgument", f"textFormat {activity['textFormat']!r}")
    _check_size(activity)
    _check_entities(activity.get("entities") or [], text or "")
    for each in attached:
        _check_attachment(each)


def _check_size(activity: Json) -> None:
    light = dict(activity)
    light["attachments"] = [
        {**each, "contentUrl": ""} if str(each.get("contentType", "")).startswith("image/") else each
        for each in activity.get("attachments") or []
    ]
    written = json.dumps(light, ensure_ascii=False)
    if len(written.encode("utf-16-le", "surrogatepass")) > MOST_BYTES:
        raise Refusal(413, "MessageSizeTooBig", "Message size too large")


def _check_entities(entities: list[Any], text: str) -> None:
    labels = [each for each in entities if each.get("type") == AI_ENTITY]
    if len(labels) > 1:
        raise Refusal(400, "BadArgument", "only one root message entity is allowed")
    for label in labels:
        if label.get("@type") != "Message" or label.get("@context") != "https://schema.org" or label.get("@id"):
            raise Refusal(400, "BadArgument", "the root message entity is malformed")
        if label.get("additionalType") != ["AIGeneratedContent"]:
            raise Refusal(400, "BadArgument", "additionalType must be AIGeneratedContent")
        _check_citations(label.get("citation") or [])
        usage = label.get("usageInfo")
        if usage is not None and (usage.get("@type") != "CreativeWork" or not usage.get("name")):
            raise Refusal(400, "BadArgument", "usageInfo is malformed")
    for each in entities:
        if each.get("type") == "mention" and each.get("text", "\0") not in text:
            raise Refusal(400, "BadArgument", "Mention entity does not match text")


def _check_citations(citations: list[Any]) -> None:
    if len(citations) > 20:
        raise Refusal(400, "BadArgument", "at most 20 citations")
    for each in citations:
        shown = each.get("appearance") or {}
        if each.get("@type") != "Claim" or not isinstance(each.get("position"), int):
            raise Refusal(400, "BadArgument", "a citation is a Claim with a position")
        if shown.get("@type") != "DigitalDocument" or not 0 < len(shown.get("name") or "") <= 80:
            raise Refusal(400, "BadArgument", "a citation needs a name of at most 80 characters")
        if not 0 < len(shown.get("abstract") or "") <= 160:
            raise Refusal(400, "BadArgument", "a citation needs an abstract of at most 160 characters")


def _check_attachment(attached: Json) -> None:
    kind = attached.get("contentType")
    if not isinstance(kind, str) or "/" not in kind:
        raise Refusal(400, "BadArgument", "an attachment needs a contentType")
    if kind == "application/vnd.microsoft.card.adaptive":
        check_card(attached.get("content"))
        return
    if kind == "application/vnd.microsoft.teams.card.file.consent":
        content = attached.get("content")
        if not isinstance(content, dict) or not isinstance(content.get("sizeInBytes"), int) or not attached.get("name"):
            raise Refusal(400, "BadArgument", "a file consent card needs a name and a size")
        return
    if kind == "application/vnd.microsoft.teams.card.file.info":
        if not attached.get("contentUrl") or not (attached.get("content") or {}).get("uniqueId"):
            raise Refusal(400, "BadArgument", "a file info card needs contentUrl and uniqueId")
        return
    address = attached.get("contentUrl")
    if not isinstance(address, str) or not address.startswith((f"data:{kind};base64,", "https://")):
        raise Refusal(400, "BadArgument", "contentUrl must be https or data of the same type")
    if kind.startswith("image/") and address.startswith("data:"):
        _check_picture(kind, address)


def check_card(card: Any) -> None:
    """Raises `Refusal` for a card that Teams would not show."""
    if not isinstance(card, dict) or card.get("type") != "AdaptiveCard":
        raise Refusal(400, "BadArgument", "the card is no AdaptiveCard")
    if card.get("version") not in ("1.2", "1.3", "1.4", "1.5"):
        raise Refusal(400, "BadArgument", f"card version {card.get('version')!r}")
    if len(json.dumps(card, ensure_ascii=False).encode("utf-16-le", "surrogatepass")) > MOST_CARD_BYTES:
        raise Refusal(413, "MessageSizeTooBig", "the card is too large")
    if len(card.get("actions") or ()) > 6:
        raise Refusal(400, "BadArgument", "a card shows at most six actions")
    for action in card.get("actions") or ():
        if action.get("type") not in ("Action.Execute", "Action.Submit", "Action.OpenUrl") or not action.get("title"):
            raise Refusal(400, "BadArgument", f"action {action.get('type')!r}")
        if action["type"] == "Action.Execute" and not action.get("verb"):
            raise Refusal(400, "BadArgument", "Action.Execute needs a verb")
    names = [each["id"] for each in card.get("body") or () if str(each.get("type", "")).startswith("Input.")]
    if len(names) != len(set(names)):
        raise Refusal(400, "BadArgument", "two inputs have the same id")


def _check_picture(kind: str, address: str) -> None:
    content = base64.b64decode(address.partition(",")[2], validate=True)
    if len(content) > MOST_PICTURE_BYTES:
        raise Refusal(413, "MessageSizeTooBig", "the picture has more than 1 MB")
    try:
        with Image.open(io.BytesIO(content), formats=["PNG", "JPEG", "GIF"]) as picture:
            picture.load()
            size, found = picture.size, f"image/{str(picture.format).lower()}"
    except (UnidentifiedImageError, OSError):
        raise Refusal(400, "BadArgument", "the picture is no PNG, JPEG or GIF") from None
    if found != kind:
        raise Refusal(400, "BadArgument", f"{found} was sent as {kind}")
    if max(size) > MOST_PICTURE_SIDE:
        raise Refusal(400, "BadArgument", "the picture is larger than 1024 by 1024")
