"""What the skills for pictures and sounds really send to a server, byte for byte."""

import contextlib
import io
from collections.abc import AsyncIterator

import pytest
from PIL import Image

from bot import Attachment
from bot.adapter import Limits
from bot.config import Config
from bot.conversation import Conversation
from bot.dispatch import Dispatch
from bot.media import sniff
from storage import Store
from tests.fakes.openai import FakeOpenAI
from tests.model_rig import models_at
from tests.pictures import barcode, holiday_photo
from tests.replies import newest, reply
from tests.room import Room
from tests.sounds import babble, encoded, noise, wav

PRIVATE = (b"Telephone", b"secret", b"Exif", b"GPS")
PHOTO = Attachment("IMG_1.jpg", "image/jpeg", holiday_photo((1500, 1000)))


@pytest.fixture
async def openai() -> AsyncIterator[FakeOpenAI]:
    async with FakeOpenAI() as server:
        yield server


@contextlib.asynccontextmanager
async def room_at(openai: FakeOpenAI, config: Config, store: Store) -> AsyncIterator[Room]:
    async with models_at(openai) as turn, Room(config, store, limits=Limits(pace=0.0, typing=60.0, buttons=8)) as room:
        room.conversation = Conversation(store, room.skills, turn.all, {"fake": room.adapter})
        room.dispatch = Dispatch(store, room.conversation)
        yield room


async def test_where_a_photo_was_taken_stays_here(openai: FakeOpenAI, config: Config, store: Store) -> None:
    async with room_at(openai, config, store) as room:
        await room.ask("What is this?", attachments=[PHOTO])
        await reply(room, "And where?")
        await room.ask("Make the sky red", attachments=[PHOTO])
        sent = [picture for call in openai.of() for picture in call.pictures]
        edited = [upload.data for call in openai.of("/images/edits") for upload in call.files.values()]
        assert (len(sent), len(edited)) == (2, 1)
        for picture in (*sent, *edited):
            assert Image.open(io.BytesIO(picture)).height > Image.open(io.BytesIO(picture)).width, "upright"
            assert not any(private in picture for private in PRIVATE)


async def test_a_drawn_picture_is_sent_back_to_be_changed(openai: FakeOpenAI, config: Config, store: Store) -> None:
    async with room_at(openai, config, store) as room:
        (drawn,) = (await room.ask("draw a fox")).attachments
        (changed,) = (await reply(room, "Give it a hat")).attachments
        (call,) = openai.of("/images/edits")
        assert call.body["prompt"] == "Give it a hat"
        (upload,) = call.files.values()
        sent, shown = (Image.open(io.BytesIO(data)).convert("RGB") for data in (upload.data, drawn.data))
        assert list(sent.get_flattened_data()) == list(shown.get_flattened_data())
        assert changed.alt == "a fox; changed: Give it a hat"
        about = (await room.conversation._asking._recall(newest(room).channel, "2")).about  # type: ignore[union-attr]
        assert about["parent"] == "1"
        assert about["model"].endswith(call.body["model"])


async def test_small_print_goes_out_large(openai: FakeOpenAI, config: Config, store: Store) -> None:
    async with room_at(openai, config, store) as room:
        out = io.BytesIO()
        Image.open(io.BytesIO(barcode("x"))).resize((2600, 2600)).save(out, "PNG")
        await room.ask("Read this", attachments=[Attachment("scan.png", "image/png", out.getvalue())])
        (picture,) = openai.of()[-1].pictures
        assert max(Image.open(io.BytesIO(picture)).size) == 2048


async def test_a_recording_is_sent_as_what_it_is_and_noise_is_not_sent(
    openai: FakeOpenAI, config: Config, store: Store
) -> None:
    openai.transcript = "buy milk"
    async with room_at(openai, config, store) as room:
        film = Attachment("film.mov", "video/quicktime", encoded(babble(1.5), "mov", "aac", rate=16000))
        assert (await room.ask("", attachments=[film])).text.startswith("> buy milk")
        (call,) = openai.of("/audio/transcriptions")
        upload = call.files["file"]
        assert upload.name == "sound.ogg"
        assert sniff(upload.data) == upload.content_type == "audio/ogg"
        hiss = Attachment("n.wav", "audio/wav", wav(noise(1.5), 16000))
        assert (await room.ask("", attachments=[hiss])).text == "I heard nothing in this recording."
        assert len(openai.of("/audio/transcriptions")) == 1
