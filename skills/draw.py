"""Draw pictures, and change them."""

import asyncio
import re
from collections.abc import Sequence
from typing import Any, Literal

from bot import (
    Attachment,
    Button,
    Field,
    Footer,
    Keep,
    Kept,
    Pieces,
    Preview,
    Request,
    Settings,
    Skill,
    Status,
    Turn,
    UserError,
    is_question,
    is_thanks,
    refers_back,
)

SIZES = {"any": "", "square": "1024x1024", "wide": "1536x1024", "tall": "1024x1536"}
SPOKEN = ("draw", "zeichne", "dessine", "dibuja", "disegna", "desenha", "teken", "narysuj", "нарисуй", "画")
MODELS_OWN_STYLES = ("vivid", "natural")  # which a model takes as a word of its own; any other belongs to the prompt
MOST_SOURCES = 4
SOURCE_SIDE = 1536  # pixels of a picture to be changed
MOST_ALT = 1000  # characters
GONE = "The picture before this one is no longer kept. Tell me what to draw, and I will draw it anew."
FLAGGED = "I will not draw this: it was taken for {}. If that is not what you mean, describe it in another way."
FLAGGED_AFTER = "I drew it, but what came out was taken for {}, so I do not show it. Please describe it in another way."
VARY = "Another version of this picture: the same subject and style, with a different composition and other details."
FIRST_WORD = re.compile(rf"\s*[/!]?({'|'.join(SPOKEN)})\b")
UNDO = re.compile(r"\s*(undo|go back|rückgängig|zurück|annule\w*|deshacer|annulla|desfaz\w*|отмени)\b", re.IGNORECASE)
ANOTHER = re.compile(
    r"\s*(variations?|another( one| version)?|again|variante|noch (eine?s?|mal)|nochmal|encore|otra( vez)?)[\s.!]*$",
    re.IGNORECASE,
)
WHICH = re.compile(r"\s*(?:(?:#|no\.?|number|nr\.?)\s*)?([1-4])\s*[:.)]\s+")
ORDINALS = (("first", "erste", "premi", "primer"), ("second", "zweite", "deuxi", "segund"), ("third", "dritte"))


class DrawSettings(Settings):
    most: int = Field(2, ge=1, le=4, description="How many pictures may be drawn at once")
    screen: Literal["before", "before and after", "off"] = Field(
        "before", description="When what is drawn is checked for what should not be shown, where a model does that"
    )


class DrawRequest(Request):
    prompt: str = Field("", max_length=4000, description="What to draw, or what to change about a picture")
    size: Literal["any", "square", "wide", "tall"] = Field("any", description="The shape of the picture")
    quality: Literal["any", "low", "medium", "high"] = Field("any", description="How carefully it is drawn")
    style: str = Field("", max_length=100, description="A style, for example watercolour")
    count: int = Field(1, ge=1, le=4, description="How many pictures")
    what: Literal["auto", "draw", "edit", "vary", "undo"] = Field(
        "auto", description="Draw something new, change the picture, draw another version of it, or undo a change"
    )
    which: int = Field(1, ge=1, le=4, description="Which of several pictures is meant")


