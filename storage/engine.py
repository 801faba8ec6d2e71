"""The database itself: one writer that commits in groups, a few readers, and a lock that keeps a second process out.

SQLAlchemy runs in threads of its own here, and the event loop waits for whole pieces of work, not for each statement:
that costs a fraction of the time per statement (docs/decisions/0007-storage-threads.md).
"""

import asyncio
import contextlib
import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from filelock import FileLock, Timeout
from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

__all__ = ["Database", "InUse", "StorageError", "StorageTrouble", "WrongAddress"]

StorageTrouble = SQLAlchemyError  # what reading and writing raise

T = TypeVar("T")
Work = Callable[[Connection], T]

_GROUP = 64  # writes committed together at most: enough to share the disk's wait, few enough to keep it short
_READERS = 2
_SOON_SECONDS = 0.05  # for which a write that nobody waits for is held back
_MISTAKES = ("SQLITE_CONSTRAINT", "SQLITE_ERROR")  # of a statement, not of the database
_BUSY_SECONDS = 5  # for which another process may hold the database before a write fails


class StorageError(Exception):
    """The database cannot be used; the text says why and what to do. Nothing has been changed."""


class InUse(StorageError):
    """Another process has the database open."""


class WrongAddress(StorageError):
    """DATABASE_URL is not one that can be used."""


@dataclass(slots=True)
class _Write:
    work: Work[Any]
    done: "asyncio.Future[Any]"
    alone: bool = False  # in no transaction
    soon: bool = False  # it may wait a moment for others to be committed with
    result: Any = None
    error: BaseException | None = None


