"""Where the bot is, for whoever runs it: servers of Discord, organisations of Microsoft Teams, by their names."""

from collections.abc import AsyncIterator

import pytest

from bot import UserError
from bot.messages import Person
from storage import Store
from tests.discord_scene import Scene, loopback
from tests.discord_skills import EVERY
from tests.fakes.discord import FakeDiscord
from tests.fakes.teams import FakeTeams
from tests.room import Room
from tests.teams_bot import TeamsBot


@pytest.fixture
async def discord() -> AsyncIterator[FakeDiscord]:
    async with loopback() as discord:
        yield discord


async def test_servers_are_listed_with_their_channels(discord: FakeDiscord) -> None:
    async with Scene(discord, *EVERY) as scene:
        crew = scene.discord.role(scene.guild, "crew")
        await scene.discord.welcome(scene.guild)
        await scene.nothing_heard_before()  # by then it has been told of its servers
        harbour, private = await scene.adapter.communities()
        assert (harbour.platform, harbour.id, harbour.name) == ("discord", scene.guild.id, "The Harbour")
        assert [(each.id, each.tenant, each.name) for each in harbour.channels] == [
            (scene.general.id, scene.guild.id, "#general")
        ]
        assert harbour.roles == ((crew.id, "crew"),)
        assert (private.id, private.name, private.channels) == ("", "Private conversations", ())
    assert await scene.adapter.communities() == [], "it is not there any more"


async def test_an_organisation_is_listed_with_its_channels_and_chats_by_name(store: Store) -> None:
    async with FakeTeams() as teams, TeamsBot(teams, store) as bot:
        ada, bob = teams.person("Ada"), teams.person("Bob")
        general = teams.thread("ignored", ada)
        plans = teams.thread("Plans", ada)
        plans.team = general.channel
        again = teams.thread("Plans", ada, channel=plans)
        again.team = general.channel
        chat = teams.group("A group", bob, ada)
        for place in (general, plans, again, chat, teams.personal(ada)):
            await teams.say(place, ada, "hello")
        (organisation,) = await bot.adapter.communities()
        assert (organisation.platform, organisation.id) == ("teams", teams.tenant)
        assert [(each.id, each.kind, each.name) for each in organisation.channels] == [
            (general.channel, "channel", "A team › General"),
            (plans.channel, "channel", "A team › Plans"),
            (chat.id, "group", "Ada, Bob"),
        ]
        asked = len(teams.called("GET", "/teams/v3/"))
        await bot.adapter.communities()
        assert len(teams.called("GET", "/teams/v3/")) == asked, "what was just found is not asked for again"


async def test_what_has_no_name_is_listed_all_the_same(store: Store) -> None:
    async with FakeTeams() as teams, TeamsBot(teams, store) as bot:
        ada = teams.person("Ada")
        chat = teams.group("A group", ada)
        await teams.say(chat, ada, "hello")
        teams.fail(403, path="/pagedmembers")
        (organisation,) = await bot.adapter.communities()
        assert [each.name for each in organisation.channels] == [f"Chat {chat.id[3:11]}"]


async def test_only_whoever_runs_the_bot_sees_where_it_is(room: Room) -> None:
    with pytest.raises(UserError, match="Only whoever runs this bot"):
        await room.dispatch.communities(Person("mo", "Mo", moderator=True))
    assert await room.dispatch.communities(Person("me", "Me", operator=True)) == ()
