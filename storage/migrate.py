"""Bringing a database's tables up to date, at start."""

import contextlib
import sqlite3
from pathlib import Path

from storage.engine import StorageError

__all__ = ["HEAD", "migrate"]

HEAD = "0002"  # the newest file in migrations/versions; a test holds the two together


def migrate(path: Path) -> None:
    """Bring the SQLite file at `path` up to `HEAD`. Raises `StorageError` for a file from a newer Parley."""
    version = _version(path)
    if version == HEAD:
        return  # the usual case: alembic need not even be imported
    if version is not None and version > HEAD:
        raise StorageError(
            f"{path} was written by a newer Parley (its tables are at version {version}, this one knows {HEAD}). "
            "Install that version again, or put a backup from before the upgrade in its place."
        )
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.attributes["path"] = path
    command.upgrade(config, "head")


def _version(path: Path) -> str | None:
    with contextlib.closing(sqlite3.connect(path, timeout=5)) as connection:
        if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'").fetchone():
            return None
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        return str(row[0]) if row else None
