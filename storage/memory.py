"""What is remembered of a channel beyond its newest lines: a summary of those before, and vectors to find lines by.

Where a line that a summary covers is changed or deleted, a trigger in the database takes the summary away, and where
its text is changed, its vector: whoever deletes lines, for whatever reason, need not think of it.
"""

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, insert, select
from sqlalchemy.dialects.sqlite import insert as upsert

from storage.offers import Offers
from storage.records import Bill, Line
from storage.tables import answers, bills, inbox, lines, summaries, vectors

__all__ = ["Forgotten", "KeptText", "Memory", "Numbered"]

_Key = tuple[str, str, str]
_LINE = (
    lines.c.role,
    lines.c.text,
    lines.c.message_id,
    lines.c.author_id,
    lines.c.author,
    lines.c.at,
    lines.c.complete,
)


@dataclass(frozen=True, slots=True)
class Numbered:
    """A line with the number under which it is kept."""

    number: int
    line: Line


@dataclass(frozen=True, slots=True)
class Forgotten:
    """Lines that are no longer shown to a model, the oldest first, and the summary of those before them.

    `after` and `upto` are the numbers of the line before the first of them, and of the last. Where there are too many
    to be read again, `lines` are the newest of them.
    """

    after: int
    upto: int
    summary: str
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class KeptText:
    """The words in what a skill kept with its answer to the message `event`."""

    event: str
    at: datetime
    text: str


class Memory(Offers):
    """The part of the store that remembers at length."""

    async def forgotten(self, key: _Key, first: Line, most_characters: int) -> Forgotten | None:
        """What stands before the line `first` and is not in the channel's summary yet; None where nothing does."""

        def work(connection: Connection) -> Forgotten | None:
            here = _of(lines, key)
            place = connection.execute(
                select(lines.c.id)
                .where(*here, lines.c.message_id == first.message_id, lines.c.role == first.role)
                .order_by(lines.c.id.desc())
                .limit(1)
            ).scalar_one_or_none()
            if place is None:
                return None
            after, summary = summary_in(connection, key)
            rows = connection.execute(
                select(lines.c.id, *_LINE)
                .where(*here, lines.c.id > after, lines.c.id < place)
                .order_by(lines.c.id.desc())
            )
            upto, found, room = 0, list[Line](), most_characters
            for row in rows:
                upto = upto or row[0]
                line = Line(*row[1:])
                room -= len(line.text) + 20
                if room < 0 and found:
                    break
                found.append(line)
            rows.close()
            return Forgotten(after, upto, summary, tuple(found[::-1])) if found else None

        return await self.database.read(work)

    async def summarise(self, key: _Key, gone: Forgotten, text: str, used: Sequence[Bill]) -> bool:
        """Keep `text` as the summary of everything up to `gone.upto`, with what it cost; `False`, and only the cost is
        kept, where one of those lines was changed or deleted in the meantime.
        """
        now = datetime.now(UTC)

        def work(connection: Connection) -> bool:
            for bill in used:
                connection.execute(insert(bills).values(**_bill(key, bill), at=now))
            known, _ = summary_in(connection, key)
            newest = (
                select(lines.c.text)
                .where(*_of(lines, key), lines.c.id > gone.after, lines.c.id <= gone.upto)
                .order_by(lines.c.id.desc())
                .limit(len(gone.lines))
            )
            if known != gone.after or list(connection.execute(newest).scalars())[::-1] != [e.text for e in gone.lines]:
                return False
            value = {"upto": gone.upto, "text": text, "at": now}
            connection.execute(
                upsert(summaries)
                .values(platform=key[0], tenant=key[1], channel=key[2], **value)
                .on_conflict_do_update(index_elements=["platform", "tenant", "channel"], set_=value)
            )
            return True

        return await self.database.write(work)

    async def all_lines(self, key: _Key, limit: int) -> list[Numbered]:
        """The newest `limit` lines of a channel, however old, the oldest first."""
        statement = select(lines.c.id, *_LINE).where(*_of(lines, key)).order_by(lines.c.id.desc()).limit(limit)

        def work(connection: Connection) -> list[Numbered]:
            return [Numbered(row[0], Line(*row[1:])) for row in connection.execute(statement)][::-1]

        return await self.database.read(work)

    async def kept(self, key: _Key, limit: int) -> list[KeptText]:
        """The newest `limit` things that skills kept with answers, oldest first: transcripts, files … Not what only
        its asker could see.
        """
        statement = (
            select(inbox.c.event, answers.c.at, answers.c.about)
            .join(inbox, inbox.c.id == answers.c.heard)
            .where(*_of(answers, key), answers.c.about.is_not(None), answers.c.question.not_like('%"private":true%'))
            .order_by(answers.c.heard.desc())
            .limit(limit)
        )

        def work(connection: Connection) -> list[KeptText]:
            return [
                KeptText(row.event, row.at, "\n".join(_strings(row.about))) for row in connection.execute(statement)
            ][::-1]

        return await self.database.read(work)

    async def vectors(self, numbers: Sequence[int], model: str) -> dict[int, "array[float]"]:
        """The vectors that a model made of these lines, as far as it has made them, by the number of the line."""

        def work(connection: Connection) -> dict[int, "array[float]"]:
            found: dict[int, array[float]] = {}
            for some in _some(numbers):
                rows = connection.execute(
                    select(vectors.c.line, vectors.c.vector).where(vectors.c.model == model, vectors.c.line.in_(some))
                )
                found.update((row.line, array("f", row.vector)) for row in rows)
            return found

        return await self.database.read(work)

    async def keep_vectors(self, made: Mapping[int, Sequence[float]], model: str) -> None:
        """Keep what a model made of these lines; a line that is gone by now is left out."""

        def work(connection: Connection) -> None:
            for some in _some(list(made)):
                there = set(connection.execute(select(lines.c.id).where(lines.c.id.in_(some))).scalars())
                rows = [
                    {"line": number, "model": model, "vector": array("f", made[number]).tobytes()} for number in there
                ]
                if rows:
                    connection.execute(upsert(vectors).on_conflict_do_nothing(), rows)

        await self.database.write(work)


def _strings(about: Any) -> Iterator[str]:
    """Every text in a piece of JSON."""
    if isinstance(about, str):
        yield about
    elif isinstance(about, dict | list):
        for each in about.values() if isinstance(about, dict) else about:
            yield from _strings(each)


def summary_in(connection: Connection, key: _Key) -> tuple[int, str]:
    """The number of the last line that a channel's summary covers, and the summary; 0 where there is none."""
    known = connection.execute(select(summaries.c.upto, summaries.c.text).where(*_of(summaries, key))).first()
    return (known.upto, known.text) if known else (0, "")


def _of(table: Any, key: _Key) -> tuple[Any, ...]:
    return (table.c.platform == key[0], table.c.tenant == key[1], table.c.channel == key[2])


def _some(numbers: Sequence[int]) -> Iterable[Sequence[int]]:
    """So many at a time as SQLite takes values in one statement."""
    return (numbers[start : start + 500] for start in range(0, len(numbers), 500))


def _bill(key: _Key, bill: Bill) -> dict[str, Any]:
    return {
        "platform": key[0],
        "tenant": key[1],
        "channel": key[2],
        "person": "",
        "skill": "chat",
        "provider": bill.provider,
        "model": bill.model,
        "role": bill.role,
        "input_tokens": bill.input_tokens,
        "output_tokens": bill.output_tokens,
        "pictures": bill.pictures,
        "seconds": bill.seconds,
        "estimated": bill.estimated,
        "cached_tokens": bill.cached_tokens,
        "cost": bill.cost,
    }
