"""The job that gets a recording ready to be listened to: parts that begin and end in pauses. Runs in the child only."""

import io
from collections.abc import Iterator, Sequence
from typing import Any

import av

from bot.media.child.refused import Refused
from bot.media.child.sound_jobs import Length, frames_of, open_sound, sound_stream
from bot.media.child.speech import WINDOW_SECONDS, Ear, listen_for_speech

__all__ = ["plan", "split"]

_RATE = 16_000  # samples a second that parts have
_BITS = 24_000  # a second: enough for every consonant
_LONG_PAUSE = 5.0  # seconds of quiet above which it is cut out
_PAUSE = 0.3  # seconds of quiet in which a recording can be cut
_AROUND = 0.5  # seconds of quiet left around what sounds
_OVER_A_PAUSE = 1.0  # seconds heard twice where a part ends in a pause
_OVER_SPEECH = 3.0  # and where nobody paused
_EARLIEST = 0.6  # of a part's greatest length: where a pause to end it is looked for from

_Piece = tuple[float, float]
_Part = list[tuple[float, float, float]]  # pieces: from, to, and how much of the beginning was heard before


def split(data: bytes, *, media_type: str, most_seconds: float, part_seconds: float) -> tuple[dict[str, Any], bytes]:
    """How long a sound lasts and how much of it is speech, and the parts of it worth listening to, in Ogg Opus.

    Each part says of which pieces of the sound it is made, in seconds, and how much of its beginning the part before
    it had as well. It is read twice: to find the pauses, and to cut.
    """
    ear = Ear()
    with open_sound(data, media_type) as container:
        stream = sound_stream(container)
        length = Length(most_seconds)
        for frame in frames_of(container, stream, length):
            ear.hear(frame)
    ear.close()
    if not length.decoded:
        raise Refused("damaged")
    heard = listen_for_speech(ear.windows)
    said: dict[str, Any] = {
        "seconds": round(length.decoded, 3),
        "speech": round(sum(heard.speech) * WINDOW_SECONDS, 2),
        "parts": [],
    }
    parts = plan(heard.sounds, heard.speech, part_seconds)
    sounds = _cut(data, media_type, most_seconds, parts) if parts else []
    for part, sound in zip(parts, sounds, strict=True):
        said["parts"].append(
            {"size": len(sound), "pieces": [piece[:2] for piece in part], "again": round(part[0][2], 2)}
        )
    return said, b"".join(sounds)


def plan(sounds: Sequence[bool], speech: Sequence[bool], most: float) -> list[_Part]:
    """Which pieces make up which part, each at most `most` seconds long. What has no speech in it is left out."""
    parts: list[_Part] = []
    room = 0.0
    for begin, end in _islands(sounds):
        for piece in _pieces(sounds, begin, end, most):
            if not any(speech[round(piece[0] / WINDOW_SECONDS) : round(piece[1] / WINDOW_SECONDS)]):
                continue
            seconds = piece[1] - piece[0]
            if not parts or seconds > room or piece[2]:
                parts.append([])
                room = most
            parts[-1].append(piece)
            room -= seconds
    return parts


def _islands(sounds: Sequence[bool]) -> Iterator[_Piece]:
    """From where to where something sounds, in seconds, without long pauses in it."""
    begin, last = -1, -1
    around = round(_AROUND / WINDOW_SECONDS)
    most_quiet = round(_LONG_PAUSE / WINDOW_SECONDS)

    def padded(begin: int, last: int) -> _Piece:
        return max(0, begin - around) * WINDOW_SECONDS, min(len(sounds), last + 1 + around) * WINDOW_SECONDS

    for at, sounding in enumerate(sounds):
        if sounding:
            if begin < 0:
                begin = at
            last = at
        elif begin >= 0 and at - last > most_quiet:
            yield padded(begin, last)
            begin = -1
    if begin >= 0:
        yield padded(begin, last)


