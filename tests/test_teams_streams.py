"""Answers in a personal chat grow letter by letter, and whatever goes wrong with that, they are whole in the end."""

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from bot.adapter import PostFailed
from bot.adapters.teams import streams
from bot.adapters.teams.adapter import _CHAT
from bot.adapters.teams.markdown import shown
from bot.adapters.teams.streams import settled
from bot.markup import close, tame
from bot.messages import Attachment, Button, Message, Reply
from bot.testing import ScriptedModel
from storage import Store
from tests.fakes.teams import Conversation, FakeTeams, Person
from tests.pictures import picture
from tests.teams_bot import TeamsBot

STOP = (Button("stop", "Stop"),)
AGAIN = (Button("regenerate", "Regenerate"), Button("good", "👍"))


@pytest.fixture
async def teams() -> AsyncIterator[FakeTeams]:
    async with FakeTeams() as teams:
        yield teams
        assert teams.leaks == []
        assert [odd for place in teams.conversations.values() for shown in place.shown for odd in shown.odd] == []


@pytest.fixture
def ada(teams: FakeTeams) -> Person:
    return teams.person("Ada")


@pytest.fixture
def chat(teams: FakeTeams, ada: Person) -> Conversation:
    return teams.personal(ada)


@pytest.fixture
async def heard(teams: FakeTeams, bot: TeamsBot, ada: Person, chat: Conversation) -> Message:
    assert (await teams.say(chat, ada, "tell me of foxes")).status == 202
    return bot.notes.last


async def begin(bot: TeamsBot, heard: Message, text: str = "…", *, nonce: str = "n1", status: bool = True) -> str:
    reply = Reply(text, buttons=STOP, running=True, status=status)
    return await bot.adapter.post(heard.channel, reply, answers=heard.id, nonce=nonce)


async def grow(bot: TeamsBot, heard: Message, message_id: str, text: str, *, status: bool = False) -> None:
    reply = Reply(close(tame(text)), buttons=STOP, running=True, status=status)
    await bot.adapter.edit(heard.channel, message_id, reply)


def kinds(teams: FakeTeams) -> list[str]:
    """What was sent, in order: parts of a stream by their kind, everything else by its method."""
    sent = [call for call in teams.calls if "/conversations/" in call.path]
    found = []
    for call in sent:
        info = [each for each in call.json.get("entities", ()) if each["type"] == "streaminfo"] if call.body else []
        found.append(info[0]["streamType"] if info else call.method)
    return found


async def test_an_answer_is_streamed_from_its_first_sign_to_its_buttons(
    teams: FakeTeams, bot: TeamsBot, heard: Message, chat: Conversation
) -> None:
    message_id = await begin(bot, heard)
    await grow(bot, heard, message_id, "Looking…", status=True)
    await grow(bot, heard, message_id, "Looking…", status=True)
    await grow(bot, heard, message_id, "Foxes are")
    assert not teams.answers(chat)[0].by_ai
    await grow(bot, heard, message_id, "Foxes are red and")
    await bot.adapter.edit(
        heard.channel, message_id, Reply("Foxes are red and quick.", footer="a model", buttons=AGAIN)
    )

    answer, card = teams.answers(chat)
    assert kinds(teams) == ["informative", "informative", "streaming", "streaming", "final", "POST"]
    assert answer.states[:-1] == ["…", "Looking…", "Foxes are", "Foxes are red and"]
    assert answer.text == "Foxes are red and quick.\n\n_a model_"
    assert (answer.by_ai, answer.buttons, card.buttons) == (True, [], ["Regenerate"])
    assert answer.activity["channelData"]["feedbackLoop"]
    assert (await teams.press(chat, chat.members[0], card, "Regenerate")).status == 200
    assert bot.notes.presses[0].message_id == message_id


