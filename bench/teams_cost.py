"""What an answered message costs in Teams: CPU in the bot's process, the adapter alone and the whole of Parley.

    python -m bench.teams_cost [MESSAGES]

The promise is that the adapter takes less than 2 ms; the stock library takes 10 to 30 (its connector and its tokens).
"""

import asyncio
import contextlib
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from bench.child import Child, parley
from bench.model import Model
from tests.fakes.teams import Conversation, FakeTeams, Person
from tests.fakes.teams import rates as teams_rates

CHATS = 20
SETTLE = 0.5


async def measure(teams: FakeTeams, child: Child, chats: list[tuple[Conversation, Person]], messages: int) -> float:
    """Milliseconds of CPU for each message that is answered."""
    teams.bot_url = f"{child.address.removesuffix('/')}/api/messages"

    async def ask(number: int) -> None:
        chat, person = chats[number % len(chats)]
        seen = len([each for each in teams.answers(chat) if each.text and each.text != "…"])
        answered = await teams.say(chat, person, f"what is q{number + 1}?")
        assert answered.status == 202, answered.body
        await teams.until(lambda: len([e for e in teams.answers(chat) if e.text and e.text != "…"]) > seen)

    for number in range(len(chats)):
        await ask(number)  # what is done only once is not measured
    await asyncio.sleep(SETTLE)
    begun = child.cpu()
    for number in range(messages):
        await ask(number)
    await asyncio.sleep(SETTLE)
    return (child.cpu() - begun) * 1000 / messages


@contextlib.asynccontextmanager
async def place() -> AsyncIterator[tuple[FakeTeams, list[tuple[Conversation, Person]]]]:
    async with FakeTeams() as teams:
        people = [teams.person(f"person{number}") for number in range(CHATS)]
        yield teams, [(teams.personal(person), person) for person in people]


async def main(messages: int) -> None:
    teams_rates.WINDOWS = ()  # the pace of Teams is not what is measured
    with tempfile.TemporaryDirectory() as folder:
        for kind, what in (("plain", "one post"), ("placeholder", "stream, end and buttons")):
            path = Path(folder) / kind
            path.mkdir()
            async with place() as (teams, chats), Child("bench.teams_echo", [kind], teams.environment(), path) as child:
                print(f"the adapter alone, {what:24} {await measure(teams, child, chats, messages):5.2f} ms")
        path = Path(folder) / "parley"
        path.mkdir()
        async with place() as (teams, chats), Model() as model:
            environment = {**teams.environment(), **model.environment()}
            async with parley(path, **environment) as child:
                print(f"the whole of Parley{'':28} {await measure(teams, child, chats, messages):5.2f} ms")


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 200))
