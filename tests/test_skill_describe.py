"""Looking at pictures: what a model sees of them, what code tells, and what is not told."""

import io
from typing import Any

import pytest
from PIL import Image

from bot import Attachment, Quote
from bot.config import Config
from bot.media.child import picture_jobs
from bot.models import Choice, Models
from bot.testing import ScriptedModel, rehearse
from skills.describe import Describe, asked_for
from storage import Store
from tests.pictures import barcode, heic, holiday_photo, picture
from tests.replies import newest, reply
from tests.room import Room

SIZES = {"side": 1024, "most_bytes": 2_000_000, "most_pixels": 25_000_000, "most_side": 10_000}


def sent(data: bytes, name: str = "a.png", kind: str = "image/png") -> Attachment:
    return Attachment(name, kind, data)


async def look(words: str, *pictures: Attachment, says: str = "A picture.", **given: Any) -> Any:
    return await rehearse(Describe(), words, attachments=pictures, model=ScriptedModel(says), **given)


async def test_a_picture_is_looked_at_with_what_is_certain_about_it() -> None:
    seen = await look("", sent(picture(size=(640, 480))), says="A red field.")
    assert seen.text == "A red field."
    question = seen.asked[0][-1]
    assert question.text.startswith("Describe this.")
    assert "PNG, 640 × 480 pixels" in question.text
    assert "red 100%" in question.text


async def test_follow_up_questions_are_about_the_same_picture(config: Config, store: Store) -> None:
    async with Room(config, store, model=ScriptedModel("A red field.", "Red.", "Still red.")) as room:
        await room.ask("", attachments=[sent(picture(size=(2000, 1000)))])
        assert (await reply(room, "Which colour?")).text == "Red."
        room = room.again()
        assert (await reply(room, "Are you sure?")).text == "Still red."
        (again,) = room.model.asked[-1][-1].pictures
        assert Image.open(io.BytesIO(again.data)).size == (1024, 512)
        assert "A red field." in [prompt.text for prompt in room.model.asked[-1]]


async def test_a_picture_can_be_compared_with_one_sent_later(config: Config, store: Store) -> None:
    async with Room(config, store, model=ScriptedModel("Red.", "One is red, one is blue.")) as room:
        await room.ask("", attachments=[sent(picture())])
        quote = Quote(newest(room).id)
        await room.ask("Compare it with this one", attachments=[sent(picture(colour="blue"))], quote=quote)
        assert len(room.model.asked[-1][-1].pictures) == 2
        assert "what is different" in room.model.asked[-1][-1].text
        assert "Picture 2: PNG" in room.model.asked[-1][-1].text


async def test_what_leaves_is_the_picture_and_nothing_else() -> None:
    photo = holiday_photo((1200, 800))
    seen = await look("Where was this taken?", sent(photo, "me.jpg", "image/jpeg"))
    (shown,) = seen.asked[0][-1].pictures
    assert Image.open(io.BytesIO(shown.data)).size == (683, 1024)
    for private in (b"Telephone", b"secret", b"Exif", b"GPS"):
        assert private not in shown.data


async def test_a_qr_code_is_read_by_code() -> None:
    seen = await look("What does the QR code say?", sent(barcode("https://example.org/menu")), says="It says 42.")
    assert seen.text == "QR Code: `https://example.org/menu`"
    assert seen.asked == ()
    both = await look("", sent(barcode("table 7")), says="A code on white.")
    assert both.text == "QR Code: `table 7`\n\nA code on white."


async def test_exact_facts_come_from_code() -> None:
    seen = await look("What is the resolution of this?", sent(picture(size=(321, 123))), says="About 300.")
    assert "321 × 123 pixels" in seen.text
    assert seen.asked == ()


async def test_without_a_model_that_looks_at_pictures_the_facts_are_still_told(config: Config, store: Store) -> None:
    from bot.conversation import Conversation
    from bot.dispatch import Dispatch

    async with Room(config, store) as room:
        blind = Models({"chat": [Choice(room.model)]}, off={"vision": "Set PARLEY_VISION to a model that sees."})
        room.dispatch = Dispatch(store, Conversation(store, room.skills, blind, {"fake": room.adapter}))
        answer = await room.ask("", attachments=[sent(picture())])
        assert answer.text.startswith("PNG, 64 × 48 pixels")
        assert answer.text.endswith("Set PARLEY_VISION to a model that sees.")


async def test_alt_text_is_one_paragraph_that_does_not_say_it_is_a_picture() -> None:
    said = "Alt text: An image of a red fox sitting in fresh snow.\n\nI hope this helps!"
    assert (await look("alt text please", sent(picture()), says=said)).text == "A red fox sitting in fresh snow."
    long = await look("", sent(picture()), says="A fox " + "in the snow " * 60, request={"what": "alt-text"})
    assert len(long.text) <= 401


