"""Say what there is."""

from bot import Field, Pieces, Request, Settings, Skill, Turn

# What is said around the list, by language: its heading, and what comes below it.
HEADINGS = {
    "en": "Here is what I can do:",
    "de": "Das kann ich hier:",
    "es": "Esto es lo que puedo hacer aquí:",
    "fr": "Voici ce que je sais faire ici :",
}
BELOW = {
    "en": "Just talk to me; a picture, a voice note or a file needs no word. Begin with a skill's name to call it, for "
    "example “draw a fox in the snow”, or ask for it in passing. Reply to a message to speak about it.",
    "de": "Sprich einfach mit mir; ein Bild, eine Sprachnachricht oder eine Datei braucht kein Wort. Beginne mit einem "
    "dieser Namen, zum Beispiel „draw ein Fuchs im Schnee“, oder bitte nebenbei darum. Antworte auf eine Nachricht, um "
    "über sie zu sprechen.",
    "es": "Habla conmigo sin más; una imagen, una nota de voz o un archivo no necesita palabras. Empieza con "
    "uno de estos nombres, por ejemplo «draw un zorro en la nieve», o pídelo de paso. Responde a un mensaje para "
    "hablar de él.",
    "fr": "Parlez-moi, tout simplement ; une image, une note vocale ou un fichier se passe de mots. Commencez par l’un "
    "de ces noms, par exemple « draw un renard dans la neige », ou demandez-le en passant. Répondez à un message pour "
    "en parler.",
}


class HelpRequest(Request):
    about: str = Field("", description="What you want to know more about")


class Help(Skill[Settings, HelpRequest]):
    """Say what I can do here.

    de: Sagen, was ich hier kann.
    es: Decir lo que puedo hacer aquí.
    fr: Dire ce que je sais faire.
    """

    name = "help"
    private = True

    async def reply(self, turn: Turn[Settings, HelpRequest]) -> Pieces:
        asked = turn.request.about.strip().lower()
        if asked and asked not in turn.skills:
            async for piece in turn.ask("chat", turn.message.text):  # "help me write a letter" is for the model
                yield piece
            return
        language = turn.message.author.locale.partition("-")[0].lower()
        lines = [f"- **{name}**: {help_}" for name, help_ in turn.skills.items() if asked in ("", name)]
        yield "\n".join(["" if asked else HEADINGS.get(language, HEADINGS["en"]), *lines]).strip()
        yield f"\n\n{BELOW.get(language, BELOW['en'])}"
