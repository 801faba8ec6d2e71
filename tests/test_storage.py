"""The store keeps what it was given, loses nothing under load, and says plainly when it cannot be used."""

import asyncio
import contextlib
import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from alembic.config import Config as AlembicConfig
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, inspect, text

from bot.adapter import Limits
from bot.config import Config
from storage import File, Line, RoomMessage, Rooms, StorageError, Store, open_store
from storage.migrate import HEAD
from storage.tables import metadata
from tests.room import Room

HERE = ("web", "", "room")


async def test_an_event_is_accepted_once_however_often_it_comes(store: Store) -> None:
    numbers = await asyncio.gather(*(store.accept(HERE, "event", "{}") for _ in range(20)))
    assert len([number for number in numbers if number is not None]) == 1


async def test_the_same_event_id_in_another_channel_is_another_event(store: Store) -> None:
    assert await store.accept(HERE, "event", "{}")
    assert await store.accept(("web", "", "other"), "event", "{}")
    assert await store.accept(("web", "guild", "room"), "event", "{}")


async def test_no_update_is_lost_among_many_at_once(store: Store) -> None:
    await store.note("test", "count", {"n": 0})

    def one_more(connection: Connection) -> None:
        n = connection.execute(text("SELECT json_extract(value, '$.n') FROM notes")).scalar_one()
        connection.execute(text("UPDATE notes SET value = json_object('n', :n)"), {"n": n + 1})

    await asyncio.gather(*(store.database.write(one_more) for _ in range(200)))
    assert await store.noted("test", "count") == {"n": 200}


async def test_a_write_that_fails_is_undone_alone(store: Store) -> None:
    def half(connection: Connection) -> None:
        connection.execute(text("INSERT INTO notes (platform, name, value) VALUES ('test', 'half', '{}')"))
        raise ValueError("no")

    good = store.note("test", "good", {"n": 1})
    with pytest.raises(ValueError, match="no"):
        await asyncio.gather(store.database.write(half), good)
    assert await store.noted("test", "good") == {"n": 1}
    assert await store.noted("test", "half") is None


async def test_a_note_that_can_wait_is_known_at_once_and_kept_with_what_is_written_next(store: Store) -> None:
    with contextlib.closing(sqlite3.connect(store.database.path)) as other:
        await store.note("test", "shown", {"n": 1}, soon=True)
        assert await store.noted("test", "shown") == {"n": 1}
        await store.note("test", "next", {"n": 2})
        assert other.execute("SELECT count(*) FROM notes").fetchone() == (2,)
    await store.note("test", "shown", {"n": 3}, soon=True)
    await store.note("test", "shown", {"n": 4})
    assert await store.noted("test", "shown") == {"n": 4}


async def test_a_note_that_can_wait_does_not_wait_for_ever(config: Config) -> None:
    store = await open_store(config.database)
    await store.note("test", "shown", {"n": 1}, soon=True)
    await store.close()
    store = await open_store(config.database)
    assert await store.noted("test", "shown") == {"n": 1}
    await store.close()


