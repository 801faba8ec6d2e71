"""Answers read aloud."""

from typing import Any

import pytest

from bot import Quote
from bot.adapter import Limits
from bot.config import Config
from bot.media import sound_facts
from bot.messages import Person
from bot.models import Choice, Models
from bot.testing import ScriptedModel
from skills.speak import as_spoken
from storage import Store
from tests.replies import newest, press
from tests.room import Room
from tests.sounds import babble, encoded

VOICE = encoded(babble(2.0), "mp3", "libmp3lame", rate=16000)


def stage(config: Config, store: Store, *says: str, **given: Any) -> Room:
    room = Room(config, store, model=ScriptedModel(*(says or ("Hello.",)), speaks=VOICE), **given)
    room.adapter._limits = Limits(pace=0.0, typing=60.0, buttons=8)
    return room


@pytest.mark.parametrize("words", ["speak", "Read this aloud, please", "lies das vor"])
async def test_a_message_is_read_aloud_as_a_voice_message(config: Config, store: Store, words: str) -> None:
    async with stage(config, store) as room:
        quote = Quote("m", Person("bob", "Bob"), "**Dinner** is at _eight_.")
        (sound,) = (await room.ask(words, quote=quote)).attachments
        assert room.model.spoken == ["Dinner is at eight."]
        facts = await sound_facts(sound.data)
        assert (sound.media_type, facts.codec, facts.rate, facts.channels) == ("audio/ogg", "opus", 48000, 1)
        assert sound.seconds == pytest.approx(2.0, abs=0.1)
        assert 1 <= len(sound.waveform) <= 256
        assert max(sound.waveform) == 255


async def test_a_button_reads_an_answer_aloud_where_moderators_want_one(config: Config, store: Store) -> None:
    async with stage(config, store, "The **answer**.") as room:
        await room.ask("Hello")
        assert "Read aloud" not in [each.label for each in newest(room).reply.buttons]
        await store.choose(("fake", "", "general"), "speak", {"button": True})
        await room.ask("Hello")
        assert "Read aloud" in [each.label for each in newest(room).reply.buttons]
        room = room.again()
        assert (await press(room, "aloud")).attachments[0].waveform
        assert room.model.spoken == ["The answer."]


async def test_there_is_no_button_where_no_model_speaks(config: Config, store: Store) -> None:
    from bot.conversation import Conversation
    from bot.dispatch import Dispatch

    async with stage(config, store) as room:
        await store.choose(("fake", "", "general"), "speak", {"button": True})
        mute = Models({"chat": [Choice(room.model)]})
        room.dispatch = Dispatch(store, Conversation(store, room.skills, mute, {"fake": room.adapter}))
        await room.ask("Hello")
        assert "Read aloud" not in [each.label for each in newest(room).reply.buttons]


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("# Title\n\n- one\n- two", "Title\none\ntwo"),
        (
            "See [the docs](https://a.org/x?y) or https://example.org/long/path?q=1.",
            "See the docs or example.org",
        ),
        ("Run ```sh\nrm -rf /\n``` now 🎉", "Run\nnow"),
        ("| a | b |\n|---|---|\n| 1 | 2 |", "a, b\n1, 2"),
        ("snake_case and 2*3*4 stay", "snake_case and 2*3*4 stay"),
    ],
)
def test_markdown_is_read_as_a_person_would_read_it(written: str, spoken: str) -> None:
    assert as_spoken(written)[0] == spoken


def test_a_long_text_ends_with_a_sentence() -> None:
    aloud, notes = as_spoken("This is a sentence. " * 400)
    assert len(aloud) <= 3000
    assert aloud.endswith("sentence.")
    assert "the beginning only" in notes[0]


async def test_nothing_to_say_is_asked_about(config: Config, store: Store) -> None:
    async with stage(config, store) as room:
        assert "Reply to a message" in (await room.ask("speak")).text
        assert "nothing in this" in (await room.ask("speak 🎉🎉")).text
