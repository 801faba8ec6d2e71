"""A reply is about what it replies to, with its pictures: in a chat of one's own, in a group, and below a post."""

import html
from datetime import UTC, datetime, timedelta

import pytest

from bot.adapters.teams import quoting
from bot.errors import UserError
from bot.messages import Attachment, Message, Reply
from bot.testing import ScriptedModel
from storage import Store
from tests.fakes.teams import Conversation, FakeTeams, Person
from tests.fakes.teams.world import Json, Shown
from tests.pictures import picture as drawn
from tests.teams_bot import TeamsBot


@pytest.fixture
def ada(teams: FakeTeams) -> Person:
    return teams.person("Ada")


@pytest.fixture
def bob(teams: FakeTeams) -> Person:
    return teams.person("Bob")


@pytest.fixture
def group(teams: FakeTeams, ada: Person, bob: Person) -> Conversation:
    group = teams.group("Foxes", ada, bob)
    teams.graph.let_read(group, ada, bob)
    return group


def put_in(teams: FakeTeams, place: Conversation, message: str, content: bytes) -> str:
    """A picture as a part of a message's HTML."""
    start = teams.graph.place(place)
    inside = f"{start}/channels/{place.channel}" if place.kind == "channel" else start
    path = f"{inside}/messages/{message}/hostedContents/{len(content)}"
    teams.graph.hosted[path] = content
    return f'<p>Look!<img alt="a" src="{teams.origin}/graph/v1.0/{path}/$value"></p>'


def quote_of(message: Json, author: str) -> Shown:
    return Shown(str(message["id"]), author, False, {}, ["Look!"])


async def pictures(bot: TeamsBot, message: Message) -> list[bytes]:
    assert message.quote is not None
    return [await bot.adapter.read(message.channel, each, 10_000) for each in message.quote.attachments]


async def test_a_reply_to_ones_own_picture_shows_it_to_the_model_again(
    teams: FakeTeams, store: Store, ada: Person
) -> None:
    chat, model = teams.personal(ada), ScriptedModel("A fox.", "Red.")
    async with TeamsBot(teams, store, model=model) as bot:
        await teams.say(chat, ada, "What is this?", attachments=[teams.picture(drawn())])
        await bot.core.idle()  # type: ignore[union-attr]
        await teams.say(chat, ada, "And what colour is it?", quote=chat.shown[0])
        await bot.core.idle()  # type: ignore[union-attr]

    first, second = ([picture for prompt in asked for picture in prompt.pictures] for asked in model.asked)
    assert len(first) == len(second) == 1
    assert teams.answers(chat)[-2].text.startswith("Red.")


async def test_a_reply_to_an_answer_quotes_more_of_it_than_teams_does(
    teams: FakeTeams, store: Store, ada: Person
) -> None:
    """Teams passes on its beginning only; what is in the context anyway is not shown twice in full."""
    answer = " ".join(f"point {number}" for number in range(60))
    chat, model = teams.personal(ada), ScriptedModel(answer, "Because.")
    async with TeamsBot(teams, store, model=model) as bot:
        await teams.say(chat, ada, "What is there to know?")
        await bot.core.idle()  # type: ignore[union-attr]
        await teams.say(chat, ada, "Why the last one?", quote=teams.answers(chat)[0])
        await bot.core.idle()  # type: ignore[union-attr]
    assert "point 30" in model.asked[-1][-1].text


async def test_a_reply_to_a_drawn_picture_is_a_reply_to_the_answer_that_it_stands_below(
    teams: FakeTeams, bot: TeamsBot, store: Store, ada: Person
) -> None:
    chat = teams.personal(ada)
    await teams.say(chat, ada, "draw a fox")
    heard = bot.notes.last
    said = await bot.adapter.post(
        heard.channel, Reply("Here:", (Attachment("fox.png", "image/png", drawn()),)), answers=heard.id, nonce="1"
    )
    _, picture = teams.answers(chat)
    async with TeamsBot(teams, store) as again:
        await teams.say(chat, ada, "make it blue", quote=picture)
        assert again.notes.last.quote is not None
        assert again.notes.last.quote.id == said
        await again.adapter.remove(heard.channel, said)
        await teams.say(chat, ada, "make it green", quote=picture)
        assert again.notes.last.quote.id == picture.id, "there is no such answer any more"


async def test_in_a_group_a_reply_to_somebodys_picture_asks_about_that_picture(
    teams: FakeTeams, bot: TeamsBot, ada: Person, bob: Person, group: Conversation
) -> None:
    markup = put_in(teams, group, "17", b"\x89PNG fox")
    shown = teams.graph.say(group, bob, markup, id="17")
    await teams.say(group, ada, "What is it?", quote=quote_of(shown, "Bob"))

    heard = bot.notes.last
    assert heard.quote is not None
    assert heard.quote.author is not None
    assert (heard.quote.text, heard.quote.author.id, heard.attachments) == ("Look!", bob.aad, ())
    assert await pictures(bot, heard) == [b"\x89PNG fox"]