async def test_a_busy_database_is_waited_for(store: Store) -> None:
    other = sqlite3.connect(store.database.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    waiting = asyncio.create_task(store.accept(HERE, "event", "{}"))
    _, pending = await asyncio.wait([waiting], timeout=0.2)
    assert pending
    other.execute("COMMIT")
    other.close()
    assert await waiting


async def test_an_answer_its_context_and_its_files_are_kept_together(store: Store) -> None:
    heard = await store.accept(HERE, "event", "{}")
    assert heard is not None
    await store.answered(
        heard,
        key=HERE,
        answer="{}",
        said=[Line("user", "Hi", "event"), Line("assistant", "Hello", "re:event")],
        used=[],
        person="ada",
        skill="chat",
        attached=[File("f", "a.png", "image/png", b"png")],
    )
    assert await store.file("f") == File("f", "a.png", "image/png", b"png")
    await store.posted(heard, 0, "m1")
    await store.finish(heard, files_too=True)
    assert [(line.role, line.text) for line in await store.history(HERE, 10)] == [
        ("user", "Hi"),
        ("assistant", "Hello"),
    ]
    await store.forget(HERE, ["m1"])  # somebody deleted the answer
    assert [line.text for line in await store.history(HERE, 10)] == ["Hi"]
    assert await store.file("f") is None  # it was delivered; the platform has it
    assert await store.undone() == []


async def test_what_is_finished_is_wiped_from_the_inbox(store: Store, config: Config) -> None:
    heard = await store.accept(HERE, "event", "my secret question")
    assert heard is not None
    await store.finish(heard)
    await store.close()
    with sqlite3.connect(store.database.path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    assert b"secret question" not in Path(store.database.path).read_bytes()


async def test_history_is_the_newest_lines_in_order_and_none_of_another_channel(store: Store) -> None:
    for number in range(30):
        for key in (HERE, ("web", "", "other")):
            heard = await store.accept(key, f"e{number}", "{}")
            assert heard is not None
            said = [Line("user", f"{key[2]} {number}")]
            await store.answered(heard, key=key, answer="{}", said=said, used=[], person="", skill="")
    assert [line.text for line in await store.history(HERE, 3)] == ["room 27", "room 28", "room 29"]


async def test_a_channels_own_settings_win_over_its_communitys(store: Store) -> None:
    await store.choose(("discord", "guild", ""), "draw", {"enabled": False, "most": 1})
    await store.choose(("discord", "guild", "art"), "draw", {"enabled": True})
    assert await store.chosen(("discord", "guild", "art"), "draw") == {"enabled": True, "most": 1}
    assert await store.chosen(("discord", "guild", "talk"), "draw") == {"enabled": False, "most": 1}
    assert await store.chosen(("discord", "elsewhere", "art"), "draw") == {}


async def test_a_room_on_the_page_keeps_its_messages_in_order_and_edits_them_in_place(store: Store) -> None:
    rooms = Rooms(store)
    now = datetime.now(UTC)
    asked = RoomMessage("1", "r", "user", "Draw a fox", now, files=("f",))
    assert await rooms.say(asked, [File("f", "x", "image/png", b"1")]) is None  # there is no such room yet
    await rooms.say(asked, [File("f", "x", "image/png", b"1")], title="Foxes")
    await rooms.show(RoomMessage("2", "r", "assistant", "Here", now, running=True, answers="1"))
    await rooms.show(RoomMessage("2", "r", "assistant", "Here it is", now, answers="1"))
    assert [(each.id, each.text, each.running) for each in await rooms.messages("r")] == [
        ("1", "Draw a fox", False),
        ("2", "Here it is", False),
    ]
    assert [room.title for room in await rooms.all()] == ["Foxes"]
    assert await rooms.remove("r") == ["1", "2"]
    assert await rooms.all() == []
    assert await store.file("f") is None


async def test_a_turn_makes_four_commits_and_one_without_a_model_three(config: Config, store: Store) -> None:
    room = Room(config, store, limits=Limits(pace=1.0))
    for words, commits in (("Hello", 4), ("help", 3)):
        await room.ask("Hi", author=words)  # what is read and written only once
        made: list[object] = []
        real = store.database.write

        async def counting(work: Any, made: list[object] = made, real: Any = real) -> Any:
            made.append(work)
            return await real(work)

        store.database.write = counting  # type: ignore[method-assign]
        await room.ask(words, author=words)
        store.database.write = real  # type: ignore[method-assign]
        assert len(made) == commits, words


# What an operator is told.


async def test_a_second_bot_on_the_same_file_is_refused(store: Store, config: Config) -> None:
    with pytest.raises(StorageError, match="Another Parley is already using"):
        await open_store(config.database)


async def test_a_file_that_is_no_database_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "letters.db"
    path.write_text("Dear diary, " * 200)
    with pytest.raises(StorageError, match=r"damaged or is not a database.*left as it is"):
        await open_store(f"sqlite:///{path}")
    assert path.read_text().startswith("Dear diary")


async def test_a_database_of_a_newer_version_is_refused_and_named(tmp_path: Path) -> None:
    path = tmp_path / "parley.db"
    store = await open_store(f"sqlite:///{path}")
    await store.close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    with pytest.raises(StorageError, match=r"newer Parley.*9999"):
        await open_store(f"sqlite:///{path}")


@pytest.mark.parametrize("url", ["postgresql://host/parley", "sqlite://", "mysql://x", "not an address"])
async def test_an_address_that_cannot_be_used_is_answered_with_one_that_can(url: str) -> None:
    with pytest.raises(StorageError, match="sqlite:///"):
        await open_store(url)


async def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"file.*PARLEY_DATA"):
        await open_store(f"sqlite:///{tmp_path}/file/parley.db")


async def test_the_migrations_make_exactly_the_tables_that_the_code_uses(store: Store) -> None:
    engine = create_engine("sqlite://")
    metadata.create_all(engine)
    migrated = create_engine(f"sqlite:///{store.database.path}")
    for name in metadata.tables:
        wanted = {(c["name"], str(c["type"]), c["nullable"]) for c in inspect(engine).get_columns(name)}
        assert {(c["name"], str(c["type"]), c["nullable"]) for c in inspect(migrated).get_columns(name)} == wanted
        indexes = {(i["name"], tuple(i["column_names"])) for i in inspect(engine).get_indexes(name)}
        assert {(i["name"], tuple(i["column_names"])) for i in inspect(migrated).get_indexes(name)} == indexes
    engine.dispose()
    migrated.dispose()


def test_the_newest_migration_is_the_one_the_code_asks_for() -> None:
    config = AlembicConfig()
    config.set_main_option("script_location", str(Path(__file__).parent.parent / "storage" / "migrations"))
    assert ScriptDirectory.from_config(config).get_current_head() == HEAD
