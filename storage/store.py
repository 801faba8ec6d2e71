"""What is asked of storage, in the words of a conversation."""

from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, insert, or_, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from storage.engine import Database
from storage.migrate import migrate
from storage.offers import Offers, put_offer
from storage.records import Bill, File, Heard, Line, Offer, Post, State
from storage.tables import answers, bills, files, inbox, lines, posts

__all__ = ["Store", "open_store"]


MOST_LINES = 100  # of a channel's context, kept in memory for the channels used last
_RECENT_CHANNELS = 500

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
)

# What every turn does, built once: building a statement costs more than running it.
_ACCEPT = upsert(inbox).on_conflict_do_nothing().returning(inbox.c.id)
_THIS = inbox.c.id == bindparam("heard")
_BEGIN = update(inbox).where(_THIS).values(state="running", attempts=inbox.c.attempts + 1)
_ANSWERED = update(inbox).where(_THIS).values(state="answered", answer=bindparam("text"))
_FINISH = update(inbox).where(_THIS).values(state=bindparam("ending"), body="", answer=None)
_NEW_POST = upsert(posts)
_POSTED = _NEW_POST.on_conflict_do_update(
    index_elements=["heard", "part"], set_={"message_id": _NEW_POST.excluded.message_id}
)
_SAID = insert(lines)
_USED = insert(bills)


