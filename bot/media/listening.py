"""A recording of up to two hours, got ready to be listened to: measured, freed of silence, cut into parts at pauses."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from bot.media.apart import apart
from bot.media.sniffing import extension
from bot.media.sounds import TAKEN_BY_MODELS, admit_sound
from bot.messages import Attachment

__all__ = ["MOST_RECORDING_BYTES", "Recording", "SoundPart", "listen"]

MOST_RECORDING_BYTES = 64 * 1024 * 1024
_MOST_SECONDS = 7200.0
_PART_SECONDS = 300.0
_SHORT_BYTES = 4 * 1024 * 1024  # below which a sound goes on as it is, when all of it is worth listening to
_LARGE_BYTES = 2 * 1024 * 1024
_large: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()


@dataclass(frozen=True, slots=True)
class SoundPart:
    """A part of a recording: a sound with its bytes, and the `pieces` (from, to) of the recording it was made of.

    Its first `again` seconds were in the part before it, too, so that no word is lost where it was cut.
    """

    sound: Attachment
    pieces: tuple[tuple[float, float], ...]
    again: float = 0.0

    @property
    def start(self) -> float:
        """Where it begins in the recording, in seconds."""
        return self.pieces[0][0]

    @property
    def end(self) -> float:
        """Where it ends in the recording, in seconds."""
        return self.pieces[-1][1]

    def at(self, seconds: float) -> float:
        """The moment of the recording, in seconds, that is `seconds` from the beginning of this part."""
        for begin, end in self.pieces:
            if seconds <= end - begin:
                return round(begin + max(0.0, seconds), 2)
            seconds -= end - begin
        return self.end


@dataclass(frozen=True, slots=True)
class Recording:
    """What is certain about a recording, in seconds, and the parts of it that have speech in them; none where nobody
    speaks.
    """

    seconds: float
    speech: float
    parts: tuple[SoundPart, ...]


async def listen(read: Callable[[], Awaitable[bytes]], size: int = 0, *, most_seconds: float = 3600.0) -> Recording:
    """Get a recording ready that `read` fetches. Raises `TooLarge` above 64 MB or `most_seconds`, or `Unreadable`.

    However many people send long recordings at once, no more than one is read and cut at a time: `size`, in bytes and
    as far as it is known, says which are long.
    """
    if 0 < size <= _LARGE_BYTES:
        return await _listen(await read(), most_seconds)
    async with _large.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(1)):
        return await _listen(await read(), most_seconds)


async def _listen(data: bytes, most_seconds: float) -> Recording:
    media_type = admit_sound(data, MOST_RECORDING_BYTES)
    most_seconds = min(most_seconds, _MOST_SECONDS)
    said, sounds = await apart(
        "split sound",
        data,
        wall=120.0 + most_seconds / 10,
        thing="sound",
        memory=512 * 1024 * 1024,
        processor=round(30 + most_seconds / 30),
        media_type=media_type,
        most_seconds=most_seconds,
        part_seconds=_PART_SECONDS,
    )
    parts: list[SoundPart] = []
    at = 0
    for part in said["parts"]:
        pieces = tuple((float(begin), float(end)) for begin, end in part["pieces"])
        sound, at = sounds[at : at + part["size"]], at + part["size"]
        parts.append(SoundPart(_ogg(sound, sum(end - begin for begin, end in pieces)), pieces, float(part["again"])))
    seconds = float(said["seconds"])
    if len(parts) == 1 and media_type in TAKEN_BY_MODELS and len(data) <= _SHORT_BYTES and _is_whole(parts[0], seconds):
        # What a phone has encoded well is not encoded again.
        name = f"sound.{extension(media_type)}"
        parts = [SoundPart(Attachment(name, media_type, data, len(data), seconds=seconds), ((0.0, seconds),))]
    return Recording(seconds, float(said["speech"]), tuple(parts))


def _ogg(sound: bytes, seconds: float) -> Attachment:
    return Attachment("sound.ogg", "audio/ogg", sound, len(sound), seconds=round(seconds, 3))


def _is_whole(part: SoundPart, seconds: float) -> bool:
    """Whether next to nothing was left out."""
    return len(part.pieces) == 1 and part.end - part.start > seconds - 2.0