class Draw(Skill[DrawSettings, DrawRequest]):
    """Draw a picture of what you describe, or change one.

    de: Ein Bild malen, das du beschreibst, oder eines ändern.
    es: Dibujar lo que describas, o cambiar una imagen.
    fr: Dessiner ce que tu décris, ou modifier une image.
    """

    name = "draw"
    spoken = SPOKEN
    follows = True

    async def reply(self, turn: Turn[DrawSettings, DrawRequest]) -> Pieces:
        request, words = turn.request, turn.request.prompt.strip()
        drawn = turn.kept if turn.kept and turn.kept.attachments else None
        what = request.what if request.what != "auto" else _what(turn, words, drawn)
        if what in ("ask", "chat") and drawn:
            seen = drawn.attachments if what == "ask" else ()
            async for piece in turn.ask("describe" if what == "ask" else "chat", words, attachments=seen):
                if not isinstance(piece, Keep | Button):
                    yield piece
            yield Keep(drawn.about, drawn.attachments)  # the next reply is still about the picture
            return
        if what == "undo":
            async for piece in _undo(turn, drawn):
                yield piece
            return
        if not words and what != "vary":
            raise UserError("Say what I should draw, for example: draw a fox in the snow")
        if request.count > turn.settings.most:
            raise UserError(f"I may draw {turn.settings.most} at once in this channel; please ask for fewer.")
        which, words = _which(request.which, words)
        sources: tuple[Attachment, ...] = ()
        about: dict[str, Any] = {}
        if what in ("edit", "vary"):
            yield Status("Looking at the picture…")
            sources, about = await _sources(turn, drawn, which)
        prompt = _prompt(what, words, request.style, about)
        alt = _alt(what, words, prompt, about)
        if turn.settings.screen != "off":
            await _screen(turn, prompt, sources, FLAGGED)

        yield Status("Drawing…" if not sources else "Redrawing…")
        used_before = len(turn.models.used)
        unfinished: asyncio.Queue[Attachment | None] = asyncio.Queue()
        drawing = asyncio.create_task(
            turn.models.image(
                prompt,
                size=SIZES[request.size] or about.get("size", ""),
                quality="" if request.quality == "any" else request.quality,
                count=request.count,
                style=request.style if request.style in MODELS_OWN_STYLES else "",
                edits=sources,
                preview=unfinished.put_nowait,
            )
        )
        drawing.add_done_callback(lambda _: unfinished.put_nowait(None))
        try:
            while (picture := await unfinished.get()) is not None:
                yield Preview(picture)
            pictures = await drawing
        finally:
            drawing.cancel()
            await asyncio.gather(drawing, return_exceptions=True)
        if turn.settings.screen == "before and after":
            await _screen(turn, "", pictures, FLAGGED_AFTER)

        parent = drawn.id if sources and drawn and drawn.skill == self.name else ""
        shown = tuple(_with_alt(picture, alt if sources else picture.alt or alt) for picture in pictures)
        for each in shown:
            yield each
        for button in _buttons(len(shown), undo=bool(parent)):
            yield button
        unsaid = sources and which == request.which == 1 and not turn.message.reply_to
        if unsaid and drawn and len(drawn.attachments) > 1:
            yield Footer("I took the first picture; begin with “2:” for the second")
        yield Keep(
            {
                "prompt": prompt,
                "alt": alt,
                "parent": parent,
                "size": SIZES[request.size] or about.get("size", ""),
                "quality": request.quality,
                "style": request.style,
                **_made_by(turn, used_before),
            },
            shown,
        )


def _what(turn: Turn[DrawSettings, DrawRequest], words: str, drawn: Kept | None) -> str:
    """What somebody wants who did not choose it in a form: to draw, to change, to know something, to undo."""
    pictures = bool(drawn or turn.attached("image"))
    if not pictures:
        return "draw"
    if drawn and is_thanks(words) and "chat" in turn.skills:
        return "chat"
    if drawn and UNDO.match(words):
        return "undo"
    if drawn and (not words or ANOTHER.match(words)):
        return "vary"
    if turn.message.skill or FIRST_WORD.match(turn.message.text.lower()):
        # "draw a dog" in reply to a picture is a new one, "draw it with a hat" is this one; so is what was sent along.
        return "edit" if turn.message.attachments or refers_back(words) else "draw"
    return "ask" if is_question(words) and "describe" in turn.skills else "edit"


async def _sources(
    turn: Turn[DrawSettings, DrawRequest], drawn: Kept | None, which: int
) -> tuple[tuple[Attachment, ...], dict[str, Any]]:
    """The pictures that are to be changed, with their bytes, and what is known about them."""
    own = tuple(each for each in turn.message.attachments if each.kind == "image")
    if not own and drawn:
        if which > len(drawn.attachments):
            raise UserError(f"There are {len(drawn.attachments)} pictures in that answer. Which one do you mean?")
        return (drawn.attachments[which - 1],), drawn.about
    pictures = own or turn.attached("image")
    if not pictures:
        raise UserError("Which picture? Reply to one, or send one along, and say what I should change about it.")
    # Anew and upright, with nothing in them of where and by what they were taken.
    looks = [await turn.look(each, side=SOURCE_SIDE) for each in pictures[:MOST_SOURCES]]
    alt = "; ".join(each.alt for each in pictures if each.alt)
    return tuple(each.small for each in looks), {"alt": alt or "a picture that was sent"}


