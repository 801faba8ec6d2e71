"""Pictures changed and watched while they are made, voices, transcripts with times, and screening."""

import io
from collections.abc import AsyncIterator
from typing import Any

import pytest
from PIL import Image

from bot.media import sound_facts
from bot.messages import Attachment
from bot.models import BadReply, NoCredit, NotConfigured, Prompt, Refused, Segment, TooLong, Unavailable
from bot.models.drawing import image_body
from bot.models.practice import Practice
from bot.testing import models_of as models_by
from tests.fakes.openai import FakeOpenAI, faults
from tests.fakes.openai.answers import flat_png
from tests.model_rig import Turn, models_at
from tests.sounds import tone, wav


@pytest.fixture
async def openai() -> AsyncIterator[FakeOpenAI]:
    async with FakeOpenAI() as openai:
        yield openai


@pytest.fixture
async def turn(openai: FakeOpenAI) -> AsyncIterator[Turn]:
    async with models_at(openai) as turn:
        yield turn


NOTE = Attachment("v.wav", "audio/wav", wav(tone(0.5)))


def picture(width: int = 64, height: int = 48) -> Attachment:
    return Attachment("fox.png", "image/png", flat_png(width, height))


async def test_a_picture_is_changed(openai: FakeOpenAI, turn: Turn) -> None:
    exif = Image.Exif()
    exif[0x010F] = "Telephone & Co"
    out = io.BytesIO()
    Image.new("RGB", (3000, 1500), (30, 90, 200)).save(out, "JPEG", exif=exif)
    photo = Attachment("photo.jpg", "image/jpeg", out.getvalue())
    (changed,) = await turn.models.image("make it night", edits=[photo, picture()], quality="hd")
    assert Image.open(io.BytesIO(changed.data)).size == (64, 64)
    call = openai.of("/images/edits")[0]
    assert call.body == {"model": "gpt-image-2.6-flare", "prompt": "make it night", "quality": "high"}
    assert [field for field, _ in call.uploads] == ["image[]", "image[]"]
    sent = call.uploads[0][1]
    assert Image.open(io.BytesIO(sent.data)).size == (2048, 1024)
    assert b"Telephone" not in sent.data
    assert turn.used[0].pictures == 1


async def test_an_older_model_changes_one_picture_and_the_oldest_but_one_none(openai: FakeOpenAI) -> None:
    openai.models = ("gpt-6-luna", "dall-e-2")
    async with models_at(openai) as turn:
        assert len(await turn.models.image("a fox", edits=[picture()], count=2)) == 2
    (call,) = openai.of("/images/edits")
    assert ([field for field, _ in call.uploads], call.body["n"]) == (["image"], "2")
    openai.models = ("gpt-6-luna", "dall-e-3")
    async with models_at(openai) as turn:
        with pytest.raises(NotConfigured, match="cannot change a picture"):
            await turn.models.image("a fox", edits=[picture()])


async def test_a_picture_is_watched_while_it_is_made(openai: FakeOpenAI, turn: Turn) -> None:
    seen: list[Attachment] = []
    for edits in ((), (picture(),)):
        (made,) = await turn.models.image("a fox", size="1024x1024", edits=edits, preview=seen.append)
        assert Image.open(io.BytesIO(made.data)).size == (1024, 1024)
    assert len(seen) == 4
    assert turn.used[1].output_tokens == 200


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (
            faults.raw(b'data: {"type": "error", "error": {"code": "moderation_blocked"}}\n\n', "text/event-stream"),
            Refused,
        ),
        (faults.raw(b"data: {}\n\n", "text/event-stream"), BadReply),
        (faults.raw(b"data: nonsense\n\n", "text/event-stream"), BadReply),
        (faults.raw(b'data: {"type": "image_generation.completed"}\n\n', "text/event-stream"), BadReply),
    ],
)  # fmt: skip
async def test_a_picture_that_never_gets_finished_is_none(
    openai: FakeOpenAI, turn: Turn, fault: faults.Fault, error: type[Exception]
) -> None:
    openai.fail_with(fault, path="/images/generations")
    with pytest.raises(error):
        await turn.models.image("a fox", preview=lambda _: None)