def _pieces(sounds: Sequence[bool], begin: float, end: float, most: float) -> _Part:
    """An island cut to size: in the longest pause of the last part of what fits, else where it is full."""
    pieces: _Part = []
    again = 0.0
    while end - begin > most:
        first, last = (round((begin + most * share) / WINDOW_SECONDS) for share in (_EARLIEST, 1.0))
        pause = _longest_pause(sounds, first, last)
        if pause and (pause[1] - pause[0]) * WINDOW_SECONDS >= _PAUSE:
            cut, over = (pause[0] + pause[1]) / 2 * WINDOW_SECONDS, _OVER_A_PAUSE
        else:
            cut, over = begin + most, _OVER_SPEECH
        pieces.append((round(begin, 2), round(cut, 2), again))
        begin, again = cut - over, over
    pieces.append((round(begin, 2), round(end, 2), again))
    return pieces


def _longest_pause(sounds: Sequence[bool], first: int, last: int) -> tuple[int, int] | None:
    best: tuple[int, int] | None = None
    begin = -1
    for at in range(first, min(last, len(sounds)) + 1):
        quiet = at < min(last, len(sounds)) and not sounds[at]
        if quiet and begin < 0:
            begin = at
        elif not quiet and begin >= 0:
            if best is None or at - begin > best[1] - best[0]:
                best = (begin, at)
            begin = -1
    return best


def _cut(data: bytes, media_type: str, most_seconds: float, parts: list[_Part]) -> list[bytes]:
    """The parts, encoded as the sound goes by: no more of it is in memory than one frame."""
    made: list[bytes] = []
    wanted = [
        (part, round(begin * _RATE), round(end * _RATE))
        for part, pieces in enumerate(parts)
        for begin, end, _ in pieces
    ]
    encoders = [_Encoder() for _ in parts[:1]]
    over, position = 0, 0  # pieces that are done, and the number of the next sample
    with open_sound(data, media_type) as container:
        for samples in _samples(container, most_seconds):
            after = position + len(samples) // 2
            for part, begin, end in wanted[over:]:
                if begin >= after:
                    break
                if part == len(encoders):
                    encoders.append(_Encoder())
                encoders[part].take(samples[max(0, begin - position) * 2 : max(0, end - position) * 2])
            while over < len(wanted) and wanted[over][2] <= after:
                part, over = wanted[over][0], over + 1
                if over == len(wanted) or wanted[over][0] != part:
                    made.append(encoders[part].end())
            position = after
    return [*made, *(each.end() for each in encoders[len(made) :])]


def _samples(container: Any, most_seconds: float) -> Iterator[bytes]:
    mono = av.AudioResampler(format="s16", layout="mono", rate=_RATE)
    for frame in frames_of(container, sound_stream(container), Length(most_seconds)):
        frame.pts = None
        for part in mono.resample(frame):
            yield bytes(part.planes[0])[: part.samples * 2]
    for part in mono.resample(None):
        yield bytes(part.planes[0])[: part.samples * 2]


class _Encoder:
    """One part on its way into Ogg Opus. Nothing is open before there is something to write."""

    def __init__(self) -> None:
        self._out = io.BytesIO()
        self._file: Any = None
        self._stream: Any = None
        self._taken = 0

    def take(self, samples: bytes) -> None:
        """The next samples: 16-bit, one channel."""
        if not samples:
            return
        if self._file is None:
            self._file = av.open(self._out, "w", format="ogg")
            self._stream = self._file.add_stream(
                "libopus", rate=_RATE, layout="mono", options={"application": "voip", "compression_level": "2"}
            )
            self._stream.codec_context.bit_rate = _BITS
        frame = av.AudioFrame(format="s16", layout="mono", samples=len(samples) // 2)
        frame.sample_rate = _RATE
        frame.pts = self._taken
        plane = frame.planes[0]
        plane.update(samples + bytes(plane.buffer_size - len(samples)))
        self._taken += frame.samples
        self._file.mux(self._stream.encode(frame))

    def end(self) -> bytes:
        """The whole file."""
        if self._file is None:
            return b""
        self._file.mux(self._stream.encode(None))
        self._file.close()
        self._file = None
        return self._out.getvalue()
