"""Find what was said."""

from bot import Field, Footer, Pieces, Request, Settings, Skill, Status, Turn, UserError


class SearchSettings(Settings):
    most: int = Field(5, ge=1, le=10, description="How many messages to show at most")


class SearchRequest(Request):
    query: str = Field("", max_length=300, description="What to look for")


class Search(Skill[SearchSettings, SearchRequest]):
    """Find what was said here: messages, files and transcripts of this channel."""

    name = "search"
    private = True

    async def reply(self, turn: Turn[SearchSettings, SearchRequest]) -> Pieces:
        query = turn.request.query.strip()
        if not query:
            raise UserError("Say what I should look for, for example: search invoice")
        yield Status("Looking…")
        found = await turn.search(query, turn.settings.most)
        if not found:
            yield f"I found nothing about “{query}” in this channel."
        for each in found:
            who = each.said.author if each.said.role == "user" else "me"
            when = f", {each.said.at:%Y-%m-%d %H:%M}" if each.said.at else ""
            yield f"- **{who or 'somebody'}**{when}: {each.snippet} {each.link}".rstrip() + "\n"
        yield Footer("I looked in this channel only")