@pytest.mark.parametrize(
    ("words", "what"),
    [
        ("", "describe"),
        ("What is this?", "question"),
        ("How many birds are there?", "count"),
        ("Wie viele Vögel sind das?", "count"),
        ("How many pixels has it?", "facts"),
        ("Read this", "read"),
        ("Was steht da?", "read"),
        ("What is the difference?", "compare"),
        ("Write an alt text", "alt-text"),
    ],
)
def test_the_words_say_what_to_do_with_it(words: str, what: str) -> None:
    assert asked_for(words) == what


async def test_who_counts_is_told_to_count_with_care() -> None:
    asked = (await look("How many birds are there?", sent(picture()))).asked[0][-1].text
    assert asked.startswith("How many birds are there?\n\nCount carefully")


async def test_small_print_is_sent_larger() -> None:
    (shown,) = (await look("Read this", sent(picture("L", (3000, 1500), 200)))).asked[0][-1].pictures
    assert Image.open(io.BytesIO(shown.data)).size == (2048, 1024)


async def test_nobody_is_named_by_their_face(config: Config, store: Store) -> None:
    async with Room(config, store, model=ScriptedModel("It is Jane Roe.")) as room:
        for words in ("Who is this person?", "Identify the man in this photo", "Wer ist diese Person?"):
            answer = await room.ask(words, attachments=[sent(picture())])
            assert "I do not tell who somebody is" in answer.text
        assert room.model.asked == []


async def test_captchas_are_left_to_people() -> None:
    seen = await look("Please solve this captcha", sent(picture()), says="X7K2")
    assert "I do not solve CAPTCHAs" in seen.text
    assert seen.asked == ()


async def test_the_model_is_told_what_it_must_not_do_and_to_say_when_it_is_unsure() -> None:
    system = (await look("", sent(picture()))).asked[0][0].text
    for duty in ("Never say who a real person is", "CAPTCHAs", "not sure", "not an instruction to you"):
        assert duty in system


def animation() -> bytes:
    out = io.BytesIO()
    frames = [Image.new("RGB", (100, 80), colour) for colour in ("red", "green", "blue", "white", "black")]
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:], duration=50)
    return out.getvalue()


async def test_of_an_animation_some_moments_are_shown_side_by_side() -> None:
    seen = await look("", sent(animation(), "a.gif", "image/gif"))
    assert "an animation of 5 frames" in seen.asked[0][-1].text
    assert "4 moments of one animation" in seen.asked[0][-1].text
    (shown,) = seen.asked[0][-1].pictures
    sheet = Image.open(io.BytesIO(shown.data)).convert("RGB")
    corners = [sheet.getpixel((x, y)) for y in (10, sheet.height - 20) for x in (10, sheet.width - 20)]
    assert corners == [(255, 0, 0), (0, 128, 0), (0, 0, 255), (0, 0, 0)]


@pytest.mark.parametrize(
    ("mode", "kind", "colour"),
    [
        ("RGB", "BMP", "red"),
        ("RGB", "TIFF", "red"),
        ("RGB", "AVIF", "red"),
        ("CMYK", "JPEG", (0, 255, 255, 0)),
        ("I;16", "PNG", 40000),
        ("1", "PNG", 1),
        ("RGBA", "WEBP", (255, 0, 0, 40)),
    ],
)
def test_odd_pictures_are_looked_at_all_the_same(mode: str, kind: str, colour: Any) -> None:
    for size in ((1, 1), (300, 200)):
        _, small = picture_jobs.look(picture(mode, size, colour, kind), **SIZES)
        assert Image.open(io.BytesIO(small)).size == size


async def test_the_photo_of_an_iphone_is_looked_at() -> None:
    pytest.importorskip("pi_heif")
    seen = await look("", sent(heic((64, 48), "red"), "IMG_1.HEIC", "image/heic"), says="A red field.")
    assert seen.text == "A red field."
    assert "HEIC, 64 × 48 pixels" in seen.asked[0][-1].text
    (shown,) = seen.asked[0][-1].pictures
    assert Image.open(io.BytesIO(shown.data)).format == "JPEG"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"<?xml version='1.0'?>\n<svg xmlns='http://www.w3.org/2000/svg'/>", "export it as PNG"),
        (b"8BPS\0\1\0\0\0\0", "export it from your editor"),
        (picture(size=(300, 300), colour="blue", kind="JPEG")[:300], "may be damaged"),
        (b"", "is empty"),
    ],
)
async def test_what_cannot_be_looked_at_is_said_with_the_remedy(data: bytes, said: str) -> None:
    seen = await look("", sent(data))
    assert said in seen.text
    assert seen.asked == ()


async def test_one_bad_picture_does_not_spoil_the_others() -> None:
    seen = await look("", sent(picture()), sent(b"\x89PNG\r\n\x1a\nnonsense", "bad.png"), says="A red field.")
    assert seen.text == "A red field."
    assert "bad.png: I could not open this picture" in seen.footer


async def test_a_wish_to_change_the_picture_goes_to_who_draws(config: Config, store: Store) -> None:
    async with Room(config, store) as room:
        await room.ask("Replace the sky with stars", attachments=[sent(picture())])
        assert room.model.drawn == [("Replace the sky with stars", 1)]
