"""The main job, end to end, on every platform: a person speaks, a skill answers.

Real discord.py, real botbuilder-core and the real openai client, against servers that speak the wire.
"""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from bot.config import Config
from tests.fakes.openai import FakeOpenAI, faults
from tests.fakes.openai.answers import Calls, flat_png
from tests.papers import docx
from tests.platforms import PLATFORMS, Platform, platform_of
from tests.sounds import babble, wav

DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
PICTURE = ("cat.png", "image/png", flat_png(64, 48))
VOICE = ("note.wav", "audio/wav", wav(babble(1.0), 16000))


@pytest.fixture
async def openai() -> AsyncIterator[FakeOpenAI]:
    async with FakeOpenAI() as openai:
        yield openai


@pytest.fixture(params=PLATFORMS)
async def platform(request: pytest.FixtureRequest, openai: FakeOpenAI, config: Config) -> AsyncIterator[Platform]:
    async with platform_of(request.param, openai, config) as platform:
        yield platform


async def test_a_question_is_answered(platform: Platform) -> None:
    (answer,) = await platform.ask("What is a fox?")
    assert "What is a fox?" in answer.text
    assert answer.text.startswith("echo: ")


async def test_the_answer_is_seen_growing_and_then_whole(platform: Platform, openai: FakeOpenAI) -> None:
    openai.reply_with("Once upon a time there was a fox who lived by the sea.")
    openai.hold()
    await platform.say("Tell me a story")
    await openai.called()
    await openai.release(4)
    (early,) = await platform.until(lambda seen: bool(seen) and "Once" in seen[0].text)
    assert len(early.text) < 30
    await openai.release()
    await platform.done()
    (answer,) = await platform.seen()
    assert answer.text == "Once upon a time there was a fox who lived by the sea."
    assert not answer.running


async def test_the_second_question_is_asked_with_the_first_in_mind(platform: Platform, openai: FakeOpenAI) -> None:
    await platform.ask("My name is Ada.")
    await platform.ask("What is my name?")
    said = [message["content"] for message in openai.of()[-1].messages]
    assert any("My name is Ada." in content and "echo" not in content for content in said)
    assert any(content.startswith("echo: ") for content in said)
    assert "What is my name?" in said[-1]


async def test_a_picture_reaches_the_model_that_sees(platform: Platform, openai: FakeOpenAI) -> None:
    (answer,) = await platform.ask("What colour is this?", PICTURE)
    assert "What colour is this?" in answer.text
    assert "1 pictures" in answer.text
    (picture,) = openai.of()[-1].pictures
    assert picture.startswith((b"\x89PNG", b"\xff\xd8"))


async def test_a_voice_note_is_written_down_and_then_answered(platform: Platform, openai: FakeOpenAI) -> None:
    openai.transcript = "what time is it in Lisbon"
    (answer,) = await platform.ask("", VOICE, voice=True)
    assert answer.text.startswith("> what time is it in Lisbon")
    assert "echo: what time is it in Lisbon" in answer.text


async def test_a_file_is_read_and_spoken_about_later(platform: Platform, openai: FakeOpenAI) -> None:
    (answer,) = await platform.ask("When do we meet?", ("notes.docx", DOCX, docx("We meet at noon.")))
    assert "When do we meet?" in answer.text
    assert "We meet at noon." in openai.of()[-1].messages[-1]["content"]
    await platform.ask("And where?")
    assert any("We meet at noon." in message["content"] for message in openai.of()[-1].messages[:-1])


async def test_a_picture_is_drawn(platform: Platform, openai: FakeOpenAI) -> None:
    openai.drawing = flat_png(256, 256, (200, 90, 30))
    seen = await platform.ask("draw a fox in the snow")
    ((media_type, content),) = [file for each in seen for file in each.files if file[0].startswith("image/")]
    assert media_type in ("image/png", "image/jpeg")
    assert content.startswith((b"\x89PNG", b"\xff\xd8"))
    (call,) = openai.of("/images/generations")
    assert call.body["prompt"] == "a fox in the snow"


async def test_a_picture_is_drawn_in_the_middle_of_talk(platform: Platform, openai: FakeOpenAI) -> None:
    def answer(messages: list[dict[str, Any]]) -> str | Calls:
        done = messages[-1].get("role") == "tool" or messages[-1].get("type") == "function_call_output"
        return "Here is your fox." if done else Calls([("draw", '{"prompt": "a fox"}')])

    openai.drawing = flat_png(256, 256, (200, 90, 30))
    openai.reply_with(answer)
    seen = await platform.ask("I love foxes! Could you draw me one?")
    assert "Here is your fox." in "\n".join(each.text for each in seen)
    ((_, content),) = [file for each in seen for file in each.files]
    assert content.startswith((b"\x89PNG", b"\xff\xd8"))
    (call,) = openai.of("/images/generations")
    assert call.body["prompt"] == "a fox"


async def test_a_long_answer_arrives_whole(platform: Platform, openai: FakeOpenAI) -> None:
    code = "\n".join(f"    line_{number} = {number}" for number in range(120))
    story = "\n\n".join(f"Paragraph {number}. " + "Word " * 50 for number in range(12))
    openai.reply_with(f"{story}\n\n```python\n{code}\n```\n\nThe end.")
    parts = await platform.ask("Tell me everything")
    text = "\n".join(part.text for part in parts)
    assert all(f"Paragraph {number}." in text for number in range(12))
    assert all(f"line_{number} = {number}" in text for number in range(120))
    assert text.rstrip().endswith("The end.")
    assert all(part.text.count("```") % 2 == 0 for part in parts)


async def test_a_failure_of_the_model_is_told_and_the_next_question_is_answered(
    platform: Platform, openai: FakeOpenAI
) -> None:
    openai.fail_with(faults.status(401))
    (answer,) = await platform.ask("Hello?")
    assert "echo" not in answer.text
    assert len(answer.text) > 20
    assert openai.key not in answer.text
    (answer,) = await platform.ask("Hello again")
    assert "Hello again" in answer.text


async def test_what_was_said_survives_a_restart(platform: Platform, openai: FakeOpenAI) -> None:
    await platform.ask("The password is swordfish.")
    await platform.stop()
    await platform.start()
    await platform.ask("What did I say before?")
    assert any("swordfish" in message["content"] for message in openai.of()[-1].messages[:-1])
