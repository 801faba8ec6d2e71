"""What is kept, for how long, and that it is gone when it should be: by age, by number, or on somebody's word."""

import asyncio
import json
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, text

from bot.config import Config
from bot.messages import Person
from storage import Bill, Kept, Line, Store, erase, purge
from tests.commands import run
from tests.room import Room, Stepwise

HERE = ("fake", "guild", "general")
TABLES = (
    *("lines", "inbox", "posts", "answers", "files", "feedback", "bills", "summaries", "settings", "notes", "uploads"),
)


async def said(store: Store, days: float, what: str, *, key: tuple[str, str, str] = HERE, person: str = "ada") -> int:
    """A question that was asked and answered so many days ago."""
    at = datetime.now(UTC) - timedelta(days=days)
    heard = await store.accept(key, what, "{}", person)
    assert heard is not None
    await store.answered(
        heard,
        key=key,
        answer="{}",
        said=[Line("user", what, what, person, person, at), Line("assistant", f"re {what}", f"re:{what}", at=at)],
        used=[Bill("p", "m", "chat", 1, 1, cost=5)],
        person=person,
        skill="chat",
    )
    await store.finish(heard)

    def then(connection: Connection) -> None:
        connection.execute(text("UPDATE inbox SET received_at = :at WHERE id = :id"), {"at": _stored(at), "id": heard})
        connection.execute(
            text("UPDATE bills SET at = :at WHERE id = (SELECT max(id) FROM bills)"), {"at": _stored(at)}
        )

    await store.database.write(then)
    return heard


