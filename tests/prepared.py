"""Data folders as a first start leaves them. Their tables are made once: that takes as long as many a test."""

import functools
import tempfile
from pathlib import Path

from storage.migrate import migrate

__all__ = ["prepared"]


def prepared(folder: Path) -> Path:
    """Put a database with nothing in its tables into this folder, and return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "parley.db").write_bytes(_empty())
    return folder


@functools.cache
def _empty() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "parley.db"
        migrate(path)
        return path.read_bytes()
