"""The database itself: one writer that commits in groups, a few readers, and a lock that keeps a second process out."""

import asyncio
import contextlib
import sqlite3
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from filelock import FileLock, Timeout
from sqlalchemy import event, make_url, text
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import StaticPool

__all__ = ["Database", "StorageError"]

T = TypeVar("T")
Work = Callable[[AsyncConnection], Awaitable[T]]

_GROUP = 64  # writes committed together at most: enough to share the disk's wait, few enough to keep it short


class StorageError(Exception):
    """The database cannot be used; the text says why and what to do. Nothing has been changed."""


@dataclass(slots=True)
class _Write:
    work: Work[Any]
    done: "asyncio.Future[Any]"


class Database:
    """An open SQLite file.

    All writing goes through one connection and is committed in groups: a write returns only after its commit, yet a
    burst of them shares one wait for the disk. A write that fails is undone alone.
    """

    def __init__(self, url: str) -> None:
        try:
            parsed = make_url(url)
        except (ArgumentError, ValueError):
            raise StorageError("DATABASE_URL is no address. Write sqlite:///path/to/parley.db.") from None
        if parsed.get_backend_name() != "sqlite":
            raise StorageError(
                f"DATABASE_URL names {parsed.get_backend_name()}, but this version of Parley keeps its data in SQLite. "
                "Write sqlite:///path/to/parley.db, or leave DATABASE_URL empty."
            )
        if not parsed.database or parsed.database == ":memory:":
            raise StorageError("DATABASE_URL names no file. Write sqlite:///path/to/parley.db.")
        self.path = Path(parsed.database).expanduser().absolute()
        self._lock = FileLock(f"{self.path}.lock", thread_local=False)
        self._queue: asyncio.Queue[_Write | None] = asyncio.Queue()
        self._writer: asyncio.Task[None] | None = None
        self._write_engine: AsyncEngine | None = None
        self._read_engine: AsyncEngine | None = None

    async def open(self, migrate: Callable[[Path], None]) -> None:
        """Lock, check, migrate and open the file. Raises `StorageError`."""
        try:
            await asyncio.to_thread(self._prepare, migrate)
        except Timeout:
            raise StorageError(
                f"Another Parley is already using {self.path}. Stop that one, or give this one its own folder with "
                "PARLEY_DATA."
            ) from None
        except OSError as error:
            raise StorageError(
                f"{self.path.parent} cannot be used: {error.strerror or error}. "
                "Name a folder that can be written with PARLEY_DATA."
            ) from None
        except sqlite3.DatabaseError as error:
            self._lock.release()
            raise StorageError(self._explain(error)) from None
        except BaseException:
            self._lock.release()
            raise
        self._write_engine = _engine(self.path, "BEGIN IMMEDIATE", poolclass=StaticPool)
        self._read_engine = _engine(self.path, "BEGIN", pool_size=4, max_overflow=0)
        self._writer = asyncio.create_task(self._write_all(), name="storage writer")

    def _prepare(self, migrate: Callable[[Path], None]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._lock.acquire(blocking=False)
        with contextlib.closing(sqlite3.connect(self.path, timeout=5)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
        migrate(self.path)

    def _explain(self, error: sqlite3.DatabaseError) -> str:
        name = getattr(error, "sqlite_errorname", "") or ""
        if name in ("SQLITE_NOTADB", "SQLITE_CORRUPT"):
            return (
                f"{self.path} is damaged or is not a database ({error}). It was left as it is. Move it away to start "
                "afresh, or put a backup in its place."
            )
        if name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN")):
            return f"{self.path} cannot be written ({error}). Check who owns it, or set PARLEY_DATA."
        if name == "SQLITE_FULL":
            return f"There is no room left on the disk for {self.path}. Free some space and start again."
        return f"{self.path} cannot be opened: {error}."

    async def write(self, work: Work[T]) -> T:
        """Run `work` in the next group of writes and return its result once that group is committed."""
        if self._writer is None or self._writer.done():
            raise StorageError("The database is closed.")
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._queue.put_nowait(_Write(work, done))
        return await done

    async def read(self, work: Work[T]) -> T:
        """Run `work` on a reading connection."""
        if self._read_engine is None:
            raise StorageError("The database is closed.")
        async with self._read_engine.connect() as connection:
            return await work(connection)

    async def _write_all(self) -> None:
        assert self._write_engine is not None
        closing = False
        while not closing:
            group = [await self._queue.get()]
            while len(group) < _GROUP and not self._queue.empty():
                group.append(self._queue.get_nowait())
            closing = None in group
            await self._write_group([write for write in group if write is not None])

    async def _write_group(self, group: list[_Write]) -> None:
        assert self._write_engine is not None
        finished: list[tuple[_Write, Any]] = []
        try:
            async with self._write_engine.begin() as connection:
                for write in group:
                    try:
                        async with connection.begin_nested():
                            finished.append((write, await write.work(connection)))
                    except Exception as error:  # noqa: BLE001 - it belongs to whoever asked for this write
                        _fail(write, error)
        except Exception as error:  # noqa: BLE001 - nothing of this group was committed: all of them are told
            for write in group:
                _fail(write, error)
        else:
            for write, result in finished:
                if not write.done.done():
                    write.done.set_result(result)

    async def close(self) -> None:
        """Finish what is queued, close every connection and give the file free."""
        if self._writer is not None:
            self._queue.put_nowait(None)
            await self._writer
            self._writer = None
        if self._read_engine is not None:
            await self._read_engine.dispose()
            self._read_engine = None
        if self._write_engine is not None:
            async with self._write_engine.connect() as connection:
                await connection.execute(text("PRAGMA optimize"))
            await self._write_engine.dispose()
            self._write_engine = None
        self._lock.release()


def _fail(write: _Write, error: Exception) -> None:
    if not write.done.done():
        write.done.set_exception(error)


def _engine(path: Path, begin: str, **pool: Any) -> AsyncEngine:
    engine = create_async_engine(f"sqlite+aiosqlite:///{path}", connect_args={"timeout": 5}, **pool)

    @event.listens_for(engine.sync_engine, "connect")
    def _connected(connection: Any, _record: object) -> None:
        # The driver would otherwise begin its transactions late, as readers, and lose updates when they turn writers.
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.execute("PRAGMA secure_delete = ON")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def _begun(connection: Any) -> None:
        connection.exec_driver_sql(begin)

    return engine
