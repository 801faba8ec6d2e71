"""Asking models: what goes out on the wire, what comes back, and what is put on the bill."""

import asyncio
import io
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from PIL import Image

from bot.config import load_config
from bot.media import TooLarge, Unreadable
from bot.messages import Attachment
from bot.models import (
    BadReply,
    ModelError,
    NotConfigured,
    Prompt,
    Refused,
)
from bot.models.fetch import fetch_picture
from bot.models.find import find_models
from tests.fakes.openai import FakeOpenAI, faults
from tests.model_rig import Turn, models_at
from tests.sounds import encoded, tone, wav


@pytest.fixture
async def openai() -> AsyncIterator[FakeOpenAI]:
    async with FakeOpenAI() as openai:
        yield openai


@pytest.fixture
async def turn(openai: FakeOpenAI) -> AsyncIterator[Turn]:
    async with models_at(openai) as turn:
        yield turn


PHOTO = Attachment("photo.jpg", "image/jpeg", b"")


async def test_an_answer_arrives_while_it_is_still_being_written(openai: FakeOpenAI, turn: Turn) -> None:
    openai.reply_with("one two three")
    openai.hold()
    stream = turn.models.chat([Prompt("user", "count")])
    first = asyncio.create_task(anext(stream))
    await openai.called()
    await openai.release(1)
    assert await first == "one"
    await openai.release()
    assert [piece async for piece in stream][-1].endswith("three")


async def test_the_conversation_goes_out_in_order_and_without_sampling_parameters(
    openai: FakeOpenAI, turn: Turn
) -> None:
    said = await turn.ask(
        Prompt("system", "Be brief."), "My name is Ann.", Prompt("assistant", "Hello Ann."), "Who am I?"
    )
    assert said == "echo: Who am I? (4 messages)"
    call = openai.of()[0]
    assert call.messages == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "My name is Ann."},
        {"role": "assistant", "content": "Hello Ann."},
        {"role": "user", "content": "Who am I?"},
    ]
    assert call.body.keys() == {"model", "messages", "stream", "stream_options", "max_completion_tokens"}


async def test_questions_share_a_connection(openai: FakeOpenAI, turn: Turn) -> None:
    for _ in range(5):
        await turn.ask("hello")
    await turn.models.embed(["hello"])
    assert len({call.peer for call in openai.calls if call.method == "POST"}) == 1


async def test_a_picture_goes_to_the_vision_model_as_bytes_small_and_clean(openai: FakeOpenAI, turn: Turn) -> None:
    exif = Image.Exif()
    exif[0x010F] = "Telephone & Co"
    out = io.BytesIO()
    Image.new("RGB", (3000, 1500), (30, 90, 200)).save(out, "JPEG", exif=exif)
    said = await turn.ask(Prompt("user", "What is this?", (replace(PHOTO, data=out.getvalue()),)))
    assert said == "echo: What is this? (1 messages, 1 pictures)"
    sent = openai.of()[0].pictures[0]
    assert Image.open(io.BytesIO(sent)).size == (1024, 512)
    assert b"Telephone" not in sent
    assert turn.used[0].role == "vision"


async def test_a_picture_that_cannot_be_opened_is_not_sent_and_not_paid(openai: FakeOpenAI, turn: Turn) -> None:
    with pytest.raises(Unreadable, match="may be damaged"):
        await turn.ask(Prompt("user", "What is this?", (replace(PHOTO, data=b"\xff\xd8\xff nonsense"),)))
    assert (openai.of(), turn.used) == ([], [])


async def test_half_a_character_does_not_stop_a_question(openai: FakeOpenAI, turn: Turn) -> None:
    assert await turn.ask("broken \ud83d emoji") == "echo: broken \ufffd emoji (1 messages)"


async def test_thoughts_are_not_shown(openai: FakeOpenAI, turn: Turn) -> None:
    deltas: list[dict[str, str]] = [
        {"reasoning_content": "hmm"},
        {"content": "<th"},
        {"content": "ink>I wonder</thi"},
        {"content": "nk>\n\n"},
        {"content": "The answer"},
        {"content": " is <b>4</b>."},
    ]
    openai.fail_with(faults.raw(_events(*deltas), "text/event-stream"))
    assert (await turn.ask("2+2?")).strip() == "The answer is <b>4</b>."


async def test_an_answer_that_begins_like_a_thought_is_shown(openai: FakeOpenAI, turn: Turn) -> None:
    openai.fail_with(faults.raw(_events({"content": "<"}, {"content": "thin"}), "text/event-stream"))
    assert await turn.ask("hm") == "<thin"


async def test_a_server_that_does_not_stream_is_understood(openai: FakeOpenAI, turn: Turn) -> None:
    openai.fail_with(faults.not_streamed())
    assert await turn.ask("hello there") == "echo: hello there (1 messages)"


