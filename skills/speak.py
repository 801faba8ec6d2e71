"""Read aloud."""

import re

from bot import Button, Field, Footer, Pieces, Request, Settings, Skill, Status, Turn, TurnModels, UserError

MOST = 3000  # characters that are read at once
CODE = re.compile(r"```.*?(```|\Z)", re.DOTALL)
LINK = re.compile(r"!?\[([^\]\[]{0,300})\]\([^)]{0,2000}\)")
ADDRESS = re.compile(r"<?https?://([^\s/>]+)\S*>?")
TABLE_RULE = re.compile(r"^[ \t]*\|?[ \t:|-]+\|[ \t:|-]*$", re.MULTILINE)
TABLE_EDGE = re.compile(r"^[ \t]*\|[ \t]*|[ \t]*\|[ \t]*$", re.MULTILINE)
LINE_MARKS = re.compile(r"^[ \t]*(#{1,6}[ \t]+|>[ \t]?|[-*+][ \t]+)", re.MULTILINE)
MARKS = re.compile(r"(\*\*|__|~~|`|\|\||(?<!\w)[*_]|[*_](?!\w))")
PICTOGRAMS = re.compile("[\U0001f000-\U0001faff\u2600-\u27bf\ufe0f\u200d]")
SENTENCE_END = re.compile(r"[.!?…。！？](?=\s|$)")


class SpeakSettings(Settings):
    button: bool = Field(False, description="Show a button under answers that reads them aloud")
    voice: str = Field("", max_length=40, description="The voice, by the name that the model knows it by")


class SpeakRequest(Request):
    text: str = Field("", description="What to read aloud")
    language: str = Field(
        "", max_length=20, description="The language it is written in, for example en; empty to guess"
    )


class Speak(Skill[SpeakSettings, SpeakRequest]):
    """Read something aloud.

    de: Etwas vorlesen.
    es: Leer algo en voz alta.
    fr: Lire quelque chose à voix haute.
    """

    name = "speak"
    spoken = ("speak", "read this aloud", "read it aloud", "read aloud", "vorlesen", "lies das vor")
    menu = "Read aloud"

    async def reply(self, turn: Turn[SpeakSettings, SpeakRequest]) -> Pieces:
        quoted = turn.message.quote.text if turn.message.quote else ""
        asked = turn.request.text.strip()
        text = quoted if quoted and (not asked or len(asked.split()) <= 4) else asked
        if not text:
            raise UserError("Reply to a message with “speak”, or write what I should read aloud.")
        aloud, left_out = as_spoken(text)
        if not aloud:
            raise UserError("There is nothing in this that can be read aloud.")
        yield Status("Speaking…")
        sound = await turn.models.speak(aloud, voice=turn.settings.voice, language=turn.request.language)
        try:
            yield await turn.voiced(sound)
        except UserError:  # a format that is not read here is still a sound to whoever asked for it
            yield sound
        for note in left_out:
            yield Footer(note)

    def offers(self, settings: SpeakSettings, answer: str, models: TurnModels) -> Button | None:
        """A button under answers, where moderators want one and a model speaks."""
        if not settings.button or not models.serves("voice") or not as_spoken(answer)[0]:
            return None
        return Button("aloud", "Read aloud", self.name, {"text": answer[: 2 * MOST]})


def as_spoken(text: str) -> tuple[str, list[str]]:
    """Markdown as somebody would read it to somebody else, and a note about what was left out."""
    notes = ["code is not read aloud"] if CODE.search(text) else []
    plain = CODE.sub("\n", re.sub(r"[ \t]+", " ", text[: 4 * MOST]))
    plain = LINK.sub(r"\1", plain)
    plain = ADDRESS.sub(r"\1", plain)
    plain = TABLE_EDGE.sub("", TABLE_RULE.sub("", plain))
    plain = LINE_MARKS.sub("", plain)
    plain = PICTOGRAMS.sub("", MARKS.sub("", plain))
    plain = re.sub(r"[ \t]*\|[ \t]*", ", ", plain)
    plain = re.sub(r"[ \t]+", " ", plain)
    plain = re.sub(r"\s*\n\s*", "\n", plain).strip(" ,\n")
    if len(plain) > MOST:
        ends = [found.end() for found in SENTENCE_END.finditer(plain, 0, MOST)]
        plain = plain[: ends[-1] if ends else MOST]
        notes.append("I read the beginning only; the whole is too long")
    return plain, notes
