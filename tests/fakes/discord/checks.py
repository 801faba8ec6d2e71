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
_WEBHOOK = _RESPONSE | {"avatar_url", "username", "thread_name", "applied_tags"}
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
    body: Json,
    uploads: list[Upload],
    guild: Guild | None,
    *,
    editing: bool = False,
    responding: bool = False,
    webhook: bool = False,
) -> None:
    """Raise what Discord would answer to this body."""
    problems: Problems = {}
    known = _WEBHOOK if webhook else _RESPONSE if responding else _EDIT if editing else _CREATE
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
    if int(body.get("flags") or 0) & ~int(_SETTABLE | (Flag.EPHEMERAL if responding or webhook else NO_FLAG)):
        problems["flags"] = ("BASE_TYPE_BAD", "These flags cannot be set")
    problems |= _mentions(body.get("allowed_mentions"))
    problems |= _attachments(body.get("attachments"), uploads, editing=editing)
    problems |= check_rows(body.get("components"))
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


def check_rows(components: list[Json] | None) -> Problems:
    """What is wrong with the buttons and lists below a message."""
    problems: Problems = {}
    seen: set[str] = set()
    if len(components or ()) > 5:
        return {"components": ("BASE_TYPE_BAD_LENGTH", "Must be between 1 and 5 in length.")}
    for number, row in enumerate(components or ()):
        inner = row.get("components") or []
        if row.get("type") != 1 or not 1 <= len(inner) <= 5 or (any(one["type"] != 2 for one in inner) and inner[1:]):
            problems[str(number)] = ("COMPONENT_TYPE_INVALID", "A row has up to five buttons, or one list")
            continue
        for one in inner:
            if problem := _component(one, seen):
                problems[str(number)] = problem
    return {"components": problems} if problems else {}


def _component(one: Json, seen: set[str]) -> Any:
    custom_id = one.get("custom_id")
    if not isinstance(custom_id, str) or not 1 <= len(custom_id) <= 100:
        return {"custom_id": ("BASE_TYPE_BAD_LENGTH", "Must be between 1 and 100 in length.")}
    if custom_id in seen:
        return {"custom_id": ("COMPONENT_CUSTOM_ID_DUPLICATED", "Component custom id cannot be duplicated")}
    seen.add(custom_id)
    if one["type"] == 2 and not 1 <= length(one.get("label") or "") <= 80:
        return {"label": ("BASE_TYPE_BAD_LENGTH", "Must be between 1 and 80 in length.")}
    if one["type"] == 3:
        return _options(one)
    return None


def _options(one: Json) -> Any:
    options = one.get("options") or []
    if not 1 <= len(options) <= 25:
        return {"options": ("BASE_TYPE_BAD_LENGTH", "Must be between 1 and 25 in length.")}
    for option in options:
        if not 1 <= length(option.get("label") or "") <= 100 or len(option.get("description") or "") > 100:
            return {"options": ("BASE_TYPE_BAD_LENGTH", "Must be between 1 and 100 in length.")}
    if len({option["value"] for option in options}) < len(options):
        return {"options": ("SELECT_COMPONENT_OPTION_VALUE_DUPLICATED", "The value is already used")}
    if sum(bool(option.get("default")) for option in options) > one.get("max_values", 1):
        return {"options": ("SELECT_COMPONENT_TOO_MANY_DEFAULT_VALUES", "Too many defaults")}
    return None


def check_modal(body: Json) -> None:
    """Raise what Discord would answer to this dialog."""
    problems: Problems = {}
    if not 1 <= length(body.get("title") or "") <= 45:
        problems["title"] = ("BASE_TYPE_BAD_LENGTH", "Must be between 1 and 45 in length.")
    if not 1 <= len(body.get("custom_id") or "") <= 100:
        problems["custom_id"] = ("BASE_TYPE_BAD_LENGTH", "Must be between 1 and 100 in length.")
    components = body.get("components") or []
    if not 1 <= len(components) <= 5:
        problems["components"] = ("BASE_TYPE_BAD_LENGTH", "Must be between 1 and 5 in length.")
    seen: set[str] = set()
    for number, label in enumerate(components):
        one = label.get("component") or {}
        wrong: Any = None
        if label.get("type") != 18 or one.get("type") not in (3, 4, 5, 6, 7, 8, 19, 21, 22, 23):
            wrong = ("COMPONENT_TYPE_INVALID", "Only labels with an input")
        elif not 1 <= length(label.get("label") or "") <= 45 or length(label.get("description") or "") > 100:
            wrong = {"label": ("BASE_TYPE_BAD_LENGTH", "Must be between 1 and 45 in length.")}
        elif one["type"] == 4 and not _fits_text(one):
            wrong = {"component": ("BASE_TYPE_BAD_LENGTH", "The text does not fit the input")}
        else:
            wrong = _component(one, seen)
        if wrong:
            problems[str(number)] = wrong
    if problems:
        raise invalid_form(problems)


def _fits_text(one: Json) -> bool:
    most = one.get("max_length", 4000)
    fits = length(one.get("value") or "") <= most and 1 <= most <= 4000 and len(one.get("placeholder") or "") <= 100
    return fits and one.get("style") in (1, 2)
