"""Drawing, changing what was drawn or sent, going back, and what is not drawn."""

import io
from typing import Any

import pytest
from PIL import Image

from bot import Attachment, Quote
from bot.adapter import Limits
from bot.config import Config
from bot.messages import Person
from bot.testing import FakeAdapter, ScriptedModel
from storage import Store
from tests.pictures import holiday_photo, picture
from tests.replies import newest, press, reply
from tests.room import Room

RED, GREEN, BLUE = (picture(colour=colour) for colour in ("red", "green", "blue"))
LIMITS = Limits(pace=0.0, typing=60.0, buttons=6)


def studio(config: Config, store: Store, *draws: bytes, **given: Any) -> Room:
    """A room with a model that draws these pictures one after the other."""
    model = ScriptedModel(*given.pop("says", ("A red square.",)), **given)
    waiting = list(draws or (RED,))
    model.draws = waiting[0]
    order = model.image

    async def image(*args: Any, **how: Any) -> Any:
        made = await order(*args, **how)
        model.draws = waiting.pop(0) if len(waiting) > 1 else waiting[0]
        pictures = [Attachment(each.name, each.media_type, model.draws, alt=each.alt) for each in made[0]]
        return pictures, made[1]

    model.image = image  # type: ignore[method-assign]
    return Room(config, store, model=model, limits=LIMITS)


async def test_a_picture_is_drawn_as_asked_and_its_alt_text_says_what_it_shows(config: Config, store: Store) -> None:
    async with studio(config, store) as room:
        answer = await room.ask("draw size=wide quality=high style=watercolour a fox in the snow")
        assert [each.alt for each in answer.attachments] == ["a fox in the snow\n\nStyle: watercolour"]
        assert room.model.orders[0] == {
            "prompt": "a fox in the snow\n\nStyle: watercolour",
            "size": "1536x1024",
            "quality": "high",
            "style": "",
            "count": 1,
            "edits": (),
        }


async def test_a_picture_is_seen_while_it_is_being_drawn(config: Config, store: Store) -> None:
    async with studio(config, store, GREEN, sketches=(RED, BLUE)) as room:
        await room.ask("draw a meadow")
        shown = [each.data for state in newest(room).states for each in state.attachments]
        assert shown[-1] == GREEN
        assert set(shown[:-1]) <= {RED, BLUE}
        assert shown[:-1]


async def test_a_reply_to_a_drawn_picture_changes_it_and_undo_shows_the_one_before(
    config: Config, store: Store
) -> None:
    async with studio(config, store, RED, GREEN, BLUE) as room:
        await room.ask("draw a house")
        assert [each.label for each in newest(room).reply.buttons][:1] == ["Variation"]
        changed = await reply(room, "Make the roof green")
        assert room.model.orders[-1]["prompt"] == "Make the roof green"
        assert [each.data for each in room.model.orders[-1]["edits"]] == [RED]
        assert changed.attachments[0].alt == "a house; changed: Make the roof green"
        await reply(room, "and a blue door, please")
        assert [each.data for each in room.model.orders[-1]["edits"]] == [GREEN]
        assert newest(room).reply.attachments[0].alt == (
            "a house; changed: Make the roof green; changed: and a blue door, please"
        )
        drawn = len(room.model.orders)
        assert [each.data for each in (await press(room, "undo")).attachments] == [GREEN]
        room = room.again()
        back = await reply(room, "rückgängig")
        assert [each.data for each in back.attachments] == [RED]
        assert "undo" not in [each.action for each in back.buttons]
        assert len(room.model.orders) == drawn, "going back draws nothing, and costs nothing"
        assert "none before it" in (await reply(room, "undo")).text


async def test_a_question_about_a_drawn_picture_is_answered_and_the_next_reply_still_changes_it(
    config: Config, store: Store
) -> None:
    async with studio(config, store, RED, says=("It is red.",)) as room:
        await room.ask("draw a square")
        answer = await reply(room, "What colour is it?")
        assert answer.text == "It is red."
        (seen,) = room.model.asked[-1][-1].pictures
        assert Image.open(io.BytesIO(seen.data)).getpixel((5, 5)) == (255, 0, 0)
        await reply(room, "Make it blue")
        assert [each.data for each in room.model.orders[-1]["edits"]] == [RED]


async def test_thanks_are_not_drawn(config: Config, store: Store) -> None:
    async with studio(config, store, RED, says=("You are welcome!",)) as room:
        await room.ask("draw a square")
        for words in ("Thank you so much! 😍", "wow, great", "Danke, sehr schön!"):
            assert (await reply(room, words)).text == "You are welcome!"
        assert len(room.model.orders) == 1
        await reply(room, "Great, now make it blue")
        assert [each.data for each in room.model.orders[-1]["edits"]] == [RED]


