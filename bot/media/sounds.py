"""Facts about sounds, measured, and copies in the formats that speech models take."""

from dataclasses import dataclass
from typing import Any, Literal

from bot.media.apart import TooLarge, Unreadable, apart
from bot.media.sniffing import extension, sniff
from bot.messages import Attachment

__all__ = [
    "MOST_SECONDS",
    "TAKEN_BY_MODELS",
    "SoundFacts",
    "admit_sound",
    "convert_sound",
    "sound_facts",
    "voice_message",
]

MOST_SECONDS = 600.0
TAKEN_BY_MODELS = ("audio/ogg", "audio/mpeg", "audio/mp4", "audio/wav", "audio/flac", "audio/webm")
_WAVEFORM_POINTS = 256  # the most that Discord takes
_MOST_BYTES = 25 * 1024 * 1024
_LIMITS: dict[str, Any] = {
    "wall": 20.0,
    "thing": "sound",
    "memory": 512 * 1024 * 1024,
    "processor": 20,
}


@dataclass(frozen=True, slots=True)
class SoundFacts:
    """What is certain about a sound.

    `seconds` is the decoded length; `silence` the share of it that is silent, from 0 to 1; `leading_silence` in
    seconds; `speech` is how many seconds of it sound like somebody speaking. `level` and `peak` are in dB of full scale
    (0 is the loudest there is), `None` where there is only silence.
    """

    media_type: str
    format: str
    codec: str
    seconds: float
    speech: float
    rate: int
    channels: int
    bytes: int
    silence: float
    leading_silence: float
    level: float | None
    peak: float | None


async def sound_facts(data: bytes, *, most_seconds: float = MOST_SECONDS) -> SoundFacts:
    """Measure a sound. Raises `TooLarge` above 25 MB or `most_seconds`, `Unreadable` for what is no sound."""
    media_type = admit_sound(data)
    seen, _ = await apart("sound facts", data, media_type=media_type, most_seconds=most_seconds, **_LIMITS)
    return SoundFacts(media_type=media_type, bytes=len(data), **seen)


async def convert_sound(
    data: bytes, to: Literal["mp3", "wav", "ogg"] = "mp3", *, most_seconds: float = MOST_SECONDS
) -> Attachment:
    """The same sound in another format, as one channel at 16 kHz. Raises as `sound_facts` does."""
    media_type = admit_sound(data)
    made, sound = await apart("convert sound", data, media_type=media_type, most_seconds=most_seconds, to=to, **_LIMITS)
    name = {"mp3": "audio/mpeg", "wav": "audio/wav", "ogg": "audio/ogg"}[to]
    return Attachment(name=f"sound.{to}", media_type=name, data=sound, size=len(sound), seconds=made["seconds"])


async def voice_message(sound: Attachment) -> Attachment:
    """The sound as a voice message: Ogg Opus, one channel, 48 kHz, with its length and its waveform.

    Raises as `sound_facts` does.
    """
    media_type = admit_sound(sound.data)
    made, voice = await apart(
        "voice message",
        sound.data,
        media_type=media_type,
        most_seconds=MOST_SECONDS,
        points=_WAVEFORM_POINTS,
        **_LIMITS,
    )
    return Attachment(
        "voice-message.ogg",
        "audio/ogg",
        voice,
        len(voice),
        alt=sound.alt,
        seconds=made["seconds"],
        waveform=bytes(made["waveform"]),
    )


def admit_sound(data: bytes, most_bytes: int = _MOST_BYTES) -> str:
    """The media type of a sound by its first bytes. Raises `TooLarge` or `Unreadable`."""
    if not data:
        raise Unreadable("This sound is empty. Please record it again.")
    media_type = sniff(data)
    if not media_type.startswith(("audio/", "video/")):
        kind = extension(media_type)
        what = f"This is a {kind.upper()} file, no sound" if kind != "bin" else "This is no sound that I can read"
        raise Unreadable(f"{what}. Please send an Ogg, MP3, M4A, WAV, FLAC or WebM recording.")
    if len(data) > most_bytes:
        raise TooLarge(
            f"This sound is too large for me: {len(data) / 1024 / 1024:.1f} MB; I take up to "
            f"{most_bytes // 1024 // 1024}. Please send a shorter one."
        )
    return media_type
