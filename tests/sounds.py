"""Sounds for tests, made by hand and encoded by PyAV."""

import array
import io
import math
import struct

import av

__all__ = ["encoded", "tone", "wav"]


def tone(seconds: float, *, silence: float = 0.0, rate: int = 48000, level: float = 0.3) -> "array.array[int]":
    """A 440 Hz tone as 16-bit samples, after so many seconds of silence. `level` is a share of full scale."""
    quiet = [0] * int(silence * rate)
    step = 2 * math.pi * 440 / rate
    return array.array("h", quiet + [int(level * 32767 * math.sin(step * n)) for n in range(int(seconds * rate))])


def wav(samples: "array.array[int]", rate: int = 48000) -> bytes:
    """One channel, as a WAV file."""
    content = samples.tobytes()
    make = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, rate, rate * 2, 2, 16)
    header = (
        struct.pack("<4sI4s", b"RIFF", 36 + len(content), b"WAVE") + make + struct.pack("<4sI", b"data", len(content))
    )
    return header + content


def encoded(samples: "array.array[int]", container: str, codec: str, *, rate: int = 48000, at: int = 0) -> bytes:
    """One channel in another format, e.g. `encoded(tone(1), "ogg", "libopus")`, at the rate `at` if that differs."""
    out = io.BytesIO()
    at = at or rate
    with av.open(out, "w", format=container) as file:
        stream = file.add_stream(codec, rate=at, layout="mono")
        resampler = av.AudioResampler(format=stream.codec_context.format, layout="mono", rate=at)
        frame = av.AudioFrame(format="s16", layout="mono", samples=len(samples))
        frame.sample_rate = rate
        frame.pts = 0
        frame.planes[0].update(samples.tobytes())
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            file.mux(stream.encode(part))
        file.mux(stream.encode(None))
    return out.getvalue()