async def test_an_endless_answer_ends_at_32_kilobytes(openai: FakeOpenAI, turn: Turn) -> None:
    openai.reply_with("für immer " * 10_000)
    text, error = await turn.fail()
    assert 32 * 1024 - 2 <= len(text.encode()) <= 32 * 1024
    assert "length limit" in str(error)


def _events(*deltas: dict[str, str]) -> bytes:
    """A stream of these deltas, without any blank line at its end."""
    import json

    chunks: list[dict[str, Any]] = [
        {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas
    ]
    chunks.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    return b"\r\n\r\n".join(
        [b": hello", *(b"data: " + json.dumps(chunk).encode() for chunk in chunks), b"data: [DONE]"]
    )


async def test_a_drawing_comes_back_as_a_picture(openai: FakeOpenAI, turn: Turn) -> None:
    pictures = await turn.models.image("a fox", size="128x96", quality="low", count=2)
    assert [picture.name for picture in pictures] == ["picture.png", "picture-2.png"]
    assert Image.open(io.BytesIO(pictures[1].data)).size == (128, 96)
    assert pictures[0].alt == "a fox"
    assert openai.of("/images/generations")[0].body == {
        "model": "gpt-image-2.6-flare",
        "prompt": "a fox",
        "n": 2,
        "size": "128x96",
        "quality": "low",
    }
    (used,) = turn.used
    assert (used.input_tokens, used.output_tokens, used.pictures, used.cost) == (10, 200, 2, 6050)


async def test_an_older_model_is_asked_for_one_picture_at_a_time(openai: FakeOpenAI) -> None:
    openai.models = ("gpt-6-luna", "dall-e-3")
    async with models_at(openai) as turn:
        assert len(await turn.models.image("a fox", count=2, quality="low")) == 2
    assert [call.body for call in openai.of("/images/generations")] == [
        {"model": "dall-e-3", "prompt": "a fox", "response_format": "b64_json"}
    ] * 2


async def test_a_server_of_another_kind_may_answer_with_an_address(openai: FakeOpenAI) -> None:
    openai.models = ("llama-3", "flux-1-dev")
    async with models_at(openai) as turn:
        pictures = await turn.models.image("a fox", size="64x64")
    assert Image.open(io.BytesIO(pictures[0].data)).size == (64, 64)
    fetched = openai.calls[-1]
    assert fetched.path.startswith("/files/")
    assert "Authorization" not in fetched.headers
    assert openai.of("/images/generations")[0].body == {"model": "flux-1-dev", "prompt": "a fox", "size": "64x64"}


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (faults.raw(b'{"created": 1, "data": []}'), Refused),
        (faults.raw(b'{"created": 1}'), BadReply),
        (faults.raw(b'{"data": [{"b64_json": "not base64!"}]}'), BadReply),
        (faults.raw(b'{"data": [{"b64_json": "PHN2Zz48L3N2Zz4="}]}'), BadReply),
        (faults.raw(b'{"data": [{"url": "http://169.254.169.254/latest"}]}'), BadReply),
        (faults.raw(b'{"data": [null]}'), BadReply),
        (faults.html(), BadReply),
        (faults.status(400, "Blocked by our safety system.", code="moderation_blocked"), Refused),
        (faults.status(400, "Blocked.", type="image_generation_user_error"), Refused),
        (faults.status(501, "not supported"), NotConfigured),
    ],
)
async def test_a_drawing_that_fails_says_why(
    openai: FakeOpenAI, turn: Turn, fault: faults.Fault, error: type[ModelError]
) -> None:
    openai.fail_with(fault, path="/images/generations")
    with pytest.raises(error):
        await turn.models.image("a fox")
    assert len(openai.of("/images/generations")) == 1


@pytest.mark.parametrize(
    "address",
    [
        "http://example.org/a.png",
        "https://user@example.org/a.png",
        "https://example.org:8443/a.png",
        "ftp://example.org/a.png",
    ],
)
async def test_an_address_of_a_suspicious_kind_is_not_followed(address: str) -> None:
    with pytest.raises(ValueError, match="not followed"):
        await fetch_picture(address, "https://api.openai.com/v1", 1000)


@pytest.mark.parametrize(
    "address",
    [
        "https://127.0.0.1/a.png",
        "https://[::ffff:127.0.0.1]/a.png",
        "https://169.254.169.254/latest",
        "https://0.0.0.0/",
        "https://[64:ff9b::7f00:1]/",
        "https://localhost/a.png",
    ],
)
async def test_no_address_leads_into_the_house(address: str) -> None:
    with pytest.raises(OSError, match="ClientConnectorError") as refused:
        await fetch_picture(address, "https://api.openai.com/v1", 1000)
    assert "not a public address" in repr(refused.value.__cause__)