class Database:
    """An open SQLite file.

    All writing goes through one thread and is committed in groups: a write returns only after its commit, yet a burst
    of them shares one wait for the disk. A write that fails is undone alone. Work is given as a function of a
    connection; it may be run a second time if another write of its group failed.
    """

    def __init__(self, url: str) -> None:
        try:
            parsed = make_url(url)
        except (ArgumentError, ValueError):
            raise WrongAddress("DATABASE_URL is no address. Write sqlite:///path/to/parley.db.") from None
        if parsed.get_backend_name() != "sqlite":
            raise WrongAddress(
                f"DATABASE_URL names {parsed.get_backend_name()}, but this version of Parley keeps its data in SQLite. "
                "Write sqlite:///path/to/parley.db, or leave DATABASE_URL empty."
            )
        if not parsed.database or parsed.database == ":memory:":
            raise WrongAddress("DATABASE_URL names no file. Write sqlite:///path/to/parley.db.")
        self.path = Path(parsed.database).expanduser().absolute()
        self._lock = FileLock(f"{self.path}.lock", thread_local=False)
        self._queue: queue.SimpleQueue[_Write | None] = queue.SimpleQueue()
        self._writer: threading.Thread | None = None
        self._readers: ThreadPoolExecutor | None = None
        self._engine: Engine | None = None
        self.trouble = ""  # why it cannot be written just now

    async def open(self, migrate: Callable[[Path], None]) -> None:
        """Lock, check, migrate and open the file. Raises `StorageError`."""
        try:
            await asyncio.to_thread(self._prepare, migrate)
        except Timeout:
            raise InUse(
                f"Another Parley is already using {self.path}. Stop that one, or give this one its own folder with "
                "PARLEY_DATA."
            ) from None
        except OSError as error:
            self._lock.release()
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
        self._engine = _engine(self.path)
        self._readers = ThreadPoolExecutor(_READERS, "storage reader")
        # Not a daemon: whoever leaves without `close` shall notice, rather than lose what is queued.
        self._writer = threading.Thread(target=self._write_all, args=(self._engine,), name="storage writer")
        self._writer.start()

    def _prepare(self, migrate: Callable[[Path], None]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._lock.acquire(blocking=False)
        migrate(self.path)
        with contextlib.closing(sqlite3.connect(self.path, timeout=_BUSY_SECONDS)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")

    def _explain(self, error: sqlite3.DatabaseError) -> str:
        name = _name_of(error)
        if name in ("SQLITE_NOTADB", "SQLITE_CORRUPT"):
            return (
                f"{self.path} is damaged or is not a database ({error}). It was left as it is. Move it away to start "
                "afresh, or put a backup in its place."
            )
        if name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN")):
            return f"{self.path} cannot be written ({error}). Check who owns it, or set PARLEY_DATA."
        if name.startswith("SQLITE_IOERR"):
            return f"The disk does not take or give what is in {self.path} ({error}). Look after the disk."
        if name == "SQLITE_FULL":
            return f"There is no room left on the disk for {self.path}. Free some space."
        if name in ("SQLITE_BUSY", "SQLITE_LOCKED"):
            return f"Another program keeps {self.path} locked. Find out which, and end it."
        return f"{self.path} cannot be opened: {error}."

    async def write(self, work: Work[T]) -> T:
        """Run `work` in the next group of writes and return its result once that group is committed."""
        if self._writer is None:
            raise StorageError("The database is closed.")
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._queue.put(_Write(work, done))
        return await done

    def write_soon(self, work: Work[None]) -> "asyncio.Future[None]":
        """Run `work` before any later write, in a commit that it shares where another one comes soon: for what may be
        lost in a crash. What is returned need not be awaited.
        """
        if self._writer is None:
            raise StorageError("The database is closed.")
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done.add_done_callback(lambda done: done.exception())  # so that nobody complains that it was not looked at
        self._queue.put(_Write(work, done, soon=True))
        return done

    async def checkpoint(self) -> None:
        """Move everything written into the file itself and empty the log beside it, unless somebody is reading."""

        def work(connection: Connection) -> None:
            driver = connection.connection.driver_connection
            if driver is not None:
                driver.execute("PRAGMA busy_timeout = 100")
                driver.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                driver.execute(f"PRAGMA busy_timeout = {_BUSY_SECONDS * 1000}")

        if self._writer is None:
            raise StorageError("The database is closed.")
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.put(_Write(work, done, alone=True))
        await done

    async def read(self, work: Work[T]) -> T:
        """Run `work` on a reading connection."""
        engine, readers = self._engine, self._readers
        if engine is None or readers is None:
            raise StorageError("The database is closed.")

        def reading() -> T:
            try:
                with engine.connect() as connection:
                    return work(connection)
            except Exception as error:
                self._judge_error(error)
                raise

        return await asyncio.get_running_loop().run_in_executor(readers, reading)

    def _judge(self, writes: list[_Write]) -> None:
        """Whether the database can be written: any write that could be says yes, and some errors say no."""
        if any(write.error is None for write in writes):
            self.trouble = ""
        for write in writes:
            self._judge_error(write.error)

    def _judge_error(self, error: BaseException | None) -> None:
        cause = getattr(error, "orig", error)
        if isinstance(cause, sqlite3.DatabaseError) and _name_of(cause) not in _MISTAKES:
            self.trouble = self._explain(cause)

    def _write_all(self, engine: Engine) -> None:
        """The writer's whole life."""
        with engine.connect() as connection:
            closing = False
            while not closing:
                group = [self._queue.get()]
                if group[0] is not None and group[0].soon:
                    with contextlib.suppress(queue.Empty):
                        group.append(self._queue.get(timeout=_SOON_SECONDS))
                while len(group) < _GROUP and not self._queue.empty():
                    group.append(self._queue.get())
                closing = None in group
                writes = [write for write in group if write is not None and not write.alone]
                if writes and not _committed(connection, writes) and not _is_busy(writes[0].error):
                    for write in writes:  # each for itself, so that only those fail that cannot be done
                        _committed(connection, [write])
                self._judge(writes)
                _tell(writes)
                alone = [write for write in group if write is not None and write.alone]
                for write in alone:
                    _done(connection, write)
                _tell(alone)

    async def close(self) -> None:
        """Finish what is queued, close every connection and give the file free."""
        if self._writer is not None:
            self._queue.put(None)
            await asyncio.to_thread(self._writer.join)
            self._writer = None
        if self._readers is not None:
            await asyncio.to_thread(self._readers.shutdown)
            self._readers = None
        if self._engine is not None:
            await asyncio.to_thread(self._engine.dispose)
            self._engine = None
        self._lock.release()


def _name_of(error: BaseException | None) -> str:
    """SQLite's own name for what went wrong, without its finer distinctions where there are many."""
    name = getattr(error, "sqlite_errorname", "") or ""
    for kind in ("SQLITE_BUSY", "SQLITE_CORRUPT", "SQLITE_CONSTRAINT"):
        if name.startswith(kind):
            return kind
    return name


def _is_busy(error: BaseException | None) -> bool:
    """Whether the whole group has waited in vain: waiting once more for each of its writes would take minutes."""
    return _name_of(getattr(error, "orig", None)) == "SQLITE_BUSY"


def _committed(connection: Connection, group: list[_Write]) -> bool:
    """Do these writes in one transaction; on an error, none of them, and each holds it."""
    driver: Any = connection.connection.driver_connection
    try:
        driver.execute("BEGIN IMMEDIATE")  # by way of SQLAlchemy, this and the commit cost more than a usual write
        for write in group:
            write.result = write.work(connection)
        driver.commit()
    except Exception as error:  # noqa: BLE001 - it belongs to whoever asked for the write
        with contextlib.suppress(sqlite3.Error):  # after some errors SQLite has done so by itself
            driver.rollback()
        for write in group:
            write.error = _known(error)
        return False
    finally:
        if connection.in_transaction():  # as SQLAlchemy sees it, because something was run through it
            connection.rollback()
    for write in group:
        write.error = None
    return True


def _known(error: Exception) -> BaseException:
    """An error of the driver's own as SQLAlchemy raises it, so that nobody has to know of both."""
    if not isinstance(error, sqlite3.Error):
        return error
    return DBAPIError.instance("", None, error, sqlite3.Error, hide_parameters=True)


def _done(connection: Connection, write: _Write) -> None:
    """Do something that is no transaction."""
    try:
        write.result = write.work(connection)
    except Exception as error:  # noqa: BLE001 - it belongs to whoever asked for it
        write.error = _known(error)


def _tell(writes: list[_Write]) -> None:
    """Let everybody who waits know, with one wake-up for each loop (there is one but in tests)."""
    by_loop: dict[asyncio.AbstractEventLoop, list[_Write]] = {}
    for write in writes:
        by_loop.setdefault(write.done.get_loop(), []).append(write)
    for loop, theirs in by_loop.items():
        with contextlib.suppress(RuntimeError):  # the loop was closed: nobody waits any more
            loop.call_soon_threadsafe(_settle, theirs)


def _settle(writes: list[_Write]) -> None:
    for write in writes:
        if write.done.done():
            continue
        if write.error is None:
            write.done.set_result(write.result)
        else:
            write.done.set_exception(write.error)


def _engine(path: Path) -> Engine:
    """Parameters stay out of error messages: they are what people said."""
    engine = create_engine(
        f"sqlite:///{path}",
        connect_args={"timeout": _BUSY_SECONDS, "check_same_thread": False},
        pool_size=_READERS + 1,
        max_overflow=0,
        hide_parameters=True,
    )

    @event.listens_for(engine, "connect")
    def _connected(connection: Any, _record: object) -> None:
        # The driver would otherwise begin its transactions late, as readers, and lose updates when they turn writers.
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.execute("PRAGMA secure_delete = ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begun(connection: Connection) -> None:
        driver: Any = connection.connection.driver_connection
        if not driver.in_transaction:  # the writer begins its own
            driver.execute("BEGIN")

    return engine
