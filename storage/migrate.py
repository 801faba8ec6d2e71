"""Bringing a database's tables up to date, at start: in a copy, which takes the file's place once it is complete."""

import contextlib
import os
import shutil
import sqlite3
import time
from pathlib import Path

from storage.engine import StorageError

__all__ = ["HEAD", "migrate"]

HEAD = "0002"  # the newest file in migrations/versions; a test holds the two together
_KEPT_SECONDS = 30 * 86400.0  # for which the file from before an upgrade is kept


def migrate(path: Path) -> None:
    """Bring the SQLite file at `path` up to `HEAD`. Raises `StorageError` for a file from a newer Parley.

    Whatever goes wrong half-way, the file is as it was, and the version of before can still be started on it. The file
    of before is kept beside it for a month, as `parley.db.before-0002`.
    """
    version = _version(path)
    _drop_old_copies(path)
    if version == HEAD:
        return  # the usual case: alembic need not even be imported
    if version is not None and version > HEAD:
        raise StorageError(
            f"{path} was written by a newer Parley (its tables are at version {version}, this one knows {HEAD}). "
            "Install that version again, or put a backup from before the upgrade in its place."
        )
    copy = path.with_name(f"{path.name}.new")
    _remove(copy)
    try:
        _copy(path, copy)
        _upgrade(copy)
        if version is not None:
            _keep(path, path.with_name(f"{path.name}.before-{HEAD}"))
        copy.replace(path)
    finally:
        _remove(copy)


def _version(path: Path) -> str | None:
    if not path.exists():
        return None
    with contextlib.closing(sqlite3.connect(path, timeout=5)) as connection:
        if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'").fetchone():
            return None
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        return str(row[0]) if row else None


def _copy(path: Path, copy: Path) -> None:
    """The file as it stands, with what is still in the log beside it, which is empty afterwards."""
    with contextlib.closing(sqlite3.connect(path, timeout=5)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        with contextlib.closing(sqlite3.connect(copy)) as target:
            connection.backup(target)
    log = path.with_name(f"{path.name}-wal")
    if log.exists() and log.stat().st_size:
        raise StorageError(f"Another program has {path} open. End it, and start again: the database is to be upgraded.")


def _upgrade(path: Path) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.attributes["path"] = path
    command.upgrade(config, "head")
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")  # all of it in the one file that takes the other's place
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _keep(path: Path, backup: Path) -> None:
    _remove(backup)
    try:
        os.link(path, backup)
    except OSError:  # this kind of disk has no second names for a file
        shutil.copyfile(path, backup)
    os.utime(backup)


def _drop_old_copies(path: Path) -> None:
    for backup in path.parent.glob(f"{path.name}.before-*"):
        with contextlib.suppress(OSError):
            if time.time() - backup.stat().st_mtime > _KEPT_SECONDS:
                backup.unlink()


def _remove(path: Path) -> None:
    for each in (path, *(path.with_name(path.name + end) for end in ("-wal", "-shm", "-journal"))):
        each.unlink(missing_ok=True)