def _stored(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S.%f")


async def rows(store: Store, table: str) -> list[Any]:
    def work(connection: Connection) -> list[Any]:
        return list(connection.execute(text(f"SELECT * FROM {table}")))

    return await store.database.read(work)


async def texts(store: Store, key: tuple[str, str, str] = HERE) -> list[str]:
    return [line.text for line in await store.history(key, 100) if line.role == "user"]


async def test_what_is_older_than_a_month_is_forgotten_and_what_is_younger_stays(store: Store) -> None:
    for days in (500, 40, 31, 29, 1):
        await said(store, days, f"{days} days")
    assert await texts(store) == ["500 days", "40 days", "31 days", "29 days", "1 days"]
    await purge(store, Kept())
    assert await texts(store) == ["29 days", "1 days"]
    assert len(await rows(store, "inbox")) == 2
    bills = await rows(store, "bills")
    assert [(bill.person, bill.cost) for bill in bills] == [("", 5), ("", 5), ("ada", 5), ("ada", 5)]
    assert not await purge(store, Kept()), "there is nothing left to do"


async def test_a_question_that_is_still_to_be_answered_is_never_purged(store: Store) -> None:
    heard = await store.accept(HERE, "old", "{}")
    await said(store, 1, "new")

    def then(connection: Connection) -> None:
        connection.execute(text("UPDATE inbox SET received_at = '2001-01-01 00:00:00.0' WHERE id = :id"), {"id": heard})

    await store.database.write(then)
    await purge(store, Kept())
    assert [each.id for each in await store.undone()] == [heard]


async def test_a_channel_keeps_its_newest_messages_only(store: Store) -> None:
    for number in range(20):
        await said(store, 1, f"{number}")
        await said(store, 1, f"{number}", key=("fake", "guild", f"quiet{number}"))
    await purge(store, Kept(messages=6))
    assert await texts(store) == ["17", "18", "19"]
    assert await texts(store, ("fake", "guild", "quiet3")) == ["3"]


async def test_a_clock_that_jumps_ahead_does_not_wipe_everything(store: Store) -> None:
    for days in (40, 29.5, 20, 10):
        await said(store, days, f"{days}")
    await purge(store, Kept())
    for ahead in (timedelta(days=1), timedelta(days=4000)):
        await purge(store, Kept(), datetime.now(UTC) + ahead)
        assert await texts(store) == ["20", "10"]
    await purge(store, Kept(), datetime(1970, 1, 1, tzinfo=UTC))
    assert await texts(store) == ["20", "10"]


async def test_purging_many_takes_small_bites_and_leaves_nothing_in_the_files(store: Store) -> None:
    for number in range(450):
        await said(store, 60, f"secret {number}")
    writes = []
    real = store.database.write

    async def counting(work: Any) -> Any:
        writes.append(work)
        return await real(work)

    store.database.write = counting  # type: ignore[method-assign]
    gone = await purge(store, Kept())
    assert (gone["lines"], gone["inbox"]) == (900, 449)
    assert len(writes) >= 8
    assert await texts(store) == []
    path = Path(store.database.path)
    assert b"re secret" not in path.read_bytes() + path.with_name(path.name + "-wal").read_bytes()


async def test_a_person_gets_everything_that_is_kept_of_them_and_nothing_of_others(room: Room) -> None:
    await room.ask("My name is Ada.", tenant="guild", kind="channel")
    await room.ask("I am Bob.", author="Bob", tenant="guild", kind="channel")
    await room.ask("Between us", channel="dm")
    channel = room.adapter.message("").channel
    given = json.loads(await room.dispatch.export(Person("ada", "Ada"), channel))
    assert [(each["text"], each["answer"]) for each in given["said"]] == [
        ("My name is Ada.", "You said: Ada: My name is Ada."),
        ("Between us", "You said: Between us"),
    ]
    assert (given["used"][0]["calls"], len(given["asked"])) == (2, 2)
    assert "Bob" not in json.dumps(given)


async def test_a_person_is_forgotten_everywhere_and_others_are_not(room: Room, store: Store) -> None:
    for channel in ("one", "two"):
        await room.ask("My name is Ada Lovelace.", channel=channel, kind="channel")
        await room.ask("I am Bob.", author="Bob", channel=channel, kind="channel")
    where = room.adapter.message("").channel
    assert await room.dispatch.forget(Person("ada", "Ada"), where) == 4
    await room.ask("Who is here?", author="Bob", channel="one", kind="channel")
    assert not any("Lovelace" in prompt.text for prompt in room.model.asked[-1])  # type: ignore[attr-defined]
    assert any("I am Bob." in prompt.text for prompt in room.model.asked[-1])  # type: ignore[attr-defined]
    for table in TABLES:
        assert not [row for row in await rows(store, table) if "Lovelace" in str(row) or "'ada'" in str(row)], table
    assert len(await rows(store, "bills")) == 5, "what was paid stays paid"
    path = Path(store.database.path)
    assert b"Lovelace" not in path.read_bytes() + path.with_name(path.name + "-wal").read_bytes()


async def test_what_is_being_answered_to_somebody_who_is_forgotten_ends(config: Config, store: Store) -> None:
    model = Stepwise("Dear ", "Ada")
    async with Room(config, store, model=model) as room:
        message = room.adapter.message("My name is Ada Lovelace.")
        await room.dispatch.heard(message)
        model.steps.release()
        await room.adapter.until(lambda: bool(room.adapter.answers_to(message)))
        await room.dispatch.forget(message.author, message.channel)
        await room.dispatch.idle()
        assert await store.history(message.channel.key, 9) == []
        assert await store.undone() == []
        assert not room.adapter.answers_to(message)[0].running


async def test_a_note_goes_when_its_time_is_over_and_one_for_good_stays(store: Store) -> None:
    for name, days in (("gone", -0.1), ("soon", 0.1), ("later", 30.0), ("for good", None)):
        await store.note("fake", name, {"name": name}, days=days)
    await store.note("fake", "soon", {"name": "soon"}, days=3)  # noted again, it lasts longer
    assert (await purge(store, Kept()))["notes"] == 1
    assert [await store.noted("fake", name) is None for name in ("gone", "soon", "later")] == [True, False, False]
    for night in range(1, 20):
        await purge(store, Kept(), datetime.now(UTC) + timedelta(days=2 * night))
    assert [row.name for row in await rows(store, "notes") if row.platform] == ["for good"]


async def test_what_adapters_noted_of_a_person_goes_with_them(store: Store) -> None:
    """Notes about their own chat and about answers to them; not those about others, nor about the room they share."""
    private, shared = ("fake", "guild", "dm"), ("fake", "guild", "general")
    for person, number in (("ada", 1), ("bob", 2)):
        heard = await store.accept(shared, f"q{number}", "{}", person)
        assert heard is not None
        await store.posted(heard, 0, f"a{number}")
        await store.finish(heard)
        await store.note("fake", f"files a{number}", {}, tenant="guild", channel="general", message=f"a{number}")
    await store.accept(private, "q3", "{}", "ada", direct=True)
    await store.note("fake", "the way to ada", {}, tenant="guild", channel="dm")
    await store.note("fake", "the way here", {}, tenant="guild", channel="general")
    await store.note("fake", "something else", {})

    await erase(store, "fake", "ada")

    left = sorted(row.name for row in await rows(store, "notes") if row.platform == "fake")
    assert left == ["files a2", "something else", "the way here"]


async def test_a_community_that_was_left_is_forgotten_unless_the_bot_came_back(room: Room, store: Store) -> None:
    for tenant in ("left", "back", "stays"):
        await said(store, 1, "Hi", key=("fake", tenant, "general"))
        await store.choose(("fake", tenant, ""), "draw", {"most": 1})
        await store.note("fake", f"the way to {tenant}", {}, tenant=tenant, channel="general")
        await room.dispatch.left("fake", tenant, back=tenant == "stays")
    await room.dispatch.left("fake", "back", back=True)
    await purge(store, Kept())
    for _ in range(20):  # nights
        await purge(store, Kept(days=300), datetime.now(UTC) + timedelta(days=1000))
        await asyncio.sleep(0)
    assert await texts(store, ("fake", "left", "general")) == ["Hi"], "a clock far ahead counts for two days a night"
    await purge(store, Kept(days=1), datetime.now(UTC) + timedelta(days=1000))
    assert await texts(store, ("fake", "left", "general")) == []
    assert await store.chosen(("fake", "left", "general"), "draw") == {}
    assert await store.chosen(("fake", "back", "general"), "draw") == {"most": 1}
    assert [await store.noted("fake", f"the way to {each}") for each in ("left", "back", "stays")] == [None, {}, {}]
    assert await store.chosen(("fake", "stays", "general"), "draw") == {"most": 1}


async def test_an_operator_can_export_and_forget_a_person(room: Room, store: Store, config: Config) -> None:
    await room.ask("My name is Ada Lovelace.")
    await store.close()

    async def parley(*words: str) -> str:
        ended = await run(config.folder, *words)
        assert ended.code == 0, ended.err
        return ended.out

    mistaken = await run(config.folder, "forget", "Fake", "ada")
    assert mistaken.code == 64
    assert mistaken.err.startswith("There is no platform “Fake”. It is one of: console, discord,")
    assert "Ada Lovelace" in await parley("export", "fake", "ada")
    assert (await parley("forget", "fake", "ada")).startswith("Forgotten: 2 lines of conversation")
    assert json.loads(await parley("export", "fake", "ada"))["said"] == []
    with sqlite3.connect(store.database.path) as connection:
        assert connection.execute("SELECT count(*) FROM lines").fetchone() == (0,)
    connection.close()
