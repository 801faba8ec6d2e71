"""Statements that every turn makes: put into SQL once, and run by the driver itself.

SQLAlchemy writes them, knows the columns and turns values into what SQLite keeps. Run through it, a statement costs
several times what SQLite itself takes for it; so what runs in every turn goes past it, and the rest does not.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import ClauseElement, Connection
from sqlalchemy.dialects import sqlite

__all__ = ["Prepared"]

_DIALECT = sqlite.dialect(paramstyle="named")


class Prepared:
    """A statement whose parameters are given when it is run; of an INSERT, `columns` are those that it fills."""

    def __init__(self, statement: ClauseElement, *columns: str) -> None:
        compiled = statement.compile(dialect=_DIALECT, column_keys=columns or None)
        self.sql = str(compiled)
        self._usual = dict(compiled.params)
        kinds = {name: bind.type.dialect_impl(_DIALECT) for name, bind in compiled.binds.items()}  # type: ignore[attr-defined]
        found = {name: kind.bind_processor(_DIALECT) for name, kind in kinds.items()}
        self._convert = {name: convert for name, convert in found.items() if convert is not None}

    def run(self, connection: Connection, given: Mapping[str, Any]) -> list[Any]:
        """Run it in the transaction of `connection`; what it returns, row by row."""
        rows: list[Any] = _driver(connection).execute(self.sql, self._bound(given)).fetchall()
        return rows

    def run_for_each(self, connection: Connection, given: Iterable[Mapping[str, Any]]) -> None:
        """Run it once for each of these."""
        _driver(connection).executemany(self.sql, [self._bound(each) for each in given])

    def _bound(self, given: Mapping[str, Any]) -> dict[str, Any]:
        bound = {**self._usual, **given}
        for name, convert in self._convert.items():
            bound[name] = convert(bound[name])
        return bound


def _driver(connection: Connection) -> Any:
    return connection.connection.driver_connection
