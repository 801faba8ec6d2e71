"""What Teams accepts as a bot's activity, and how it says no."""

from __future__ import annotations

import base64
import io
import json
from typing import Any

from PIL import Image, UnidentifiedImageError

from tests.fakes.teams.world import Conversation, Json

MOST_BYTES = 80 * 1024
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
    for each in entities:
        if each.get("type") == "mention" and each.get("text", "\0") not in text:
            raise Refusal(400, "BadArgument", "Mention entity does not match text")


def _check_attachment(attached: Json) -> None:
    kind = attached.get("contentType")
    if not isinstance(kind, str) or "/" not in kind:
        raise Refusal(400, "BadArgument", "an attachment needs a contentType")
    address = attached.get("contentUrl")
    if not isinstance(address, str) or not address.startswith((f"data:{kind};base64,", "https://")):
        raise Refusal(400, "BadArgument", "contentUrl must be https or data of the same type")
    if kind.startswith("image/") and address.startswith("data:"):
        _check_picture(kind, address)


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
