"""What Discord refuses in the body of a message, checked as strictly as it does, and misspelt fields besides."""

from __future__ import annotations

from typing import Any

from tests.fakes.discord.errors import bad_voice_message, invalid_form, too_large
from tests.fakes.discord.world import NO_FLAG, Flag, Guild, Json

Upload = tuple[str, str, str, bytes]  # field, file name, content type, bytes

MOST_CHARACTERS = 2000
MOST_FILES = 10
MOST_BYTES = 25 * 1024 * 1024

_CREATE = {
    "content", "nonce", "enforce_nonce", "tts", "embeds", "allowed_mentions", "message_reference", "components",
    "sticker_ids", "attachments", "flags", "poll",
}  # fmt: skip
_EDIT = {"content", "embeds", "flags", "allowed_mentions", "components", "attachments", "sticker_ids", "tts"}
_RESPONSE = {"content", "tts", "embeds", "allowed_mentions", "flags", "components", "attachments", "poll"}
_TYPES: dict[str, tuple[type, ...]] = {
    "content": (str, type(None)),
    "nonce": (str, int, type(None)),
    "enforce_nonce": (bool, type(None)),
    "tts": (bool, type(None)),
    "embeds": (list, type(None)),
    "allowed_mentions": (dict, type(None)),
    "message_reference": (dict, type(None)),
    "components": (list, type(None)),
    "sticker_ids": (list, type(None)),
    "attachments": (list, type(None)),
    "flags": (int, type(None)),
    "poll": (dict, type(None)),
}
_SETTABLE = Flag.SUPPRESS_EMBEDS | Flag.SUPPRESS_NOTIFICATIONS | Flag.IS_VOICE_MESSAGE | Flag.IS_COMPONENTS_V2

Problems = dict[str, Any]


def length(text: str) -> int:
    """In UTF-16 code units, the strictest of the measures in use."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def check_message(
    body: Json, uploads: list[Upload], guild: Guild | None, *, editing: bool = False, responding: bool = False
) -> None:
    """Raise what Discord would answer to this body."""
    problems: Problems = {}
    known = _RESPONSE if responding else _EDIT if editing else _CREATE
    for key, value in body.items():
        if key not in known:
            problems[key] = ("UNKNOWN_FIELD", "This field is not known here")
        elif not isinstance(value, _TYPES[key]) or (isinstance(value, bool) and bool not in _TYPES[key]):
            problems[key] = ("BASE_TYPE_BAD", f"Could not be read as the type of {key}")
    if problems:
        raise invalid_form(problems)

    content = body.get("content") or ""
    if length(content) > MOST_CHARACTERS:
        problems["content"] = ("BASE_TYPE_MAX_LENGTH", f"Must be {MOST_CHARACTERS} or fewer in length.")
    try:
        content.encode()
    except UnicodeEncodeError:
        problems["content"] = ("STRING_TYPE_CONVERT", "Could not interpret as string.")
    if isinstance(body.get("nonce"), str) and len(body["nonce"]) > 25:
        problems["nonce"] = ("NONCE_TYPE_TOO_LONG", "Must be 25 or fewer in length.")
    if int(body.get("flags") or 0) & ~int(_SETTABLE | (Flag.EPHEMERAL if responding else NO_FLAG)):
        problems["flags"] = ("BASE_TYPE_BAD", "These flags cannot be set")
    problems |= _mentions(body.get("allowed_mentions"))
    problems |= _attachments(body.get("attachments"), uploads, editing=editing)
    if problems:
        raise invalid_form(problems)
    _uploads(uploads, guild)
    if int(body.get("flags") or 0) & Flag.IS_VOICE_MESSAGE:
        described = body.get("attachments") or []
        if content or len(uploads) != 1 or not uploads[0][2].startswith("audio/") or "waveform" not in described[0]:
            raise bad_voice_message()


def _mentions(allowed: Json | None) -> Problems:
    if allowed is None:
        return {}
    wrong: Problems = {}
    for key in allowed:
        if key not in ("parse", "users", "roles", "replied_user"):
            wrong[key] = ("UNKNOWN_FIELD", "This field is not known here")
    parse = allowed.get("parse") or []
    for key in ("users", "roles"):
        if key in parse and allowed.get(key):
            wrong[key] = ("MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE", f'parse:["{key}"] and {key} exclude each other.')
    if not set(parse) <= {"users", "roles", "everyone"}:
        wrong["parse"] = ("BASE_TYPE_CHOICES", "Value must be one of ('roles', 'users', 'everyone').")
    return {"allowed_mentions": wrong} if wrong else {}


def _attachments(described: list[Json] | None, uploads: list[Upload], *, editing: bool) -> Problems:
    if described is None:
        return {}
    if len(described) > MOST_FILES:
        return {"attachments": ("BASE_TYPE_MAX_LENGTH", f"Must be {MOST_FILES} or fewer in length.")}
    fields = {upload[0] for upload in uploads}
    wrong: Problems = {}
    for place, one in enumerate(described):
        if "id" not in one:
            wrong[str(place)] = {"id": ("BASE_TYPE_REQUIRED", "This field is required")}
        elif f"files[{one['id']}]" not in fields and not editing:
            wrong[str(place)] = {"id": ("ATTACHMENT_NOT_FOUND", "There is no file of this number")}
        elif len(one.get("description") or "") > 1024:
            wrong[str(place)] = {"description": ("BASE_TYPE_MAX_LENGTH", "Must be 1024 or fewer in length.")}
    return {"attachments": wrong} if wrong else {}


def _uploads(uploads: list[Upload], guild: Guild | None) -> None:
    if len(uploads) > MOST_FILES:
        raise invalid_form({"files": ("BASE_TYPE_MAX_LENGTH", f"Must be {MOST_FILES} or fewer in length.")})
    most = guild.upload_limit if guild else 10 * 1024 * 1024
    sizes = [len(upload[3]) for upload in uploads]
    if any(size > most for size in sizes) or sum(sizes) > max(most, MOST_BYTES):
        raise too_large()
