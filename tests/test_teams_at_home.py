"""What is otherwise in the Agents Playground, a Teams without credentials on one's own machine, and how it is begun."""

import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.adapter import AdapterOff
from bot.adapters.teams.playground import PACKAGE
from bot.adapters.teams.trying import play
from bot.messages import Attachment, Button, Reply
from storage import Store
from tests.commands import command, run
from tests.fakes.teams import Conversation, FakeTeams, Person
from tests.fakes.teams.checks import check_card
from tests.pictures import picture
from tests.teams_bot import TeamsBot

THUMBS = (Button("regenerate", "Regenerate"), Button("good", "👍"), Button("bad", "👎"))


@pytest.fixture
async def playground() -> AsyncIterator[FakeTeams]:
    async with FakeTeams(anonymous=True, place="_connector") as teams:
        yield teams
        assert teams.leaks == []


@pytest.fixture
async def bot(playground: FakeTeams, store: Store) -> AsyncIterator[TeamsBot]:
    async with TeamsBot(playground, store) as bot:
        yield bot


@pytest.fixture
def ada(playground: FakeTeams) -> Person:
    return playground.person("Ada")


async def answer(bot: TeamsBot, place: Conversation, teams: FakeTeams, person: Person, reply: Reply) -> str:
    await teams.say(place, person, "a fox?")
    heard = bot.notes.last
    return await bot.adapter.post(heard.channel, reply, answers=heard.id, nonce=heard.id[:25])


async def test_a_picture_is_shown_in_a_card(playground: FakeTeams, bot: TeamsBot, ada: Person) -> None:
    chat = playground.personal(ada)

    await answer(
        bot, chat, playground, ada, Reply("A fox.", (Attachment("fox.png", "image/png", picture(), alt="a fox"),))
    )

    shown = playground.answers(chat)[-1]
    check_card(shown.card)
    (image,) = shown.card["body"]
    assert (image["type"], image["altText"]) == ("Image", "a fox")
    assert image["url"].startswith("data:image/png;base64,")


async def test_a_thumb_that_does_not_say_for_what_is_for_the_newest_answer(
    playground: FakeTeams, bot: TeamsBot, ada: Person
) -> None:
    chat = playground.personal(ada)
    value = {"actionName": "feedback", "actionValue": {"reaction": "dislike", "feedback": "It is no fox."}}
    before = await playground.invoke(chat, ada, "message/submitAction", value)
    await answer(bot, chat, playground, ada, Reply("A cat.", buttons=THUMBS))
    newest = await answer(bot, chat, playground, ada, Reply("A dog.", buttons=THUMBS))

    given = await playground.invoke(chat, ada, "message/submitAction", value)

    assert (before.json, given.json) == ({}, {})
    assert [(each.message_id, each.action, each.words) for each in bot.notes.presses] == [
        (newest, "bad", "It is no fox.")
    ]


async def test_where_nothing_can_be_deleted_next_to_nothing_stays(
    playground: FakeTeams, bot: TeamsBot, ada: Person
) -> None:
    chat, fox = playground.personal(ada), Attachment("fox.png", "image/png", picture())
    message_id = await answer(bot, chat, playground, ada, Reply("A fox.", (fox,), buttons=THUMBS))
    playground.fail(501, method="DELETE", times=9, code="DeleteActivityAPINotImplemented")

    await bot.adapter.edit(bot.notes.last.channel, message_id, Reply("No fox any more."))

    assert [(each.text, bool(each.activity.get("attachments"))) for each in playground.answers(chat)] == [
        ("No fox any more.", False),
        ("–", False),
        ("–", False),
    ]


async def test_a_dialog_that_was_filled_in_says_that_it_is_taken(
    playground: FakeTeams, bot: TeamsBot, ada: Person
) -> None:
    value = {"commandId": "chat", "data": {"text": "hello"}}

    answered = await playground.invoke(playground.personal(ada), ada, "composeExtension/submitAction", value)

    assert answered.json == {"task": {"type": "message", "value": "I am on it."}}
    assert bot.notes.last.text == "hello"


