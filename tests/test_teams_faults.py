"""A connector and a sign-in server that throttle and fail: never two answers, never none, and nobody else waits."""

import asyncio
import re
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from pydantic import SecretStr

from bot.adapter import Gone, PostFailed
from bot.adapters.teams.bearer import Bearer, SignInFailed
from bot.adapters.teams.credentials import Secret
from bot.adapters.teams.wire import Wire
from bot.config import Config
from bot.conversation import INTERRUPTED
from bot.messages import Message, Reply
from bot.testing import ScriptedModel
from storage import Store
from tests.fakes.openai import FakeOpenAI
from tests.fakes.teams import Conversation, FakeTeams, Person
from tests.teams_bot import TeamsBot
from tests.test_kills import Process

SENDS = "/conversations/"


@pytest.fixture
def ada(teams: FakeTeams) -> Person:
    return teams.person("Ada")


@pytest.fixture
def group(teams: FakeTeams, ada: Person) -> Conversation:
    return teams.group("A group", ada)


async def ask(teams: FakeTeams, bot: TeamsBot, place: Conversation, person: Person) -> Message:
    assert (await teams.say(place, person, "tell me of foxes")).status == 202
    return bot.notes.last


async def say(bot: TeamsBot, heard: Message, reply: Reply, nonce: str = "n1") -> str:
    return await bot.adapter.post(heard.channel, reply, answers=heard.id, nonce=nonce)


# A post may have arrived although its answer was lost.


@pytest.mark.parametrize("status", [500, 504, 0])
async def test_an_answer_that_is_whole_from_the_start_is_never_seen_twice(
    status: int, teams: FakeTeams, bot: TeamsBot, ada: Person, group: Conversation
) -> None:
    heard = await ask(teams, bot, group, ada)
    if status:
        teams.fail(status, method="POST", after=True, times=2)
    else:
        teams.drop(method="POST", after=True, times=2)
    for _ in range(2):
        with pytest.raises(PostFailed):
            await say(bot, heard, Reply("Foxes are red."))

    await say(bot, heard, Reply("Foxes are red."))  # as the core tries again

    assert [each.text for each in teams.answers(group)] == ["…", "…", "Foxes are red."]


@pytest.mark.parametrize("personal", [True, False], ids=["streamed", "changed"])
async def test_the_beginning_of_an_answer_is_not_shown_again_and_again(
    personal: bool, teams: FakeTeams, bot: TeamsBot, ada: Person, group: Conversation
) -> None:
    place = teams.personal(ada) if personal else group
    heard = await ask(teams, bot, place, ada)
    teams.fail(504, method="POST", after=not personal, times=2)
    growing = [Reply("…", running=True, status=True), Reply("Foxes", running=True), Reply("Foxes are", running=True)]
    for reply, failure in zip(growing, (PostFailed, PostFailed, Gone), strict=True):
        with pytest.raises(failure):
            await say(bot, heard, reply)
    assert len(teams.called("POST", SENDS)) == 2

    await say(bot, heard, Reply("Foxes are red."))

    assert [each.text for each in teams.answers(place)] == [*([] if personal else ["…", "…"]), "Foxes are red."]


@pytest.mark.parametrize("body", ["<html>", {}, [1], {"id": None}], ids=str)
@pytest.mark.parametrize("personal", [True, False], ids=["streamed", "changed"])
async def test_an_answer_to_which_teams_gives_no_name_is_said_anew_when_it_is_whole(
    body: object, personal: bool, teams: FakeTeams, bot: TeamsBot, ada: Person, group: Conversation
) -> None:
    place = teams.personal(ada) if personal else group
    heard = await ask(teams, bot, place, ada)
    teams.fail(201, method="POST", after=True, body=body)
    message_id = await say(bot, heard, Reply("…", running=True, status=True))
    for text in ("Foxes", "Foxes are"):
        await bot.adapter.edit(heard.channel, message_id, Reply(text, running=True))
    assert len(teams.calls) == len(teams.called("GET", "")) + len(teams.called("POST", "")), "nothing is changed"

    await bot.adapter.edit(heard.channel, message_id, Reply("Foxes are red."))
    await bot.adapter.edit(heard.channel, message_id, Reply("Foxes are quick."))

    assert [each.text for each in teams.answers(place)] == ["…", "Foxes are quick."]


