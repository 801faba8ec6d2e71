"""What is speech and what is not, and where a long recording is cut."""

import array
import io
import itertools
import math
import random
import shutil
import subprocess

import av
import pytest

from bot.media.child.speech import Ear, listen_for_speech
from bot.media.child.split_jobs import plan
from tests.sounds import babble, noise, tone, wav

RATE = 16000
ESPEAK = shutil.which("espeak-ng")


def seconds_of_speech(sound: bytes) -> float:
    ear = Ear()
    with av.open(io.BytesIO(sound)) as container:
        for frame in container.decode(audio=0):
            ear.hear(frame)
    ear.close()
    return sum(listen_for_speech(ear.windows).speech) * 0.02


def mixed(*sounds: "array.array[int]") -> "array.array[int]":
    return array.array("h", [max(-32768, min(32767, sum(each))) for each in zip(*sounds, strict=False)])


def scaled(sound: "array.array[int]", decibels: float) -> "array.array[int]":
    return array.array("h", [int(each * 10 ** (decibels / 20)) for each in sound])


def waved(hertz: float, seconds: float, depth: float = 0.0, beat: float = 0.0) -> "array.array[int]":
    """A tone that grows louder and softer `beat` times a second."""
    turn = 2 * math.pi / RATE
    strength = [6000 * (1 - depth * (0.5 + 0.5 * math.sin(turn * beat * n))) for n in range(int(seconds * RATE))]
    return array.array("h", [int(each * math.sin(turn * hertz * n)) for n, each in enumerate(strength)])


def clicks(a_second: float, seconds: float, length: float) -> "array.array[int]":
    chance = random.Random(4)
    out = array.array("h", [0] * int(seconds * RATE))
    at = 0.2
    while at < seconds - 2 * length:
        for n in range(int(length * RATE)):
            out[int(at * RATE) + n] = int(chance.gauss(0, 9000) * math.exp(-4 * n / (length * RATE)))
        at += chance.uniform(0.5, 1.5) / a_second
    return out


def gusts(seconds: float) -> "array.array[int]":
    strength = [0.55 + 0.45 * math.sin(2 * math.pi * 0.4 * n / RATE) for n in range(int(seconds * RATE))]
    return array.array("h", [int(each * much) for each, much in zip(noise(seconds, 0.2), strength, strict=True)])


SILENT = {
    "nothing": array.array("h", [0] * RATE * 2),
    "the noise of a cheap microphone": noise(2, 0.001),
    "white noise": noise(2, 0.1),
    "loud white noise": noise(2, 0.4),
    "silence, then noise": array.array("h", [0] * RATE) + noise(1.5, 0.05),
    "wind": gusts(4),
    "mains hum": mixed(waved(50, 2), scaled(waved(150, 2), -10), noise(2, 0.003)),
    "a tone": tone(2, rate=RATE),
    "silence, then a tone": tone(1, silence=1, rate=RATE),
    "beeps": sum((waved(1000, 0.2) + array.array("h", [0] * 3000) for _ in range(6)), array.array("h")),
    "tremolo": waved(440, 3, depth=0.9, beat=5),
    "clicks": clicks(3, 3, 0.003),
    "typing": clicks(8, 3, 0.04),
    "clicks in noise": mixed(clicks(4, 3, 0.01), noise(3, 0.01)),
}


@pytest.mark.parametrize("name", SILENT)
def test_what_nobody_said_is_no_speech(name: str) -> None:
    assert seconds_of_speech(wav(SILENT[name], RATE)) == 0


@pytest.mark.parametrize("rate", [8000, 16000])
@pytest.mark.parametrize("decibels", [0, -15, -30])
def test_speech_is_speech_loud_or_soft(rate: int, decibels: float) -> None:
    assert seconds_of_speech(wav(scaled(babble(2, rate=rate), decibels), rate)) > 1


def test_a_short_word_after_a_long_silence_and_speech_in_noise_are_speech() -> None:
    assert seconds_of_speech(wav(babble(0.5, silence=8), RATE)) >= 0.2
    assert seconds_of_speech(wav(babble(0.4), RATE)) >= 0.2
    assert seconds_of_speech(wav(mixed(babble(3), noise(3, 0.02)), RATE)) > 1


@pytest.mark.skipif(not ESPEAK, reason="espeak-ng is not installed")
@pytest.mark.parametrize(
    ("voice", "text"),
    [
        ("en", "Please remind me to buy milk tomorrow."),
        ("en+whisper", "The meeting starts at ten."),
        ("en+f2", "Yes."),
        ("de", "Kannst du mir sagen, wie spät es ist?"),
        ("cmn", "你好，今天天气怎么样？"),
        ("ru", "Привет, как дела?"),
        ("hi", "नमस्ते, आप कैसे हैं?"),
    ],
)
def test_every_voice_and_language_is_speech(voice: str, text: str) -> None:
    spoken = subprocess.run([str(ESPEAK), "-v", voice, "--stdout", text], capture_output=True, check=True).stdout
    assert seconds_of_speech(spoken) >= 0.2


def windows(*stretches: tuple[bool, float]) -> list[bool]:
    return [sounding for sounding, seconds in stretches for _ in range(round(seconds * 50))]


def test_an_hour_is_cut_in_its_pauses_and_every_second_of_it_is_in_a_part() -> None:
    sounds = windows(*[(True, 20.0), (False, 0.6)] * 175)
    parts = plan(sounds, sounds, 300.0)
    assert all(sum(end - begin for begin, end, _ in part) <= 300 for part in parts)
    assert len(parts) <= 20
    for before, after in itertools.pairwise(parts):
        cut = before[-1][1]
        assert not sounds[round(cut * 50)], "in a pause"
        assert cut - after[0][0] == pytest.approx(1.0, abs=0.02), "a second of it is heard twice"
        assert after[0][2] == 1.0
    assert parts[0][0][0] == 0
    assert parts[-1][-1][1] == pytest.approx(len(sounds) / 50, abs=1)


def test_where_nobody_pauses_more_is_heard_twice() -> None:
    sounds = windows((True, 700.0))
    parts = plan(sounds, sounds, 300.0)
    assert [(begin, end, again) for ((begin, end, again),) in parts] == [
        (0.0, 300.0, 0.0),
        (297.0, 597.0, 3.0),
        (594.0, 700.0, 3.0),
    ]


def test_long_silence_and_what_is_no_speech_is_left_out() -> None:
    sounds = windows((False, 60), (True, 10), (False, 30), (True, 5), (False, 30), (True, 10))
    speech = windows((False, 60), (True, 10), (False, 30), (False, 5), (False, 30), (True, 10))
    assert plan(sounds, speech, 300.0) == [[(59.5, 70.5, 0.0), (134.5, 145.0, 0.0)]]
    assert plan(sounds, [False] * len(sounds), 300.0) == []