async def test_what_was_streamed_can_be_changed_later(
    teams: FakeTeams, bot: TeamsBot, heard: Message, chat: Conversation
) -> None:
    message_id = await begin(bot, heard)
    await bot.adapter.edit(heard.channel, message_id, Reply("One.", buttons=AGAIN))

    await grow(bot, heard, message_id, "Tw")
    await bot.adapter.edit(heard.channel, message_id, Reply("Two.", buttons=AGAIN))

    assert [(each.text, each.buttons) for each in teams.answers(chat)] == [("Two.", []), ("", ["Regenerate"])]


async def test_what_failed_after_its_first_words_were_shown_is_whole_at_the_next_try(
    teams: FakeTeams, bot: TeamsBot, heard: Message, chat: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def locked(*_: object, **__: object) -> None:
        raise OperationalError("UPDATE", {}, sqlite3.OperationalError("database is locked"))

    sketch = (Attachment("fox.png", "image/png", picture()),)
    with monkeypatch.context() as patch:
        patch.setattr(bot.adapter.store, "note", locked)
        with pytest.raises(PostFailed):
            await bot.adapter.post(
                heard.channel, Reply("Drawing", sketch, running=True, status=True), answers=heard.id, nonce="n1"
            )

    await bot.adapter.post(heard.channel, Reply("Here is a fox."), answers=heard.id, nonce="n1")

    assert [each.text for each in teams.answers(chat)] == ["Here is a fox."]


async def test_in_a_group_nothing_is_streamed(teams: FakeTeams, bot: TeamsBot, ada: Person) -> None:
    group = teams.group("A group", ada)
    await teams.say(group, ada, "hello")
    message_id = await begin(bot, bot.notes.last)
    await grow(bot, bot.notes.last, message_id, "Foxes")

    assert kinds(teams) == ["POST", "PUT"]


async def test_the_stop_button_of_teams_stops_the_answer(
    teams: FakeTeams, bot: TeamsBot, heard: Message, chat: Conversation
) -> None:
    message_id = await begin(bot, heard)
    await grow(bot, heard, message_id, "Once upon a")
    teams.stop_stream(chat)

    await grow(bot, heard, message_id, "Once upon a time there")
    await grow(bot, heard, message_id, "Once upon a time there was")
    assert bot.notes.stopped == [(message_id, "")]
    teams.fail(403, method="PUT", code="ContentStreamNotAllowed")
    await bot.adapter.edit(heard.channel, message_id, Reply("Once upon a time", footer="Stopped."))

    assert [each.text for each in teams.answers(chat)] == ["Once upon a"], "what was seen stays"


class Slow(ScriptedModel):
    """A model that never comes to its end."""

    async def chat(self, *args: Any, **options: Any) -> AsyncGenerator[Any, None]:
        async for said in super().chat(*args, **options):
            yield said
            await asyncio.sleep(0.01)
        await asyncio.Event().wait()


async def test_the_whole_bot_stops_when_its_stop_button_is_pressed(
    teams: FakeTeams, store: Store, ada: Person, chat: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.adapters.teams.adapter._CHAT", replace(_CHAT, pace=0.05))
    async with TeamsBot(teams, store, model=Slow("Once upon a time there was a fox and more " * 20)) as bot:
        await teams.say(chat, ada, "a story")
        await teams.until(lambda: teams.answers(chat) and "Once" in teams.answers(chat)[0].text)
        teams.stop_stream(chat)
        await bot.core.idle()  # type: ignore[union-attr]

    (answer,) = teams.answers(chat)
    assert answer.text.endswith("_Stopped._")
    assert answer.text.startswith("Once upon a time")


@pytest.mark.parametrize("status", [400, 403])
async def test_what_teams_does_not_stream_is_a_message_that_is_changed(
    status: int, teams: FakeTeams, bot: TeamsBot, heard: Message, chat: Conversation
) -> None:
    teams.fail(status, method="POST", code="ContentStreamNotAllowed")

    message_id = await begin(bot, heard)
    await grow(bot, heard, message_id, "Foxes")
    await bot.adapter.edit(heard.channel, message_id, Reply("Foxes are red."))

    assert kinds(teams) == ["informative", "POST", "PUT", "PUT"]
    assert [each.text for each in teams.answers(chat)] == ["Foxes are red."]


@pytest.mark.parametrize("when", [1, 2])
async def test_a_stream_that_teams_ends_goes_on_as_a_message(
    when: int, teams: FakeTeams, bot: TeamsBot, heard: Message, chat: Conversation
) -> None:
    message_id = await begin(bot, heard)
    await grow(bot, heard, message_id, "Foxes")
    teams.stream_seconds = 0.0

    if when == 1:
        await grow(bot, heard, message_id, "Foxes are")
        assert teams.answers(chat)[0].text == "Foxes are"
    await bot.adapter.edit(heard.channel, message_id, Reply("Foxes are red."))

    assert [each.text for each in teams.answers(chat)] == ["Foxes are red."]


async def test_after_two_minutes_the_answer_goes_on_without_streaming(
    teams: FakeTeams, bot: TeamsBot, heard: Message, chat: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    message_id = await begin(bot, heard)
    monkeypatch.setattr(streams, "_SECONDS", 0.0)

    await grow(bot, heard, message_id, "Foxes are")
    await grow(bot, heard, message_id, "Foxes are red")
    await bot.adapter.edit(heard.channel, message_id, Reply("Foxes are red."))

    assert kinds(teams) == ["informative", "PUT", "PUT", "PUT"]
    assert [each.text for each in teams.answers(chat)] == ["Foxes are red."]


async def test_an_answer_that_never_ended_does_not_keep_later_ones_from_being_streamed(
    teams: FakeTeams, bot: TeamsBot, heard: Message, chat: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    await begin(bot, heard)
    await begin(bot, heard, nonce="n2")
    monkeypatch.setattr(streams, "_SECONDS", -1.0)  # the two minutes that Teams gives it are over
    chat.streams.clear()

    await begin(bot, heard, nonce="n3")

    assert kinds(teams) == ["informative", "POST", "informative"]


@pytest.mark.parametrize("after", [True, False])
async def test_an_end_whose_answer_is_lost_is_shown_once(
    after: bool, teams: FakeTeams, bot: TeamsBot, heard: Message, chat: Conversation
) -> None:
    message_id = await begin(bot, heard)
    teams.drop(method="POST", after=after)

    await bot.adapter.edit(heard.channel, message_id, Reply("Foxes are red.", buttons=AGAIN))

    assert [each.text for each in teams.answers(chat) if each.text] == ["Foxes are red."]
    assert sum(each.buttons == ["Regenerate"] for each in teams.answers(chat)) == 1


async def test_an_end_that_has_to_wait_is_waited_for(
    teams: FakeTeams, bot: TeamsBot, heard: Message, chat: Conversation
) -> None:
    message_id = await begin(bot, heard)
    teams.throttle(method="POST", retry_after=0.2, times=2)

    await bot.adapter.edit(heard.channel, message_id, Reply("Foxes are red."))

    assert kinds(teams) == ["informative", "final", "final", "final"]
    assert [each.text for each in teams.answers(chat)] == ["Foxes are red."]


async def test_a_part_that_is_lost_is_made_up_for_by_the_next(
    teams: FakeTeams, bot: TeamsBot, heard: Message, chat: Conversation
) -> None:
    message_id = await begin(bot, heard)
    teams.fail(500, method="POST")
    with pytest.raises(PostFailed):
        await grow(bot, heard, message_id, "Foxes")

    await grow(bot, heard, message_id, "Foxes are")

    assert teams.answers(chat)[0].text == "Foxes are"


async def test_an_answer_too_long_for_teams_goes_on_below_also_when_it_is_streamed(
    teams: FakeTeams, bot: TeamsBot, heard: Message, chat: Conversation
) -> None:
    message_id = await begin(bot, heard)
    teams.fail(413, method="POST", code="MessageSizeTooBig")
    teams.fail(413, method="PUT", code="MessageSizeTooBig")

    await bot.adapter.edit(heard.channel, message_id, Reply(("A fox. " * 100).strip()))

    parts = [each.text for each in teams.answers(chat)]
    assert len(parts) == 2
    assert " ".join(parts) == ("A fox. " * 100).strip(), "nothing is lost"


@pytest.mark.parametrize("refused", [False, True], ids=["changed", "ended"])
async def test_a_stream_that_was_left_open_is_closed_after_a_restart(
    refused: bool, teams: FakeTeams, store: Store, ada: Person, chat: Conversation
) -> None:
    async with TeamsBot(teams, store) as bot:
        await teams.say(chat, ada, "tell me")
        heard = bot.notes.last
        message_id = await begin(bot, heard)
        await grow(bot, heard, message_id, "Foxes are")
    async with TeamsBot(teams, store) as bot:
        if refused:  # should Teams not let a running stream be changed
            teams.fail(403, method="PUT", code="ContentStreamNotAllowed")
        await bot.adapter.edit(heard.channel, message_id, Reply("Interrupted by a restart."))
        chat.shown[-1].odd.clear()  # a word of the bot's own does not go on from what was said

    assert [each.text for each in teams.answers(chat)] == ["Interrupted by a restart."]


async def test_an_end_that_teams_calls_by_another_name_can_still_be_changed(
    teams: FakeTeams, bot: TeamsBot, heard: Message, chat: Conversation
) -> None:
    message_id = await begin(bot, heard)
    chat.streams[message_id].shown.id = "other"
    teams.fail(201, method="POST", after=True, body={"id": "other"})
    await bot.adapter.edit(heard.channel, message_id, Reply("One."))

    await bot.adapter.edit(heard.channel, message_id, Reply("Two."))

    assert [each.text for each in teams.answers(chat)] == ["Two."]


async def test_a_long_answer_is_streamed_in_parts_one_after_the_other(
    teams: FakeTeams, bot: TeamsBot, heard: Message, chat: Conversation
) -> None:
    first = await begin(bot, heard, "One ", status=False)
    await bot.adapter.edit(heard.channel, first, Reply("One one."))
    second = await begin(bot, heard, "Two", nonce="n2", status=False)
    await bot.adapter.edit(heard.channel, second, Reply("Two two."))

    assert kinds(teams) == ["streaming", "final", "streaming", "final"]
    assert [each.text for each in teams.answers(chat)] == ["One one.", "Two two."]


TEXTS = [
    "Plain words, and more of them.\n\nA second paragraph with **bold** and _italics_ in it.\n",
    "# A heading\n\ntext\n\n## Another\n- one\n- two\n  - three\n\n1. first\n2. second\n\n---\n\nend",
    "Code:\n\n```python\nprint('a|b')\n# no heading\n```\n\nand `inline <b>` code, ``too ` much``.",
    "See [it](https://example.com/a) and [1] or ![a fox](https://evil.example/x) <https://example.com> <b>x</b>!",
    "| a | b |\n|---|---|\n| 1 | 2 |\n| 3 | 4 |\n\nAfter the table.\n\nTitle\n=====\nText | with a bar.",
    "Roses are red,\nviolets are blue.\n1. one\n2. two\n+ three\n- [ ] to do\n- [x] done\n1984\nwas a year\\\nor so.",
    "> a quote\n> of two lines\n\n~~~\nother fence\n~~~\n***\nEmoji 🦊🦊 and 狐狸.",
]


@pytest.mark.parametrize("text", TEXTS)
def test_each_part_of_a_stream_contains_the_one_before(text: str) -> None:
    said, parts = "", 0
    for end in range(1, len(text) + 1):
        part = settled(close(tame(text[:end])))
        assert part.startswith(said) or said.startswith(part), f"after {said!r} came {part!r}"
        parts += len(part) > len(said)
        said = max(said, part, key=len)
    assert parts > 3, "it grows"
    assert shown(close(tame(text)).strip("\n")).startswith(said)