async def test_a_server_that_shows_no_unfinished_pictures_is_asked_for_finished_ones(
    openai: FakeOpenAI, turn: Turn
) -> None:
    openai.fail_with(
        faults.status(400, "Unknown parameter: 'partial_images'.", param="partial_images"), path="/images/generations"
    )
    openai.fail_with(faults.status(400, "Unknown parameter: 'stream'.", param="stream"), path="/images/generations")
    assert len(await turn.models.image("a fox", preview=lambda _: None)) == 1
    assert openai.of("/images/generations")[-1].body.keys() == {"model", "prompt"}


@pytest.mark.parametrize(
    ("model", "given", "asked"),
    [
        ("dall-e-3", {"size": "1536x1024", "quality": "high", "style": "vivid"},
         {"size": "1792x1024", "quality": "hd", "style": "vivid", "response_format": "b64_json"}),
        ("dall-e-3", {"size": "auto", "quality": "low"}, {"response_format": "b64_json"}),
        ("dall-e-2", {"size": "300x200", "quality": "hd", "count": 3},
         {"size": "256x256", "n": 3, "response_format": "b64_json"}),
        ("gpt-image-1", {"size": "1000x2000", "quality": "standard"}, {"size": "1024x1536", "quality": "medium"}),
        ("gpt-image-2.6-flare", {"size": "2048x512", "quality": "max"}, {"size": "2048x512", "quality": "max"}),
        ("flux", {"size": "777x99", "quality": "hd"}, {"size": "777x99"}),
    ],
)  # fmt: skip
def test_each_family_is_asked_for_what_it_has(model: str, given: dict[str, Any], asked: dict[str, Any]) -> None:
    body = image_body(model, "a fox", **({"size": "", "quality": "", "count": 1} | given))
    assert body == {"model": model, "prompt": "a fox", **asked}


def test_a_style_that_is_no_parameter_is_said_in_words() -> None:
    body = image_body("gpt-image-2.6-flare", "a fox", size="", quality="", count=1, style="watercolour")
    assert body["prompt"] == "a fox\n\nStyle: watercolour."


async def test_the_practice_model_says_that_it_changed_a_picture() -> None:
    (card,) = await Turn(models_by(Practice())).models.image("make it night", edits=[picture()])
    assert card.alt.endswith("that says: Changed: make it night")


