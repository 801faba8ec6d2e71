"""What is asked of storage, in the words of a conversation."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, insert, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from storage.context import Context, asked_in, said_in
from storage.engine import Database
from storage.migrate import migrate
from storage.offers import put_offer
from storage.prepared import Prepared
from storage.records import Bill, File, Heard, Line, Offer, Post, State
from storage.tables import bills, files, inbox, lines, posts
from storage.uploads import Uploads

__all__ = ["Store", "open_store"]


_UNDONE: tuple[State, ...] = ("received", "running", "answered")
_HEARD = (
    inbox.c.id,
    inbox.c.platform,
    inbox.c.tenant,
    inbox.c.channel,
    inbox.c.event,
    inbox.c.state,
    inbox.c.attempts,
    inbox.c.received_at,
    inbox.c.body,
    inbox.c.answer,
    inbox.c.reserved,
)

_KEY = ("platform", "tenant", "channel")
_ACCEPT = Prepared(
    upsert(inbox).on_conflict_do_nothing().returning(inbox.c.id),
    *(*_KEY, "event", "state", "attempts", "received_at", "body", "person", "direct"),
)
_THIS = inbox.c.id == bindparam("heard")
_BEGIN = Prepared(update(inbox).where(_THIS).values(state="running", reserved=bindparam("micro")))
_RESERVE = Prepared(update(inbox).where(_THIS).values(reserved=bindparam("micro")))
_ANSWERED = Prepared(update(inbox).where(_THIS).values(state="answered", answer=bindparam("text"), reserved=0))
_FINISH = Prepared(update(inbox).where(_THIS).values(state=bindparam("ending"), body="", answer=None))
_NEW_POST = upsert(posts)
_POSTED = Prepared(
    _NEW_POST.on_conflict_do_update(
        index_elements=["heard", "part"], set_={"message_id": _NEW_POST.excluded.message_id}
    ),
    *("heard", "part", "message_id"),
)
_NOTHING: Mapping[int, str] = {}
_SAID = Prepared(insert(lines), *_KEY, "role", "message_id", "author_id", "author", "text", "at", "complete")
_USED = Prepared(
    insert(bills),
    *(*_KEY, "person", "skill", "provider", "model", "role", "input_tokens", "output_tokens", "pictures", "seconds"),
    *("estimated", "cached_tokens", "cost", "direct", "at"),
)


class Store(Context, Uploads):
    """The open store. Every method that writes returns after its commit."""

    async def close(self) -> None:
        await self.database.close()

    @property
    def trouble(self) -> str:
        """Why nothing can be stored just now; empty when all is well."""
        return self.database.trouble

    async def ping(self) -> None:
        """Raise when the database cannot be read and written. After trouble, something is really written."""

        def look(connection: Connection) -> None:
            connection.execute(select(1))

        await self.database.read(look)
        if self.trouble:
            await self.note("", "ping", {"at": datetime.now(UTC).isoformat(), "room": "." * 4096})
        else:
            await self.database.write(look)

    # The inbox: received → running → answered → done, or failed, or expired.

    async def accept(
        self, key: tuple[str, str, str], event: str, body: str, person: str = "", *, direct: bool = False
    ) -> int | None:
        """Take a question in; its number, or None when the same event is there already. `direct` says that it was asked
        in private.
        """
        row = {
            "platform": key[0],
            "tenant": key[1],
            "channel": key[2],
            "event": event,
            "state": "received",
            "attempts": 0,
            "received_at": datetime.now(UTC),
            "body": body,
            "person": person,
            "direct": direct,
        }

        def work(connection: Connection) -> int | None:
            accepted = _ACCEPT.run(connection, row)
            return accepted[0][0] if accepted else None

        return await self.database.write(work)

    async def undone(self) -> list[Heard]:
        """Every question that was accepted but not finished, oldest first."""

        def work(connection: Connection) -> list[Heard]:
            rows = connection.execute(select(*_HEARD).where(inbox.c.state.in_(_UNDONE)).order_by(inbox.c.id))
            return [Heard(*tuple(row)) for row in rows]

        return await self.database.read(work)

    async def rewrite(self, heard: int, body: str) -> None:
        """The question was changed before it was answered."""

        def work(connection: Connection) -> None:
            connection.execute(update(inbox).where(inbox.c.id == heard, inbox.c.state.in_(_UNDONE)).values(body=body))

        await self.database.write(work)

    async def join(self, earlier: int, heard: int, body: str) -> None:
        """Close a question that is answered together with a later one, whose `body` holds both, all or nothing."""

        def work(connection: Connection) -> None:
            _FINISH.run(connection, {"heard": earlier, "ending": "joined"})
            connection.execute(update(inbox).where(inbox.c.id == heard).values(body=body))

        await self.database.write(work)

    async def reopen_joined(self, key: tuple[str, str, str], event: str, body: str) -> int | None:
        """Take up a question for itself that was to be answered together with one that is gone; its number."""

        def work(connection: Connection) -> int | None:
            heard: int | None = connection.execute(
                update(inbox)
                .where(*asked_in(key), inbox.c.event == event, inbox.c.state == "joined")
                .values(state="received", body=body)
                .returning(inbox.c.id)
            ).scalar_one_or_none()
            return heard

        return await self.database.write(work)

    async def reopen(self, key: tuple[str, str, str], event: str, body: str, since: datetime) -> int | None:
        """Take an answered question up again because it was changed: its number, or None when it is too late.

        It is too late for one that was asked before `since`, or after which more was said in its channel. What it added
        to the context is taken back.
        """

        def work(connection: Connection) -> int | None:
            heard: int | None = (
                connection.execute(
                    select(inbox.c.id).where(
                        *asked_in(key),
                        inbox.c.event == event,
                        inbox.c.state == "done",
                        inbox.c.received_at >= since,
                    )
                )
            ).scalar_one_or_none()
            asked = (
                connection.execute(select(lines.c.id).where(*said_in(key), lines.c.message_id == event).limit(1))
            ).scalar_one_or_none()
            if heard is None or asked is None:
                return None
            after = (connection.execute(select(func.count()).where(*said_in(key), lines.c.id > asked))).scalar_one()
            if after > 1:  # its own answer, and something else
                return None
            connection.execute(delete(lines).where(*said_in(key), lines.c.id >= asked))
            connection.execute(update(inbox).where(inbox.c.id == heard).values(state="received", body=body))
            return heard

        reopened = await self.database.write(work)
        self._revise(key)
        return reopened

    async def again(self, heard: int, body: str) -> bool:
        """Take a question up again that was answered; `False` when it is not answered, or being answered."""

        def work(connection: Connection) -> bool:
            reopened = connection.execute(
                update(inbox).where(inbox.c.id == heard, inbox.c.state == "done").values(state="received", body=body)
            )
            return reopened.rowcount > 0

        return await self.database.write(work)

    async def begin(self, heard: int, reserved: int = 0) -> None:
        """Note that from here on something may be shown for this question, and up to so many micro-dollars spent."""

        def work(connection: Connection) -> None:
            _BEGIN.run(connection, {"heard": heard, "micro": reserved})

        await self.database.write(work)

    async def reserve(self, heard: int, reserved: int) -> None:
        """Note that up to so many micro-dollars, in all, may be spent for a question that was begun."""

        def work(connection: Connection) -> None:
            _RESERVE.run(connection, {"heard": heard, "micro": reserved})

        await self.database.write(work)

    async def attempt(self, heard: int) -> int:
        """Note that a question is taken up once more after a crash; how often that was."""

        def work(connection: Connection) -> int:
            attempts: int = connection.execute(
                update(inbox)
                .where(inbox.c.id == heard)
                .values(attempts=inbox.c.attempts + 1)
                .returning(inbox.c.attempts)
            ).scalar_one()
            return attempts

        return await self.database.write(work)

    async def posted(self, heard: int, part: int, message_id: str) -> None:
        """Remember under which id a part of the answer is shown."""

        def work(connection: Connection) -> None:
            _POSTED.run(connection, {"heard": heard, "part": part, "message_id": message_id})

        await self.database.write(work)

    async def posts(self, heard: int) -> list[Post]:
        """The visible messages of an answer, in order."""

        def work(connection: Connection) -> list[Post]:
            rows = connection.execute(
                select(posts.c.part, posts.c.message_id).where(posts.c.heard == heard).order_by(posts.c.part)
            )
            return [Post(*row) for row in rows]

        return await self.database.read(work)

    async def answered(
        self,
        heard: int,
        *,
        key: tuple[str, str, str],
        answer: str,
        said: Sequence[Line],
        used: Sequence[Bill],
        person: str,
        skill: str,
        attached: Sequence[File] = (),
        offer: Offer | None = None,
        again: bool = False,
        direct: bool = False,
    ) -> None:
        """Keep an answer, what it adds to the context, its files, its bill and what it offers, all or nothing.

        With `again`, it takes the place of an answer to the same question in the context.
        """
        now = datetime.now(UTC)
        where: dict[str, Any] = {"platform": key[0], "tenant": key[1], "channel": key[2]}
        new_lines = [
            where
            | {
                "role": line.role,
                "message_id": line.message_id,
                "author_id": line.author_id,
                "author": line.author,
                "text": line.text,
                "at": line.at or now,
                "complete": line.complete,
            }
            for line in said
        ]
        new_bills = [
            where
            | {
                "person": person,
                "skill": skill,
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
                "direct": direct,
                "at": now,
            }
            for bill in used
        ]

        def work(connection: Connection) -> None:
            _ANSWERED.run(connection, {"heard": heard, "text": answer})
            if new_lines:
                fresh = [line for line in new_lines if not again or not _said_anew(connection, line)]
                if fresh:
                    _SAID.run_for_each(connection, fresh)
            if new_bills:
                _USED.run_for_each(connection, new_bills)
            for file in attached:
                connection.execute(_put(file, heard))
            if offer is not None:
                put_offer(connection, heard, key, offer, person=person, skill=skill)

        await self.database.write(work)
        if again:
            self._revise(key)
        self._revisions += 1
        recent = self._recent.get(key)
        if recent is not None:
            recent.extend(replace(line, at=line.at or now) for line in said)

    async def finish(
        self, heard: int, state: State = "done", *, files_too: bool = False, shown: Mapping[int, str] = _NOTHING
    ) -> None:
        """Close a question. Its text, its answer and its files are wiped here: the context holds what was said.

        `shown` are the ids of parts of its answer that were posted just now.
        """

        def work(connection: Connection) -> None:
            for part, message_id in shown.items():
                _POSTED.run(connection, {"heard": heard, "part": part, "message_id": message_id})
            _FINISH.run(connection, {"heard": heard, "ending": state})
            if files_too:
                connection.execute(delete(files).where(files.c.heard == heard, ~files.c.kept))

        await self.database.write(work)

    # The bill.

    async def spent(self, platform: str, tenant: str, since: datetime) -> dict[str, int]:
        """How often each `provider:model` was called in a community since then."""

        def work(connection: Connection) -> dict[str, int]:
            name = bills.c.provider + ":" + bills.c.model
            rows = connection.execute(
                select(name, func.count())
                .where(bills.c.platform == platform, bills.c.tenant == tenant, bills.c.at >= since)
                .group_by(name)
            )
            return {str(row[0]): int(row[1]) for row in rows}

        return await self.database.read(work)


def _said_anew(connection: Connection, line: dict[str, Any]) -> bool:
    """Put a line in the place of the one that was said for the same message; `False` when there is none."""
    here = said_in((line["platform"], line["tenant"], line["channel"]))
    changed = connection.execute(
        update(lines)
        .where(*here, lines.c.message_id == line["message_id"], lines.c.role == line["role"])
        .values(text=line["text"], complete=line["complete"])
    )
    return changed.rowcount > 0


def _put(file: File, heard: int | None) -> Any:
    return (
        upsert(files)
        .values(
            id=file.id,
            name=file.name,
            media_type=file.media_type,
            alt=file.alt,
            data=file.data,
            at=datetime.now(UTC),
            heard=heard,
        )
        .on_conflict_do_nothing()
    )


async def open_store(url: str) -> Store:
    """Open the database at an SQLAlchemy address, bringing its tables up to date. Raises `StorageError`."""
    database = Database(url)
    await database.open(migrate)
    return Store(database)
