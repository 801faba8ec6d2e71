"""Recordings written down, and what can be done with a transcript."""

import array
import re
from typing import Any

import pytest

from bot import Attachment, Segment, Transcript
from bot.adapter import Limits
from bot.config import Config
from bot.media import listening, sound_facts
from bot.testing import ScriptedModel
from storage import Store
from tests.replies import newest, press, reply
from tests.room import Room
from tests.sounds import babble, encoded, noise, tone, wav

NOTE = Attachment("note.ogg", "audio/ogg", encoded(babble(1.5), "ogg", "libopus", rate=16000))
SPEECH = (babble(3) + array.array("h", [0] * 8000)) * 3
LONG = "Let us talk about the garden. " * 100


def booth(config: Config, store: Store, *says: str, hears: Any = "Buy milk for Jon.", **given: Any) -> Room:
    room = Room(config, store, model=ScriptedModel(*(says or ("All right.",)), hears=hears), **given)
    room.adapter._limits = Limits(pace=0.0, typing=60.0, buttons=8)
    return room


def labels(room: Room) -> list[str]:
    return [each.label for each in newest(room).reply.buttons]


async def test_a_voice_note_is_shown_and_answered_in_a_channel(config: Config, store: Store) -> None:
    async with booth(config, store, "I will.") as room:
        answer = await room.ask("", attachments=[NOTE], kind="channel")
        assert answer.text == "> Buy milk for Jon.\n\nI will."
        assert room.model.heard[0].data == NOTE.data, "what is encoded well is not encoded again"
        assert room.model.asked[-1][-1].text.startswith("Ada: Buy milk for Jon.")


@pytest.mark.parametrize(
    "sound", [tone(0, silence=2, rate=16000), noise(2, 0.2), tone(2, rate=16000)], ids=["silence", "noise", "a tone"]
)
async def test_nothing_is_made_up_of_silence_and_noise_and_nothing_is_paid(
    config: Config, store: Store, sound: Any
) -> None:
    async with booth(config, store, hears="Thank you for watching!") as room:
        answer = await room.ask("", attachments=[Attachment("n.wav", "audio/wav", wav(sound, 16000))])
        assert answer.text == "I heard nothing in this recording."
        assert room.model.heard == []


@pytest.mark.parametrize(
    ("container", "codec", "at", "name"),
    [
        ("ipod", "aac", 0, "a.m4a"),
        ("mov", "aac", 0, "a.mov"),
        ("matroska", "libopus", 48000, "a.mkv"),
        ("avi", "libmp3lame", 0, "a.avi"),
        ("asf", "wmav2", 44100, "a.wma"),
        ("amr", "libopencore_amrnb", 8000, "a.amr"),
    ],
)
async def test_recordings_come_as_people_have_them(
    config: Config, store: Store, container: str, codec: str, at: int, name: str
) -> None:
    data = encoded(babble(1.5), container, codec, rate=16000, at=at)
    kind = "video/mp4" if name.endswith(("mov", "mkv", "avi")) else "audio/x-whatever"
    async with booth(config, store) as room:
        assert (await room.ask("", attachments=[Attachment(name, kind, data)])).text.startswith("> Buy milk for Jon.")
        assert (await sound_facts(room.model.heard[0].data)).seconds == pytest.approx(1.5, abs=0.6)


async def test_a_long_recording_is_heard_in_parts_and_joined_without_a_word_twice(
    config: Config, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "_PART_SECONDS", 5.0)
    said = [
        "We begin with the garden and then the",
        "and then the house. After that we look at the ser",
        "look at the server. That is all.",
    ]

    def hears(sound: Attachment) -> str:
        return said[len(room.model.heard) - 1]

    async with booth(config, store, hears=hears) as room:
        transcribe = room.model.transcribe

        async def slowly(*sound: Any, **how: Any) -> Any:
            heard = await transcribe(*sound, **how)
            if len(room.model.heard) > 1:
                await room.adapter.until(lambda: "▓" in newest(room).reply.text)
            return heard

        room.model.transcribe = slowly  # type: ignore[method-assign]
        answer = await room.ask("", attachments=[Attachment("l.wav", "audio/wav", wav(SPEECH, 16000))])
        assert len(room.model.heard) == 3
        assert all(each.media_type == "audio/ogg" for each in room.model.heard)
        text = " ".join(answer.text.partition("\n\nAll right.")[0].replace("> ", "").split())
        assert text == "We begin with the garden and then the house. After that we look at the server. That is all."
        shown = [state.text for state in newest(room).states]
        assert any(re.fullmatch(r"Listening… ▓+░+ \d+%", text) for text in shown), shown


