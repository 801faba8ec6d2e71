"""Jobs on sounds: measure one, or encode it anew. Runs in the child only."""

import io
import itertools
import math
from array import array
from collections.abc import Iterator
from operator import mul
from typing import Any

import av
from av.error import FFmpegError

from bot.media.child.refused import Refused
from bot.media.child.speech import WINDOW_SECONDS, Ear, listen_for_speech

__all__ = ["Length", "convert", "facts", "frames_of", "open_sound", "sound_stream", "voice"]

_RATE = 8000  # what the loudness is measured at, in samples a second
_WINDOW = 160  # samples: 20 ms
_SILENT = 32768 * 10 ** (-50 / 20)  # the level below which a window counts as silence: -50 dB of full scale
_FORGIVEN = 50  # damaged packets in a row
_DEMUXERS = {  # forced, so that no file can choose a playlist or another reader that opens things
    "audio/ogg": "ogg",
    "audio/mpeg": "mp3",
    "audio/mp4": "mov",
    "video/mp4": "mov",
    "audio/wav": "wav",
    "audio/flac": "flac",
    "audio/webm": "matroska",
    "audio/aac": "aac",
    "audio/amr": "amr",
    "audio/x-caf": "caf",
    "audio/aiff": "aiff",
    "audio/x-ms-wma": "asf",
    "video/x-msvideo": "avi",
}
_TARGETS = {"mp3": ("libmp3lame", 16000), "wav": ("pcm_s16le", 16000), "ogg": ("libopus", 16000)}


def facts(data: bytes, *, media_type: str, most_seconds: float) -> tuple[dict[str, Any], bytes]:
    """Length, make and loudness, from decoding all of it."""
    with open_sound(data, media_type) as container:
        stream = sound_stream(container)
        context = stream.codec_context
        loudness, ear = _Loudness(), Ear()
        length = Length(most_seconds)
        quiet = av.AudioResampler(format="s16", layout="mono", rate=_RATE)
        for frame in frames_of(container, stream, length):
            ear.hear(frame)  # first: a resampler with nothing to do takes the frame away
            for part in quiet.resample(frame):
                loudness.hear(bytes(part.planes[0])[: part.samples * 2])
        ear.close()
        for part in quiet.resample(None):
            loudness.hear(bytes(part.planes[0])[: part.samples * 2])
        if not length.decoded:
            raise Refused("damaged")
        seen = {
            "format": container.format.long_name or container.format.name,
            "codec": context.codec.canonical_name,
            "rate": context.sample_rate,
            "channels": context.channels,
            "seconds": round(length.decoded, 3),
            "speech": round(sum(listen_for_speech(ear.windows).speech) * WINDOW_SECONDS, 2),
            **loudness.summary(),
        }
    return seen, b""


def convert(data: bytes, *, media_type: str, most_seconds: float, to: str) -> tuple[dict[str, Any], bytes]:
    """The same sound as speech models like it: one channel, 16,000 samples a second."""
    codec, rate = _TARGETS[to]
    out = io.BytesIO()
    length = Length(most_seconds)
    with open_sound(data, media_type) as source, av.open(out, "w", format=to) as target:
        stream: Any = target.add_stream(codec, rate=rate, layout="mono")
        if to != "wav":
            stream.codec_context.bit_rate = 48_000
        mono = av.AudioResampler(format=stream.codec_context.format, layout="mono", rate=rate)
        for frame in frames_of(source, sound_stream(source), length):
            for part in mono.resample(frame):
                target.mux(stream.encode(part))
        for part in mono.resample(None):
            target.mux(stream.encode(part))
        target.mux(stream.encode(None))
    if not length.decoded:
        raise Refused("damaged")
    return {"seconds": round(length.decoded, 3)}, out.getvalue()