async def test_another_version_knows_what_it_is_a_version_of(config: Config, store: Store) -> None:
    async with studio(config, store, RED, GREEN) as room:
        await room.ask("draw count=2 a fox")
        assert [each.label for each in newest(room).reply.buttons][:2] == ["Variation of 1", "Variation of 2"]
        answer = await press(room, "vary2")
        assert "a fox" in room.model.orders[-1]["prompt"]
        assert len(room.model.orders[-1]["edits"]) == 1
        assert answer.attachments[0].alt == "Another version of: a fox"


async def test_the_second_of_two_pictures_can_be_meant(config: Config, store: Store) -> None:
    async with studio(config, store) as room:
        await room.ask("draw count=2 a fox")
        answer = await reply(room, "2: add a hat")
        assert room.model.orders[-1]["prompt"] == "add a hat"
        assert answer.footer == ""
        both = next(shown for shown in room.adapter.shown.values() if len(shown.reply.attachments) == 2)
        assert "I took the first" in (await reply(room, "add a hat", both)).footer
        assert "There are 2" in (await reply(room, "3: add a hat", both)).text


@pytest.mark.parametrize(
    "words", ["make the sky red", "Füge einen Hut hinzu", "draw it as a cartoon", "enlève le fond"]
)
async def test_ones_own_photo_is_changed_without_the_place_it_was_taken(
    config: Config, store: Store, words: str
) -> None:
    photo = Attachment("me.jpg", "image/jpeg", holiday_photo((300, 200)))
    async with studio(config, store) as room:
        answer = await room.ask(words, attachments=[photo])
        (sent,) = room.model.orders[-1]["edits"]
        assert Image.open(io.BytesIO(sent.data)).size == (200, 300)
        assert b"Telephone" not in sent.data
        assert b"secret" not in sent.data
        assert answer.attachments[0].alt.startswith("a picture that was sent; changed: ")
        await reply(room, "Make it darker")
        assert [each.data for each in room.model.orders[-1]["edits"]] == [RED], "the drawn one, not the photo"


async def test_somebody_elses_photo_is_changed_by_replying_to_it(config: Config, store: Store) -> None:
    async with studio(config, store) as room:
        room.adapter.files["x"] = picture(colour="yellow")
        quote = Quote("q", Person("bob", "Bob"), "", (Attachment("sun.png", "image/png", source="x"),))
        await room.ask("remove the clouds", quote=quote)
        assert len(room.model.orders[-1]["edits"]) == 1
        await room.ask("draw a dog", quote=quote)
        assert room.model.orders[-1]["edits"] == (), "a dog has nothing to do with it"
        assert (await room.ask("What is this?", quote=quote)).text == "A red square."


async def test_what_should_not_be_shown_is_not_drawn_and_not_tried_again(config: Config, store: Store) -> None:
    async with studio(config, store, flags=("gore",)) as room:
        answer = await room.ask("draw gore")
        assert answer.text.startswith("I will not draw this: it was taken for gore.")
        assert room.model.orders == []
        await store.choose(("fake", "", "general"), "draw", {"screen": "off"})
        assert (await room.ask("draw gore")).attachments


async def test_moderators_may_have_the_finished_picture_checked_too(config: Config, store: Store) -> None:
    async with studio(config, store) as room:
        await store.choose(("fake", "", "general"), "draw", {"screen": "before and after"})
        checked: list[tuple[str, int]] = []
        moderate = room.model.moderate

        async def look(model: str, text: str, pictures: Any) -> Any:
            checked.append((text, len(pictures)))
            verdict, used = await moderate(model, text, pictures)
            return (type(verdict)(True, ("violence/graphic",)) if pictures else verdict), used

        room.model.moderate = look  # type: ignore[method-assign]
        answer = await room.ask("draw a fox")
        assert checked == [("a fox", 0), ("", 1)]
        assert answer.text.startswith("I drew it, but what came out was taken for violence: graphic")
        assert not answer.attachments


async def test_a_picture_that_is_too_large_for_the_channel_is_made_smaller(config: Config, store: Store) -> None:
    import os

    out = io.BytesIO()
    Image.frombytes("RGB", (500, 400), os.urandom(600_000)).save(out, "PNG")
    adapter = FakeAdapter(config, store, Limits(pace=0.0, typing=60.0, attachment_bytes=200_000))
    async with Room(config, store, model=ScriptedModel(draws=out.getvalue()), adapter=adapter) as room:
        answer = await room.ask("draw noise")
        (shown,) = answer.attachments
        assert len(shown.data) <= 200_000
        assert (shown.media_type, shown.name, shown.alt) == ("image/jpeg", "picture-0.jpg", "noise")
        assert Image.open(io.BytesIO(shown.data)).size == (500, 400)
        assert answer.footer == ""


async def test_more_at_once_than_moderators_allow_is_refused(room: Room) -> None:
    assert "I may draw 2 at once" in (await room.ask("draw count=3 a fox")).text