async def test_small_print_is_shown_larger_and_a_picture_is_made_ready_once(
    openai: FakeOpenAI, turn: Turn, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bot.models import shown

    fitted: list[int] = []
    fit = shown.fit_picture

    async def counted(data: bytes, *, side: int) -> Attachment:
        fitted.append(side)
        return await fit(data, side=side)

    monkeypatch.setattr(shown, "fit_picture", counted)
    page = Prompt("user", "Read this.", (picture(4000, 1000),))
    for _ in range(2):
        async for _ in turn.models.chat([page], detail="high"):
            pass
    await turn.ask(page)
    sides = [Image.open(io.BytesIO(call.pictures[0])).size for call in openai.of()]
    assert sides == [(2048, 512), (2048, 512), (1024, 256)]
    assert fitted == [2048, 1024]


async def test_an_answer_is_read_aloud(openai: FakeOpenAI, turn: Turn) -> None:
    sound = await turn.models.speak("Guten Tag.", voice="sage", language="de")
    facts = await sound_facts(sound.data)
    assert (sound.name, sound.media_type, facts.codec) == ("speech.ogg", "audio/ogg", "opus")
    assert openai.of("/audio/speech")[0].body == {
        "model": "gpt-4o-mini-tts",
        "input": "Guten Tag.",
        "voice": "sage",
        "response_format": "opus",
        "instructions": "Speak the language whose ISO 639-1 code is “de”.",
    }
    assert turn.used[0].role == "voice"


async def test_an_older_voice_takes_no_instructions_and_a_plain_one_no_format(openai: FakeOpenAI) -> None:
    openai.models = ("gpt-6-luna", "tts-1")
    openai.fail_with(faults.status(400, "Unknown field 'response_format'"), path="/audio/speech")
    async with models_at(openai) as turn:
        sound = await turn.models.speak("Hello.", language="en")
    assert sound.media_type == "audio/mpeg"
    assert openai.of("/audio/speech")[-1].body == {"model": "tts-1", "input": "Hello.", "voice": "alloy"}


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (faults.raw(b"<html>sign in</html>", "text/html"), BadReply),
        (faults.raw(b'{"error": {"code": "insufficient_quota"}}'), NoCredit),
        (faults.raw(b"", "audio/ogg"), BadReply),
    ],
)
async def test_what_is_no_sound_is_not_passed_on(
    openai: FakeOpenAI, turn: Turn, fault: faults.Fault, error: type[Exception]
) -> None:
    openai.fail_with(fault, path="/audio/speech")
    with pytest.raises(error):
        await turn.models.speak("Hello.")
    with pytest.raises(TooLong):
        await turn.models.speak("x" * 4097)


async def test_a_transcript_tells_when_each_part_was_said(openai: FakeOpenAI) -> None:
    openai.models = ("gpt-6-luna", "whisper-1")
    openai.transcript = "Hello there. Who is it? Thank you for watching!"
    openai.segments = [
        {"start": 0.0, "end": 1.5, "text": " Hello there.", "no_speech_prob": 0.01, "avg_logprob": -0.2},
        {"start": 1.5, "end": 3.0, "text": " Who is it?", "no_speech_prob": 0.02, "avg_logprob": -0.3},
        {"start": 3.0, "end": 9.0, "text": " Thank you for watching!", "no_speech_prob": 0.9, "avg_logprob": -1.2},
    ]
    async with models_at(openai) as turn:
        heard = await turn.models.transcribe(NOTE, words="Ada Lovelace,\n Babbage")
    assert heard.segments == (Segment(0.0, 1.5, "Hello there."), Segment(1.5, 3.0, "Who is it?"))
    assert heard.text == "Hello there. Who is it?"
    assert openai.of("/audio/transcriptions")[0].body["prompt"] == "Ada Lovelace, Babbage"


async def test_speakers_are_told_apart_by_a_model_that_does(openai: FakeOpenAI) -> None:
    openai.models = ("gpt-6-luna", "gpt-4o-transcribe-diarize")
    openai.segments = [{"start": 0.0, "end": 1.0, "text": "Hello.", "speaker": "A"}]
    async with models_at(openai) as turn:
        assert (await turn.models.transcribe(NOTE, words="x")).segments == (Segment(0.0, 1.0, "Hello."),)
    assert openai.of("/audio/transcriptions")[0].body == {
        "model": "gpt-4o-transcribe-diarize",
        "response_format": "diarized_json",
        "chunking_strategy": "auto",
    }


