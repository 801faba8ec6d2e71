"""Sounds made ready for a model that listens, and what it answers."""

from typing import Any

import orjson

from bot.media import SoundFacts, convert_sound, extension, sound_facts
from bot.messages import Attachment
from bot.models.errors import BadReply
from bot.models.provider import Transcript

__all__ = ["ask_for_transcript", "read_transcript", "ready_sound"]

_TAKEN = ("audio/ogg", "audio/mpeg", "audio/mp4", "audio/wav", "audio/flac", "audio/webm")
_NO_SPEECH = 0.8  # the probability above which Whisper itself says that it heard nobody


async def ready_sound(sound: Attachment) -> tuple[Attachment, SoundFacts]:
    """The sound in a format that servers take, under a name that tells it, and what was measured about it.

    Raises `MediaError` for one that is too long or cannot be decoded: nothing is sent whose length is not known.
    """
    facts = await sound_facts(sound.data)
    if facts.media_type in _TAKEN:
        name = f"sound.{extension(facts.media_type)}"
        return Attachment(name, facts.media_type, sound.data, len(sound.data)), facts
    return await convert_sound(sound.data, "mp3"), facts


def ask_for_transcript(model: str, language: str) -> dict[str, Any]:
    """The fields of the form, besides the file."""
    whisper = "whisper" in model.lower()
    fields = {"model": model, "response_format": "verbose_json" if whisper else "json"}
    if language:
        fields["language"] = language
    return fields


def read_transcript(body: bytes, content_type: str, seconds: float) -> tuple[Transcript, tuple[int, int]]:
    """What was heard, and the tokens (in, out) that it cost where the server counts those. Raises `BadReply`."""
    if "json" not in content_type.lower() and not body.lstrip().startswith(b"{"):
        if "html" in content_type.lower() or body.lstrip().startswith(b"<"):
            raise BadReply
        return Transcript(body.decode("utf-8", "replace").strip(), seconds=seconds), (0, 0)
    try:
        answer = orjson.loads(body)
    except ValueError:
        raise BadReply from None
    if not isinstance(answer, dict) or not isinstance(answer.get("text"), str):
        raise BadReply
    text = "" if _nobody_spoke(answer.get("segments")) else answer["text"].strip()
    return Transcript(text, _language(answer), seconds), _tokens(answer.get("usage"))


def _nobody_spoke(segments: Any) -> bool:
    """Whisper makes up words for silence and noise, and says so in the small print."""
    if not isinstance(segments, list) or not segments:
        return False
    chances = [segment.get("no_speech_prob") for segment in segments if isinstance(segment, dict)]
    return bool(chances) and all(isinstance(chance, (int, float)) and chance > _NO_SPEECH for chance in chances)


def _language(answer: dict[str, Any]) -> str:
    language = answer.get("language")
    if isinstance(language, str):
        return language
    several = answer.get("languages")
    return several[0] if isinstance(several, list) and several and isinstance(several[0], str) else ""


def _tokens(usage: Any) -> tuple[int, int]:
    if not isinstance(usage, dict):
        return 0, 0
    told_in, told_out = usage.get("input_tokens", 0), usage.get("output_tokens", 0)
    return (told_in, told_out) if isinstance(told_in, int) and isinstance(told_out, int) else (0, 0)
