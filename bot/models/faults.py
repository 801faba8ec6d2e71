"""What went wrong on the wire → what to tell people, and whether trying again may help."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import orjson

from bot.models.errors import (
    Busy,
    ModelError,
    NoCredit,
    NotConfigured,
    Refused,
    Rejected,
    TooLong,
    Unavailable,
)
from bot.models.profiles import Profile
from bot.models.provider import Role

__all__ = ["Fault", "connection_fault", "server_fault"]

_SETTINGS: Mapping[Role, str] = {
    "chat": "PARLEY_CHAT_MODEL",
    "vision": "PARLEY_VISION_MODEL",
    "image": "PARLEY_IMAGE_MODEL",
    "speech": "PARLEY_SPEECH_MODEL",
    "voice": "PARLEY_VOICE_MODEL",
    "embed": "PARLEY_EMBED_MODEL",
    "moderate": "PARLEY_MODERATE_MODEL",
}
_NO_CREDIT = re.compile(
    r"insufficient_quota|billing|insufficient (credit|balance|funds)|out of credit|payment", re.IGNORECASE
)
_TOO_LONG = re.compile(
    r"context_length|context length|context size|context window|exceed_context|prompt is too long|too many tokens"
    r"|maximum.{0,20}(input|prompt) (length|tokens)|input is too long|reduce the length",
    re.IGNORECASE,
)
_FILTERED = re.compile(
    r"content_filter|content_policy|moderation_blocked|image_generation_user_error|safety system|responsibleai",
    re.IGNORECASE,
)
_NO_EYES = re.compile(r"image_url|image input|images? (is|are) not supported|multimodal|mmproj|vision", re.IGNORECASE)
_LOADING = re.compile(r"loading model|model is loading|currently loading", re.IGNORECASE)
_LOADING_WAIT = 10.0


@dataclass(frozen=True, slots=True)
class Fault:
    """One failed request. `again` says that it may work in a moment; `text` and `param` are the server's."""

    error: ModelError
    again: bool = False
    status: int = 0
    code: str = ""
    param: str = ""
    text: str = ""


def connection_fault(profile: Profile, error: BaseException) -> Fault:
    """Nobody answered, or the line broke before anything came."""
    return Fault(Unavailable(profile.spoken), again=True, code=type(error).__name__)


def server_fault(
    profile: Profile, model: str, role: Role, status: int, body: Any, headers: Mapping[str, str] | None = None
) -> Fault:
    """The server said no. `body` is whatever it sent, `status` 0 for an error in the middle of a stream."""
    inner = body.get("error", body) if isinstance(body, dict) else body
    details = inner if isinstance(inner, dict) else {}
    code, param = str(details.get("code") or details.get("type") or ""), str(details.get("param") or "")
    text = _flat(inner)
    wait = _wait(headers or {})
    error, again = _decide(profile, model, role, status or _number(details.get("code")), f"{code} {text}", wait)
    return Fault(error, again, status, code, param, text)


def _decide(
    profile: Profile, model: str, role: Role, status: int, text: str, wait: float | None
) -> tuple[ModelError, bool]:
    if status == 402 or (status in (0, 403, 429) and _NO_CREDIT.search(text)):
        return NoCredit(), False
    if _FILTERED.search(text) and status < 500:
        return Refused(), False
    if status == 413 or (status in (0, 400, 422, 500) and _TOO_LONG.search(text)):
        return TooLong(), False
    match status:
        case 401 | 403:
            return NotConfigured(
                f"{profile.spoken} does not accept my key. Whoever runs this bot has to check {profile.key_name}."
            ), False
        case 404 | 405 | 501:
            return _no_model(profile, model, role), False
        case 429:
            return Busy(wait), False
        case 0 if "rate_limit" in text:
            return Busy(wait), False
        case 503 if _LOADING.search(text):
            return Busy(wait or _LOADING_WAIT), False
        case 503 | 529 if wait is not None and wait > 2:
            return Busy(wait), False
        case 400 | 415 | 422 | 500 if role == "vision" and _NO_EYES.search(text):
            return _no_model(profile, model, role), False
        case 0 | 408 | 409 | 425:
            return Unavailable(profile.spoken), True
        case _ if status >= 500:
            return Unavailable(profile.spoken), True
        case _ if 300 <= status < 400:
            return NotConfigured(
                f"{profile.spoken} sends me elsewhere. Whoever runs this bot has to correct OPENAI_BASE_URL."
            ), False
        case _:
            return Rejected(), False


def _no_model(profile: Profile, model: str, role: Role) -> NotConfigured:
    what = {
        "vision": " that looks at pictures",
        "image": " that draws",
        "speech": " that listens",
        "voice": " that speaks",
        "moderate": " that screens",
    }.get(role, "")
    return NotConfigured(
        f"{profile.spoken} has no model “{model}”{what}. Whoever runs this bot has to set "
        f"{_SETTINGS.get(role, 'another model')} to one that it has."
    )


def _wait(headers: Mapping[str, str]) -> float | None:
    """How many seconds the server asks to wait."""
    try:
        if milliseconds := headers.get("retry-after-ms"):
            return max(float(milliseconds) / 1000, 0.0)
        value = headers.get("retry-after", "")
        if not value:
            return None
        if re.fullmatch(r"\d+(\.\d+)?", value):
            return float(value)
        return max((parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds(), 0.0)
    except (ValueError, TypeError):
        return None


def _flat(body: Any) -> str:
    """All the words of an error, whatever its shape, bounded."""
    if isinstance(body, str):
        return body[:4000]
    try:
        return orjson.dumps(body).decode()[:4000]
    except TypeError:
        return ""


def _number(code: Any) -> int:
    return code if isinstance(code, int) and not isinstance(code, bool) else 0