@pytest.mark.parametrize(
    ("model", "told", "text", "heard"),
    [
        ("gpt-transcribe", {"languages": []}, "Thank you.", ""),
        ("gpt-transcribe", {"languages": [{"code": "en"}]}, "Thank you.", "Thank you."),
        ("gpt-transcribe", {}, "Thank you.", "Thank you."),
        ("gpt-4o-transcribe", {"logprobs": [{"logprob": -0.9}, {"logprob": -0.8}]}, "Thank you.", ""),
        ("gpt-4o-transcribe", {"logprobs": [{"logprob": -0.9}, {"logprob": -0.8}]}, "Call Ann.", "Call Ann."),
        ("gpt-4o-transcribe", {"logprobs": [{"logprob": -0.1}]}, "Thank you.", "Thank you."),
        ("gpt-4o-transcribe", {"logprobs": [{"logprob": -2.5}]}, "Bread and seven.", ""),
    ],
)
async def test_words_that_were_never_said_are_known_by_how_unsure_the_model_is(
    openai: FakeOpenAI, model: str, told: dict[str, Any], text: str, heard: str
) -> None:
    openai.models = ("gpt-6-luna", model)
    openai.transcript, openai.hearing = text, told
    async with models_at(openai) as turn:
        assert (await turn.models.transcribe(NOTE)).text == heard
    assert openai.of("/audio/transcriptions")[0].body.get("include") == (["logprobs"] if "4o" in model else None)


@pytest.mark.parametrize(
    "answer",
    [
        b"1\n00:00:00,000 --> 00:00:01,500\nHello\nthere.\n\n2\n00:01:02,000 --> 00:01:03,250\nBye.\n\n",
        b"WEBVTT\n\n00:00.000 --> 00:01.500 align:start\nHello there.\n\n01:02.000 --> 01:03.250\nBye.",
    ],
)
async def test_subtitles_are_read_as_a_transcript_with_times(openai: FakeOpenAI, turn: Turn, answer: bytes) -> None:
    openai.fail_with(faults.raw(answer, "text/plain"), path="/audio/transcriptions")
    heard = await turn.models.transcribe(NOTE)
    assert heard.text == "Hello there. Bye."
    assert heard.segments == (Segment(0.0, 1.5, "Hello there."), Segment(62.0, 63.25, "Bye."))


async def test_a_language_that_has_to_be_one_of_several_is_given_so(openai: FakeOpenAI, turn: Turn) -> None:
    openai.fail_with(faults.status(400, "Unknown", param="language"), path="/audio/transcriptions")
    for _ in range(2):
        await turn.models.transcribe(NOTE, language="de")
    asked = [(call.body.get("language"), call.body.get("languages")) for call in openai.of("/audio/transcriptions")]
    assert asked == [("de", None), (None, ["de"]), (None, ["de"])]


async def test_a_text_and_pictures_are_screened(openai: FakeOpenAI, turn: Turn) -> None:
    openai.screen = lambda text, pictures: ["violence"] * ("forbidden" in text) + ["sexual"] * (len(pictures) == 1)
    assert (await turn.models.moderate("a fox")).flagged is False
    assert (await turn.models.moderate("forbidden things")).categories == ("violence",)
    verdict = await turn.models.moderate("forbidden", [picture(), picture(32, 32)])
    assert (verdict.flagged, set(verdict.categories)) == (True, {"violence", "sexual"})
    assert len(openai.of("/moderations")) == 4  # it looks at one picture at a time
    assert [used.role for used in turn.used] == ["moderate"] * 3


async def test_pictures_are_not_called_harmless_by_a_model_that_cannot_see(openai: FakeOpenAI) -> None:
    openai.models = ("gpt-6-luna", "text-moderation-latest")
    async with models_at(openai) as turn:
        assert (await turn.models.moderate("forbidden")).flagged
        with pytest.raises(NotConfigured, match="PARLEY_MODERATE_MODEL"):
            await turn.models.moderate("", [picture()])


@pytest.mark.parametrize(
    ("fault", "error"),
    [(faults.raw(b'{"results": []}'), BadReply), (faults.raw(b"{}"), BadReply), (faults.html(), BadReply),
     (faults.status(500), Unavailable)],
)  # fmt: skip
async def test_a_verdict_that_cannot_be_read_is_none(
    openai: FakeOpenAI, turn: Turn, fault: faults.Fault, error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.models.wire._PAUSES", (0.01, 0.01))
    openai.fail_with(fault, path="/moderations", times=3)
    with pytest.raises(error):
        await turn.models.moderate("a fox")
