"""Pictures and sounds that strangers send: facts about them, clean copies of them, and what is refused."""

import asyncio
import io
import os
import struct
import sys
import zlib
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from bot.media import (
    MediaError,
    TooLarge,
    Unreadable,
    convert_sound,
    extension,
    fit_picture,
    picture_facts,
    sniff,
    sound_facts,
)
from bot.media import apart as apart_module
from tests.pictures import barcode, holiday_photo, picture
from tests.sounds import encoded, tone, wav


def huge_png(width: int, height: int) -> bytes:
    """Few bytes that would be many pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 1000))
        + chunk(b"IEND", b"")
    )


async def test_what_is_certain_about_a_picture_is_told() -> None:
    shown = Image.new("RGB", (400, 300), "white")
    shown.paste((220, 20, 30), (0, 0, 400, 150))
    out = io.BytesIO()
    shown.save(out, "PNG")
    facts = await picture_facts(out.getvalue())
    assert (facts.format, facts.width, facts.height, facts.animated, facts.frames) == ("PNG", 400, 300, False, 1)
    assert dict(facts.colours) == {"red": 0.5, "white": 0.5}
    assert not facts.transparent
    assert not facts.has_exif
    assert facts.bytes == len(out.getvalue())


async def test_a_qr_code_is_read() -> None:
    facts = await picture_facts(barcode("https://example.org/menu?table=7", "WEBP", quality=60))
    assert [(code.kind, code.text) for code in facts.barcodes] == [("QR Code", "https://example.org/menu?table=7")]
    assert {name for name, _ in facts.colours} == {"white", "black"}


async def test_an_animation_is_counted_and_a_transparent_picture_is_seen_through() -> None:
    frames = [Image.new("P", (20, 20), number) for number in range(5)]
    for number, frame in enumerate(frames):
        frame.putpalette([value for step in range(256) for value in (step * 50 % 256, number * 40, 90)])
        frame.putpixel((number, number), 200)
    out = io.BytesIO()
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:], duration=50)
    facts = await picture_facts(out.getvalue())
    assert (facts.animated, facts.frames) == (True, 5)
    assert (await picture_facts(picture("RGBA", colour=(0, 200, 0, 30)))).transparent


async def test_a_photo_is_sent_on_upright_small_and_without_the_place_it_was_taken() -> None:
    photo = holiday_photo()
    facts = await picture_facts(photo)
    assert (facts.width, facts.height) == (2000, 3000)
    assert facts.has_exif
    assert facts.has_place
    small = await fit_picture(photo, side=1024)
    seen = Image.open(io.BytesIO(small.data))
    assert small.media_type == "image/jpeg"
    assert seen.size == (683, 1024)
    assert len(seen.getexif()) == 0
    assert b"Telephone" not in small.data
    assert b"secret" not in small.data


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
async def test_every_sort_of_png_can_be_sent_on(mode: str) -> None:
    small = await fit_picture(picture(mode, (1500, 20), 1), side=256)
    seen = Image.open(io.BytesIO(small.data))
    assert (small.media_type, seen.size, seen.mode) == ("image/png", (256, 3), "RGB")


async def test_a_noisy_picture_becomes_as_small_as_it_has_to_be() -> None:
    out = io.BytesIO()
    Image.frombytes("RGB", (900, 900), os.urandom(900 * 900 * 3)).save(out, "PNG")
    small = await fit_picture(out.getvalue(), side=900, max_bytes=300_000)
    assert small.media_type == "image/jpeg"
    assert small.size == len(small.data) <= 300_000


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (huge_png(9400, 9400), "88 megapixels; I can look at up to 25"),
        (huge_png(13300, 13300), "13300 × 13300 pixels"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * (10 * 1024 * 1024), "10.0 MB; I take up to 10"),
    ],
)
async def test_a_picture_that_is_too_large_is_refused_with_its_measure(sent: bytes, said: str) -> None:
    with pytest.raises(TooLarge, match="smaller copy") as refused:
        await fit_picture(sent)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (picture(size=(300, 300), colour="blue", kind="JPEG")[:300], "may be damaged"),
        (b"\x89PNG\r\n\x1a\nnonsense", "may be damaged"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "PNG, JPEG, WebP or GIF"),
        (b"\0\0\0\x18ftypheic\0\0\0\0", "may be damaged"),
        (b"\0\0\0\x0cJXL \r\n\x87\n\0\0\0\0", "cannot read JXL pictures"),
        (b"%PDF-1.7", "PNG, JPEG, WebP or GIF"),
        (b"", "is empty"),
    ],
)
async def test_what_is_no_picture_is_refused_with_what_to_send(sent: bytes, said: str) -> None:
    for look in (picture_facts, fit_picture):
        with pytest.raises(Unreadable, match=said):
            await look(sent)


async def test_a_voice_note_is_measured() -> None:
    note = encoded(tone(1.6, silence=0.4), "ogg", "libopus")
    facts = await sound_facts(note)
    assert facts.media_type == "audio/ogg"
    assert (facts.codec, facts.rate, facts.channels) == ("opus", 48000, 1)
    assert facts.seconds == pytest.approx(2.0, abs=0.05)
    assert facts.leading_silence == pytest.approx(0.4, abs=0.05)
    assert facts.silence == pytest.approx(0.2, abs=0.03)
    assert facts.level == pytest.approx(-13.5, abs=1)


@pytest.mark.parametrize(
    ("container", "codec", "at", "media_type"),
    [
        ("mp3", "libmp3lame", 0, "audio/mpeg"),
        ("ipod", "aac", 0, "audio/mp4"),
        ("flac", "flac", 0, "audio/flac"),
        ("webm", "libopus", 0, "audio/webm"),
        ("adts", "aac", 0, "audio/aac"),
        ("amr", "libopencore_amrnb", 8000, "audio/amr"),
        ("caf", "pcm_s16le", 0, "audio/x-caf"),
    ],
)
async def test_recordings_of_every_make_are_known_and_converted(
    container: str, codec: str, at: int, media_type: str
) -> None:
    note = encoded(tone(1.0), container, codec, at=at)
    assert sniff(note) == media_type
    assert (await sound_facts(note)).seconds == pytest.approx(1.0, abs=0.08)
    plain = await convert_sound(note, "mp3")
    assert (sniff(plain.data), extension(plain.media_type)) == ("audio/mpeg", "mp3")
    assert (await sound_facts(plain.data)).seconds == pytest.approx(1.0, abs=0.12)


@pytest.mark.parametrize("to", ["wav", "ogg"])
async def test_a_sound_can_be_had_as_wav_or_ogg(to: Any) -> None:
    made = await convert_sound(wav(tone(0.5)), to)
    facts = await sound_facts(made.data)
    assert (made.media_type, facts.media_type) == (f"audio/{to}", f"audio/{to}")
    assert facts.seconds == pytest.approx(0.5, abs=0.05)


async def test_silence_has_no_level() -> None:
    facts = await sound_facts(wav(tone(0, silence=1.0)))
    assert (facts.level, facts.silence, facts.leading_silence) == (None, 1.0, pytest.approx(1.0))


async def test_a_length_is_measured_not_believed() -> None:
    """Every page of this recording claims to end after a tenth of a second."""
    honest = encoded(tone(3), "ogg", "libopus")
    lying = _with_every_granule(honest, 4800)
    for sound in (honest, lying):
        assert (await sound_facts(sound, most_seconds=4)).seconds == pytest.approx(3, abs=0.1)
        with pytest.raises(TooLarge, match="lasts more than 2 seconds"):
            await sound_facts(sound, most_seconds=2)


def _with_every_granule(ogg: bytes, granule: int) -> bytes:
    """The same Ogg file whose pages all claim to end at `granule`, with the checksums put right."""
    out = bytearray(ogg)
    at = 0
    while (at := out.find(b"OggS", at)) >= 0:
        segments = out[at + 26]
        size = 27 + segments + sum(out[at + 27 : at + 27 + segments])
        if int.from_bytes(out[at + 6 : at + 14], "little") > 0:
            out[at + 6 : at + 14] = granule.to_bytes(8, "little")
            out[at + 22 : at + 26] = b"\0\0\0\0"
            out[at + 22 : at + 26] = _ogg_checksum(out[at : at + size]).to_bytes(4, "little")
        at += size
    return bytes(out)


def _ogg_checksum(page: bytes) -> int:
    checksum = 0
    for byte in page:
        checksum ^= byte << 24
        for _ in range(8):
            checksum = (checksum << 1 ^ 0x04C11DB7) & 0xFFFFFFFF if checksum & 0x80000000 else checksum << 1
    return checksum


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (b"OggS" + b"\0" * 200, "may be damaged"),
        (b"#EXTM3U\nhttp://127.0.0.1/secret.ts", "no sound that I can read"),
        (picture(), "PNG file, no sound"),
        (b"", "is empty"),
    ],
)
async def test_what_is_no_sound_is_refused_with_what_to_send(sent: bytes, said: str) -> None:
    for listen in (sound_facts, convert_sound):
        with pytest.raises(Unreadable, match=said):
            await listen(sent)


async def test_a_child_that_takes_too_long_is_killed_and_its_place_is_free_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    sleepy = tmp_path / "sleepy.py"
    sleepy.write_text("import time\ntime.sleep(60)\n")
    with monkeypatch.context() as patched:
        patched.setattr(apart_module, "_CHILD", sleepy)
        with pytest.raises(TooLarge, match="too much work"):
            await apart_module.apart("picture facts", b"x", wall=0.3, thing="picture")
        waiting = [
            asyncio.create_task(apart_module.apart("picture facts", b"x", wall=60, thing="picture")) for _ in range(4)
        ]
        await asyncio.sleep(0)
        for task in waiting:
            task.cancel()
        assert all(
            isinstance(end, asyncio.CancelledError) for end in await asyncio.gather(*waiting, return_exceptions=True)
        )
    assert (await picture_facts(picture())).format == "PNG"


async def test_a_child_that_dies_is_a_sentence_not_a_traceback(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    dying = tmp_path / "dying.py"
    dying.write_text("import os\nos.abort()\n")
    monkeypatch.setattr(apart_module, "_CHILD", dying)
    with pytest.raises(MediaError, match="too large to open"):
        await apart_module.apart("picture facts", b"x" * 1_000_000, wall=5, thing="picture")


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such limits on Windows")
async def test_the_child_sees_no_secret_and_has_little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    code = (
        "import json, os, resource, sys\n"
        f"sys.path.insert(0, {str(apart_module._CHILD.parent)!r})\n"
        "import main\n"
        "ask = json.loads(sys.stdin.buffer.readline())\n"
        "main.limit(ask['memory'], ask['processor'])\n"
        "seen = {'secret': 'OPENAI_API_KEY' in os.environ, 'memory': resource.getrlimit(resource.RLIMIT_AS)[0]}\n"
        "print(json.dumps({**seen, 'size': 0}), flush=True)\n"
    )
    child = Path.cwd() / "child.py"
    child.write_text(code)
    monkeypatch.setattr(apart_module, "_CHILD", child)
    seen, _ = await apart_module.apart("x", b"", wall=5, thing="picture", memory=300_000_000, processor=3)
    assert seen == {"secret": False, "memory": 300_000_000}