def voice(data: bytes, *, media_type: str, most_seconds: float, points: int) -> tuple[dict[str, Any], bytes]:
    """The same sound as platforms want a voice message: Ogg Opus, one channel, 48,000 samples a second, and the shape
    of its loudness in at most so many points.
    """
    out = io.BytesIO()
    length, loudness = Length(most_seconds), _Loudness(960)
    with open_sound(data, media_type) as source, av.open(out, "w", format="ogg") as target:
        stream: Any = target.add_stream("libopus", rate=48_000, layout="mono", options={"application": "voip"})
        stream.codec_context.bit_rate = 32_000
        mono = av.AudioResampler(format="s16", layout="mono", rate=48_000)
        for frame in itertools.chain(frames_of(source, sound_stream(source), length), [None]):
            if frame is not None:
                frame.pts = None
            for part in mono.resample(frame):
                loudness.hear(bytes(part.planes[0])[: part.samples * 2])
                target.mux(stream.encode(part))
        target.mux(stream.encode(None))
    if not length.decoded:
        raise Refused("damaged")
    return {"seconds": round(length.decoded, 3), "waveform": loudness.shape(points)}, out.getvalue()


class Length:
    """The length so far, by decoded samples and by packets; whichever is longer is held against the limit."""

    def __init__(self, most: float) -> None:
        self.most = most
        self.decoded = 0.0
        self.packed = 0.0

    def check(self) -> None:
        if max(self.decoded, self.packed) > self.most:
            raise Refused("seconds", most=self.most)


class _Loudness:
    """The loudness of every 20 ms, which are `window` samples."""

    def __init__(self, window: int = _WINDOW) -> None:
        self._window = window
        self._rest = b""
        self._squares: list[float] = []  # the mean of each window
        self._peak = 0

    def hear(self, samples: bytes) -> None:
        samples = self._rest + samples
        size = 2 * self._window
        whole = len(samples) // size * size
        self._rest = samples[whole:]
        for at in range(0, whole, size):
            window = array("h", samples[at : at + size])
            self._squares.append(sum(map(mul, window, window)) / self._window)
            self._peak = max(self._peak, max(window), -min(window))

    def summary(self) -> dict[str, Any]:
        """Silence as a share and in seconds at the start; levels in dB of full scale, `None` for none at all."""
        loud = [square >= _SILENT**2 for square in self._squares]
        sounding = [square for square, is_loud in zip(self._squares, loud, strict=True) if is_loud]
        before = loud.index(True) if sounding else len(loud)
        return {
            "silence": round(1 - len(sounding) / len(loud), 3) if loud else 1.0,
            "leading_silence": round(before * _WINDOW / _RATE, 2),
            "level": _decibels(math.sqrt(sum(sounding) / len(sounding))) if sounding else None,
            "peak": _decibels(self._peak),
        }

    def shape(self, points: int) -> list[int]:
        """The loudness in at most so many points, from 0 to 255 for the loudest of them."""
        many = max(1, min(points, len(self._squares)))
        bounds = [number * len(self._squares) // many for number in range(many + 1)]
        loud = [math.sqrt(max(self._squares[begin:end], default=0.0)) for begin, end in itertools.pairwise(bounds)]
        most = max(loud) or 1.0
        return [round(255 * each / most) for each in loud]


def _decibels(amplitude: float) -> float | None:
    return round(20 * math.log10(amplitude / 32768), 1) if amplitude else None


def open_sound(data: bytes, media_type: str) -> Any:
    return av.open(
        io.BytesIO(data),
        mode="r",
        format=_DEMUXERS[media_type],
        metadata_errors="replace",
        options={"protocol_whitelist": "pipe", "probesize": "1000000"},
    )


def sound_stream(container: Any) -> Any:
    if not container.streams.audio:
        raise Refused("silent")
    stream = container.streams.audio[0]
    stream.codec_context.thread_count = 1
    return stream


def frames_of(container: Any, stream: Any, length: Length) -> Iterator[Any]:
    """Every decoded frame. A damaged packet is passed over as players do; where nothing more can be read, it ends."""
    damaged = 0
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except (StopIteration, FFmpegError):
            return
        if packet.duration and packet.time_base:
            length.packed += float(packet.duration * packet.time_base)
        try:
            frames = packet.decode()
            damaged = 0
        except FFmpegError:
            damaged += 1
            if damaged > _FORGIVEN:
                return
            continue
        for frame in frames:
            if frame.sample_rate:
                length.decoded += frame.samples / frame.sample_rate
            length.check()
            yield frame
        length.check()