async def test_an_address_is_followed_no_further_than_it_may_lead() -> None:
    async def send_on(request: web.Request) -> web.Response:
        raise web.HTTPFound(request.query.get("to", "/on"))

    async def send_much(request: web.Request) -> web.Response:
        return web.Response(body=b"x" * 2000)

    app = web.Application()
    app.router.add_get("/on", send_on)
    app.router.add_get("/much", send_much)
    async with TestServer(app) as server, FakeOpenAI() as other:
        base = str(server.make_url("/v1"))
        assert await fetch_picture("/on?to=/much", base, 5000) == b"x" * 2000
        for address, wrong in (
            ("/much", "too large"),
            ("/on", "too many redirects"),
            (f"/on?to={other.url}/models", "not followed"),
            ("/on?to=https://127.0.0.1/", "not public|ClientConnectorError"),
        ):
            with pytest.raises((OSError, ValueError), match=wrong):
                await fetch_picture(address, base, 1000)
        assert other.calls == []


async def test_a_voice_note_is_sent_under_the_name_of_what_it_is(openai: FakeOpenAI, turn: Turn) -> None:
    note = encoded(tone(1.0), "ogg", "libopus")
    transcript = await turn.models.transcribe(Attachment("evil/../name.exe", "application/x-evil", note, seconds=0.1))
    assert transcript.text == "hello from a voice note"
    assert transcript.seconds == pytest.approx(1.0, abs=0.05)
    upload = openai.of("/audio/transcriptions")[0].files["file"]
    assert (upload.name, upload.content_type, upload.data) == ("sound.ogg", "audio/ogg", note)
    assert openai.of("/audio/transcriptions")[0].body == {"model": "gpt-transcribe", "response_format": "json"}
    assert turn.used[0].seconds == transcript.seconds


async def test_a_recording_that_the_server_does_not_take_is_converted(openai: FakeOpenAI, turn: Turn) -> None:
    note = encoded(tone(1.0), "amr", "libopencore_amrnb", at=8000)
    await turn.models.transcribe(Attachment("voice.amr", "audio/amr", note), language="de")
    call = openai.of("/audio/transcriptions")[0]
    assert (call.files["file"].name, call.body["language"]) == ("sound.mp3", "de")


async def test_a_server_on_ones_own_machine_hears_plain_sounds() -> None:
    note = encoded(tone(1.0), "mp4", "aac")
    async with FakeOpenAI(key="", models=("whisper-1", "llama3")) as local:
        models = await find_models(load_config(openai_base_url=local.url))
        turn = Turn(models)
        await turn.models.transcribe(Attachment("voice.m4a", "audio/mp4", note))
        await models.close()
    upload = local.of("/audio/transcriptions")[0].files["file"]
    assert (upload.name, upload.data[:4]) == ("sound.wav", b"RIFF")
    assert turn.used[0].cost == 0


async def test_silence_is_not_sent_and_not_paid(openai: FakeOpenAI, turn: Turn) -> None:
    transcript = await turn.models.transcribe(Attachment("v.wav", "audio/wav", wav(tone(0, silence=2))))
    assert (transcript.text, transcript.seconds) == ("", pytest.approx(2.0))
    assert openai.of("/audio/transcriptions") == []
    assert turn.used[0].seconds == 0


async def test_a_recording_of_more_than_ten_minutes_is_not_sent(openai: FakeOpenAI, turn: Turn) -> None:
    long = wav(tone(0, silence=601, rate=8000), 8000)
    with pytest.raises(TooLarge, match="lasts more than 10 minutes"):
        await turn.models.transcribe(Attachment("v.wav", "audio/wav", long, seconds=1.0))
    assert openai.of("/audio/transcriptions") == []


async def test_words_that_whisper_makes_up_are_dropped(openai: FakeOpenAI) -> None:
    openai.models = ("gpt-6-luna", "whisper-1")
    openai.transcript = "Thank you for watching!"
    note = Attachment("v.wav", "audio/wav", wav(tone(0.5)))
    async with models_at(openai) as turn:
        openai.segments = [{"text": "Thank you for watching!", "no_speech_prob": 0.97}]
        assert (await turn.models.transcribe(note)).text == ""
        openai.segments = [{"text": "Thank you for watching!", "no_speech_prob": 0.02}]
        heard = await turn.models.transcribe(note)
    assert (heard.text, heard.language) == ("Thank you for watching!", "english")


async def test_vectors_come_in_the_order_of_their_texts(openai: FakeOpenAI, turn: Turn) -> None:
    both = await turn.models.embed(["fox", "snow"])
    assert [await turn.models.embed(["fox"]), await turn.models.embed(["snow"])] == [both[:1], both[1:]]
    assert both[0] != both[1]
