"""Sounds made ready for a model that listens, what it is asked, and what it answers."""

import re
from collections.abc import Sequence
from typing import Any

import orjson

from bot.media import SoundFacts, convert_sound, extension, sound_facts
from bot.messages import Attachment
from bot.models.bodies import clean
from bot.models.errors import BadReply
from bot.models.phantoms import nobody_spoke, spoken_segments
from bot.models.provider import Segment, Transcript

__all__ = ["ask_for_transcript", "read_transcript", "ready_sound"]

_TIMES = re.compile(r"((?:\d+:)?\d+:\d+[.,]\d+)\s*-->\s*((?:\d+:)?\d+:\d+[.,]\d+)[^\n]*\n")
_MOST_WORDS = 800  # characters of a prompt: Whisper reads no more than 224 tokens of it


async def ready_sound(sound: Attachment, taken: Sequence[str]) -> tuple[Attachment, SoundFacts]:
    """The sound in one of the formats `taken`, under a name that tells it, and what was measured about it.

    Raises `MediaError` for one that is too long or cannot be decoded: nothing is sent whose length is not known.
    """
    facts = await sound_facts(sound.data)
    if facts.media_type in taken:
        name = f"sound.{extension(facts.media_type)}"
        return Attachment(name, facts.media_type, sound.data, len(sound.data)), facts
    return await convert_sound(sound.data, "mp3" if "audio/mpeg" in taken else "wav"), facts


def ask_for_transcript(model: str, language: str, words: str) -> dict[str, Any]:
    """The fields of the form, besides the file, by the family of the model."""
    name = model.lower()
    fields: dict[str, Any] = {"model": model}
    words = clean(" ".join(words.split()))[-_MOST_WORDS:]
    if "whisper" in name:
        fields["response_format"] = "verbose_json"  # with the times of segments, unless others are asked for
    elif "diarize" in name:
        fields |= {"response_format": "diarized_json", "chunking_strategy": "auto"}
        words = ""
    else:
        fields["response_format"] = "json"
        if "4o" in name and "transcribe" in name:
            fields["include"] = ["logprobs"]
    if language:
        fields["language"] = language
    if words:
        fields["prompt"] = words
    return fields


def read_transcript(body: bytes, content_type: str, seconds: float) -> tuple[Transcript, tuple[int, int]]:
    """What was heard, and the tokens (in, out) that it cost where the server counts those. Raises `BadReply`."""
    if "json" not in content_type.lower() and not body.lstrip().startswith(b"{"):
        if "html" in content_type.lower() or body.lstrip().startswith(b"<"):
            raise BadReply
        return _read_text(body.decode("utf-8", "replace").strip(), seconds), (0, 0)
    try:
        answer = orjson.loads(body)
    except ValueError:
        raise BadReply from None
    if not isinstance(answer, dict) or not isinstance(answer.get("text"), str):
        raise BadReply
    told = answer.get("segments")
    told = [each for each in told if isinstance(each, dict)] if isinstance(told, list) else []
    spoken = spoken_segments(told)
    text = " ".join(str(each.get("text", "")).strip() for each in spoken) if len(spoken) < len(told) else answer["text"]
    text = text.strip()
    if nobody_spoke(text, answer):
        text, spoken = "", []
    segments = tuple(segment for each in spoken if (segment := _segment(each)))
    return Transcript(text, _language(answer), seconds, segments), _tokens(answer.get("usage"))


def _read_text(text: str, seconds: float) -> Transcript:
    """A plain answer, or one with times as in subtitles (SRT, WebVTT)."""
    if not _TIMES.search(text):
        return Transcript(text, seconds=seconds)
    parts = _TIMES.split(text)[1:]
    segments = []
    for start, end, said in zip(parts[::3], parts[1::3], parts[2::3], strict=True):
        # The number of the next part, where there is one, stands after an empty line.
        said = " ".join(said.split("\n\n")[0].split())
        if said:
            segments.append(Segment(_seconds(start), _seconds(end), said))
    return Transcript(" ".join(segment.text for segment in segments), "", seconds, tuple(segments))


def _segment(told: dict[str, Any]) -> Segment | None:
    start, end, text = told.get("start"), told.get("end"), told.get("text")
    if not isinstance(start, int | float) or not isinstance(end, int | float) or not isinstance(text, str):
        return None
    return Segment(float(start), max(float(start), float(end)), text.strip()) if text.strip() else None


def _seconds(clock: str) -> float:
    whole = 0.0
    for part in clock.replace(",", ".").split(":"):
        whole = whole * 60 + float(part)
    return whole


def _language(answer: dict[str, Any]) -> str:
    language = answer.get("language")
    if isinstance(language, str):
        return language
    several = answer.get("languages")
    first = several[0] if isinstance(several, list) and several else ""
    code = first.get("code") if isinstance(first, dict) else first
    return code if isinstance(code, str) else ""


def _tokens(usage: Any) -> tuple[int, int]:
    if not isinstance(usage, dict):
        return 0, 0
    told_in, told_out = usage.get("input_tokens", 0), usage.get("output_tokens", 0)
    return (told_in, told_out) if isinstance(told_in, int) and isinstance(told_out, int) else (0, 0)