async def test_where_nothing_has_a_name_an_answer_is_not_said_twice(
    teams: FakeTeams, bot: TeamsBot, ada: Person, group: Conversation
) -> None:
    heard = await ask(teams, bot, group, ada)
    teams.fail(201, method="POST", after=True, body="<html>", times=2)
    message_id = await say(bot, heard, Reply("…", running=True, status=True))
    teams.drop(method="POST", after=True)

    for _ in range(2):
        await bot.adapter.edit(heard.channel, message_id, Reply("Foxes are red."))

    assert [each.text for each in teams.answers(group)] == ["…", "…", "Foxes are red."]


async def test_an_end_that_is_taken_but_called_an_error_is_shown_all_the_same(
    teams: FakeTeams, bot: TeamsBot, ada: Person
) -> None:
    chat = teams.personal(ada)
    heard = await ask(teams, bot, chat, ada)
    message_id = await say(bot, heard, Reply("…", running=True, status=True))
    teams.fail(202, method="POST", code="ContentStreamSequenceOrderPreConditionFailed")

    await bot.adapter.edit(heard.channel, message_id, Reply("Foxes are red."))

    assert [each.text for each in teams.answers(chat)] == ["Foxes are red."]


@pytest.mark.parametrize(
    ("times", "seen"),
    [(1, "Foxes are red."), (2, "Teams does not take it")],
    ids=["with all around it", "at all"],
)
async def test_what_teams_does_not_take_is_said_with_less(
    times: int, seen: str, teams: FakeTeams, bot: TeamsBot, ada: Person, group: Conversation
) -> None:
    heard = await ask(teams, bot, group, ada)
    message_id = await say(bot, heard, Reply("…", running=True, status=True))
    teams.fail(400, method="PUT", code="BadArgument", times=times)

    await bot.adapter.edit(heard.channel, message_id, Reply("Foxes are red."))

    (answer,) = teams.answers(group)
    assert seen in answer.text


async def test_what_cannot_be_changed_is_said_anew(
    teams: FakeTeams, bot: TeamsBot, ada: Person, group: Conversation
) -> None:
    heard = await ask(teams, bot, group, ada)
    message_id = await say(bot, heard, Reply("…", running=True, status=True))
    teams.fail(400, method="PUT", code="BadArgument", times=3)

    await bot.adapter.edit(heard.channel, message_id, Reply("Foxes are red."))
    await bot.adapter.edit(heard.channel, message_id, Reply("Foxes are quick."))

    assert [each.text for each in teams.answers(group)] == ["Foxes are quick."]


# Being told to wait.


async def test_a_wait_until_a_date_is_kept(teams: FakeTeams, bot: TeamsBot, ada: Person, group: Conversation) -> None:
    heard = await ask(teams, bot, group, ada)
    until = format_datetime(datetime.now(UTC) + timedelta(seconds=3), usegmt=True)
    teams.fail(429, method="POST", headers={"Retry-After": until})

    await say(bot, heard, Reply("…", running=True))

    first, second = teams.called("POST", SENDS)
    assert second.at - first.at > 1.5


@pytest.mark.parametrize("given", ["0", "-5", "nan", "soon"])
async def test_a_wait_for_nothing_is_no_reason_to_hammer(
    given: str, teams: FakeTeams, bot: TeamsBot, ada: Person, group: Conversation
) -> None:
    heard = await ask(teams, bot, group, ada)
    teams.fail(429, method="POST", headers={"Retry-After": given}, times=2)

    await say(bot, heard, Reply("…", running=True))

    calls = teams.called("POST", SENDS)
    assert len(calls) == 3
    assert calls[-1].at - calls[0].at > 0.5


# The sign-in server.