async def test_a_part_that_fails_leaves_the_others_and_says_what_is_missing(
    config: Config, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "_PART_SECONDS", 5.0)

    def hears(sound: Attachment) -> str:
        if len(room.model.heard) == 2:
            from bot.models import Unavailable

            raise Unavailable
        return f"Part {len(room.model.heard)}."

    async with booth(config, store, hears=hears) as room:
        answer = await room.ask("", attachments=[Attachment("l.wav", "audio/wav", wav(SPEECH, 16000))])
        assert "Part 1." in answer.text
        assert "Part 3." in answer.text
        assert re.search(r"not heard: 0:0\d to 0:0\d: The model cannot be reached", answer.footer)


async def test_a_long_transcript_comes_as_a_file_with_a_short_summary(config: Config, store: Store) -> None:
    async with booth(config, store, "It is about the garden.", hears=LONG) as room:
        answer = await room.ask("", attachments=[NOTE])
        assert answer.text == "It is about the garden."
        (file,) = answer.attachments
        assert (file.name, file.media_type) == ("transcript.txt", "text/plain")
        assert file.data.decode().startswith("[0:00] Let us talk about the garden.")
        assert labels(room)[:2] == ["Summarise", "Translate"]


async def test_a_transcript_goes_on_being_of_use(config: Config, store: Store) -> None:
    heard = Transcript(
        "Buy milk for Jon. And bread.",
        "en",
        1.5,
        (Segment(0.0, 0.9, "Buy milk for Jon."), Segment(1.0, 1.4, "And bread.")),
    )
    async with booth(config, store, "Done.", "Kauf Milch.", "For Jon.", hears=lambda sound: heard) as room:
        await room.ask("", attachments=[NOTE])
        first = newest(room)
        assert labels(room)[:1] == ["Translate"]
        assert (await reply(room, "Please translate it into German", first)).text == "Kauf Milch."
        assert "into German" in room.model.asked[-1][0].text
        assert room.model.asked[-1][1].text == "Buy milk for Jon. And bread."
        room = room.again()
        assert (await reply(room, "Who is the milk for?", first)).text == "For Jon."
        corrected = await reply(room, "replace Jon with John", first)
        assert corrected.text == "> Buy milk for John. And bread."
        (subtitles,) = (await reply(room, "srt please")).attachments
        assert subtitles.data.decode() == (
            "1\n00:00:00,000 --> 00:00:00,900\nBuy milk for John.\n\n2\n00:00:01,000 --> 00:00:01,500\nAnd bread.\n"
        )
        (web,) = (await reply(room, "as WebVTT")).attachments
        assert web.data.decode().startswith("WEBVTT\n\n00:00:00.000 --> 00:00:00.900\nBuy milk for John.")
        assert (await reply(room, "text")).attachments[0].name == "transcript.txt"
        assert "is not in the transcript" in (await reply(room, "Joan -> Jane", first)).text


async def test_where_moderators_want_no_answer_a_button_gives_it(config: Config, store: Store) -> None:
    async with booth(config, store, "I will.") as room:
        await store.choose(("fake", "", "general"), "transcribe", {"answer": False, "words": "Jon, Parley"})
        assert (await room.ask("", attachments=[NOTE])).text == "> Buy milk for Jon."
        assert room.model.asked == []
        assert (await press(room, "answer")).text == "I will."
        assert room.model.asked[-1][-1].text.startswith("Buy milk for Jon.")


async def test_a_question_that_comes_with_a_recording_is_about_it(config: Config, store: Store) -> None:
    async with booth(config, store, "Milch kaufen.") as room:
        answer = await room.ask("translate it into German", attachments=[NOTE])
        assert answer.text == "> Buy milk for Jon.\n\nMilch kaufen."
        assert "Translate it into German" in room.model.asked[-1][0].text


async def test_how_long_a_recording_may_be_is_for_moderators_to_say(config: Config, store: Store) -> None:
    async with booth(config, store) as room:
        await store.choose(("fake", "", "general"), "transcribe", {"minutes": 1})
        long = Attachment("l.wav", "audio/wav", wav(tone(0, silence=70, rate=8000), 8000))
        assert "lasts more than 63 seconds" in (await room.ask("", attachments=[long])).text