class Store(Offers):
    """The open store. Every method that writes returns after its commit."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        # This process is the only one that writes, so what it read or wrote last is what is there.
        self._recent: OrderedDict[tuple[str, str, str], deque[Line]] = OrderedDict()

    async def close(self) -> None:
        await self.database.close()

    async def ping(self) -> None:
        """Raise when the database cannot be read and written."""

        def work(connection: Connection) -> None:
            connection.execute(select(1))

        await self.database.read(work)
        await self.database.write(work)

    # The inbox: received → running → answered → done, or failed, or expired.

    async def accept(self, key: tuple[str, str, str], event: str, body: str, person: str = "") -> int | None:
        """Take a question in; its number, or None when the same event is there already."""
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
        }

        def work(connection: Connection) -> int | None:
            accepted: int | None = connection.execute(_ACCEPT, row).scalar_one_or_none()
            return accepted

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
            connection.execute(_FINISH, {"heard": earlier, "ending": "joined"})
            connection.execute(update(inbox).where(inbox.c.id == heard).values(body=body))

        await self.database.write(work)

    async def reopen_joined(self, key: tuple[str, str, str], event: str, body: str) -> int | None:
        """Take up a question for itself that was to be answered together with one that is gone; its number."""

        def work(connection: Connection) -> int | None:
            heard: int | None = connection.execute(
                update(inbox)
                .where(*_asked_in(key), inbox.c.event == event, inbox.c.state == "joined")
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
                        *_asked_in(key),
                        inbox.c.event == event,
                        inbox.c.state == "done",
                        inbox.c.received_at >= since,
                    )
                )
            ).scalar_one_or_none()
            asked = (
                connection.execute(select(lines.c.id).where(*_in(key), lines.c.message_id == event).limit(1))
            ).scalar_one_or_none()
            if heard is None or asked is None:
                return None
            after = (connection.execute(select(func.count()).where(*_in(key), lines.c.id > asked))).scalar_one()
            if after > 1:  # its own answer, and something else
                return None
            connection.execute(delete(lines).where(*_in(key), lines.c.id >= asked))
            connection.execute(update(inbox).where(inbox.c.id == heard).values(state="received", body=body))
            return heard

        reopened = await self.database.write(work)
        self._recent.pop(key, None)
        return reopened

    async def again(self, heard: int, body: str) -> bool:
        """Take a question up again that was answered; `False` when it is not answered, or being answered."""

        def work(connection: Connection) -> bool:
            reopened = connection.execute(
                update(inbox).where(inbox.c.id == heard, inbox.c.state == "done").values(state="received", body=body)
            )
            return reopened.rowcount > 0

        return await self.database.write(work)

    async def begin(self, heard: int) -> None:
        """Note that from here on something may be spent or shown for this question."""

        def work(connection: Connection) -> None:
            connection.execute(_BEGIN, {"heard": heard})

        await self.database.write(work)

    async def posted(self, heard: int, part: int, message_id: str) -> None:
        """Remember under which id a part of the answer is shown."""

        def work(connection: Connection) -> None:
            connection.execute(_POSTED, {"heard": heard, "part": part, "message_id": message_id})

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
                "at": now,
            }
            for bill in used
        ]

        def work(connection: Connection) -> None:
            connection.execute(_ANSWERED, {"heard": heard, "text": answer})
            if new_lines:
                fresh = [line for line in new_lines if not again or not _said_anew(connection, line)]
                if fresh:
                    connection.execute(_SAID, fresh)
            if new_bills:
                connection.execute(_USED, new_bills)
            for file in attached:
                connection.execute(_put(file, heard))
            if offer is not None:
                put_offer(connection, heard, key, offer, person=person, skill=skill)

        await self.database.write(work)
        if again:
            self._recent.pop(key, None)
        recent = self._recent.get(key)
        if recent is not None:
            recent.extend(replace(line, at=line.at or now) for line in said)

    async def finish(self, heard: int, state: State = "done", *, files_too: bool = False) -> None:
        """Close a question. Its text, its answer and its files are wiped here: the context holds what was said."""

        def work(connection: Connection) -> None:
            connection.execute(_FINISH, {"heard": heard, "ending": state})
            if files_too:
                connection.execute(delete(files).where(files.c.heard == heard, ~files.c.kept))

        await self.database.write(work)

    # The context of a channel.

    async def history(self, key: tuple[str, str, str], limit: int) -> list[Line]:
        """The newest `limit` lines of a channel, at most `MOST_LINES`, oldest first."""
        recent = self._recent.get(key)
        if recent is None:
            statement = (
                select(
                    lines.c.role,
                    lines.c.text,
                    lines.c.message_id,
                    lines.c.author_id,
                    lines.c.author,
                    lines.c.at,
                    lines.c.complete,
                )
                .where(*_in(key))
                .order_by(lines.c.id.desc())
                .limit(MOST_LINES)
            )

            def work(connection: Connection) -> list[Line]:
                return [Line(*row) for row in connection.execute(statement)][::-1]

            recent = deque(await self.database.read(work), MOST_LINES)
            self._recent[key] = recent
            if len(self._recent) > _RECENT_CHANNELS:
                self._recent.popitem(last=False)
        else:
            self._recent.move_to_end(key)
        return list(recent)[-limit:]

    async def amend(self, key: tuple[str, str, str], message_id: str, text: str, question: str = "") -> bool:
        """A person changed what they said; `False` when nothing of it is known, or nothing changed.

        `question` is the message as JSON, for an answer that offers to answer it again.
        """
        asked = select(inbox.c.id).where(*_asked_in(key), inbox.c.event == message_id)

        def work(connection: Connection) -> bool:
            changed = connection.execute(
                update(lines)
                .where(*_in(key), lines.c.message_id == message_id, lines.c.role == "user", lines.c.text != text)
                .values(text=text)
            )
            if changed.rowcount and question:
                connection.execute(update(answers).where(answers.c.heard.in_(asked)).values(question=question))
            return bool(changed.rowcount)

        changed = await self.database.write(work)
        self._recent.pop(key, None)
        return changed

    async def forget(self, key: tuple[str, str, str], message_ids: Sequence[str]) -> None:
        """Messages are gone from the platform, people's or the bot's own: they leave the context too."""
        gone = list(message_ids)

        def work(connection: Connection) -> None:
            for start in range(0, len(gone), 500):  # SQLite takes only so many values in one statement
                some = gone[start : start + 500]
                here = _asked_in(key)
                shown = select(inbox.c.id).join(posts, posts.c.heard == inbox.c.id)
                shown = shown.where(posts.c.message_id.in_(some), *here)
                asked = select(inbox.c.id).where(inbox.c.event.in_(some), *here)
                said = select("re:" + inbox.c.event).where(inbox.c.id.in_(shown))
                connection.execute(
                    delete(lines).where(*_in(key), or_(lines.c.message_id.in_(some), lines.c.message_id.in_(said)))
                )
                for offered in (shown, asked):  # nor does the answer offer anything any more
                    connection.execute(delete(files).where(files.c.kept, files.c.heard.in_(offered)))
                    connection.execute(delete(answers).where(answers.c.heard.in_(offered)))

        await self.database.write(work)
        self._recent.pop(key, None)

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


def _asked_in(key: tuple[str, str, str]) -> tuple[Any, ...]:
    return (inbox.c.platform == key[0], inbox.c.tenant == key[1], inbox.c.channel == key[2])


def _in(key: tuple[str, str, str]) -> tuple[Any, ...]:
    return (lines.c.platform == key[0], lines.c.tenant == key[1], lines.c.channel == key[2])


def _said_anew(connection: Connection, line: dict[str, Any]) -> bool:
    """Put a line in the place of the one that was said for the same message; `False` when there is none."""
    here = _in((line["platform"], line["tenant"], line["channel"]))
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
