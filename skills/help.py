"""Say what there is."""

from bot import Field, Pieces, Request, Settings, Skill, Turn

HEADING = "Here is what I can do:"
BELOW = (
    "Just talk to me; a picture, a voice note or a file needs no word. Begin with a skill's name to call it, for "
    "example “draw a fox in the snow”, or ask for it in passing. Reply to a message to speak about it."
)


class HelpRequest(Request):
    about: str = Field("", description="What you want to know more about")


class Help(Skill[Settings, HelpRequest]):
    """Say what I can do here."""

    name = "help"
    private = True

    async def reply(self, turn: Turn[Settings, HelpRequest]) -> Pieces:
        asked = turn.request.about.strip().lower()
        if asked and asked not in turn.skills:
            async for piece in turn.ask("chat", turn.message.text):  # "help me write a letter" is for the model
                yield piece
            return
        lines = [f"- **{name}**: {help_}" for name, help_ in turn.skills.items() if asked in ("", name)]
        yield "\n".join(["" if asked else turn.translated(HEADING), *lines]).strip()
        yield f"\n\n{turn.translated(BELOW)}"
