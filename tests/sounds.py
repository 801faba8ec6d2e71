"""Sounds for tests, made by hand and encoded by PyAV."""

import array
import functools
import io
import math
import random
import struct

import av

__all__ = ["babble", "encoded", "noise", "tone", "wav"]


def tone(seconds: float, *, silence: float = 0.0, rate: int = 48000, level: float = 0.3) -> "array.array[int]":
    """A 440 Hz tone as 16-bit samples, after so many seconds of silence. `level` is a share of full scale."""
    quiet = [0] * int(silence * rate)
    step = 2 * math.pi * 440 / rate
    return array.array("h", quiet + [int(level * 32767 * math.sin(step * n)) for n in range(int(seconds * rate))])


def _sample(value: float) -> int:
    return int(max(-32767, min(32767, value)))


@functools.cache
def _syllable(number: int, rate: int) -> tuple[int, ...]:
    """A fifth of a second of something like speech: a hiss, then a vowel that fades."""
    chance = random.Random(number)
    hiss = [chance.gauss(0, 1) for _ in range(int(0.05 * rate))]
    hissed = [1500 * (now - before) for before, now in zip([0.0, *hiss], hiss, strict=False)]
    pitch, formants = 100 + 10 * (number % 5), ((700, 1200), (300, 2300), (400, 800), (550, 1900))[number % 4]
    strength = [
        (harmonic * pitch, sum(math.exp(-(((harmonic * pitch - formant) / 150) ** 2)) for formant in formants))
        for harmonic in range(1, 25)
    ]
    vowel = []
    for n in range(int(0.15 * rate)):
        envelope = math.sin(math.pi * n / (0.15 * rate)) ** 2
        wave = sum(much * math.sin(2 * math.pi * f * n / rate) for f, much in strength if much > 0.05)
        vowel.append(3500 * envelope * wave)
    return tuple(_sample(each) for each in (*hissed, *vowel))


def babble(seconds: float, *, silence: float = 0.0, rate: int = 16000, seed: int = 0) -> "array.array[int]":
    """Something that sounds like speech to a machine, without a word in it, after so many seconds of silence."""
    samples = array.array("h", [0] * int(silence * rate))
    number = seed
    while len(samples) < (silence + seconds) * rate:
        samples.extend(_syllable(number * 7 % 20, rate))
        if number % 4 == 3:
            samples.extend([0] * int(0.1 * rate))
        number += 1
    return samples[: int((silence + seconds) * rate)]


def noise(seconds: float, level: float = 0.1, *, rate: int = 16000, seed: int = 1) -> "array.array[int]":
    """White noise."""
    chance = random.Random(seed)
    return array.array("h", [_sample(chance.gauss(0, level * 32767)) for _ in range(int(seconds * rate))])


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
        stream.codec_context.bit_rate = 48_000
        resampler = av.AudioResampler(format=stream.codec_context.format, layout="mono", rate=at)
        frame = av.AudioFrame(format="s16", layout="mono", samples=len(samples))
        frame.sample_rate = rate
        frame.pts = 0
        frame.planes[0].update(samples.tobytes())
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            file.mux(stream.encode(part))
        file.mux(stream.encode(None))
    return out.getvalue()