async def test_a_page_that_is_opened_again_is_greeted_again(
    playground: FakeTeams, bot: TeamsBot, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr(bot.adapter._hearing.greets, "_clock", lambda: now)
    chat = playground.personal(ada)

    await playground.add_bot(chat, ada)
    await playground.until(lambda: len(playground.answers(chat)) == 1)
    now += 3
    await playground.add_bot(chat, ada)
    await playground.until(lambda: len(playground.answers(chat)) == 2)

    assert all("Hello, I am Parley" in each.text for each in playground.answers(chat))


async def test_in_teams_itself_the_bot_says_hello_once_and_a_thumb_names_its_answer(store: Store) -> None:
    async with FakeTeams() as teams, TeamsBot(teams, store) as bot:
        ada = teams.person("Ada")
        chat = teams.personal(ada)
        value = {"actionName": "feedback", "actionValue": {"reaction": "like", "feedback": ""}}

        for _ in range(3):
            await teams.add_bot(chat, ada)
        await answer(bot, chat, teams, ada, Reply("A fox.", buttons=THUMBS))
        thumb = await teams.invoke(chat, ada, "message/submitAction", value)

        assert (thumb.json, bot.notes.presses) == ({}, [])
        assert [each.text[:5] for each in teams.answers(chat) if each.text] == ["Hello", "A fox"]


# `parley teams try`, with something else in the place of Node.js and its programs.

LISTENS = """
import json, os, pathlib, sys, time
seen = {"argv": sys.argv[1:], "options": os.environ["NODE_OPTIONS"], "pid": os.getpid()}
pathlib.Path(__file__).with_name("seen").write_text(json.dumps(seen))
print("Listening on 56150", flush=True)
time.sleep(60)
"""
FAILS = """
import sys
sys.exit("npm error code ENOTFOUND")
"""


def programs(folder: Path, npx: str) -> str:
    """A PATH with a `node` and this `npx`."""
    folder.mkdir()
    for name, code in (("node", ""), ("npx", npx)):
        (folder / f"{name}.py").write_text(code)
        # Not as the first line of the program itself: there an interpreter's path cannot have blanks.
        (folder / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" "$0.py" "$@"\n')
        (folder / name).chmod(0o755)
    return str(folder)


async def test_one_command_starts_parley_and_the_playground_and_ends_both(tmp_path: Path) -> None:
    path = programs(tmp_path / "bin", LISTENS)
    async with command(tmp_path / "data", "teams", "try", PATH=path, NODE_OPTIONS="--no-warnings") as trying:
        on = await trying.line("  on   teams")
        invited = await trying.line("Open ")
        ended = await trying.end(by=signal.SIGINT)

    assert invited == "Open http://127.0.0.1:56150/ to talk to Parley as in Teams. Ctrl-C ends both."
    seen = json.loads((tmp_path / "bin" / "seen").read_text())
    assert seen["argv"][seen["argv"].index(PACKAGE) + 1] == "start"
    assert on.split(" at ")[1] in seen["argv"], "it talks to this Parley"
    assert {"msteams", "--disable-telemetry"} <= set(seen["argv"])
    assert seen["options"].startswith("--no-warnings --require ")
    assert seen["options"].endswith('beside.cjs"')
    assert (ended.code, "Traceback" in ended.err) == (0, False)
    with pytest.raises(ProcessLookupError):
        os.kill(seen["pid"], 0)


async def test_without_node_one_is_told_what_to_install(tmp_path: Path) -> None:
    ended = await run(tmp_path / "data", "teams", "try", PATH=str(tmp_path))

    assert ended.code == 69
    assert "needs Node.js" in ended.err
    assert "https://nodejs.org" in ended.err
    assert "Traceback" not in ended.err
    assert not (tmp_path / "data").exists(), "nothing was begun"


async def test_a_playground_that_cannot_be_had_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", programs(tmp_path / "bin", FAILS))

    with pytest.raises(AdapterOff, match=r"exit code 1\..*\nnpm error code ENOTFOUND"):
        await play(3978, lambda text: None)
