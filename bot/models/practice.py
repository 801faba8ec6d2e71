"""The practice model: what answers when no model is set up. It understands nothing, and says so.

It takes every road that a real model takes, so that a fresh installation can be tried at once: it streams, it knows
what was said before in the channel, it reports what is certain about pictures and sounds, and draws a labelled card.
"""

import asyncio
import re
from collections.abc import AsyncGenerator, Callable, Sequence

from bot.media import PictureFacts, SoundFacts, picture_facts, sound_facts
from bot.messages import Attachment
from bot.models.errors import NotConfigured
from bot.models.provider import (
    Detail,
    Prompt,
    Provider,
    Role,
    Tool,
    ToolCall,
    Transcript,
    Usage,
    Verdict,
    estimate_tokens,
)

__all__ = ["Practice"]

_PACE = 0.02  # seconds between two pieces
_MOST_PIECES = 60
_BEFORE = re.compile(
    r"\b(said?|say|told?|tell|wrote?|written|ask(ed)?|mention(ed)?|talk(ed)?)\b.{0,60}"
    r"\b(before|earlier|so far|last time|just now)\b"
    r"|\bwhat (did|have) (i|we|you)\b.{0,20}\b(say|said|ask(ed)?|tell|told|write|written)\b"
    r"|\b(remember|recall)\b",
    re.IGNORECASE | re.DOTALL,
)
_LONG = re.compile(r"\blong(er)?\b|\bin (full )?detail\b|\bdetailed\b|\bessay\b|\b\d{3,} words\b", re.IGNORECASE)
_HELP = re.compile(r"\bhelp\b|\bwhat can you do\b|\bwho are you\b", re.IGNORECASE)
_HELP_TEXT = """\
I am the **practice model**: I am built in, need no key and understand nothing. I am here so that you can try \
everything else. You can

- say anything: I repeat it and tell how much of this conversation I was shown;
- ask **what did I say before?**: I quote it;
- say **answer long**: I write some pages of Markdown, with headings, a list, a table and code;
- drop a **picture**: I tell its size, format, colours, and what a QR code or barcode in it says;
- record a **voice note**: I tell its length, format and silence;
- say **draw** and what: I make a card with your words on it.
"""


