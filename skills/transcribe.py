"""Listen to voice notes."""

from bot import Field, Pieces, Request, Settings, Skill, Status, Turn, UserError


class TranscribeSettings(Settings):
    answer: bool = Field(True, description="Answer what was said, not only write it down")


class TranscribeRequest(Request):
    question: str = Field("", description="What to do with what was said, for example: summarise")
    language: str = Field(
        "", max_length=20, description="The language that is spoken, for example en; empty to detect it"
    )


class Transcribe(Skill[TranscribeSettings, TranscribeRequest]):
    """Write down what is said in a voice note, and answer it."""

    name = "transcribe"
    takes = ("audio", "video")

    async def reply(self, turn: Turn[TranscribeSettings, TranscribeRequest]) -> Pieces:
        attached = turn.attached("audio", "video")
        if not attached:
            raise UserError("Send me a voice note or another recording, or reply to one, and I will write it down.")
        yield Status("Listening…")
        heard = []
        for sound in attached:
            transcript = await turn.models.transcribe(await turn.read(sound), language=turn.request.language)
            if transcript.text.strip():
                heard.append(transcript.text.strip())
        if not heard:
            yield "I heard nothing in this recording."
            return
        spoken = "\n\n".join(heard)
        yield "\n".join(f"> {line}".rstrip() for line in spoken.splitlines())
        if turn.settings.answer:
            yield "\n\n"
            asked = f"{turn.request.question}\n\n{spoken}" if turn.request.question else spoken
            async for piece in turn.ask("chat", asked):
                yield piece