async def test_one_sign_in_serves_everybody_who_waits(teams: FakeTeams, store: Store, ada: Person) -> None:
    held = teams.hold(path="oauth2")
    chats = [teams.personal(ada) for _ in range(20)]
    async with TeamsBot(teams, store) as bot:
        heard = [await ask(teams, bot, chat, ada) for chat in chats]
        saying = [asyncio.create_task(say(bot, each, Reply("Red."))) for each in heard]
        await teams.until(lambda: held.hits)
        held.release()
        await asyncio.gather(*saying)

    assert len(teams.called("POST", "oauth2")) == 1
    assert all([each.text for each in teams.answers(chat)] == ["Red."] for chat in chats)


async def test_a_failed_sign_in_is_everybodys(
    teams: FakeTeams, store: Store, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.adapters.teams.connector._PAUSES", (0.2,))
    chats = [teams.personal(ada) for _ in range(20)]
    away = teams.fail(503, path="oauth2", times=1000)
    async with TeamsBot(teams, store) as bot:
        heard = [await ask(teams, bot, chat, ada) for chat in chats]
        began = time.monotonic()
        saying = [asyncio.create_task(say(bot, each, Reply("Red."))) for each in heard]
        await asyncio.wait(saying, timeout=1.5)
        assert away.hits <= 2 + (time.monotonic() - began) / 0.5
        assert bot.adapter.trouble
        teams.faults.clear()
        await asyncio.gather(*saying)
        assert not bot.adapter.trouble

    assert all([each.text for each in teams.answers(chat)] == ["Red."] for chat in chats)


@pytest.mark.parametrize("hangs", [False, True])
async def test_a_token_is_used_to_its_end_while_there_is_no_new_one(hangs: bool, teams: FakeTeams) -> None:
    now = [0.0]
    wire = Wire()
    await wire.open()
    secret = Secret(teams.origin, teams.tenant, teams.app_id, SecretStr(teams.password))
    bearer = Bearer(wire, secret, "https://api.botframework.com/.default", clock=lambda: now[0])
    try:
        token = await bearer.token()
        teams.hold(path="oauth2") if hangs else teams.fail(500, path="oauth2", times=100)
        now[0] = 3400.0  # it is time for a new one, and this one is good for 200 seconds more
        assert await bearer.token() == token
        if not hangs:
            now[0] = 3601.0
            with pytest.raises(SignInFailed):
                await bearer.token()
        teams.faults.clear()
        now[0] = 3650.0
        assert await bearer.token() != token
    finally:
        await bearer.close()
        await wire.close()


@pytest.mark.parametrize(
    "answer",
    ["<html>", {"access_token": 5, "expires_in": 3600}, {"access_token": "a\r\nX: y", "expires_in": 3600}, []],
    ids=str,
)
async def test_what_is_no_token_is_never_sent_anywhere(
    answer: object,
    teams: FakeTeams,
    store: Store,
    ada: Person,
    group: Conversation,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("bot.adapters.teams.connector._PAUSES", (0.2,))
    teams.fail(200, path="oauth2", times=2, body=answer)
    async with TeamsBot(teams, store) as bot:
        await say(bot, await ask(teams, bot, group, ada), Reply("Red."))

    assert {call.authorization for call in teams.called("POST", SENDS)} == {f"Bearer {teams.identity.given[0]}"}


async def test_a_token_that_is_always_refused_is_not_fetched_for_every_request(
    teams: FakeTeams, bot: TeamsBot, ada: Person, capsys: pytest.CaptureFixture[str]
) -> None:
    chats = [teams.group("A group", ada) for _ in range(10)]
    heard = [await ask(teams, bot, chat, ada) for chat in chats]
    teams.fail(401, path=SENDS, times=1000)
    for each in heard:
        with pytest.raises(PostFailed, match="401"):
            await say(bot, each, Reply("Red."))

    assert len(teams.identity.given) <= 3
    assert capsys.readouterr().out.count("TEAMS_APP_ID") == 1
    assert "refuses" in bot.adapter.trouble
    teams.faults.clear()
    await say(bot, heard[0], Reply("Red."))
    assert not bot.adapter.trouble


# The whole bot.


async def test_each_question_is_answered_once_and_in_order_although_a_third_of_all_requests_fails(
    teams: FakeTeams, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.later.RETRY_SECONDS", (0.3,) * 60)
    monkeypatch.setattr("bot.later.SOON_SECONDS", (0,) * 5)
    monkeypatch.setattr("bot.adapters.teams.connector._PAUSES", (0.05,))
    people = [teams.person(name) for name in ("Ada", "Grace", "Edsger", "Barbara")]
    chats = [teams.personal(people[0]), teams.personal(people[1]), *(teams.group("A", each) for each in people[2:])]

    def reply(prompts: object) -> str:
        (*_, number) = re.findall(r"question (\d)", str(prompts))
        return f"That was {number}."

    for number in range(12):
        place = re.escape(chats[number % 4].id)
        if number % 3 == 0:
            teams.drop(method="POST", path=place, after=number % 2 == 0)
        elif number % 3 == 1:
            teams.fail(503, path=place)
        else:
            teams.throttle(path=place, retry_after=0.1)
    async with TeamsBot(teams, store, model=ScriptedModel(reply)) as bot:
        assert bot.core is not None
        for number in range(3):
            for person, chat in zip(people, chats, strict=True):
                assert (await teams.say(chat, person, f"question {number}")).status == 202
            await bot.core.idle()

        def said(chat: Conversation) -> list[str]:
            return [each.text for each in teams.answers(chat) if each.text not in ("", "…")]

        whole = ["That was 0.", "That was 1.", "That was 2."]
        await teams.until(lambda: all(len(said(chat)) >= 3 for chat in chats), within=20)
        assert [said(chat) for chat in chats] == [whole] * 4


async def test_an_answer_that_nobody_could_be_shown_for_long_says_that_it_comes_late(
    teams: FakeTeams, store: Store, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.later.RETRY_SECONDS", (0.2,) * 60)
    monkeypatch.setattr("bot.conversation.LATE_SECONDS", 0.5)
    monkeypatch.setattr("bot.adapters.teams.showing.PATIENCE", 0.2)
    monkeypatch.setattr("bot.adapters.teams.showing.PATIENCE_RUNNING", 0.1)
    monkeypatch.setattr("bot.adapters.teams.streams.PATIENCE_RUNNING", 0.1)
    chat = teams.personal(ada)
    away = teams.fail(503, path="oauth2", times=1000)
    async with TeamsBot(teams, store, model=ScriptedModel("Foxes are red.")) as bot:
        answered = await teams.say(chat, ada, "tell me of foxes")
        assert answered.status == 202, "it is kept until it can be answered"
        await teams.until(lambda: away.hits > 3)
        teams.faults.clear()
        await teams.until(lambda: "late" in "".join(each.text for each in teams.answers(chat)))
        assert bot.core is not None
        await bot.core.idle()

    (said,) = [each.text for each in teams.answers(chat) if each.text]
    assert said.startswith("Foxes are red.")


async def test_a_connector_that_hangs_does_not_keep_the_bot_from_stopping(teams: FakeTeams, config: Config) -> None:
    ada = teams.person("Ada")
    chat = teams.personal(ada)
    held = teams.hold(method="POST")
    async with FakeOpenAI() as openai:
        openai.reply_with("Foxes are red.")
        models = {"OPENAI_BASE_URL": openai.url, "OPENAI_API_KEY": openai.key}
        environment = {**teams.environment(), **models, "PORT": "0", "PARLEY_DRAIN_SECONDS": "1"}
        process = Process(environment, config.folder)
        try:
            await process.start()
            teams.bot_url = f"{process.address}/api/messages"
            assert (await teams.say(chat, ada, "tell me of foxes")).status == 202
            await teams.until(lambda: held.hits)
            began = time.monotonic()
            await process.stop()
            assert time.monotonic() - began < 20
            teams.faults.clear()
            await process.start()
            await teams.until(lambda: [each for each in teams.answers(chat) if len(each.text) > 1], within=20)
            await process.stop()
        finally:
            await process.close()
    said = [each.text for each in teams.answers(chat) if len(each.text) > 1]
    assert said in (["Foxes are red."], [INTERRUPTED])
