"""The practice model: everything can be tried without a key, and nothing is pretended."""

import io
import re
from time import monotonic

import pytest
import zxingcpp
from PIL import Image

from bot.media import Unreadable
from bot.messages import Attachment
from bot.models import Choice, Models, NotConfigured, Prompt
from bot.models.practice import Practice
from bot.models.sketch import sketch_card
from tests.model_rig import Turn
from tests.sounds import encoded, tone, wav


@pytest.fixture
def turn() -> Turn:
    quick = Choice(Practice(pace=0))
    return Turn(Models({"chat": [quick], "vision": [quick], "image": [quick], "speech": [quick], "embed": [quick]}))


def answered(text: str) -> Prompt:
    return Prompt("assistant", text)


async def test_it_repeats_what_it_was_told_and_says_that_it_understands_nothing(turn: Turn) -> None:
    said = await turn.ask(Prompt("system", "Be kind."), "The sky is *green* today.")
    assert "You said “The sky is \\*green\\* today.”" in said
    assert "Nothing was said before" in said
    assert "I understand none of it" in said
    assert turn.models.notices == ("Practice model: no AI here. Set OPENAI_API_KEY or start Ollama for real answers.",)


async def test_it_knows_what_was_said_before(turn: Turn) -> None:
    said = await turn.ask("My cat is called Mia.", answered("…"), "And she is grey.", answered("…"), "Well?")
    assert "4 earlier messages" in said
    assert "“And she is grey.”" in said


@pytest.mark.parametrize(
    "question",
    [
        "what did I say before?",
        "What have I said so far?",
        "Ann: what did we say?",
        "Do you remember what I told you?",
        "what did i just tell you",
        "tell me what I said earlier",
    ],
)
async def test_asked_what_was_said_before_it_quotes(turn: Turn, question: str) -> None:
    said = await turn.ask("My cat is called Mia.", answered("nice"), "And she is grey.", answered("nice"), question)
    assert said == "Before this, you said:\n\n1. “My cat is called Mia.”\n2. “And she is grey.”"
    assert "first thing I heard" in await turn.ask(question)


async def test_a_long_answer_has_everything_that_markdown_has_and_an_end(turn: Turn) -> None:
    said = await turn.ask("answer long")
    assert len(said) > 6000
    assert re.search(r"^## ", said, re.MULTILINE)
    assert re.search(r"^3\. ", said, re.MULTILINE)
    assert re.search(r"^\|---\|", said, re.MULTILINE)
    code = re.search(r"^```python\n(.+?)\n```$", said, re.MULTILINE | re.DOTALL)
    assert code
    assert len(code[1]) > 2000
    compile(code[1], "answer", "exec")
    assert said.endswith("all of the answer has arrived.")


async def test_it_streams_word_by_word_and_is_soon_done() -> None:
    """With its own pace, as people see it."""
    begun = monotonic()
    stream = Practice().chat("built-in", [Prompt("user", "answer long")], role="chat", max_tokens=None)
    pieces = [piece async for piece in stream if isinstance(piece, str)]
    assert 20 < len(pieces) <= 60
    assert monotonic() - begun < 5
    stream = Practice(pace=0).chat("built-in", [Prompt("user", "one two")], role="chat", max_tokens=None)
    assert "".join([piece async for piece in stream if isinstance(piece, str)]).startswith("You said “one two”.")


async def test_it_says_what_it_can_do(turn: Turn) -> None:
    said = await turn.ask("help")
    for word in ("what did I say before?", "answer long", "picture", "voice note", "draw"):
        assert word in said


async def test_of_a_picture_it_tells_facts_only(turn: Turn) -> None:
    shown = Image.new("RGB", (640, 480), (250, 250, 250))
    code = zxingcpp.create_barcode("table 7", zxingcpp.BarcodeFormat.QRCode)
    drawn = memoryview(zxingcpp.write_barcode_to_image(code, scale=4))
    shown.paste(Image.frombytes("L", (drawn.shape[1], drawn.shape[0]), drawn.tobytes()), (20, 20))
    shown.paste((20, 40, 220), (320, 0, 640, 480))
    out = io.BytesIO()
    shown.save(out, "PNG")
    said = await turn.ask(Prompt("user", "What is this?", (Attachment("a.png", "image/png", out.getvalue()),)))
    assert said.startswith("A PNG picture, 640 × 480 pixels, ")
    assert re.search(r"Dominant colours: .*blue \(50%\)", said)
    assert "It holds a barcode (QR Code) that says `table 7`." in said
    assert said.endswith("I cannot see what a picture shows.")
    assert turn.used[0].role == "vision"


async def test_a_picture_that_cannot_be_opened_is_said_to_be_so(turn: Turn) -> None:
    with pytest.raises(Unreadable, match="may be damaged"):
        await turn.ask(Prompt("user", "", (Attachment("a.png", "image/png", b"\x89PNG\r\n\x1a\nnonsense"),)))


async def test_of_a_voice_note_it_tells_length_format_and_silence(turn: Turn) -> None:
    note = encoded(tone(1.6, silence=0.4), "ogg", "libopus")
    heard = await turn.models.transcribe(Attachment("v.ogg", "audio/ogg", note))
    assert re.fullmatch(
        r"\[voice note: 2\.0 s, Opus in Ogg, 48 kHz mono, 0\.4 s of silence at the start, 2\d% silent in all; "
        r"the practice model cannot understand speech\]",
        heard.text,
    )
    silent = await turn.models.transcribe(Attachment("v.wav", "audio/wav", wav(tone(0, silence=1))))
    assert "1.0 s, PCM in WAV, 48 kHz mono, silent throughout" in silent.text


async def test_it_draws_a_card_that_says_what_it_is(turn: Turn) -> None:
    one, two = await turn.models.image("a fox in the snow", count=2)
    card = Image.open(io.BytesIO(one.data))
    assert (one.name, two.name, one.media_type, card.format) == ("sketch.png", "sketch-2.png", "image/png", "PNG")
    assert max(card.size) <= 1024
    assert one.alt == "A sketch card, drawn without any AI, that says: a fox in the snow"
    assert one.data != two.data
    assert one.data == (await turn.models.image("a fox in the snow"))[0].data
    assert one.data != (await turn.models.image("a fox in the sand"))[0].data


@pytest.mark.parametrize(
    "prompt", ["", "狐を描いて", "🦊" * 50, "x" * 2000, "word " * 2000, "Café – “naïve” \ud83d \0 \n\n tab\t", "مرحبا"]
)
@pytest.mark.parametrize("size", ["", "1024x1792", "10x9000", "auto", "0x0"])
def test_any_words_and_any_size_give_a_card(prompt: str, size: str) -> None:
    card = Image.open(io.BytesIO(sketch_card(prompt, size)))
    card.load()
    assert max(card.size) <= 1024
    assert min(card.size) >= 512


async def test_it_does_not_pretend_to_compare_meanings(turn: Turn) -> None:
    with pytest.raises(NotConfigured, match="not set up"):
        await turn.models.embed(["fox"])