async def test_the_first_question_below_a_post_is_about_that_post(
    teams: FakeTeams, store: Store, ada: Person, bob: Person
) -> None:
    thread, model = teams.thread("Foxes", ada, bob), ScriptedModel("A fox.", "A red fox.", "I said so.")
    root = thread.id.partition("=")[2]
    teams.graph.let_read(thread, ada, bob)
    teams.graph.begin(thread, bob, put_in(teams, thread, root, drawn()))
    async with TeamsBot(teams, store, model=model) as bot:
        question = await teams.say(thread, ada, "What is on this?")
        await bot.core.idle()  # type: ignore[union-attr]
        await teams.change(thread, ada, question.id, "What is on this picture?")
        await bot.core.idle()  # type: ignore[union-attr]
        asked = len(teams.called("GET", "/messages/"))
        await teams.say(thread, ada, "Are you sure?")
        await bot.core.idle()  # type: ignore[union-attr]

    assert [sum(len(prompt.pictures) for prompt in asked) for asked in model.asked] == [1, 1, 0]
    assert "Look!" in str(model.asked[0])
    assert len(teams.called("GET", "/messages/")) == asked, "by then it is known what it is about"


async def test_a_picture_that_teams_keeps_to_itself_is_read_through_graph_or_asked_for(
    teams: FakeTeams, bot: TeamsBot, ada: Person, group: Conversation
) -> None:
    """In a channel the bot is sent only an address that it may not read."""
    kept = [
        {"contentType": "text/html", "content": '<img src="https://eu-api.asm.skype.com/v1/objects/0-x/views/imgo">'}
    ]
    smiley = [{"contentType": "text/html", "content": '<img src="https://statics.teams.cdn.office.net/smile.png">'}]
    fresh = teams.message(group, ada, "What is this?")
    teams.graph.say(group, ada, put_in(teams, group, fresh["id"], b"\x89PNG fox"), id=fresh["id"], ago=0)

    await teams.deliver(fresh | {"attachments": kept})
    (picture,) = bot.notes.last.attachments
    assert await bot.adapter.read(bot.notes.last.channel, picture, 1000) == b"\x89PNG fox"

    teams.graph.readable.clear()
    await teams.say(group, ada, "And this?", attachments=kept)
    (picture,) = bot.notes.last.attachments
    with pytest.raises(UserError, match="personal chat"):
        await bot.adapter.read(bot.notes.last.channel, picture, 1000)
    await teams.say(group, ada, "Fine", attachments=smiley)
    assert bot.notes.last.attachments == ()


async def test_a_quote_shows_nobody_what_they_may_not_read(
    teams: FakeTeams, bot: TeamsBot, ada: Person, bob: Person, group: Conversation
) -> None:
    """An id can be made up: of what was said before one came, or in a chat that one is not in."""
    joined = (datetime.now(UTC) - timedelta(seconds=50)).isoformat().replace("+00:00", "Z")
    teams.graph.since[f"chats/{group.id}", bob.aad] = joined
    before = teams.graph.say(group, ada, "<p>a secret about Bob</p>", ago=80)
    await teams.say(group, ada, "hm?", quote=quote_of(before, "Ada"))
    assert bot.notes.last.quote is not None
    assert bot.notes.last.quote.text == "a secret about Bob"
    for person in (bob, teams.person("Eve")):
        group.members.append(person)
        await teams.say(group, person, "hm?", quote=quote_of(before, "Ada"))
        assert bot.notes.last.quote is not None
        assert bot.notes.last.quote.text == "Look!", "as it came"
    await teams.say(group, ada, "hm?", quote=Shown("../../x", "Ada", False, {}, ["Look!"]))
    assert not [call for call in teams.calls if "x" in call.path.rpartition("/messages")[2].split("/")]


@pytest.mark.parametrize(
    "path",
    [
        "chats/{other}/messages/1/hostedContents/2/$value",
        "chats/{other}/messages/1/hostedContents/2/chats/{own}/messages/3/hostedContents/4/$value",
        "chats/{own}/messages/1/../../../{other}/messages/1/hostedContents/2/$value",
        "chats/{own}/messages/1/%2e%2e/%2e%2e/%2e%2e/chats/{other}/messages/1/hostedContents/2/$value",
        "teams/t/channels/{own}/messages/1/hostedContents/2/$value",
    ],
)
async def test_pictures_of_other_conversations_cannot_be_shown_here(
    path: str, teams: FakeTeams, bot: TeamsBot, ada: Person, group: Conversation
) -> None:
    """Whoever writes a message could name a picture of a chat that they are not in, but the bot is."""
    other = teams.group("Secret", teams.person("Eve"))
    place = path.format(own=group.id, other=other.id)
    for each in (place, place.removesuffix("/$value"), f"chats/{other.id}/messages/1/hostedContents/2"):
        teams.graph.hosted[each] = b"secret"
    source = html.escape(f"{teams.origin}/graph/v1.0/{place}")
    await teams.say(group, ada, "?", attachments=[{"contentType": "text/html", "content": f'<img src="{source}">'}])
    for each in bot.notes.last.attachments:
        with pytest.raises(UserError):
            await bot.adapter.read(bot.notes.last.channel, each, 1000)


async def test_who_asks_does_not_wait_long_for_what_they_quote(
    teams: FakeTeams, bot: TeamsBot, ada: Person, bob: Person, group: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quoting, "_SECONDS", 0.1)
    shown = teams.graph.say(group, bob, "<p>long ago</p>")
    held = teams.hold(path="/graph/")
    answered = await teams.say(group, ada, "hm?", quote=quote_of(shown, "Bob"))
    held.release()
    assert (answered.status, answered.seconds < 5) == (202, True)
    assert bot.notes.last.quote is not None
    assert bot.notes.last.quote.text == "Look!"