def _prompt(what: str, words: str, style: str, about: dict[str, Any]) -> str:
    if what == "vary":
        before = about.get("prompt") or about.get("alt", "")
        words = f"{VARY} It shows: {before}" if before else VARY
    if style and style not in MODELS_OWN_STYLES:
        words = f"{words}\n\nStyle: {style}"
    return words[:4000]


def _alt(what: str, words: str, prompt: str, about: dict[str, Any]) -> str:
    """What the picture shows, for those who cannot see it."""
    before = str(about.get("alt", "")).strip()
    if what == "vary":
        return f"Another version of: {before.removeprefix('Another version of: ')}"[:MOST_ALT]
    if what == "edit":
        changes = before.split("; changed: ")
        return "; changed: ".join([*changes, " ".join(words.split())])[-MOST_ALT:]
    return prompt[:MOST_ALT]


async def _screen(
    turn: Turn[DrawSettings, DrawRequest], text: str, pictures: Sequence[Attachment], sentence: str
) -> None:
    """Raises `UserError` when this should not be drawn, or shown. It is not tried again in other words."""
    if not turn.models.serves("moderate"):
        return
    verdict = await turn.models.moderate(text, pictures)
    if verdict.flagged:
        kinds = ", ".join(each.replace("/", ": ").replace("-", " ").replace("_", " ") for each in verdict.categories)
        raise UserError(sentence.format(kinds or "something that should not be shown"))


async def _undo(turn: Turn[DrawSettings, DrawRequest], drawn: Kept | None) -> Pieces:
    """Show the picture again that the one which is replied to was made from."""
    if drawn is None or drawn.skill != "draw":
        raise UserError("Reply to a picture that I changed, and I will show the one before.")
    if not drawn.about.get("parent"):
        raise UserError("This is the first picture; there is none before it.")
    parent = await turn.recall(str(drawn.about["parent"]))
    if parent is None or not parent.attachments:
        raise UserError(GONE)
    for picture in parent.attachments:
        yield picture
    for button in _buttons(len(parent.attachments), undo=bool(parent.about.get("parent"))):
        yield button
    yield Keep(parent.about, parent.attachments)


def _buttons(pictures: int, *, undo: bool) -> list[Button]:
    vary = [
        Button(
            "vary" if number == 1 else f"vary{number}",
            "Variation" if pictures == 1 else f"Variation of {number}",
            request={"what": "vary", "which": number},
        )
        for number in range(1, pictures + 1)
    ]
    return [*vary, Button("undo", "Undo", request={"what": "undo"})] if undo else vary


def _which(asked: int, words: str) -> tuple[int, str]:
    """Which of several pictures is meant, and the words without the mark that said so."""
    if mark := WHICH.match(words):
        return int(mark[1]), words[mark.end() :]
    lower = words.lower()
    for number, names in enumerate(ORDINALS, 1):
        if asked == 1 and any(re.search(rf"\b{name}\w* (one|picture|bild|image|imagen)", lower) for name in names):
            return number, words
    return asked, words


def _made_by(turn: Turn[DrawSettings, DrawRequest], used_before: int) -> dict[str, Any]:
    """By which model, and for how many micro-dollars, `None` where that is not known."""
    used = [each for each in turn.models.used[used_before:] if each.role == "image"]
    if not used:
        return {"model": "", "cost": None}
    costs = [each.cost for each in used]
    known = [cost for cost in costs if cost is not None]
    return {
        "model": f"{used[-1].provider}:{used[-1].model}",
        "cost": sum(known) if len(known) == len(costs) else None,
    }


def _with_alt(picture: Attachment, alt: str) -> Attachment:
    return Attachment(picture.name, picture.media_type, picture.data, len(picture.data), alt=alt[:MOST_ALT])
