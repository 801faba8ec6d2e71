"""A text read aloud: what is asked, by the family of the model, and what comes back."""

from typing import Any

import structlog

from bot.media import extension, sniff
from bot.messages import Attachment
from bot.models.bodies import clean
from bot.models.errors import BadReply, Empty, TooLong
from bot.models.wire import Wire

__all__ = ["speak"]

log = structlog.get_logger(__name__)

_SECONDS = 120.0
_MOST_SOUND = 25 * 1024 * 1024
_MOST_TEXT = 4096  # characters, what OpenAI takes
_VOICE = "alloy"
_PLAIN = ("tts-1", "kokoro", "piper", "bark")  # families that take no instructions


async def speak(wire: Wire, model: str, text: str, *, voice: str, language: str) -> Attachment:
    """The sound, as Ogg with Opus where the server can. Raises a `ModelError`."""
    if not text.strip():
        raise Empty
    if len(text) > _MOST_TEXT:
        raise TooLong
    body: dict[str, Any] = {"model": model, "input": clean(text), "voice": voice or _VOICE, "response_format": "opus"}
    if language and not model.lower().rpartition("/")[2].startswith(_PLAIN):
        body["instructions"] = f"Speak the language whose ISO 639-1 code is “{language}”."
    sound, _ = await wire.ask("/audio/speech", body, role="voice", seconds=_SECONDS, most=_MOST_SOUND)
    media_type = sniff(sound)
    if not media_type.startswith("audio/"):
        log.warning("sound not usable", provider=wire.profile.name, media_type=media_type, bytes=len(sound))
        if sound.lstrip().startswith(b"{"):
            wire.object_of(sound, model, "voice")  # raises the error that it reports
        raise BadReply
    return Attachment(f"speech.{extension(media_type)}", media_type, sound, len(sound))
