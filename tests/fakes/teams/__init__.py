"""A small, strict Microsoft Teams on loopback: the channel, the connector, the sign-in server and the key set.

    async with FakeTeams() as teams:
        ada = teams.person("Ada")
        chat = teams.personal(ada)
        ...  # start a bot with teams.settings() or teams.environment(), tell `teams.bot_url` where it listens, then
        answered = await teams.say(chat, ada, "hello")
        assert answered.status == 202
        answer = await teams.until(lambda: teams.answers(chat))

It knows nothing of the bot and of botbuilder; everything between them goes over the wire.
"""

from tests.fakes.teams.server import Answered, FakeTeams
from tests.fakes.teams.world import Conversation, File, Person, Shown

__all__ = ["Answered", "Conversation", "FakeTeams", "File", "Person", "Shown"]
