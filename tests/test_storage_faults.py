"""When the disk is full, locked, damaged, or an upgrade fails half-way: nothing is lost, and people are told."""

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config as AlembicConfig
from sqlalchemy import Connection, text
from sqlalchemy.exc import DatabaseError, OperationalError

from bot.config import Config
from bot.conversation import NOT_STORED
from storage import StorageError, Store, open_store
from tests.room import Room, Stepwise

HERE = ("fake", "", "general")


async def full(store: Store) -> None:
    """The disk is full from now on."""

    def no_more_pages(connection: Connection) -> None:
        connection.execute(text("PRAGMA max_page_count = 1"))

    await store.database.write(no_more_pages)


async def room_again(store: Store) -> None:
    """Somebody has made room on the disk."""

    def pages(connection: Connection) -> None:
        connection.execute(text("PRAGMA max_page_count = 1000000"))

    await store.database.write(pages)
    store.database.trouble = "as it was"  # that was no proof


async def test_a_full_disk_is_told_to_people_and_operators_and_is_over_when_it_is_over(
    config: Config, store: Store
) -> None:
    model = Stepwise("one ", "two")
    async with Room(config, store, model=model) as room:
        running = room.adapter.message("Hi", channel="running")
        await room.dispatch.heard(running)
        model.steps.release()
        await room.adapter.until(lambda: bool(room.adapter.answers_to(running)))
        await full(store)
        refused = room.adapter.message("Hello? " + "x" * 100_000)
        with pytest.raises(OperationalError, match="full"):
            await room.dispatch.heard(refused)
        assert [reply.text for reply in room.adapter.answers_to(refused)] == [NOT_STORED]
        assert "no room left on the disk" in store.trouble
        with pytest.raises(OperationalError):
            await store.ping()
        model.steps.release()
        await room.dispatch.idle()
        assert room.adapter.answers_to(running)[0].text.startswith("one two")
        await room_again(store)
        await store.ping()
        assert store.trouble == ""
        for _ in range(2):
            model.steps.release()
        assert (await room.ask("And now?")).text == "one two"


async def test_a_turn_that_storage_fails_ends_with_a_word_and_without_a_model(
    config: Config, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Room(config, store) as room:
        real = store.begin

        async def failing(*args: object) -> None:
            raise OperationalError("UPDATE", {}, sqlite3.OperationalError("database is locked"))

        monkeypatch.setattr(store, "begin", failing)
        monkeypatch.setattr(store, "answered", failing)
        monkeypatch.setattr(store, "finish", failing)
        assert (await room.ask("Hi")).text == NOT_STORED
        assert room.model.asked == []  # type: ignore[attr-defined]
        monkeypatch.setattr(store, "begin", real)
        monkeypatch.undo()
        assert (await room.ask("Hi", channel="elsewhere")).text == "You said: Hi"


@pytest.fixture
async def impatient(config: Config, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Store]:
    monkeypatch.setattr("storage.engine._BUSY_SECONDS", 0.3)
    store = await open_store(config.database)
    yield store
    await store.close()


async def test_a_database_that_stays_locked_fails_its_writes_all_at_once(impatient: Store) -> None:
    with contextlib.closing(sqlite3.connect(impatient.database.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        writes = [asyncio.create_task(impatient.accept(HERE, f"{number}", "{}")) for number in range(30)]
        async with asyncio.timeout(5):  # not thirty times as long as one
            failed = await asyncio.gather(*writes, return_exceptions=True)
        assert all(isinstance(error, OperationalError) for error in failed)
        assert "keeps" in impatient.trouble
        other.execute("ROLLBACK")
    assert await impatient.accept(HERE, "1", "{}")
    assert impatient.trouble == ""


async def test_a_page_that_is_damaged_while_it_runs_is_named_and_nothing_is_made_anew(
    config: Config, store: Store
) -> None:
    for number in range(50):
        await store.accept(HERE, f"{number}", "x" * 3000)
    await store.database.checkpoint()
    path = Path(store.database.path)
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    path.write_bytes(content)

    def forget_pages(connection: Connection) -> None:
        connection.execute(text("PRAGMA cache_size = 1"))
        connection.execute(text("PRAGMA shrink_memory"))

    await store.database.write(forget_pages)
    with pytest.raises(DatabaseError):
        await store.accept(HERE, "e", "x")
    assert "damaged" in store.trouble
    async with Room(config, store) as room:
        message = room.adapter.message("Hi")
        with pytest.raises(DatabaseError):
            await room.dispatch.heard(message)
        assert [reply.text for reply in room.adapter.answers_to(message)] == [NOT_STORED]
    assert path.read_bytes()[8192:12288] == b"\xff" * 4096


# Upgrades.


def at_version(path: Path, version: str) -> None:
    """A database as an earlier version left it, with a question in it."""
    config = AlembicConfig()
    config.set_main_option("script_location", str(Path(__file__).parent.parent / "storage" / "migrations"))
    config.attributes["path"] = path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    command.upgrade(config, version)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(
            "INSERT INTO inbox VALUES (7, 'fake', '', 'all', 'e', 'received', 0, '2026-01-01 00:00:00.0', '{}', NULL)"
        )
        connection.commit()


def version_of(path: Path) -> str:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return str(connection.execute("SELECT version_num FROM alembic_version").fetchone()[0])


async def test_an_upgrade_keeps_everything_and_the_file_of_before(config: Config) -> None:
    path = config.folder / "parley.db"
    at_version(path, "0001")
    store = await open_store(config.database)
    assert [heard.id for heard in await store.undone()] == [7]
    await store.close()
    assert version_of(path) == "0002"
    assert version_of(path.with_name("parley.db.before-0002")) == "0001"
    assert not path.with_name("parley.db.new").exists()


async def test_an_upgrade_that_fails_half_way_leaves_the_file_to_the_version_of_before(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    from alembic import op

    path = config.folder / "parley.db"
    at_version(path, "0001")
    before = path.read_bytes()
    real = op.create_index

    def failing(name: str, *args: object, **given: object) -> None:
        if name == "answers_at":
            raise RuntimeError("the power has gone")
        real(name, *args, **given)  # type: ignore[arg-type]

    monkeypatch.setattr(op, "create_index", failing)
    with pytest.raises(RuntimeError, match="power"):
        await open_store(config.database)
    assert path.read_bytes() == before
    assert version_of(path) == "0001"
    monkeypatch.setattr(op, "create_index", real)
    path.with_name("parley.db.new").write_bytes(b"what a process that was killed has left")
    store = await open_store(config.database)
    assert [heard.id for heard in await store.undone()] == [7]
    await store.close()


async def test_an_upgrade_waits_until_nobody_else_has_the_file_open(config: Config) -> None:
    path = config.folder / "parley.db"
    at_version(path, "0001")
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("INSERT INTO notes VALUES ('a', 'b', '{}')")
        other.execute("BEGIN")
        other.execute("SELECT * FROM notes").fetchall()  # it reads, so the log cannot be emptied
        with contextlib.closing(sqlite3.connect(path)) as third:
            third.execute("INSERT INTO notes VALUES ('c', 'd', '{}')")
            third.commit()
        with pytest.raises(StorageError, match="Another program has"):
            await open_store(config.database)
    assert version_of(path) == "0001"
    store = await open_store(config.database)
    assert await store.noted("c", "d") == {}
    await store.close()
