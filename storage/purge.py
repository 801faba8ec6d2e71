"""What is too old goes: a little at a time, so that nobody waits for it, and never much at once on a clock's word."""

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Column, Connection, Table, and_, delete, func, select, tuple_, update

from storage.privacy import erase_left
from storage.records import State
from storage.store import Store
from storage.tables import bills, feedback, inbox, lines, notes, summaries, uploads
from storage.uploads import UPLOAD_HOURS

__all__ = ["Kept", "purge"]

_CHUNK = 200  # rows deleted in one write
_STEP = timedelta(days=2)  # which one purge goes further than the last, at most
_OVER: tuple[State, ...] = ("done", "failed", "expired", "joined")
_NOTE = ("", "purged")  # under which it is noted how far the last purge went


@dataclass(frozen=True, slots=True)
class Kept:
    """For how many days what was said is kept, how many of a channel's newest lines at most, and for how many days
    bills are; who caused them is forgotten with what was said.
    """

    days: int = 30
    messages: int = 1000
    bills: int = 400


async def purge(store: Store, kept: Kept, now: datetime | None = None) -> Counter[str]:
    """Delete what is older, and from channels what is more; how many rows of each table went.

    A clock that is suddenly far ahead makes it delete two days' worth, not everything.
    """
    now = now or datetime.now(UTC)
    last = await store.noted(*_NOTE)
    if last is not None:
        now = min(now, datetime.fromisoformat(last["now"]) + _STEP)
    before = now - timedelta(days=kept.days)
    gone: Counter[str] = Counter()
    gone["lines"] += await _oldest(store, lines, lines.c.at, before)
    gone["lines"] += await _more_than(store, kept.messages)
    gone["inbox"] += await _questions(store, min(before, now - timedelta(days=2)))  # a day of them is what quotas count
    gone["feedback"] += await _oldest(store, feedback, feedback.c.at, before, by=feedback.c.heard)
    gone["summaries"] += await _summaries(store, before)
    gone["bills"] += await _oldest(store, bills, bills.c.at, now - timedelta(days=kept.bills))
    gone["uploads"] += await _every(store, uploads, uploads.c.at < now - timedelta(hours=UPLOAD_HOURS))
    gone["notes"] += await _every(store, notes, notes.c.until < now)
    store.notes_erased += bool(gone["notes"])
    gone["communities"] += await erase_left(store, before)
    await _forget_who(store, before, int((last or {}).get("bills", 0)), now)
    if gone["lines"]:
        store.forget_recent()
    if gone.total():
        await store.database.checkpoint()
    return +gone


async def _oldest(
    store: Store, table: Table, at: Column[Any], before: datetime, *, by: Column[Any] | None = None
) -> int:
    """Delete rows that are older, beginning with the first; rows are in about the order of their time."""
    key = table.c.id if by is None else by
    after, gone = -1, 0
    while True:

        def work(connection: Connection, after: int = after) -> tuple[int, int, bool]:
            rows = connection.execute(select(key, at).where(key > after).order_by(key).limit(_CHUNK)).all()
            old = [row[0] for row in rows if row[1] < before]
            if old:
                connection.execute(delete(table).where(key.in_(old), at < before))
            return len(old), rows[-1][0] if rows else after, bool(old) and len(rows) == _CHUNK

        found, after, more = await store.database.write(work)
        gone += found
        if not more:
            return gone


async def _questions(store: Store, before: datetime) -> int:
    """Delete closed questions with all that hangs on them. The newest stays, so that no number is given twice."""
    after, gone = -1, 0
    newest = select(func.max(inbox.c.id)).scalar_subquery()
    while True:

        def work(connection: Connection, after: int = after) -> tuple[int, int, bool]:
            statement = select(inbox.c.id, inbox.c.received_at, inbox.c.state).where(
                inbox.c.id > after, inbox.c.id < newest
            )
            rows = connection.execute(statement.order_by(inbox.c.id).limit(_CHUNK)).all()
            old = [row.id for row in rows if row.received_at < before]
            over = [row.id for row in rows if row.received_at < before and row.state in _OVER]
            if over:
                connection.execute(delete(feedback).where(feedback.c.heard.in_(over)))
                connection.execute(delete(inbox).where(inbox.c.id.in_(over)))
            return len(over), rows[-1].id if rows else after, bool(old) and len(rows) == _CHUNK

        found, after, more = await store.database.write(work)
        gone += found
        if not more:
            return gone


async def _more_than(store: Store, most: int) -> int:
    """Of channels in which more was said than is kept, delete what was said first."""
    key = (lines.c.platform, lines.c.tenant, lines.c.channel)
    statement = select(*key).group_by(*key).having(func.count() > most)

    def crowded(connection: Connection) -> list[tuple[str, str, str]]:
        return [(row[0], row[1], row[2]) for row in connection.execute(statement)]

    gone = 0
    for channel in await store.database.read(crowded):
        here = and_(*(column == value for column, value in zip(key, channel, strict=True)))
        first = select(lines.c.id).where(here).order_by(lines.c.id.desc()).limit(1).offset(most - 1).scalar_subquery()
        some = select(lines.c.id).where(here, lines.c.id < first).order_by(lines.c.id).limit(_CHUNK)

        def work(connection: Connection, some: Any = some) -> int:
            return connection.execute(delete(lines).where(lines.c.id.in_(some))).rowcount

        while found := await store.database.write(work):
            gone += found
    return gone


async def _every(store: Store, table: Table, old: Any) -> int:
    """Delete every row that is `old`; what is asked for has an index."""
    keys = tuple(table.primary_key.columns)
    gone = 0
    while True:

        def work(connection: Connection) -> int:
            rows = select(*keys).where(old).limit(_CHUNK)
            return connection.execute(delete(table).where(tuple_(*keys).in_(rows))).rowcount

        gone += (found := await store.database.write(work))
        if not found:
            return gone


async def _summaries(store: Store, before: datetime) -> int:
    def work(connection: Connection) -> int:
        return connection.execute(delete(summaries).where(summaries.c.at < before)).rowcount

    return await store.database.write(work)


async def _forget_who(store: Store, before: datetime, after: int, now: datetime) -> None:
    """Leave on older bills what was paid for, not for whom; note how far that, and the purge, went."""
    while True:

        def work(connection: Connection, after: int = after) -> tuple[int, bool]:
            rows = connection.execute(
                select(bills.c.id, bills.c.at).where(bills.c.id > after).order_by(bills.c.id).limit(_CHUNK)
            ).all()
            old = [row.id for row in rows if row.at < before]
            if old:
                connection.execute(update(bills).where(bills.c.id.in_(old)).values(person="", channel=""))
            return old[-1] if old else after, bool(old) and len(rows) == _CHUNK

        after, more = await store.database.write(work)
        if not more:
            break
    await store.note(*_NOTE, {"now": now.isoformat(), "bills": after})