class Practice(Provider):
    """The built-in stand-in. `pace` is the number of seconds between two pieces of an answer."""

    name = "practice"
    label = "practice model"
    free = True
    notice = "Practice model: no AI here. Set OPENAI_API_KEY or start Ollama for real answers."

    def __init__(self, pace: float = _PACE) -> None:
        self._pace = pace

    def model_for(self, role: Role) -> str:
        return "" if role in ("voice", "embed", "moderate") else "built-in"

    async def chat(
        self,
        model: str,
        prompts: Sequence[Prompt],
        *,
        role: Role,
        max_tokens: int | None,
        tools: Sequence[Tool] = (),
        detail: Detail = "auto",
    ) -> AsyncGenerator[str | ToolCall | Usage, None]:
        text = await _answer(prompts)
        for piece in _pieces(text):
            yield piece
            await asyncio.sleep(self._pace)
        yield Usage(self.name, model, role, estimate_tokens(prompts), len(text.encode()) // 4, estimated=True)

    async def image(
        self,
        model: str,
        prompt: str,
        *,
        size: str,
        quality: str,
        count: int,
        style: str = "",
        edits: Sequence[Attachment] = (),
        preview: Callable[[Attachment], None] | None = None,
    ) -> tuple[list[Attachment], Usage]:
        from bot.models.sketch import sketch_card

        words = f"Changed: {prompt}" if edits else prompt
        cards = [await asyncio.to_thread(sketch_card, words, size, number) for number in range(count)]
        made = [
            Attachment(
                name="sketch.png" if number == 0 else f"sketch-{number + 1}.png",
                media_type="image/png",
                data=card,
                size=len(card),
                alt=f"A sketch card, drawn without any AI, that says: {words[:900]}",
            )
            for number, card in enumerate(cards)
        ]
        return made, Usage(self.name, model, "image", pictures=len(made))

    async def transcribe(
        self,
        model: str,
        sound: Attachment,
        *,
        language: str,
        words: str = "",
    ) -> tuple[Transcript, Usage]:
        facts = await sound_facts(sound.data)
        line = f"[voice note: {describe_sound(facts)}; the practice model cannot understand speech]"
        return Transcript(line, seconds=facts.seconds), Usage(self.name, model, "speech", seconds=facts.seconds)

    async def embed(self, model: str, texts: Sequence[str]) -> tuple[list[list[float]], Usage]:
        raise NotConfigured("The practice model cannot compare meanings. Set OPENAI_API_KEY or start Ollama for that.")

    async def speak(self, model: str, text: str, *, voice: str, language: str) -> tuple[Attachment, Usage]:
        raise NotConfigured("The practice model has no voice. Set OPENAI_API_KEY to have answers read aloud.")

    async def moderate(self, model: str, text: str, pictures: Sequence[Attachment]) -> tuple[Verdict, Usage]:
        raise NotConfigured("The practice model cannot screen. Set OPENAI_API_KEY for that.")

    async def close(self) -> None:
        """There is nothing to let go of."""


async def _answer(prompts: Sequence[Prompt]) -> str:
    said = [prompt for prompt in prompts if prompt.role != "system"]
    asked = said[-1] if said else Prompt("user", "")
    before = [prompt.text.strip() for prompt in said[:-1] if prompt.role == "user" and prompt.text.strip()]
    if pictures := [picture for prompt in said for picture in prompt.pictures]:
        facts = [describe_picture(await picture_facts(picture.data)) for picture in pictures]
        return "\n\n".join([*facts, "That is all I can tell: I cannot see what a picture shows."])
    if _BEFORE.search(asked.words):
        return _quote_back(before)
    if _HELP.search(asked.words):
        return _HELP_TEXT
    if _LONG.search(asked.words):
        return _long_answer(asked.words, before)
    return _echo(asked.words, before, len(said) - 1)


def _echo(text: str, before: list[str], earlier: int) -> str:
    if not before:
        known = "Nothing was said before in this conversation, as far as I was shown."
    else:
        messages = "1 earlier message" if earlier == 1 else f"{earlier} earlier messages"
        known = f"I was shown {messages} of this conversation; the last thing said to me was {_quoted(before[-1])}."
    return (
        f"You said {_quoted(text)}.\n\n{known}\n\nI understand none of it: I am the practice model. "
        "Ask **what can you do?** to see what you can try."
    )


def _quote_back(before: list[str]) -> str:
    if not before:
        return "Nothing before this, as far as I was shown: this is the first thing I heard in this conversation."
    newest = before[-5:]
    left_out = len(before) - len(newest)
    heading = (
        "Before this, you said:" if not left_out else f"Before this, you said {len(before)} things; the newest are:"
    )
    return "\n".join([heading, "", *(f"{number}. {_quoted(line)}" for number, line in enumerate(newest, left_out + 1))])


def _quoted(text: str, most: int = 300) -> str:
    """On one line and without Markdown's own signs at work."""
    line = " ".join(text.split())
    if len(line) > most:
        line = line[: most - 1].rstrip() + "…"
    return "“" + re.sub(r"([\\`*_~|<>\[\]#])", r"\\\1", line) + "”"


def _long_answer(text: str, before: list[str]) -> str:
    """Some pages of Markdown, for trying how long answers are shown."""
    steps = (
        "An adapter hears your message and turns it into a value that is the same for every platform.",
        "The message is stored, so that it is answered even if the program is stopped just now.",
        "It waits its turn: one answer at a time in a channel, many channels at once.",
        "One skill is chosen: the one you named, the one that takes your attachment, or the one that chats.",
        "The skill asks a model. Today that is me, the practice model, which makes up nothing.",
        "What the skill yields is posted, and edited as more comes, at the pace that the platform allows.",
        "An answer that is too long for one message is split between paragraphs, never inside a word or a code block.",
        "In the end the answer is remembered as it was shown, and what it cost is written down.",
    )
    table = ["| part | what it exercises | length |", "|---|---|---:|"]
    table += [f"| row {n} | a cell with **bold** and `code` | {n * 10} |" for n in range(1, 9)]
    code = [
        "```python",
        "def answer_at_length(lines: int) -> list[str]:",
        '    """A code block longer than one message."""',
    ]
    code += [
        f'    first_{n:02} = "line {n:02} of a long code block, which is closed and opened again"' for n in range(1, 41)
    ]
    code += ["    return [value for name, value in sorted(locals().items()) if name.startswith('first_')]", "```"]
    earlier = "\n".join(f"- {_quoted(line, 120)}" for line in before[-5:]) or "- nothing yet"
    beginning = (
        f"You asked {_quoted(text, 200)}. I am the practice model and understand nothing of it; this text is here to "
        "show how a long answer looks, is split, and arrives."
    )
    parts = [
        "# A long answer",
        beginning,
        "## What was said before",
        earlier,
        "## How an answer reaches you",
        "\n".join(f"{number}. {step}" for number, step in enumerate(steps, 1)),
        "## A table",
        "\n".join(table),
        "## A long code block",
        "\n".join(code),
        "## Paragraphs",
        *(
            f"Paragraph {number}. This sentence is as plain as it looks, and it is followed by others of its kind. "
            "They wrap where the window is narrow, and they are kept together where it is wide. Nothing in them is "
            "clever, and nothing in them is made up, because they say only what they are."
            for number in range(1, 6)
        ),
        "## The end",
        "If you can read this line, all of the answer has arrived.",
    ]
    return "\n\n".join(parts)


def describe_picture(facts: PictureFacts) -> str:
    """One paragraph about a picture, of facts only."""
    kind = "animated " if facts.animated else ""
    article = "An" if kind else "A"
    sentences = [
        f"{article} {kind}{facts.format} picture, {facts.width} × {facts.height} pixels, {_bytes(facts.bytes)}."
    ]
    if facts.animated and facts.frames:
        sentences.append(f"It has {facts.frames} frames.")
    if facts.colours:
        colours = ", ".join(f"{name} ({share:.0%})" for name, share in facts.colours)
        sentences.append(f"Dominant colours: {colours}.")
    if facts.transparent:
        sentences.append("Parts of it are transparent.")
    sentences.extend(f"It holds a barcode ({code.kind}) that says `{_as_code(code.text)}`." for code in facts.barcodes)
    if facts.has_place:
        sentences.append("It carries the place where it was taken, which I do not pass on.")
    elif facts.has_exif:
        sentences.append("It carries camera data (EXIF), but no place.")
    return " ".join(sentences)


def describe_sound(facts: SoundFacts) -> str:
    """A few words about a sound, of facts only."""
    codecs = {"opus": "Opus", "vorbis": "Vorbis", "amr_nb": "AMR", "amr_wb": "AMR", "mp3": "MP3"}
    containers = {"audio/mpeg": "MP3", "audio/mp4": "MP4", "video/mp4": "MP4", "audio/ogg": "Ogg", "audio/webm": "WebM"}
    codec = "PCM" if facts.codec.startswith("pcm") else codecs.get(facts.codec, facts.codec.upper())
    container = containers.get(facts.media_type) or facts.media_type.rpartition("/")[2].removeprefix("x-").upper()
    make = codec if codec == container else f"{codec} in {container}"
    channels = {1: "mono", 2: "stereo"}.get(facts.channels, f"{facts.channels} channels")
    if facts.level is None:
        quiet = "silent throughout"
    elif facts.leading_silence >= 0.1:
        quiet = f"{facts.leading_silence:.1f} s of silence at the start, {facts.silence:.0%} silent in all"
    else:
        quiet = f"{facts.silence:.0%} silent"
    return f"{facts.seconds:.1f} s, {make}, {facts.rate / 1000:g} kHz {channels}, {quiet}"


def _as_code(text: str) -> str:
    return " ".join(text.replace("`", "'").split())


def _bytes(size: int) -> str:
    return f"{size} bytes" if size < 1000 else f"{size / 1000:.0f} kB" if size < 1_000_000 else f"{size / 1e6:.1f} MB"


def _pieces(text: str) -> list[str]:
    """The text in at most `_MOST_PIECES` pieces of whole words, with every blank and line end."""
    words = re.findall(r"\S+\s*|\s+", text)
    at_once = -(-len(words) // _MOST_PIECES) or 1
    return ["".join(words[at : at + at_once]) for at in range(0, len(words), at_once)]
