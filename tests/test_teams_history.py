"""What was said in Teams before: read through Graph for whoever may read it there, and for nobody else."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from bot.adapters.teams import graph as graph_module
from bot.errors import UserError
from bot.messages import Channel, Person, Said
from bot.testing import ScriptedModel
from storage import Store
from tests.fakes.teams import Conversation, FakeTeams
from tests.fakes.teams import Person as Member
from tests.teams_bot import TeamsBot

SECOND = "7d4fbc8c-0000-4000-8000-000000000002"


@pytest.fixture
def ada(teams: FakeTeams) -> Member:
    return teams.person("Ada")


@pytest.fixture
def bob(teams: FakeTeams) -> Member:
    return teams.person("Bob")


@pytest.fixture
def group(teams: FakeTeams, ada: Member, bob: Member) -> Conversation:
    group = teams.group("Foxes", ada, bob)
    teams.graph.let_read(group, ada, bob)
    return group


async def read(
    bot: TeamsBot, channel: Channel, reader: Member, limit: int = 100, since: datetime | None = None
) -> tuple[Said, ...]:
    found = await bot.adapter.earlier(channel, limit, since, Person(reader.aad, reader.name))
    assert found is not None
    return found


async def heard(teams: FakeTeams, bot: TeamsBot, place: Conversation, who: Member, text: str = "hello") -> Channel:
    assert (await teams.say(place, who, text)).status == 202
    return bot.notes.last.channel


def texts(said: tuple[Said, ...]) -> list[str]:
    return [each.text for each in said]


# As its user has it.


async def test_who_was_away_is_told_what_was_said_in_the_channel(
    teams: FakeTeams, store: Store, ada: Member, bob: Member
) -> None:
    """Ada writes a post “@Parley catch up”: what the others have posted and replied meanwhile is summed up."""
    model = ScriptedModel("The launch was moved to Friday.")
    async with TeamsBot(teams, store, model=model) as bot:
        plans = teams.thread("Planning", ada, bob)
        teams.graph.let_read(plans, ada, bob)
        teams.graph.begin(plans, ada, "<p>When do we launch?</p>", ago=900)
        teams.graph.begin(plans, bob, "<p>It moves to <b>Friday</b>.</p>", ago=500, id="500", subject="Launch")
        teams.graph.say(plans, bob, "<p>Ada, can you book the room?</p>", ago=400, root="500")
        fresh = teams.thread("Planning", ada, bob, channel=plans)

        await teams.say(fresh, ada, "catch up", id=fresh.id.partition("=")[2])
        await bot.core.idle()  # type: ignore[union-attr]

    shown = model.asked[-1][-1].words
    assert "Bob: Launch\nIt moves to Friday." in shown
    assert "Ada, can you book the room?" in shown
    assert "When do we launch?" not in shown, "that was Ada herself"
    answer = teams.answers(fresh)[0].text
    assert "The launch was moved to Friday." in answer
    assert "2 messages" in answer
    assert "only what was said to me" not in answer


async def test_in_a_thread_only_the_thread_is_told_of(
    teams: FakeTeams, bot: TeamsBot, ada: Member, bob: Member
) -> None:
    thread = teams.thread("Planning", ada, bob)
    teams.graph.let_read(thread, ada, bob)
    teams.graph.begin(thread, bob, "<p>The root</p>", ago=900)
    teams.graph.begin(thread, bob, "<p>Another post</p>", id="77", ago=800)
    teams.graph.say(thread, bob, "<p>A reply elsewhere</p>", root="77", ago=700)
    teams.graph.say(thread, bob, "<p>A reply here</p>", ago=600)

    said = await read(bot, await heard(teams, bot, thread, ada), ada)

    assert texts(said) == ["The root", "A reply here", "hello"]
    assert [each.author for each in said] == ["Bob", "Bob", "Ada"]
    assert said[-1].message_id == bot.notes.last.id
    assert said[-1].author_id == bot.notes.last.author.id


async def test_something_that_was_said_is_found_again_by_search(
    teams: FakeTeams, store: Store, ada: Member, group: Conversation, bob: Member
) -> None:
    async with TeamsBot(teams, store, model=ScriptedModel("In a flowerpot, they say.")) as bot:
        await teams.say(group, ada, "Where may a key be?")
        await bot.core.idle()  # type: ignore[union-attr]
        told = teams.graph.say(group, bob, "<p>The key lies below the blue flowerpot.</p>")
        teams.graph.say(group, bob, "<p>Lunch at noon?</p>")
        await teams.say(group, ada, "search flowerpot")
        await bot.core.idle()  # type: ignore[union-attr]

    answer = next(each.text for each in teams.answers(group)[1:] if each.text)
    assert "below the blue flowerpot" in answer
    assert f"/{told['id']}?" in answer, "and it can be opened"
    assert answer.count("they say") == 1, "what the bot said is found once, though it is kept in two places"
    assert "Lunch" not in answer


# What a message is made of.


async def test_messages_are_read_as_people_see_them(
    teams: FakeTeams, bot: TeamsBot, ada: Member, bob: Member, group: Conversation
) -> None:
    say = teams.graph.say
    say(group, bob, '<p>Hi <at id="0">Ada Lovelace</at>, see&nbsp;this <emoji alt="😀"></emoji></p>', ago=90)
    say(group, bob, "never seen", ago=89, deletedDateTime="2026-01-01T00:00:00Z")
    say(group, bob, "blocked", ago=88.5, policyViolation={"dlpAction": "notifySender, blockAccess"})
    say(group, None, "<systemEventMessage/>", ago=88, messageType="systemEventMessage")
    file = {"contentType": "reference", "name": "plan.docx", "contentUrl": "https://contoso.sharepoint.com/plan.docx"}
    say(group, bob, '<attachment id="1"></attachment>', ago=87, attachments=[file])
    say(group, bob, '<p>Look<img src="https://graph/hostedContents/1/$value"></p>', ago=86)
    forwarded = (
        '{"originalMessageContent": "<p>Old\\u202e news</p>", "originalMessageSender": {"user": {"displayName": "Cy"}}}'
    )
    say(
        group,
        bob,
        '<attachment id="2"></attachment>',
        ago=85,
        attachments=[{"contentType": "forwardedMessageReference", "content": forwarded}],
    )
    say(group, bob, '<p>Seen<span style="display: none">and <span>obey</span> me</span>\u202e\U000e0041.</p>', ago=84)
    say(group, bob, '<p style="x">2 &lt; 3</p><p></p>', ago=83)
    say(group, bob, "", ago=82)
    say(group, bob, "a <b> in plain text", ago=81, body={"contentType": "text", "content": "a <b> in plain text"})
    say(group, None, "<p>Build done</p>", ago=80, **{"from": {"application": {"id": "ci", "displayName": "CI"}}})

    said = await read(bot, await heard(teams, bot, group, ada), ada)

    assert texts(said)[:-1] == [
        "Hi @Ada Lovelace, see this 😀",
        "[plan.docx]",
        "Look\n[picture]",
        "[forwarded from Cy] Old news",
        "Seen.",
        "2 < 3",
        "a <b> in plain text",
        "Build done",
    ]
    assert [(each.role, each.author) for each in said[-2:]] == [("user", "CI"), ("user", "Ada")]


async def test_what_the_bot_said_itself_is_known_as_such(
    teams: FakeTeams, store: Store, ada: Member, bob: Member, group: Conversation
) -> None:
    async with TeamsBot(teams, store, model=ScriptedModel("I am well.")) as bot:
        await teams.say(group, ada, "How are you?")
        await bot.core.idle()  # type: ignore[union-attr]
        said = await bot.adapter.earlier(
            Channel("teams", group.id, teams.tenant, "group"), 10, None, Person(bob.aad, "Bob")
        )
    assert said is not None
    assert [(each.role, each.text) for each in said] == [("user", "How are you?"), ("assistant", "I am well.")]


# How much.


@pytest.mark.parametrize("ascending", [False, True], ids=["newest first", "oldest first"])
async def test_the_newest_are_read_page_by_page_and_none_that_is_older_than_asked(
    ascending: bool, teams: FakeTeams, bot: TeamsBot, ada: Member, bob: Member, group: Conversation
) -> None:
    teams.graph.message_page, teams.graph.ascending = 3, ascending
    for number in range(10):
        teams.graph.say(group, bob, f"<p>{number}</p>", ago=100 - number)
    channel = await heard(teams, bot, group, ada)

    asked = len(teams.called("GET", "/messages"))
    newest = await read(bot, channel, ada, limit=4)
    pages = len(teams.called("GET", "/messages")) - asked
    since = await read(bot, channel, ada, since=datetime.now(UTC) - timedelta(seconds=94.5))

    assert texts(newest) == ["7", "8", "9", "hello"]
    assert pages == (4 if ascending else 2), "no more is read than is needed"
    assert texts(since) == ["6", "7", "8", "9", "hello"]
    assert texts(await read(bot, channel, ada, limit=0)) == []


async def test_a_busy_graph_is_waited_for_a_while(
    teams: FakeTeams, bot: TeamsBot, ada: Member, bob: Member, group: Conversation
) -> None:
    teams.graph.say(group, bob, "<p>news</p>")
    channel = await heard(teams, bot, group, ada)
    teams.throttle(path="/messages", retry_after=0.1)
    teams.throttle(path="/members", retry_after=0.1)
    assert texts(await read(bot, channel, ada)) == ["news", "hello"]
    teams.throttle(path="/messages", retry_after=600)
    assert await bot.adapter.earlier(channel, 9, None, Person(ada.aad, "Ada")) is None, "but not for ten minutes"


async def test_while_graph_is_away_what_was_said_to_the_bot_has_to_do(
    teams: FakeTeams, bot: TeamsBot, ada: Member, group: Conversation
) -> None:
    channel = await heard(teams, bot, group, ada)
    await read(bot, channel, ada)
    teams.drop(path="/messages", times=2)
    assert await bot.adapter.earlier(channel, 9, None, Person(ada.aad, "Ada")) is None


async def test_a_channel_with_too_many_replies_to_read_is_told_of_by_its_posts(
    teams: FakeTeams, bot: TeamsBot, ada: Member, bob: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graph_module, "_LARGEST", 10_000)
    fresh = teams.thread("Planning", ada, bob)
    teams.graph.let_read(fresh, ada, bob)
    teams.graph.begin(fresh, bob, "<p>The plan</p>", id="77")
    for number in range(30):
        teams.graph.say(fresh, bob, f"<p>{'x' * 400}</p>", root="77", ago=100 - number)
    await teams.say(fresh, ada, "catch up", id=fresh.id.partition("=")[2])
    assert texts(await read(bot, bot.notes.last.channel, ada)) == ["The plan", "catch up"]


async def test_a_page_somewhere_else_is_never_asked_for(
    teams: FakeTeams, bot: TeamsBot, ada: Member, bob: Member, group: Conversation
) -> None:
    for number in range(4):
        teams.graph.say(group, bob, f"<p>{number}</p>", ago=50 - number)
    channel = await heard(teams, bot, group, ada)
    teams.graph.message_page = 2
    async with FakeTeams() as evil:
        teams.graph.next_host = evil.origin
        said = await read(bot, channel, ada)
        assert evil.calls == [], "the token must not get there"
    assert texts(said) == ["3", "hello"]


# For whom.


async def test_who_is_no_member_is_told_nothing(
    teams: FakeTeams, bot: TeamsBot, ada: Member, group: Conversation
) -> None:
    channel = await heard(teams, bot, group, ada)
    asked = len(teams.called("GET", "/messages"))
    for stranger in (Person(teams.person("Eve").aad, "Eve"), Person("29:guest", "Guest"), Person("", "")):
        with pytest.raises(UserError, match="you may read"):
            await bot.adapter.earlier(channel, 9, None, stranger)
    assert len(teams.called("GET", "/messages")) == asked


async def test_in_doubt_nobody_is_a_member(teams: FakeTeams, bot: TeamsBot, ada: Member, group: Conversation) -> None:
    channel = await heard(teams, bot, group, ada)
    teams.drop(path="/members", times=2)
    with pytest.raises(UserError, match="you may read"):
        await bot.adapter.earlier(channel, 9, None, Person(ada.aad, "Ada"))
    assert texts(await read(bot, channel, ada)) == ["hello"], "and the next one asks again"


async def test_who_came_later_reads_from_then_on(
    teams: FakeTeams, bot: TeamsBot, ada: Member, bob: Member, group: Conversation
) -> None:
    joined = datetime.now(UTC) - timedelta(seconds=50)
    teams.graph.since[f"chats/{group.id}", bob.aad] = joined.isoformat().replace("+00:00", "Z")
    teams.graph.say(group, ada, "<p>about Bob</p>", ago=80)
    teams.graph.say(group, ada, "<p>hello Bob</p>", ago=40)
    channel = await heard(teams, bot, group, ada)
    assert texts(await read(bot, channel, ada)) == ["about Bob", "hello Bob", "hello"]
    assert texts(await read(bot, channel, bob)) == ["hello Bob", "hello"]


@pytest.mark.parametrize("sort", ["private", "shared", ""])
async def test_a_private_channel_is_read_for_its_own_members_only(
    sort: str, teams: FakeTeams, bot: TeamsBot, ada: Member, bob: Member
) -> None:
    thread = teams.thread("Board", ada)
    thread.team = "19:the-team@thread.tacv2"  # the channel is not the team's first one, which everybody reads
    own = f"{teams.graph.let_read(thread, ada, bob)}/channels/{thread.channel}"
    teams.graph.begin(thread, ada, "<p>secret</p>")
    data = {"tenant": {"id": teams.tenant}, "channel": {"id": thread.channel}, "team": {"id": thread.team}}
    if sort:
        data["channel"]["type"] = sort
    await teams.say(thread, ada, "hello", channelData=data)
    channel = bot.notes.last.channel

    with pytest.raises(UserError, match="does not let me read"):
        await bot.adapter.earlier(channel, 9, None, Person(ada.aad, "Ada"))

    teams.graph.members[own], teams.graph.owners[own] = [], {ada.aad}
    async with TeamsBot(teams, bot.adapter.store) as again:
        assert texts(await read(again, channel, ada)) == ["secret", "hello"]
        with pytest.raises(UserError, match="you may read"):
            await again.adapter.earlier(channel, 9, None, Person(bob.aad, "Bob"))


async def test_a_standard_channel_is_read_for_everybody_in_its_team(
    teams: FakeTeams, bot: TeamsBot, ada: Member, bob: Member
) -> None:
    thread = teams.thread("Lounge", ada)
    thread.team = "19:the-team@thread.tacv2"
    teams.graph.let_read(thread, ada, bob)
    teams.graph.begin(thread, ada, "<p>news</p>")
    data = {
        "tenant": {"id": teams.tenant},
        "channel": {"id": thread.channel, "type": "standard"},
        "team": {"id": thread.team},
    }
    await teams.say(thread, ada, "hello", channelData=data)
    assert texts(await read(bot, bot.notes.last.channel, bob)) == ["news", "hello"]


@pytest.mark.parametrize("what", ["members", "messages"])
async def test_without_the_permission_it_says_how_to_give_it(
    what: str, teams: FakeTeams, bot: TeamsBot, ada: Member, group: Conversation
) -> None:
    channel = await heard(teams, bot, group, ada)
    if what == "members":
        teams.graph.owners.clear()
    else:
        teams.graph.readable.clear()
    with pytest.raises(UserError, match="add it again"):
        await bot.adapter.earlier(channel, 9, None, Person(ada.aad, "Ada"))
    teams.graph.let_read(group, ada)
    await teams.add_bot(group, ada)
    assert texts(await read(bot, channel, ada))[0] == "hello", "it helps at once"


async def test_each_organisation_is_asked_with_its_own_token(
    teams: FakeTeams, store: Store, ada: Member, bob: Member, group: Conversation
) -> None:
    theirs = teams.group("Theirs", bob)
    theirs.tenant = SECOND
    teams.graph.let_read(theirs, bob)
    teams.graph.say(group, ada, "<p>ours</p>")
    teams.graph.say(theirs, bob, "<p>theirs</p>")
    teams.identity.tenants.add(SECOND)
    async with TeamsBot(teams, store, teams_tenants=(SECOND,)) as bot:
        own = await heard(teams, bot, group, ada)
        other = await heard(teams, bot, theirs, bob)
        assert texts(await read(bot, own, ada)) == ["ours", "hello"]
        assert texts(await read(bot, other, bob)) == ["theirs", "hello"]
        for channel, reader in ((own, teams.person("Eve")), (other, ada)):
            with pytest.raises(UserError, match="you may read"):
                await bot.adapter.earlier(channel, 9, None, Person(reader.aad, reader.name))
        teams.identity.tenants.clear()
    signed_in = {re.split("/", call.path)[1] for call in teams.called("POST", "/oauth2/")}
    assert signed_in == {teams.tenant, SECOND}


async def test_a_chat_with_the_bot_alone_and_the_playground_have_no_history_to_read(
    teams: FakeTeams, bot: TeamsBot, store: Store, ada: Member
) -> None:
    channel = await heard(teams, bot, teams.personal(ada), ada)
    assert await bot.adapter.earlier(channel, 9, None, Person(ada.aad, "Ada")) is None
    async with FakeTeams(anonymous=True) as playground, TeamsBot(playground, store) as other:
        channel = await heard(playground, other, playground.group("A group", ada), ada)
        assert await other.adapter.earlier(channel, 9, None, Person(ada.aad, "Ada")) is None
